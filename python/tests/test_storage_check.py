# SPDX-License-Identifier: Apache-2.0
"""The storage suite: the package's storages keep the contract, and broken ones are found."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import raftcore
from cluster import Host, ListStorage
from raftcore import (
    Config,
    ConfState,
    Entry,
    HardState,
    MemoryStorage,
    RawNode,
    Role,
    Snapshot,
    SnapshotOutOfDate,
    StorageFinding,
    StorageWrite,
    Unavailable,
    storage_check,
)
from raftcore.sqlite import SqliteStorage


def broken(findings: list[StorageFinding]) -> list[str]:
    return [finding.rule for finding in findings if finding.outcome == "broken"]


def not_checked(findings: list[StorageFinding]) -> set[str]:
    return {f.rule.split("_")[0] for f in findings if f.outcome == "not_checked"}


@pytest.mark.parametrize("make", [MemoryStorage, ListStorage])
@pytest.mark.parametrize("members", [None, ConfState([1])])
def test_the_storages_in_memory_keep_every_rule(
    make: Callable[[ConfState | None], Any], members: ConfState | None
) -> None:
    findings = storage_check(lambda: make(members))
    assert broken(findings) == [], "\n".join(map(str, findings))
    assert not_checked(findings) == {"reopen", "crash", "failure", "open"}
    assert len(findings) > 40


class CheckedSqlite(SqliteStorage):
    """With restarts, crashes and failures."""

    opened: ClassVar[list[CheckedSqlite]] = []

    def __init__(self, path: Path, conf_state: ConfState | None = None) -> None:
        super().__init__(path, conf_state)
        self.opened.append(self)

    def reopen(self, crashed: bool) -> CheckedSqlite:
        path = Path(self.path)
        if not crashed:
            self.close()
            return type(self)(path)
        # What the files hold while the database is open: a process that was killed.
        copy = path.with_name(path.name + "-copy")
        for end in ("", "-wal"):
            if Path(f"{path}{end}").exists():
                shutil.copy(f"{path}{end}", f"{copy}{end}")
        return type(self)(copy)

    def set_failing(self, failing: bool) -> None:
        if failing:
            self.close()
        elif self._closed:
            self.__init__(Path(self.path))  # type: ignore[misc]

    def open_twice(self) -> SqliteStorage:
        return SqliteStorage(self.path)


@pytest.mark.parametrize("members", [None, ConfState([1])])
def test_sqlite_keeps_every_rule(tmp_path: Path, members: ConfState | None) -> None:
    numbers = itertools.count()

    def close() -> None:
        while CheckedSqlite.opened:
            CheckedSqlite.opened.pop().close()

    def make() -> CheckedSqlite:
        close()
        return CheckedSqlite(tmp_path / f"{next(numbers)}.db", members)

    findings = storage_check(make)
    close()
    assert [f for f in findings if f.outcome != "kept"] == [], "\n".join(map(str, findings))


def test_a_node_restarts_from_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    storage = SqliteStorage(path, ConfState([1]))
    host = Host(1, storage)
    host.node.campaign()
    while host.node.has_ready():
        host.cycle()
    placed = host.node.propose(b"kept")
    while host.node.has_ready():
        host.cycle()
    storage.close()
    again = SqliteStorage(path, ConfState([7]))
    node = RawNode(Config(1, applied=placed.index), again)  # type: ignore[union-attr]
    assert again.initial_state()[1] == ConfState([1])
    assert again.entries(2, placed.index + 1, 1 << 20)[-1].data == b"kept"  # type: ignore[union-attr]
    assert node.status().role is Role.FOLLOWER
    assert node.status().term == 2
    again.close()


class IgnoresLimit(ListStorage):
    def entries(self, low: int, high: int, max_bytes: int) -> Iterable[Entry]:
        return super().entries(low, high, 1 << 60)


class KeepsTail(ListStorage):
    def persist(self, ready: StorageWrite) -> None:  # type: ignore[override]
        before = list(self.log)
        super().persist(ready)  # type: ignore[arg-type]
        self.log += before[len(self.log) :]


class ForgetsHardState(ListStorage):
    def reopen(self, crashed: bool) -> ForgetsHardState:
        self.hard_state = HardState()
        return self


class TermOneOff(ListStorage):
    def term(self, index: int) -> int:
        if index == self.offset.index and index > 1 and self.log:
            return self.log[0].term
        return super().term(index)


class AcceptsOlderSnapshots(ListStorage):
    def apply_snapshot(self, snapshot: Snapshot) -> None:
        self.offset = raftcore.EntryId(0, 0)
        super().apply_snapshot(snapshot)


class Swallows(ListStorage):
    failing = False

    def set_failing(self, failing: bool) -> None:
        self.failing = failing

    def persist(self, ready: StorageWrite) -> None:  # type: ignore[override]
        if not self.failing:
            super().persist(ready)  # type: ignore[arg-type]

    def entries(self, low: int, high: int, max_bytes: int) -> Iterable[Entry]:
        if self.failing:
            raise OSError("no disk")
        return super().entries(low, high, max_bytes)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (IgnoresLimit, "range_limit"),
        (KeepsTail, "overwrite_last_index"),
        (ForgetsHardState, "reopen_hard_state"),
        (TermOneOff, "compaction_boundary_term"),
        (AcceptsOlderSnapshots, "snapshot_older"),
        (Swallows, "failure_reported"),
    ],
)
def test_a_broken_storage_fails_by_its_rule(make: Callable[[], ListStorage], rule: str) -> None:
    findings = storage_check(make)  # type: ignore[arg-type]
    assert broken(findings)[:1] == [rule], "\n".join(map(str, findings))
    (found,) = (finding for finding in findings if finding.rule == rule)
    assert found.expected
    assert found.got
    assert str(found).startswith(f"BROKEN       {rule}: {found.demand}\n  expected ")


def test_what_is_no_storage_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object has no method persist"):
        storage_check(object)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        storage_check(lambda: 1 // 0)  # type: ignore[arg-type, return-value]


def test_an_interrupt_ends_the_check() -> None:
    class Interrupted(ListStorage):
        def compact(self, index: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage_check(Interrupted)  # type: ignore[arg-type]


def test_sqlite_refuses_what_does_not_fit(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "node.db")
    storage.persist(StorageWrite(snapshot=Snapshot(2, 9, ConfState([1])), must_sync=True))
    with pytest.raises(SnapshotOutOfDate):
        storage.persist(StorageWrite(snapshot=Snapshot(2, 5, ConfState([2]))))
    with pytest.raises(Unavailable):
        storage.compact(10)
    with pytest.raises(raftcore.Compacted):
        storage.compact(9)
    assert (storage.first_index(), storage.initial_state()[1]) == (10, ConfState([1]))
    storage.close()
