# SPDX-License-Identifier: Apache-2.0
"""Raft consensus as a deterministic state machine: no I/O, no clock, no threads.

A host feeds ticks, messages and proposals into a :class:`RawNode`, and takes work out of it as a
:class:`Ready`: entries to store, messages to send, committed entries to apply.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise ImportError(f"raftcore needs Python 3.11 or later, and this is {version}")

from raftcore import rpc
from raftcore._raftcore import (
    Ack,
    ConfState,
    Entry,
    EntryId,
    HardState,
    MemoryStorage,
    Message,
    RawNode,
    ReadState,
    Ready,
    Snapshot,
    SoftState,
    __version__,
)
from raftcore.check import StorageFinding, StorageWrite, storage_check
from raftcore.config import Config
from raftcore.enums import (
    ConfChangeKind,
    EntryKind,
    MessageType,
    ProgressState,
    ReadMode,
    Role,
    TransferResult,
    Transition,
)
from raftcore.errors import (
    BrokenInvariant,
    CommitBeyondLog,
    CommittedConflict,
    Compacted,
    ConfChangeError,
    ConfigError,
    DecodeError,
    DropReason,
    ForeignReady,
    InconsistentStorage,
    InheritedByFork,
    InvalidMessage,
    InvalidTransferee,
    LimitReached,
    NoLeader,
    PeerNotFound,
    Poisoned,
    ProposalDropped,
    RaftError,
    ReadyOutstanding,
    RecoveryRefused,
    Reentrant,
    SnapshotOutOfDate,
    SnapshotUnavailable,
    StorageError,
    StorageInUse,
    Unavailable,
    UnknownAck,
    WrongWriteMode,
)
from raftcore.membership import ConfChange, ConfChangeOp
from raftcore.status import BasicStatus, Forwarded, Progress, Status, TransferOutcome
from raftcore.storage import Storage, fitting

__all__ = [
    "Ack",
    "BasicStatus",
    "BrokenInvariant",
    "CommitBeyondLog",
    "CommittedConflict",
    "Compacted",
    "ConfChange",
    "ConfChangeError",
    "ConfChangeKind",
    "ConfChangeOp",
    "ConfState",
    "Config",
    "ConfigError",
    "DecodeError",
    "DropReason",
    "Entry",
    "EntryId",
    "EntryKind",
    "ForeignReady",
    "Forwarded",
    "HardState",
    "InconsistentStorage",
    "InheritedByFork",
    "InvalidMessage",
    "InvalidTransferee",
    "LimitReached",
    "MemoryStorage",
    "Message",
    "MessageType",
    "NoLeader",
    "PeerNotFound",
    "Poisoned",
    "Progress",
    "ProgressState",
    "ProposalDropped",
    "RaftError",
    "RawNode",
    "ReadMode",
    "ReadState",
    "Ready",
    "ReadyOutstanding",
    "RecoveryRefused",
    "Reentrant",
    "Role",
    "Snapshot",
    "SnapshotOutOfDate",
    "SnapshotUnavailable",
    "SoftState",
    "Status",
    "Storage",
    "StorageError",
    "StorageFinding",
    "StorageInUse",
    "StorageWrite",
    "TransferOutcome",
    "TransferResult",
    "Transition",
    "Unavailable",
    "UnknownAck",
    "WrongWriteMode",
    "__version__",
    "fitting",
    "rpc",
    "storage_check",
]
