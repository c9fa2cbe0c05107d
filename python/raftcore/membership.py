# SPDX-License-Identifier: Apache-2.0
"""Changes of the membership (thesis chapter 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raftcore import _raftcore
from raftcore._raftcore import Entry
from raftcore.enums import ConfChangeKind, Transition

__all__ = ["ConfChange", "ConfChangeOp"]


@dataclass(frozen=True, slots=True)
class ConfChangeOp:
    """An operation on one node. Node 0 makes it void: hosts use that to withdraw a change that
    was already committed."""

    kind: ConfChangeKind
    """What is done."""
    node: int
    """To whom."""


@dataclass(frozen=True, slots=True)
class ConfChange:
    """A membership change: operations carried out in this order.

    More than one operation goes through joint consensus. Propose it with
    ``RawNode.propose_conf_change``; it is in force where its committed entry is applied with
    ``RawNode.apply_conf_change``.
    """

    ops: tuple[ConfChangeOp, ...] = ()
    """The operations."""
    transition: Transition = Transition.AUTO
    """How joint consensus is used."""
    context: bytes = b""
    """The host's own data, say an address. Peers see it in the committed entry."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ops", tuple(self.ops))

    @classmethod
    def add_voter(cls, node: int, context: bytes = b"") -> ConfChange:
        """Makes ``node`` a voter."""
        return cls((ConfChangeOp(ConfChangeKind.ADD_VOTER, node),), context=context)

    @classmethod
    def add_learner(cls, node: int, context: bytes = b"") -> ConfChange:
        """Makes ``node`` a learner; a voter is demoted."""
        return cls((ConfChangeOp(ConfChangeKind.ADD_LEARNER, node),), context=context)

    @classmethod
    def remove(cls, node: int, context: bytes = b"") -> ConfChange:
        """Removes ``node``."""
        return cls((ConfChangeOp(ConfChangeKind.REMOVE, node),), context=context)

    @classmethod
    def update(cls, node: int, context: bytes = b"") -> ConfChange:
        """Changes nothing; carries ``context`` through the log."""
        return cls((ConfChangeOp(ConfChangeKind.UPDATE, node),), context=context)

    @classmethod
    def leave_joint(cls, context: bytes = b"") -> ConfChange:
        """Leaves a joint configuration that was entered with ``Transition.EXPLICIT``."""
        return cls(context=context)

    @classmethod
    def decode(cls, entry: Entry, dialect: Literal["etcd", "tikv"] = "etcd") -> ConfChange:
        """The change that a log entry of kind CONF_CHANGE or CONF_CHANGE_V2 carries.

        Raises:
            DecodeError: if the entry carries none.
        """
        ops, transition, context = _raftcore.decode_conf_change(entry, dialect)
        return cls(
            tuple(ConfChangeOp(ConfChangeKind(kind), node) for kind, node in ops),
            Transition(transition),
            context,
        )

    def encode(self, dialect: Literal["etcd", "tikv"] = "etcd") -> bytes:
        """The payload of an entry of kind CONF_CHANGE_V2 that carries this change."""
        return _raftcore.encode_conf_change(self, dialect)

    def encode_v1(self, dialect: Literal["etcd", "tikv"] = "etcd", *, id: int = 0) -> bytes:
        """The payload of an entry of kind CONF_CHANGE that carries this change and the host's own
        number for it; 0: none.

        Raises:
            ValueError: if the change has not exactly one operation, or a transition.
        """
        return _raftcore.encode_conf_change_v1(self, dialect, id)
