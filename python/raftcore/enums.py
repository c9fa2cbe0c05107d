# SPDX-License-Identifier: Apache-2.0
"""The enumerations of the library. Their numbers are those of the C interface and of the wire."""

from enum import IntEnum

__all__ = [
    "ConfChangeKind",
    "EntryKind",
    "MessageType",
    "ProgressState",
    "ReadMode",
    "Role",
    "TransferResult",
    "Transition",
]


class Role(IntEnum):
    """The role of a node (thesis section 3.3)."""

    FOLLOWER = 0
    """Answers leaders and candidates."""
    PRE_CANDIDATE = 1
    """Asks whether it could win an election, without disturbing anybody (section 9.6)."""
    CANDIDATE = 2
    """Asks for votes."""
    LEADER = 3
    """Orders the log."""


class TransferResult(IntEnum):
    """What became of a leadership transfer."""

    DONE = 1
    """The target leads."""
    TIMED_OUT = 2
    """The target did not take over within an election timeout; this node leads on."""
    CANCELLED = 3
    """Another transfer was requested, or one to this node itself, which leads on."""
    NOT_VOTER = 4
    """The target is no voter any more; this node leads on."""
    OTHER_LEADER = 5
    """This node lost its leadership, and another than the target leads now, perhaps this node
    again."""


class EntryKind(IntEnum):
    """What the payload of an entry means to Raft."""

    NORMAL = 0
    """The payload belongs to the host. Empty at the start of each term."""
    CONF_CHANGE = 1
    """A membership change of the first version: one operation."""
    CONF_CHANGE_V2 = 2
    """A membership change of the second version: many operations, joint consensus."""


class MessageType(IntEnum):
    """What a message asks or answers; the numbers are those of etcd's ``raftpb``."""

    PROPOSE = 2
    APPEND = 3
    APPEND_REPLY = 4
    VOTE = 5
    VOTE_REPLY = 6
    SNAPSHOT = 7
    HEARTBEAT = 8
    HEARTBEAT_REPLY = 9
    TRANSFER_LEADER = 13
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_REPLY = 16
    PRE_VOTE = 17
    PRE_VOTE_REPLY = 18


class ProgressState(IntEnum):
    """How a leader replicates to a member."""

    PROBE = 0
    """Where the member's log ends is unknown: one Append at a time."""
    REPLICATE = 1
    """Appends are pipelined."""
    SNAPSHOT = 2
    """The member needs a snapshot; nothing else is sent until it has one."""


class ReadMode(IntEnum):
    """How linearizable reads are confirmed (thesis section 6.4)."""

    SAFE = 0
    """By a round of heartbeats: safe whatever the clocks do."""
    LEASE = 1
    """By the leader's lease: no round, but only as good as the clocks. Needs ``check_quorum``.

    A node with this mode grants leases, and does not vote for an election timeout after a start.
    Three conditions are the host's; where one fails, reads may be stale:

    - Ticks of all hosts are equally long: their rates differ by less than one tick in an election
      timeout.
    - A host that was late (paused, busy) gives the node the ticks that it missed,
      ``RawNode.tick(count)``, before it calls ``read_index``.
    - A node that starts with another mode, or with fewer ``election_ticks`` than before, forgets
      what it has granted. It starts no sooner than its old election timeout after it has stopped.

    Members without this mode, or with fewer ``election_ticks`` than the leader, grant no lease.
    Reads take a round where no quorum grants one. So leases may be switched on by restarting one
    node after the other."""


class ConfChangeKind(IntEnum):
    """One operation of a membership change."""

    ADD_VOTER = 0
    """Make the node a voter."""
    REMOVE = 1
    """Remove the node."""
    UPDATE = 2
    """Change nothing; the host may attach a meaning, say a new address."""
    ADD_LEARNER = 3
    """Make the node a learner: it gets the log and does not count."""


class Transition(IntEnum):
    """How a membership change uses joint consensus (thesis section 4.3)."""

    AUTO = 0
    """Joint only if there is more than one operation, and left automatically."""
    IMPLICIT = 1
    """Joint, and left automatically."""
    EXPLICIT = 2
    """Joint, and left by a further change of the host's: ``ConfChange.leave_joint()``."""
