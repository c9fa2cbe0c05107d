# SPDX-License-Identifier: Apache-2.0
"""The tables, and how older ones become these."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from raftcore._raftcore import ConfState, HardState, Snapshot
from raftcore.errors import StorageError

__all__ = [
    "EVERY_START",
    "INSERT_CONF_STATE",
    "LAST_INDEX",
    "MAX",
    "parts_of",
    "prepare",
    "ranges",
    "signed",
    "unsigned",
]

FORMAT = 2

# Terms, indexes and ids have 64 bits without a sign, and SQLite's integers have one: those of 2^63
# and more are stored as negative ones.
SCHEMA = """
CREATE TABLE IF NOT EXISTS raft_entry (
    "index" INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    encoded BLOB NOT NULL
);
CREATE TABLE raft_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL,
    term INTEGER NOT NULL,
    vote INTEGER NOT NULL,
    "commit" INTEGER NOT NULL,
    compacted_term INTEGER NOT NULL,
    compacted_index INTEGER NOT NULL,
    snapshot_term INTEGER NOT NULL,
    snapshot_index INTEGER NOT NULL
);
CREATE TABLE raft_conf_state (
    "index" INTEGER PRIMARY KEY,
    encoded BLOB NOT NULL
);
CREATE TABLE raft_snapshot (
    part INTEGER PRIMARY KEY,
    encoded BLOB NOT NULL
);
"""

LAST_INDEX = """coalesce(
    (SELECT max("index") FROM raft_entry WHERE "index" < 0),
    (SELECT max("index") FROM raft_entry),
    compacted_index
)"""
"""The last index, as a column of ``raft_state``."""
INSERT_STATE = "INSERT INTO raft_state VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_CONF_STATE = "INSERT OR REPLACE INTO raft_conf_state VALUES (?, ?)"

MAX = (1 << 64) - 1
EVERY_START = (-1, -1)
"""Where a membership is stored that counts whatever index a node starts from: behind all others."""
_SIGN = 1 << 63
_PART_BYTES = 16 << 20


def signed(value: int) -> int:
    """How SQLite stores a number of 64 bits."""
    return value - (1 << 64) if value >= _SIGN else value


def unsigned(value: int) -> int:
    """The number that SQLite has stored."""
    return value + (1 << 64) if value < 0 else value


def ranges(first: int, last: int) -> list[tuple[int, int]]:
    """The numbers from ``first`` to ``last`` as the ranges of stored ones that they are."""
    if first > last:
        return []
    if first < _SIGN <= last:
        return [(first, _SIGN - 1), (-_SIGN, signed(last))]
    return [(signed(first), signed(last))]


def parts_of(db: sqlite3.Connection, encoded: bytes) -> Iterator[tuple[int, memoryview]]:
    """Rows for a snapshot, each well below SQLite's limit: 10^9 bytes, unless it was changed."""
    size = min(_PART_BYTES, db.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) // 2)
    view = memoryview(encoded)
    return (
        (part, view[start : start + size]) for part, start in enumerate(range(0, len(view), size))
    )


def prepare(db: sqlite3.Connection, conf_state: ConfState | None) -> None:
    """Makes the tables of a new database, and brings those of an older one up to date. Within a
    transaction."""
    columns = [row[1] for row in db.execute("PRAGMA table_info(raft_state)")]
    if "format" in columns:
        (format,) = db.execute("SELECT format FROM raft_state").fetchone()
        if format != FORMAT:
            text = f"the database has format {format}, and this version knows {FORMAT} and before"
            raise StorageError(text)
    elif columns:
        _from_first_format(db)
    else:
        _create(db)
        first = Snapshot(1, 1, conf_state) if conf_state is not None else None
        state = HardState(1, 0, 1) if first is not None else HardState()
        _insert(db, state, (0, 0) if first is None else (1, 1), first)
        members = conf_state if conf_state is not None else ConfState()
        db.execute(INSERT_CONF_STATE, (0, members.encode()))


def _create(db: sqlite3.Connection) -> None:
    for statement in SCHEMA.split(";"):
        db.execute(statement)


def _insert(
    db: sqlite3.Connection,
    state: HardState,
    compacted: tuple[int, int],
    snapshot: Snapshot | None,
) -> None:
    id = (0, 0) if snapshot is None else (snapshot.term, snapshot.index)
    numbers = (state.term, state.vote, state.commit, *compacted, *id)
    db.execute(INSERT_STATE, (FORMAT, *map(signed, numbers)))
    if snapshot is not None:
        rows = parts_of(db, snapshot.encode())
        db.executemany("INSERT INTO raft_snapshot VALUES (?, ?)", rows)


def _from_first_format(db: sqlite3.Connection) -> None:
    """The snapshot was one value, and of the membership only the latest was kept."""
    query = 'SELECT term, vote, "commit", compacted_term, compacted_index FROM raft_state'
    term, vote, commit, *compacted = db.execute(query).fetchone()
    members, encoded = db.execute("SELECT conf_state, snapshot FROM raft_state").fetchone()
    db.execute("DROP TABLE raft_state")
    _create(db)
    snapshot = None if encoded is None else Snapshot.decode(encoded)
    _insert(db, HardState(term, vote, commit), (compacted[0], compacted[1]), snapshot)
    db.execute(INSERT_CONF_STATE, (signed(MAX), members))
