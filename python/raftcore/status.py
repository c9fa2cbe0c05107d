# SPDX-License-Identifier: Apache-2.0
"""A node's state, for people and for metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from raftcore._raftcore import ConfState, EntryId
from raftcore._renamed import warn_of_old_name
from raftcore.enums import ProgressState, Role, TransferResult

__all__ = ["BasicStatus", "Forwarded", "Progress", "Status", "TransferOutcome"]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What became of a proposal made to a follower: it is on its way to the leader, and its fate is
    not reported."""

    leader: int
    """The leader it was sent to."""


@dataclass(frozen=True, slots=True)
class TransferOutcome:
    """How a leadership transfer ended."""

    to: int
    """The target."""
    result: TransferResult
    """What became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a leader knows of a member."""

    id: int
    """The member."""
    state: ProgressState
    """How it is replicated to."""
    matched: int
    """Highest index known to be in its log."""
    next: int
    """Next index to send."""
    is_learner: bool
    """Whether it is a learner."""
    is_paused: bool
    """Whether nothing is sent until it answers."""
    is_active: bool
    """Whether it was heard from since the last quorum check."""
    pending_snapshot: int
    """Index of a snapshot on its way; 0 if there is none."""
    inflight_messages: int
    """Appends on their way."""
    inflight_bytes: int
    """Payload bytes on their way."""
    is_inflight_full: bool
    """Whether the window of Appends is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicStatus:
    """A node's state as far as it knows it by itself: ``RawNode.basic_status``."""

    id: int
    """The node."""
    term: int
    """Its term."""
    vote: int
    """Whom it voted for in this term; 0 if nobody."""
    commit: int
    """Highest index known to be committed."""
    leader: int | None
    """The leader, if known."""
    role: Role
    """The node's own role."""
    applied: int
    """Last entry known to be applied."""
    persisted: int
    """Last entry known to be stored."""
    last: EntryId
    """Last entry of the log."""
    is_voter: bool
    """Whether the node itself votes."""
    transferee: int | None
    """Target of a pending leadership transfer."""

    @property
    def stabled(self) -> int:
        """The old name of ``persisted``, until the next release."""
        warn_of_old_name("stabled", "persisted")
        return self.persisted


@dataclass(frozen=True, kw_only=True)
class Status(BasicStatus):
    """A node's state."""

    conf_state: ConfState
    """The membership in force."""
    progress: Mapping[int, Progress]
    """On a leader, each member's progress by id, its own included; empty otherwise."""

    @property
    def is_leader(self) -> bool:
        """Whether the node leads."""
        return self.role is Role.LEADER
