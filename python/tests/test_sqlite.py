# SPDX-License-Identifier: Apache-2.0
"""SqliteStorage beyond the contract: large numbers and snapshots, one owner, the host's
transactions, and closing under load."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from raftcore import (
    Compacted,
    Config,
    ConfState,
    Entry,
    HardState,
    InheritedByFork,
    RaftError,
    RawNode,
    Snapshot,
    SnapshotOutOfDate,
    StorageError,
    StorageInUse,
    StorageWrite,
    Unavailable,
)
from raftcore.sqlite import SqliteStorage

LARGE = [(1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def filled(path: Path, count: int = 9) -> SqliteStorage:
    """Entries 2 to ``count`` behind a first member's snapshot, all committed."""
    storage = SqliteStorage(path, ConfState([1]))
    entries = tuple(Entry(1, index, b"%d" % index) for index in range(2, count + 1))
    state = HardState(1, 0, count)
    storage.persist(StorageWrite(entries=entries, hard_state=state, must_sync=True))
    return storage


@pytest.mark.parametrize("id", LARGE)
def test_a_node_with_a_large_id_lives_and_restarts(tmp_path: Path, id: int) -> None:
    path = tmp_path / "node.db"
    storage = SqliteStorage(path, ConfState([id]))
    node = RawNode(Config(id), storage)
    node.campaign()
    while node.has_ready():
        ready = node.ready()
        storage.persist(ready)
        node.advance(ready)
    storage.close()
    storage = SqliteStorage(path)
    assert storage.initial_state() == (HardState(2, id, 2), ConfState([id]))
    assert RawNode(Config(id), storage).status().vote == id
    storage.close()


def test_a_log_crosses_the_largest_number_with_a_sign(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "node.db")
    start = (1 << 63) - 3
    storage.persist(StorageWrite(snapshot=Snapshot(1 << 62, start, ConfState(LARGE))))
    ids = [((1 << 63) + n, start + n) for n in range(1, 7)]
    storage.persist(
        StorageWrite(
            entries=tuple(Entry(*id, b"") for id in ids), hard_state=HardState(1, 0, start + 6)
        )
    )
    assert (storage.first_index(), storage.last_index()) == (start + 1, start + 6)
    for low in range(start + 1, start + 7):
        found = storage.entries(low, start + 7, 1 << 20)
        assert [(entry.term, entry.index) for entry in found] == ids[low - start - 1 :]
    storage.set_conf_state(ConfState([5]), start + 2)
    storage.set_conf_state(ConfState([6]), start + 5)
    assert storage.initial_state_at(start + 4)[1] == ConfState([5])
    assert storage.initial_state_at(start + 5)[1] == storage.initial_state()[1] == ConfState([6])
    storage.create_snapshot(start + 4, ConfState([5]), b"")
    storage.compact(start + 4)
    assert (storage.first_index(), storage.last_index()) == (start + 5, start + 6)
    assert storage.term(start + 4) == (1 << 63) + 4
    storage.persist(StorageWrite(entries=(Entry(1 << 63, start + 5, b"x"),)))
    assert storage.last_index() == start + 5
    assert storage.initial_state_at(0)[1] == ConfState([5])
    storage.close()


# ---- Snapshots -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4_999, 5_000, 5_001, 123_457])
def test_a_snapshot_may_be_larger_than_a_value_of_sqlite(tmp_path: Path, size: int) -> None:
    path = tmp_path / "node.db"
    storage = filled(path)
    storage.db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    data = os.urandom(size)
    made = storage.create_snapshot(5, ConfState([1]), data)
    assert storage.snapshot() == made
    received = Snapshot(3, 20, ConfState([1, 2]), data + b"more")
    storage.persist(StorageWrite(snapshot=received, must_sync=True))
    storage.close()
    storage = SqliteStorage(path)
    assert storage.snapshot() == received
    storage.close()


def test_an_entry_that_is_too_large_is_named_and_nothing_is_stored(tmp_path: Path) -> None:
    storage = filled(tmp_path / "node.db")
    storage.db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    entries = (Entry(2, 5, b"small"), Entry(2, 6, bytes(10_000)))
    with pytest.raises(StorageError, match=r"entry 6 has 100\d\d bytes; SQLite's limit: 10000"):
        storage.persist(StorageWrite(entries=entries, hard_state=HardState(2, 0, 4)))
    assert (storage.last_index(), storage.term(5)) == (9, 1)
    assert storage.initial_state()[0] == HardState(1, 0, 9)
    storage.close()


def test_snapshots_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    storage = filled(tmp_path / "node.db")
    made = storage.create_snapshot(6, ConfState([1]), b"six")
    for index in (2, 5, 6):
        with pytest.raises(SnapshotOutOfDate):
            storage.create_snapshot(index, ConfState([1]), b"old")
    for old in (Snapshot(1, 5, ConfState([2])), Snapshot(9, 6, ConfState([2]))):
        with pytest.raises(SnapshotOutOfDate):
            storage.persist(StorageWrite(snapshot=old, hard_state=HardState(7, 7, 7)))
    assert storage.snapshot() == made
    assert (storage.last_index(), storage.initial_state()[0].term) == (9, 1)
    # The one that is there, again: what follows it in the log stays.
    storage.persist(StorageWrite(snapshot=made, must_sync=True))
    assert storage.snapshot() == made
    assert (storage.first_index(), storage.last_index()) == (2, 9)
    storage.close()


def test_only_what_is_there_and_committed_gets_a_snapshot_and_only_that_is_compacted(
    tmp_path: Path,
) -> None:
    storage = filled(tmp_path / "node.db")
    storage.persist(StorageWrite(entries=(Entry(1, 10, b""),)))
    for index in (10, 11):
        with pytest.raises(Unavailable):
            storage.create_snapshot(index, ConfState([1]), b"")
    storage.create_snapshot(6, ConfState([1]), b"")
    with pytest.raises(StorageError, match="entries up to 7 cannot go: the snapshot covers those"):
        storage.compact(7)
    with pytest.raises(Unavailable):
        storage.compact(11)
    assert storage.first_index() == 2
    storage.compact(6)
    with pytest.raises(Compacted):
        storage.compact(6)
    assert (storage.first_index(), storage.term(6)) == (7, 1)
    storage.close()


def test_entries_that_leave_a_gap_are_refused_and_compacted_ones_passed_over(
    tmp_path: Path,
) -> None:
    storage = filled(tmp_path / "node.db")
    with pytest.raises(Unavailable):
        storage.persist(StorageWrite(entries=(Entry(1, 11, b""),)))
    storage.create_snapshot(6, ConfState([1]), b"")
    storage.compact(6)
    storage.persist(StorageWrite(entries=(Entry(1, 5, b""), Entry(1, 6, b""))))
    assert (storage.first_index(), storage.last_index()) == (7, 9)
    storage.persist(StorageWrite(entries=(Entry(1, 6, b""), Entry(2, 7, b"new"))))
    assert [entry.data for entry in storage.entries(7, 8, 99)] == [b"new"]
    assert storage.last_index() == 7
    storage.close()


# ---- One owner -----------------------------------------------------------------------------------


def test_a_database_has_one_storage_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    storage = filled(path)
    (tmp_path / "link.db").symlink_to(path)
    for name in (path, str(path), tmp_path / "link.db", tmp_path / "." / "node.db"):
        with pytest.raises(StorageInUse, match="is in use by another process"):
            SqliteStorage(name)
    readers = sqlite3.connect(path)  # looking does no harm
    assert readers.execute("SELECT count(*) FROM raft_entry").fetchone() == (8,)
    readers.close()
    storage.close()
    storage.close()
    SqliteStorage(path).close()


def test_a_storage_that_was_dropped_gives_its_database_back(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    storage = filled(path)
    storage.db.close()
    del storage
    SqliteStorage(path).close()
    with pytest.raises(sqlite3.DatabaseError):
        SqliteStorage(Path(__file__))
    with pytest.raises(sqlite3.DatabaseError):
        SqliteStorage(Path(__file__))  # and not: it is in use
    Path(f"{__file__}-lock").unlink()


def test_two_storages_in_memory_are_two(tmp_path: Path) -> None:
    one, other = (SqliteStorage(":memory:", ConfState([id])) for id in (1, 2))
    assert one.initial_state()[1] != other.initial_state()[1]
    one.close()
    other.close()


OTHER_PROCESS = """
import sys
from raftcore.sqlite import SqliteStorage
storage = SqliteStorage(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""


def test_another_process_has_the_database_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    filled(path).close()
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StorageInUse):
            SqliteStorage(path)
        process.kill()
    SqliteStorage(path).close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_process_has_no_part_in_the_storage(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    storage = filled(path)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            calls: list[Callable[[], object]] = [
                storage.last_index,
                storage.initial_state,
                storage.close,
                lambda: storage.persist(StorageWrite()),
                lambda: storage.transaction().__enter__(),
            ]
            for call in calls:
                try:
                    call()
                except InheritedByFork:
                    continue
                os._exit(2)
            os.close(writing)
            os.read(reading, 1)  # until the parent has opened it again
            code = 0
        finally:
            os._exit(code)
    os.close(reading)
    storage.close()
    SqliteStorage(path).close()  # the child holds nothing
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_that_was_forked_outside_of_python_does_not_keep_the_database(
    tmp_path: Path,
) -> None:
    path = tmp_path / "node.db"
    storage = SqliteStorage(path)
    file = storage._owner._file
    assert file is not None
    copy = os.dup(file)  # what such a child has
    storage.close()
    SqliteStorage(path).close()
    os.close(copy)


# ---- Closing -------------------------------------------------------------------------------------


def test_closing_waits_for_calls_in_other_threads(tmp_path: Path) -> None:
    """Without a lock this ends the interpreter within a few rounds."""
    path = tmp_path / "node.db"
    filled(path, 40).close()

    for _ in range(60):
        storage = SqliteStorage(path)
        ready = threading.Barrier(4)
        unexpected: list[BaseException] = []

        def use(
            storage: SqliteStorage = storage,
            unexpected: list[BaseException] = unexpected,
            ready: threading.Barrier = ready,
        ) -> None:
            ready.wait()
            try:
                while True:
                    storage.entries(2, 41, 1 << 20)
                    storage.persist(StorageWrite(entries=(Entry(1, 40, b"again"),)))
            except StorageError as error:
                if "is closed" not in str(error):
                    unexpected.append(error)
            except BaseException as error:
                unexpected.append(error)

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        ready.wait()
        storage.close()
        for thread in threads:
            thread.join()
        assert unexpected == []


def test_a_closed_storage_says_so(tmp_path: Path) -> None:
    storage = filled(tmp_path / "node.db")
    with storage.transaction(), pytest.raises(StorageError, match="within its own transaction"):
        storage.close()
    storage.close()
    for call in (storage.last_index, storage.snapshot, storage.initial_state):
        with pytest.raises(StorageError, match=r"node\.db' is closed"):
            call()
    with pytest.raises(RaftError, match="is closed"):
        RawNode(Config(1), storage)


# ---- Transactions --------------------------------------------------------------------------------


def test_a_host_s_transaction_is_stored_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    storage = filled(path)
    storage.db.execute("CREATE TABLE host (applied INTEGER)")
    storage.db.execute("INSERT INTO host VALUES (1)")

    def step(index: int, fail: bool) -> None:
        with storage.transaction() as db:
            storage.set_conf_state(ConfState([1, index]), index)
            storage.create_snapshot(index, ConfState([1, index]), b"%d" % index)
            db.execute("UPDATE host SET applied = ?", (index,))
            if fail:
                raise ZeroDivisionError

    step(4, fail=False)
    with pytest.raises(ZeroDivisionError):
        step(5, fail=True)
    with storage.transaction() as db:
        with pytest.raises(SnapshotOutOfDate):
            step(3, fail=False)  # undone alone
        db.execute("UPDATE host SET applied = applied + 100")
    storage.close()
    storage = SqliteStorage(path)
    assert storage.db.execute("SELECT applied FROM host").fetchone() == (104,)
    assert storage.snapshot().index == 4
    assert storage.initial_state()[1] == ConfState([1, 4])
    storage.close()


class Interrupted:
    """A connection that is interrupted once, right behind the beginning of a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.armed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        cursor = self.db.execute(sql, *arguments)
        if self.armed and sql.startswith("BEGIN"):
            self.armed = False
            raise KeyboardInterrupt
        return cursor


def test_an_interrupt_at_the_beginning_of_a_write_leaves_no_transaction_open(
    tmp_path: Path,
) -> None:
    path = tmp_path / "node.db"
    storage = filled(path)
    db = storage.db
    storage.db = cast(sqlite3.Connection, Interrupted(db))
    with pytest.raises(KeyboardInterrupt):
        storage.persist(StorageWrite(hard_state=HardState(2, 1, 9), must_sync=True))
    assert not db.in_transaction
    storage.persist(StorageWrite(hard_state=HardState(3, 1, 9), must_sync=True))
    assert not db.in_transaction
    storage.close()
    assert SqliteStorage(path).initial_state()[0] == HardState(3, 1, 9)


def test_a_commit_that_fails_leaves_the_storage_usable(tmp_path: Path) -> None:
    storage = filled(tmp_path / "node.db")
    (pages,) = storage.db.execute("PRAGMA page_count").fetchone()
    storage.db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        storage.persist(StorageWrite(entries=(Entry(1, 10, bytes(100_000)),), must_sync=True))
    assert storage.last_index() == 9
    storage.db.execute(f"PRAGMA max_page_count = {pages + 1000}")
    storage.persist(StorageWrite(entries=(Entry(1, 10, bytes(100_000)),), must_sync=True))
    assert storage.last_index() == 10
    storage.close()


def test_what_is_deleted_is_not_overwritten(tmp_path: Path) -> None:
    storage = filled(tmp_path / "node.db")
    assert storage.db.execute("PRAGMA secure_delete").fetchone() == (0,)
    storage.close()
