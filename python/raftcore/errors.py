# SPDX-License-Identifier: Apache-2.0
"""What the library raises. Everything is a :class:`RaftError`.

Unless an exception says otherwise, the node is as it was before the call.
"""

from enum import Enum

__all__ = [
    "BrokenInvariant",
    "CommitBeyondLog",
    "CommittedConflict",
    "Compacted",
    "ConfChangeError",
    "ConfigError",
    "DecodeError",
    "DropReason",
    "ForeignReady",
    "InconsistentStorage",
    "InheritedByFork",
    "InvalidMessage",
    "InvalidTransferee",
    "LimitReached",
    "NoLeader",
    "PeerNotFound",
    "Poisoned",
    "ProposalDropped",
    "RaftError",
    "ReadyOutstanding",
    "RecoveryRefused",
    "Reentrant",
    "SnapshotOutOfDate",
    "SnapshotUnavailable",
    "StorageError",
    "StorageInUse",
    "Unavailable",
    "UnknownAck",
    "WrongWriteMode",
]


class RaftError(Exception):
    """The base of all exceptions of this library."""


class ConfigError(RaftError, ValueError):
    """The configuration is not usable."""

    field: str | None
    """The first field that is wrong."""

    def __init__(self, message: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class DropReason(Enum):
    """Why a proposal was not taken."""

    NO_LEADER = "no_leader"
    """No leader is known; try again later."""
    NOT_LEADER = "not_leader"
    """The node follows and is configured not to forward."""
    REMOVED = "removed"
    """The leader is no longer a member of the group."""
    TRANSFERRING = "transferring"
    """Leadership is being transferred; try again soon, at the new leader."""
    TOO_MANY_UNCOMMITTED_BYTES = "too_many_uncommitted_bytes"
    """Too many bytes are waiting to be committed; try again later."""
    TOO_MANY_UNCOMMITTED_ENTRIES = "too_many_uncommitted_entries"
    """Too many entries are waiting to be committed; try again later."""
    EMPTY = "empty"
    """Nothing was proposed."""
    MALFORMED_CONF_CHANGE = "malformed_conf_change"
    """A membership change that cannot be decoded."""
    LOG_FULL = "log_full"
    """The log has no further index."""
    OTHER = "other"
    """A reason that this version of the package has no name for; the message says it."""


class ProposalDropped(RaftError):
    """The proposal was not taken and will not take effect."""

    reason: DropReason
    """Why not."""

    def __init__(self, message: str = "", reason: DropReason = DropReason.OTHER) -> None:
        super().__init__(message)
        self.reason = reason


class StorageError(RaftError):
    """The storage could not answer.

    If the storage is written in Python and raised something, that is the ``__cause__``.
    The node stays usable and asks again later.
    """


class Compacted(StorageError):
    """The entry is covered by a snapshot and gone. A storage raises this itself."""


class Unavailable(StorageError):
    """The entry is beyond the end of the log. A storage raises this itself."""


class SnapshotUnavailable(StorageError):
    """A snapshot is being made; ask again. A storage raises this itself."""


class SnapshotOutOfDate(StorageError):
    """The snapshot is older than the one the storage has."""


class StorageInUse(StorageError):
    """Another node, or another process, has the storage: two writers would destroy it."""


class InconsistentStorage(RaftError):
    """What the storage holds does not fit together; a node cannot start from it."""


class PeerNotFound(RaftError):
    """A reply came from a node that is not a member of the group."""

    node: int | None
    """That node."""

    def __init__(self, message: str = "", node: int | None = None) -> None:
        super().__init__(message)
        self.node = node


class InvalidMessage(RaftError):
    """A message breaks the protocol, is of a term or an index that no honest group reaches, or
    comes from a node that is no member and contradicts what is committed here. It was refused, and
    changed nothing."""


class InvalidTransferee(RaftError):
    """Leadership cannot go to this node: it is not a voter of the group."""

    node: int | None
    """That node."""

    def __init__(self, message: str = "", node: int | None = None) -> None:
        super().__init__(message)
        self.node = node


class CommitBeyondLog(RaftError):
    """A member that leads says that an entry is committed which this node acknowledged and no
    longer has: its storage lost data. Nothing was changed. Stop the node, keep its storage to look
    for the cause, and replace it by a member with a new id. No message of another node causes
    this."""


class CommittedConflict(RaftError):
    """A member that leads lacks an entry that is committed here: two groups whose members have the
    same ids were mixed up, or a storage lost data. Nothing was changed. Stop the node and find out
    which before it goes on. No message of another node causes this."""


class ConfChangeError(RaftError):
    """A membership change cannot be carried out. Proposed, it was not taken; committed, it changes
    nothing, here and on every other node."""


class DecodeError(RaftError, ValueError):
    """Bytes could not be decoded."""


class ReadyOutstanding(RaftError):
    """The last ``Ready`` has not been advanced yet."""


class ForeignReady(RaftError):
    """The ``Ready`` is another node's, or was advanced already."""


class WrongWriteMode(RaftError):
    """The call is for the other mode of storage writes: ``Config.async_storage_writes``."""


class UnknownAck(RaftError):
    """An acknowledgement of work that this node never handed out."""


class NoLeader(RaftError):
    """The node knows no leader to pass the request to."""


class LimitReached(RaftError):
    """A limit of ``Config`` is reached, which the message names: the message or request was not
    taken. Take a ``Ready``, or try again later."""


class RecoveryRefused(RaftError):
    """A recovery or a restore would be unsafe, or makes no sense; the message says why. Nothing was
    written."""


class Reentrant(RaftError):
    """A storage or an observer called back into the very node that was calling it."""


class InheritedByFork(RaftError):
    """The node or storage was made in another process, and copied into this one by ``fork``. Make a
    new one: two processes with the same node would vote twice."""


class Poisoned(RaftError):
    """A defect of the library was caught inside this node. Its state is not to be trusted:
    drop it, and start a new one from the storage."""


class BrokenInvariant(RaftError):
    """Something does not hold that must hold within every node: a defect of the library."""
