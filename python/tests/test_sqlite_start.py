# SPDX-License-Identifier: Apache-2.0
"""SqliteStorage at a start: after a crash in a joint change, from databases of other formats."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from raftcore import (
    ConfChange,
    ConfChangeKind,
    ConfChangeOp,
    Config,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    RawNode,
    Snapshot,
    SnapshotUnavailable,
    StorageError,
    StorageWrite,
    Transition,
)
from raftcore.sqlite import SqliteStorage

ADD = ConfChange(
    (
        ConfChangeOp(ConfChangeKind.ADD_VOTER, 2),
        ConfChangeOp(ConfChangeKind.ADD_LEARNER, 3),
    ),
    Transition.EXPLICIT,
)
REMOVE = ConfChange((ConfChangeOp(ConfChangeKind.REMOVE, 3),), Transition.EXPLICIT)
LOG = [ADD, ConfChange.leave_joint(), REMOVE, ConfChange.leave_joint(), ADD]
"""Entries 2 to 6: joint changes, the last of them not left."""
MEMBERS = [
    ConfState([1]),
    ConfState([1, 2], [3], [1]),
    ConfState([1, 2], [3]),
    ConfState([1, 2], [], [1, 2]),
    ConfState([1, 2]),
    ConfState([1, 2], [3], [1, 2]),
]
"""After entries 1 to 6."""


def in_joint_change(path: Path) -> SqliteStorage:
    storage = SqliteStorage(path, MEMBERS[0])
    entries = tuple(
        Entry(1, index, change.encode(), EntryKind.CONF_CHANGE_V2)
        for index, change in enumerate(LOG, 2)
    )
    storage.persist(StorageWrite(entries=entries, hard_state=HardState(1, 0, 6), must_sync=True))
    return storage


def replay(storage: SqliteStorage, applied: int) -> list[ConfState]:
    """A start after ``applied``, until all that is committed is applied: each membership."""
    node = RawNode(Config(1, applied=applied), storage)
    found = [node.status().conf_state]
    while node.has_ready():
        ready = node.ready()
        storage.persist(ready)
        for entry in ready.committed_entries:
            found.append(node.apply_conf_change(entry))
            storage.set_conf_state(found[-1], entry.index)
        node.advance(ready)
    return found


def test_a_node_starts_again_wherever_a_crash_left_a_joint_change(tmp_path: Path) -> None:
    """The memberships are stored, and the host's applied index perhaps not yet."""
    storage = in_joint_change(tmp_path / "node.db")
    for applied in (0, 1, 2, 3, 4, 5, 6, 0, 3):
        assert replay(storage, applied) == MEMBERS[max(applied, 1) - 1 :]
    assert storage.initial_state()[1] == MEMBERS[-1]
    storage.create_snapshot(4, MEMBERS[3], b"")
    assert replay(storage, 2) == MEMBERS[1:]
    storage.compact(3)
    assert replay(storage, 0) == MEMBERS[2:]
    storage.compact(4)
    assert replay(storage, 0) == MEMBERS[3:]
    assert replay(storage, 6) == MEMBERS[5:]
    assert len(storage.db.execute("SELECT * FROM raft_conf_state").fetchall()) == 3
    storage.close()


def test_an_installed_snapshot_brings_the_only_membership(tmp_path: Path) -> None:
    storage = in_joint_change(tmp_path / "node.db")
    replay(storage, 0)
    storage.persist(StorageWrite(snapshot=Snapshot(1, 5, MEMBERS[4])))
    for applied in (0, 5, 6, 99):
        assert storage.initial_state_at(applied)[1] == MEMBERS[4]
    storage.close()


def test_a_membership_without_its_index_counts_for_every_start(tmp_path: Path) -> None:
    storage = in_joint_change(tmp_path / "node.db")
    storage.set_conf_state(MEMBERS[1], 2)
    storage.set_conf_state(MEMBERS[5])
    for applied in (0, 2, 6):
        assert storage.initial_state_at(applied)[1] == MEMBERS[5]
    storage.close()


def test_a_snapshot_of_an_earlier_state_takes_no_membership_back(tmp_path: Path) -> None:
    """As a host makes it that copies its state in the background."""
    path = tmp_path / "node.db"
    storage = SqliteStorage(path, MEMBERS[1])
    entries = tuple(Entry(1, index, b"") for index in range(2, 10))
    storage.persist(StorageWrite(entries=entries, hard_state=HardState(1, 0, 9), must_sync=True))
    storage.set_conf_state(MEMBERS[3])
    storage.create_snapshot(4, MEMBERS[1], b"")
    storage.compact(3)
    for _ in range(2):
        for applied in (0, 4, 9):
            assert storage.initial_state_at(applied)[1] == MEMBERS[3]
        assert storage.initial_state()[1] == MEMBERS[3]
        storage.close()
        storage = SqliteStorage(path)
    # From the next change on its index counts.
    storage.set_conf_state(MEMBERS[5], 8)
    for applied, members in ((0, 3), (7, 3), (8, 5), (9, 5)):
        assert storage.initial_state_at(applied)[1] == MEMBERS[members]
    storage.close()


# ---- Older databases -----------------------------------------------------------------------------

FIRST_FORMAT = """
CREATE TABLE raft_entry (
    "index" INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    encoded BLOB NOT NULL
);
CREATE TABLE raft_state (
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


@pytest.mark.parametrize("snapshot", [Snapshot(2, 7, ConfState([1, 2]), b"state"), None])
def test_a_database_of_the_first_format_goes_on(tmp_path: Path, snapshot: Snapshot | None) -> None:
    path = tmp_path / "node.db"
    db = sqlite3.connect(path)
    db.executescript(FIRST_FORMAT)
    encoded = None if snapshot is None else snapshot.encode()
    members = ConfState([1, 2, 3])
    state = (5, 3, 8, 2, 6, members.encode(), encoded)
    db.execute("INSERT INTO raft_state VALUES (1, ?, ?, ?, ?, ?, ?, ?)", state)
    for index in (7, 8):
        entry = Entry(2, index, b"%d" % index)
        db.execute("INSERT INTO raft_entry VALUES (?, ?, ?)", (index, 2, entry.encode()))
    db.commit()
    db.close()
    for _ in range(2):
        storage = SqliteStorage(path, ConfState([9]))
        assert storage.initial_state() == (HardState(5, 3, 8), members)
        assert storage.initial_state_at(0)[1] == members
        assert (storage.first_index(), storage.last_index(), storage.term(6)) == (7, 8, 2)
        assert [entry.data for entry in storage.entries(7, 9, 99)] == [b"7", b"8"]
        if snapshot is None:
            with pytest.raises(SnapshotUnavailable):
                storage.snapshot()
        else:
            assert storage.snapshot() == snapshot
        storage.close()


def test_a_database_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    storage = SqliteStorage(path)
    storage.db.execute("UPDATE raft_state SET format = 3")
    storage.close()
    with pytest.raises(StorageError, match="format 3, and this version knows 2 and before"):
        SqliteStorage(path)
