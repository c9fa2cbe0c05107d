# SPDX-License-Identifier: Apache-2.0
"""The storage."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from raftcore._process import Origin
from raftcore._raftcore import ConfState, Entry, EntryId, HardState, Ready, Snapshot
from raftcore.check import StorageWrite
from raftcore.errors import (
    Compacted,
    SnapshotOutOfDate,
    SnapshotUnavailable,
    StorageError,
    Unavailable,
)
from raftcore.sqlite.lock import DatabaseLock
from raftcore.sqlite.schema import (
    EVERY_START,
    INSERT_CONF_STATE,
    LAST_INDEX,
    MAX,
    parts_of,
    prepare,
    ranges,
    signed,
    unsigned,
)
from raftcore.storage import Storage

__all__ = ["SqliteStorage"]


class SqliteStorage(Storage):
    """One node's log, hard state, membership and latest snapshot in an SQLite database.

    With ``conf_state`` a database that is new becomes that of a first member of a group; without,
    that of a node that joins later. A database that is not new stays as it is.

    One SqliteStorage has a database at a time: for a second one, here or in another process, the
    constructor raises StorageInUse. A process that has inherited it by ``fork`` gets
    InheritedByFork.

    Any thread may call any method; calls wait for each other, and :meth:`close` for all of them.
    Errors of SQLite come out as they are. A call after ``close`` raises StorageError.

    An entry is one value of SQLite's: at most 10^9 bytes, or what ``db.setlimit`` has set. A
    snapshot may be larger. What is deleted is not overwritten with zeros (``PRAGMA secure_delete``
    is off, also where SQLite was built with it on: it makes compaction slow).
    """

    db: sqlite3.Connection
    """The database. The tables whose names begin with ``raft_`` are the storage's. Write within
    :meth:`transaction`, and hold :attr:`lock` to read."""
    lock: threading.RLock
    """Held while a method runs."""

    def __init__(self, path: str | os.PathLike[str], conf_state: ConfState | None = None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._origin = Origin()
        self._closed = False
        self._owner = DatabaseLock(os.fspath(path))
        try:
            self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._open(conf_state)
        except BaseException:
            self._owner.release()
            raise

    def _open(self, conf_state: ConfState | None) -> None:
        try:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA secure_delete = OFF")
            with self._transaction(sync=True):
                prepare(self.db, conf_state)
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """Closes the database, once a call that runs in another thread has ended. Closing again
        does nothing."""
        self._origin.check()
        with self.lock:
            if self._closed:
                return
            if self.db.in_transaction:
                raise StorageError("the storage cannot be closed within its own transaction")
            self._closed = True
            self.db.close()
            self._owner.release()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction of the host's, on the disk at its end: what is called on this storage
        within it, and what the host writes with the connection, is stored as a whole or not at all.

            with storage.transaction() as db:
                storage.set_conf_state(conf_state, entry.index)
                storage.create_snapshot(entry.index, conf_state, state)
                db.execute("UPDATE host SET applied = ?", (entry.index,))

        Other threads wait until it ends. An exception undoes it. Transactions may be nested: what
        an inner one did is undone alone if that raises.
        """
        with self._transaction(sync=True):
            yield self.db

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """Has the database to itself."""
        self._origin.check()
        with self.lock:
            if self._closed:
                raise StorageError(f"the storage {os.fspath(self.path)!r} is closed")
            yield self.db

    @contextmanager
    def _transaction(self, *, sync: bool) -> Iterator[None]:
        """All of it or nothing; on the disk at the end if ``sync``, or if one around it is."""
        with self._use() as db:
            if db.in_transaction:
                begin, undo, end = "SAVEPOINT raft", "ROLLBACK TO raft", "RELEASE raft"
            else:
                # With a write-ahead log NORMAL leaves the log unsynced: a crash of the machine may
                # lose the latest transactions, each of them whole.
                db.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
                begin, undo, end = "BEGIN IMMEDIATE", "", "COMMIT"
            try:
                db.execute(begin)
                yield
                db.execute(end)
            except BaseException:
                # SQLite has undone all by itself after some errors, a full disk among them.
                if db.in_transaction:
                    if undo:
                        db.execute(undo)
                    db.execute(end if undo else "ROLLBACK")
                raise

    # ---- What the node reads ---------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState, ConfState]:
        """The hard state and the membership saved last."""
        return self.initial_state_at(MAX)

    def initial_state_at(self, applied: int) -> tuple[HardState, ConfState]:
        """The hard state saved last, and the membership as it was after entry ``applied``, or after
        the last compacted one if that is later. A node asks so with its ``Config.applied``: a host
        that has saved a membership, and was stopped before it saved that its entry is applied, gets
        the membership before it and applies the entry again."""
        with self._use() as db:
            after = max(applied, self._compacted().index)
            members = None
            for bounds in (EVERY_START, *reversed(ranges(0, after))):
                query = (
                    'SELECT encoded FROM raft_conf_state WHERE "index" BETWEEN ? AND ?'
                    ' ORDER BY "index" DESC LIMIT 1'
                )
                members = members or db.execute(query, bounds).fetchone()
            assert members is not None  # one is there from the beginning on
            return self._hard_state(), ConfState.decode(members[0])

    def entries(self, low: int, high: int, max_bytes: int) -> Sequence[Entry]:
        """Entries ``low .. high - 1``: at most ``max_bytes`` encoded bytes, and at least one."""
        with self._use() as db:
            compacted, last = self._bounds()
            if low <= compacted:
                raise Compacted
            if high > last + 1:
                raise Unavailable
            query = 'SELECT encoded FROM raft_entry WHERE "index" BETWEEN ? AND ? ORDER BY "index"'
            found: list[Entry] = []
            size = 0
            for bounds in ranges(low, high - 1):
                for (encoded,) in db.execute(query, bounds):
                    size += len(encoded)
                    if found and size > max_bytes:
                        return found
                    found.append(Entry.decode(encoded))
            return found

    def term(self, index: int) -> int:
        """Term of the entry at ``index``, that of the last compacted one included."""
        with self._use() as db:
            query = 'SELECT term FROM raft_entry WHERE "index" = ?'
            row = db.execute(query, (signed(index),)).fetchone()
            if row is not None:
                return unsigned(row[0])
            compacted = self._compacted()
            if index == compacted.index:
                return compacted.term
            raise Compacted if index < compacted.index else Unavailable

    def first_index(self) -> int:
        """Index of the first entry that is there; 1 for an empty storage."""
        return self._compacted().index + 1

    def last_index(self) -> int:
        """Index of the last entry; 0 for an empty storage."""
        _, last = self._bounds()
        return last

    def snapshot(self) -> Snapshot:
        """The latest snapshot, received or made with :meth:`create_snapshot`."""
        with self._use() as db:
            rows = db.execute("SELECT encoded FROM raft_snapshot ORDER BY part").fetchall()
        if not rows:
            raise SnapshotUnavailable
        return Snapshot.decode(b"".join(encoded for (encoded,) in rows))

    def _bounds(self) -> Iterator[int]:
        """The last compacted index, and the last one."""
        return self._numbers(f"compacted_index, {LAST_INDEX}")

    def _hard_state(self) -> HardState:
        return HardState(*self._numbers('term, vote, "commit"'))

    def _compacted(self) -> EntryId:
        return EntryId(*self._numbers("compacted_term, compacted_index"))

    def _snapshot_id(self) -> EntryId:
        return EntryId(*self._numbers("snapshot_term, snapshot_index"))

    def _numbers(self, columns: str) -> Iterator[int]:
        with self._use() as db:
            row = db.execute(f"SELECT {columns} FROM raft_state").fetchone()
        return map(unsigned, row)

    # ---- What the host writes --------------------------------------------------------------------

    def persist(self, ready: Ready | StorageWrite) -> None:
        """Stores what a Ready asks to store, in one transaction that is synced if it says so.

        Raises SnapshotOutOfDate if its snapshot is older than the one that is stored, Unavailable
        if its entries leave a gap, and StorageError if an entry is too large. Then nothing of it is
        stored. Entries that are compacted already are passed over.
        """
        with self._transaction(sync=ready.must_sync):
            if ready.snapshot is not None:
                self._install(ready.snapshot)
            if ready.entries:
                self._append(ready.entries)
            if ready.hard_state is not None:
                state = ready.hard_state
                numbers = map(signed, (state.term, state.vote, state.commit))
                query = 'UPDATE raft_state SET term = ?, vote = ?, "commit" = ?'
                self.db.execute(query, tuple(numbers))

    def set_conf_state(self, conf_state: ConfState, index: int | None = None) -> None:
        """Saves the membership that applying the change at ``index`` led to.

        Give the index: then a node that starts with an earlier ``Config.applied`` gets the
        membership of that time. Without, ``conf_state`` counts for every start, which fits only if
        the applied index is saved in the same :meth:`transaction`.
        """
        with self._transaction(sync=True):
            if index is None:
                self.db.execute("DELETE FROM raft_conf_state")
            else:
                self._end_every_start()
            place = MAX if index is None else index
            self.db.execute(INSERT_CONF_STATE, (signed(place), conf_state.encode()))

    def create_snapshot(self, index: int, conf_state: ConfState, data: bytes) -> Snapshot:
        """Saves a snapshot of the state after ``index``, which must be stored and applied.

        Raises SnapshotOutOfDate if there is one at least as new, Unavailable if the entry is not
        there or not committed, and Compacted if it is gone.
        """
        with self._transaction(sync=True):
            if index <= self._snapshot_id().index:
                raise SnapshotOutOfDate
            if index > self._hard_state().commit:
                raise Unavailable
            snapshot = Snapshot(self.term(index), index, conf_state, data)
            self._set_snapshot(snapshot)
        return snapshot

    def compact(self, index: int) -> None:
        """Forgets the entries up to and including ``index``.

        Raises Compacted if they are gone already, Unavailable if they are not there yet, and
        StorageError if no snapshot covers them: what is not in one would be lost.
        """
        with self._transaction(sync=True):
            if index <= self._compacted().index:
                raise Compacted
            id = EntryId(self.term(index), index)
            if index > (covered := self._snapshot_id().index):
                text = f"entries up to {index} cannot go: the snapshot covers those up to {covered}"
                raise StorageError(text)
            self._set_compacted(id)
            self._delete("raft_entry", 0, index)
            self._forget_conf_states_before(index)

    def _append(self, entries: Sequence[Entry]) -> None:
        compacted, last = self._bounds()
        entries = [entry for entry in entries if entry.index > compacted]
        if not entries:
            return
        first = entries[0].index
        if first > last + 1:
            raise Unavailable
        if first <= last:
            self._delete("raft_entry", first, MAX)
        limit = self.db.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
        for entry in entries:
            if entry.encoded_len + _ROW_BYTES > limit:
                text = f"entry {entry.index} has {entry.encoded_len} bytes; SQLite's limit: {limit}"
                raise StorageError(text)
        rows = ((signed(entry.index), signed(entry.term), entry.encode()) for entry in entries)
        self.db.executemany("INSERT INTO raft_entry VALUES (?, ?, ?)", rows)

    def _install(self, snapshot: Snapshot) -> None:
        stored = self._snapshot_id()
        if snapshot.id == stored:
            return  # what follows it in the log stays
        if snapshot.index <= stored.index or snapshot.index < self._compacted().index:
            raise SnapshotOutOfDate
        self._delete("raft_entry", 0, MAX)
        self._set_compacted(snapshot.id)
        self.db.execute("DELETE FROM raft_conf_state")
        self._set_snapshot(snapshot)

    def _set_snapshot(self, snapshot: Snapshot) -> None:
        self.db.execute("DELETE FROM raft_snapshot")
        rows = parts_of(self.db, snapshot.encode())
        self.db.executemany("INSERT INTO raft_snapshot VALUES (?, ?)", rows)
        query = "UPDATE raft_state SET snapshot_term = ?, snapshot_index = ?"
        self.db.execute(query, (signed(snapshot.term), signed(snapshot.index)))
        self.db.execute(INSERT_CONF_STATE, (signed(snapshot.index), snapshot.conf_state.encode()))

    def _set_compacted(self, id: EntryId) -> None:
        query = "UPDATE raft_state SET compacted_term = ?, compacted_index = ?"
        self.db.execute(query, (signed(id.term), signed(id.index)))

    def _end_every_start(self) -> None:
        """What counted for every start counts for those before the next membership."""
        query = 'SELECT encoded FROM raft_conf_state WHERE "index" BETWEEN ? AND ?'
        if row := self.db.execute(query, EVERY_START).fetchone():
            self.db.execute("DELETE FROM raft_conf_state")
            self.db.execute(INSERT_CONF_STATE, (0, row[0]))

    def _forget_conf_states_before(self, index: int) -> None:
        """Keeps the one in force after ``index``, under that index."""
        _, members = self.initial_state_at(index)
        self._delete("raft_conf_state", 0, index)
        self.db.execute(INSERT_CONF_STATE, (signed(index), members.encode()))

    def _delete(self, table: str, first: int, last: int) -> None:
        for bounds in ranges(first, last):
            self.db.execute(f'DELETE FROM {table} WHERE "index" BETWEEN ? AND ?', bounds)


_ROW_BYTES = 64
"""What a row takes beside its blob, at most."""
