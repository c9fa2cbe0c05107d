# SPDX-License-Identifier: Apache-2.0
"""What became of a proposal or a read that did not succeed."""

from raftcore.errors import RaftError

__all__ = [
    "ConfChangeRefused",
    "NodeStopped",
    "NotLeader",
    "OutcomeUnknown",
    "Rejected",
    "Superseded",
]


class NotLeader(RaftError):
    """This node does not lead: propose at ``leader``, or ask again if that is None."""

    leader: int | None
    """The leader, if known."""

    def __init__(self, message: str = "", leader: int | None = None) -> None:
        super().__init__(message)
        self.leader = leader


class Superseded(RaftError):
    """Another leader's entry took the place of the proposal: it did not take effect, and never
    will."""


class ConfChangeRefused(RaftError):
    """The membership change was committed and changed nothing: it was impossible when its turn
    came (then the ConfChangeError is the ``__cause__``), or, with ``eager_append``, the leader put
    an empty entry in its place."""


class OutcomeUnknown(RaftError):
    """A snapshot covers the place of the proposal: perhaps it took effect."""


class NodeStopped(RaftError):
    """The node has stopped; what stopped it, if it was not left, is the ``__cause__``. What was
    proposed may take effect all the same."""


class Rejected(RaftError):
    """Raise it, or a subclass, in ``Host.apply`` for an entry that the state machine refuses: bad
    input, a condition that is not met. The entry counts as applied, and ``Node.propose`` raises
    this very exception where it was proposed.

    Every node must come to the same: decide by the entry and the state machine alone, and leave the
    state unchanged.
    """
