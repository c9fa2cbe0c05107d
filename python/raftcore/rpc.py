# SPDX-License-Identifier: Apache-2.0
"""The bodies of messages: one class per RPC of the protocol.

``Message.body`` is one of these, or a :class:`raftcore.Snapshot` (InstallSnapshot).
"""

from dataclasses import dataclass
from typing import TypeAlias

from raftcore._raftcore import Entry, EntryId, Snapshot

__all__ = [
    "Append",
    "AppendReply",
    "Body",
    "Heartbeat",
    "HeartbeatReply",
    "Propose",
    "ReadIndex",
    "ReadIndexReply",
    "TimeoutNow",
    "TransferLeader",
    "Vote",
    "VoteReply",
]

_NO_ENTRY = EntryId(0, 0)


@dataclass(frozen=True, slots=True)
class Propose:
    """A follower passes proposals on to its leader."""

    entries: tuple[Entry, ...]
    """What is proposed; their ids are zero."""


@dataclass(frozen=True, slots=True)
class Append:
    """AppendEntries (thesis section 3.5)."""

    prev: EntryId
    """The entry just before the first of ``entries``."""
    commit: int
    """The leader's commit index."""
    entries: tuple[Entry, ...] = ()
    """Consecutive entries from ``prev.index + 1`` on."""


@dataclass(frozen=True, slots=True)
class AppendReply:
    """Answer to :class:`Append` and to a snapshot."""

    index: int
    """If accepted: the log matches the leader's up to here. If rejected: ``prev.index`` of the
    rejected request."""
    hint: EntryId | None = None
    """``None`` if accepted. Otherwise where the rejecting follower's log might match."""


@dataclass(frozen=True, slots=True)
class Vote:
    """RequestVote (thesis section 3.6) or PreVote (section 9.6)."""

    last: EntryId
    """Last entry of the candidate's log."""
    pre: bool = False
    """Whether it only asks "would you?"."""
    transfer: bool = False
    """Whether a leader asked for this election: then its lease does not protect it."""
    priority: int = 0
    """The candidate's priority."""
    commit: EntryId = _NO_ENTRY
    """The last entry that the candidate knows to be committed."""


@dataclass(frozen=True, slots=True)
class VoteReply:
    """Answer to :class:`Vote`."""

    granted: bool
    """Whether the vote is given."""
    pre: bool = False
    """Whether it answers a PreVote."""
    commit: EntryId = _NO_ENTRY
    """If a node refuses that does not vote any more: the last entry it knows to be committed."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """ "I am the leader." """

    commit: int
    """Never beyond what the receiver is known to have."""
    context: bytes = b""
    """To be repeated in the reply."""


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """Answer to :class:`Heartbeat`."""

    context: bytes = b""
    """The heartbeat's context."""


@dataclass(frozen=True, slots=True)
class TransferLeader:
    """A request for a leadership transfer; the message's sender is the transferee."""


@dataclass(frozen=True, slots=True)
class TimeoutNow:
    """ "Campaign now": ends a leadership transfer (thesis section 3.10)."""


@dataclass(frozen=True, slots=True)
class ReadIndex:
    """A follower asks its leader for a read index (thesis section 6.4)."""

    context: bytes
    """The reader's own token."""


@dataclass(frozen=True, slots=True)
class ReadIndexReply:
    """Answer to :class:`ReadIndex`."""

    index: int
    """Reads at or above this applied index are linearizable."""
    context: bytes
    """The reader's own token."""


Body: TypeAlias = (
    Propose
    | Append
    | AppendReply
    | Vote
    | VoteReply
    | Snapshot
    | Heartbeat
    | HeartbeatReply
    | TransferLeader
    | TimeoutNow
    | ReadIndex
    | ReadIndexReply
)
"""What a message can carry."""
