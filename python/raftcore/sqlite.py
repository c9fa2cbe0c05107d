# SPDX-License-Identifier: Apache-2.0
"""A durable storage in an SQLite database, with the standard library alone.

    storage = SqliteStorage("node-1.db", ConfState([1, 2, 3]))
    node = RawNode(Config(1, applied=...), storage)

``persist`` is one transaction, synced if the ``Ready`` says so. The state machine is not in here: a
host that keeps it in the same database may use :attr:`SqliteStorage.db`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from raftcore._raftcore import ConfState, Entry, EntryId, HardState, Ready, Snapshot
from raftcore.check import StorageWrite
from raftcore.errors import Compacted, SnapshotOutOfDate, SnapshotUnavailable, Unavailable
from raftcore.storage import Storage

__all__ = ["SqliteStorage"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS raft_entry (
    "index" INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    encoded BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS raft_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    term INTEGER NOT NULL,
    vote INTEGER NOT NULL,
    "commit" INTEGER NOT NULL,
    compacted_term INTEGER NOT NULL,
    compacted_index INTEGER NOT NULL,
    conf_state BLOB NOT NULL,
    snapshot BLOB
);
"""


class SqliteStorage(Storage):
    """One node's log, hard state, membership and latest snapshot in an SQLite database.

    With ``conf_state`` a database that is new becomes that of a first member of a group; without,
    that of a node that joins later. A database that is not new stays as it is.

    Any thread may call any method. Errors of SQLite come out as they are.
    """

    db: sqlite3.Connection
    """The database: the storage's tables are ``raft_entry`` and ``raft_state``."""

    def __init__(self, path: str | os.PathLike[str], conf_state: ConfState | None = None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        with self._transaction(sync=True):
            for statement in SCHEMA.split(";"):
                self.db.execute(statement)
            if self.db.execute("SELECT 1 FROM raft_state").fetchone() is None:
                self._format(conf_state)

    def _format(self, conf_state: ConfState | None) -> None:
        self.db.execute(
            "INSERT INTO raft_state VALUES (1, 0, 0, 0, 0, 0, ?, NULL)", (ConfState().encode(),)
        )
        if conf_state is not None:
            self._install(Snapshot(1, 1, conf_state))
            self._set_hard_state(HardState(1, 0, 1))

    def close(self) -> None:
        """Closes the database."""
        self.db.close()

    @contextmanager
    def _transaction(self, *, sync: bool) -> Iterator[None]:
        """All of it or nothing; on the disk at the end if ``sync``."""
        with self.lock:
            # With a write-ahead log NORMAL leaves the log unsynced: a crash of the machine may lose
            # the latest transactions, each of them whole.
            self.db.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.rollback()
                raise
            self.db.commit()

    # ---- What the node reads ---------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState, ConfState]:
        """The hard state and the membership saved last."""
        with self.lock:
            query = 'SELECT term, vote, "commit", conf_state FROM raft_state'
            term, vote, commit, conf_state = self.db.execute(query).fetchone()
        return HardState(term, vote, commit), ConfState.decode(conf_state)

    def entries(self, low: int, high: int, max_bytes: int) -> Sequence[Entry]:
        """Entries ``low .. high - 1``: at most ``max_bytes`` encoded bytes, and at least one."""
        with self.lock:
            if low <= self._compacted().index:
                raise Compacted
            if high > self.last_index() + 1:
                raise Unavailable
            query = (
                'SELECT encoded FROM raft_entry WHERE "index" >= ? AND "index" < ? ORDER BY "index"'
            )
            found: list[Entry] = []
            size = 0
            for (encoded,) in self.db.execute(query, (low, high)):
                size += len(encoded)
                if found and size > max_bytes:
                    break
                found.append(Entry.decode(encoded))
            return found

    def term(self, index: int) -> int:
        """Term of the entry at ``index``, that of the last compacted one included."""
        with self.lock:
            query = 'SELECT term FROM raft_entry WHERE "index" = ?'
            row = self.db.execute(query, (index,)).fetchone()
            if row is not None:
                return int(row[0])
            compacted = self._compacted()
            if index == compacted.index:
                return compacted.term
            raise Compacted if index < compacted.index else Unavailable

    def first_index(self) -> int:
        """Index of the first entry that is there; 1 for an empty storage."""
        return self._compacted().index + 1

    def last_index(self) -> int:
        """Index of the last entry; 0 for an empty storage."""
        with self.lock:
            (last,) = self.db.execute('SELECT max("index") FROM raft_entry').fetchone()
            return self._compacted().index if last is None else int(last)

    def snapshot(self) -> Snapshot:
        """The latest snapshot, received or made with :meth:`create_snapshot`."""
        with self.lock:
            (encoded,) = self.db.execute("SELECT snapshot FROM raft_state").fetchone()
        if encoded is None:
            raise SnapshotUnavailable
        return Snapshot.decode(encoded)

    def _compacted(self) -> EntryId:
        with self.lock:
            query = "SELECT compacted_term, compacted_index FROM raft_state"
            return EntryId(*self.db.execute(query).fetchone())

    # ---- What the host writes --------------------------------------------------------------------

    def persist(self, ready: Ready | StorageWrite) -> None:
        """Stores what a Ready asks to store, in one transaction that is synced if it says so.
        Raises SnapshotOutOfDate if its snapshot is older than what is compacted."""
        with self._transaction(sync=ready.must_sync):
            if ready.snapshot is not None:
                self._install(ready.snapshot)
            if ready.entries:
                first = ready.entries[0].index
                self.db.execute('DELETE FROM raft_entry WHERE "index" >= ?', (first,))
                rows = ((entry.index, entry.term, entry.encode()) for entry in ready.entries)
                self.db.executemany("INSERT INTO raft_entry VALUES (?, ?, ?)", rows)
            if ready.hard_state is not None:
                self._set_hard_state(ready.hard_state)

    def set_conf_state(self, conf_state: ConfState) -> None:
        """Saves the membership that applying a change led to."""
        with self._transaction(sync=True):
            self.db.execute("UPDATE raft_state SET conf_state = ?", (conf_state.encode(),))

    def create_snapshot(self, index: int, conf_state: ConfState, data: bytes) -> Snapshot:
        """Saves a snapshot of the state after ``index``, which must be stored and applied."""
        with self._transaction(sync=True):
            snapshot = Snapshot(self.term(index), index, conf_state, data)
            self.db.execute("UPDATE raft_state SET snapshot = ?", (snapshot.encode(),))
        return snapshot

    def compact(self, index: int) -> None:
        """Forgets the entries up to and including ``index``, which a snapshot must cover. Raises
        Compacted if they are gone already, Unavailable if they are not there yet."""
        with self._transaction(sync=True):
            if index <= self._compacted().index:
                raise Compacted
            self._set_compacted(EntryId(self.term(index), index))
            self.db.execute('DELETE FROM raft_entry WHERE "index" <= ?', (index,))

    def _install(self, snapshot: Snapshot) -> None:
        if snapshot.index < self._compacted().index:
            raise SnapshotOutOfDate
        self.db.execute("DELETE FROM raft_entry")
        self._set_compacted(snapshot.id)
        self.db.execute(
            "UPDATE raft_state SET conf_state = ?, snapshot = ?",
            (snapshot.conf_state.encode(), snapshot.encode()),
        )

    def _set_compacted(self, id: EntryId) -> None:
        self.db.execute(
            "UPDATE raft_state SET compacted_term = ?, compacted_index = ?", (id.term, id.index)
        )

    def _set_hard_state(self, state: HardState) -> None:
        self.db.execute(
            'UPDATE raft_state SET term = ?, vote = ?, "commit" = ?',
            (state.term, state.vote, state.commit),
        )
