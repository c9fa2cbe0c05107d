# SPDX-License-Identifier: Apache-2.0
"""What an operator does: a survivor of a lost quorum goes on with a new membership, and a new group
starts from a backup. Offline: no node runs on the storages. ``docs/operations.md`` goes through it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from raftcore import _raftcore
from raftcore._raftcore import ConfState, EntryId, Snapshot
from raftcore._typing import Buffer
from raftcore.check import StorageWrite
from raftcore.storage import Storage

__all__ = [
    "LogPosition",
    "Recovery",
    "decode_backup",
    "encode_backup",
    "log_position",
    "recover",
    "restore",
]


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a survivor's log reaches. The survivor whose ``last`` is the greatest, by term and
    then by index, is the one to recover from."""

    node: int
    """The node."""
    term: int
    """The latest term it has seen."""
    last: EntryId
    """The last entry of its log."""
    commit: int
    """Highest index that it knows to be committed."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What to write into a storage, and what that means."""

    write: StorageWrite
    """What to store, in one batch, as a ``Ready``: ``storage.persist(recovery.write)``."""
    before: ConfState
    """The membership at the end of the log as it is now; of a backup, the one in it."""
    last: EntryId
    """The last entry that is kept: all of the log; of a backup, the last entry that it covers."""
    committed: int
    """The highest index known to be committed until now. Entries from here to ``last`` become
    committed although nobody may have been told that they are: clients may see writes that they
    gave up."""
    changes: int
    """Membership changes of the log behind the applied entry: they take effect first."""
    may_miss_committed: bool
    """Whether entries may be missing that were committed and acknowledged: the members that are
    neither this node nor among the survivors are enough to commit by themselves."""


def log_position(storage: Storage, node: int) -> LogPosition:
    """How far the log of ``node`` reaches, for choosing the survivor to recover from.

    Raises InconsistentStorage or StorageError.
    """
    return LogPosition(*_raftcore.log_position(storage, node))


def recover(
    storage: Storage,
    node: int,
    members: ConfState,
    *,
    applied: int = 0,
    survivors: Iterable[LogPosition] = (),
    dialect: Literal["etcd", "tikv"] = "etcd",
) -> Recovery:
    """What has to be written into a survivor's storage so that it goes on with a new membership,
    although a quorum of the old one is lost for good. The log stays; membership changes behind its
    end, committed, lead to the new membership, and the term is raised. Nothing is written here.

    ``members`` has this node as a voter, best alone: others have new ids and an empty storage, or
    are among ``survivors``, the positions of all other survivors. ``applied`` and ``dialect`` are
    as in ``Config``. The lost members must not come back.

    Raises RecoveryRefused if it would be unsafe or makes no sense, ConfChangeError if the
    membership contradicts itself, InconsistentStorage or StorageError.
    """
    positions = [(it.node, it.term, it.last, it.commit) for it in survivors]
    entries, hard_state, before, last, committed, changes, may_miss = _raftcore.recover(
        storage, node, applied, members, positions, dialect
    )
    write = StorageWrite(entries=entries, hard_state=hard_state, must_sync=True)
    return Recovery(write, before, last, committed, changes, may_miss)


def encode_backup(snapshot: Snapshot) -> bytes:
    """A backup of a snapshot: the latest one of a storage, or one that the program makes of its
    state for this, with the last applied entry and the membership there. The bytes say what they
    are, and notice damage."""
    return _raftcore.encode_backup(snapshot)


def decode_backup(backup: Buffer) -> Snapshot:
    """What a backup holds: the state, the last entry that it covers, the old group's membership.

    Raises DecodeError if the bytes are damaged, or no backup.
    """
    return _raftcore.decode_backup(backup)


def restore(backup: Buffer, members: ConfState) -> Recovery:
    """What each first member of a new group has to write into its empty storage to start from a
    backup: the same on all of them. ``Config.applied`` is then the backup's index. The new group
    has an id of its own, and its nodes have ids that the old one never had.

    Raises DecodeError, RecoveryRefused or ConfChangeError.
    """
    snapshot, hard_state = _raftcore.restore(backup, members)
    old = _raftcore.decode_backup(backup)
    write = StorageWrite(snapshot=snapshot, hard_state=hard_state, must_sync=True)
    return Recovery(write, old.conf_state, old.id, old.index, 0, False)
