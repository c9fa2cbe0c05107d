# SPDX-License-Identifier: Apache-2.0
"""Drills of docs/operations.md: one survivor goes on, a backup becomes a group."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cluster import AnyStorage, Cluster, Host, ListStorage
from raftcore import (
    ConfChange,
    ConfChangeError,
    ConfChangeKind,
    ConfChangeOp,
    ConfState,
    DecodeError,
    EntryId,
    HardState,
    InconsistentStorage,
    MemoryStorage,
    RecoveryRefused,
    Snapshot,
    StorageError,
    recovery,
)
from raftcore.sqlite import SqliteStorage

STORAGES = [ListStorage, MemoryStorage]
ALONE = ConfState([1])


def with_a_tail(storage: type[ListStorage | MemoryStorage]) -> Cluster:
    """Three nodes with a committed entry; one that only node 1 has, behind it."""
    three = Cluster([1, 2, 3], storage)
    three.elect(1).propose(b"committed")
    three.settle()
    three.tick()
    three.cut |= {1}
    three[1].propose(b"tail")
    three.settle()
    return three


def survive(three: Cluster, storage: AnyStorage) -> Host:
    """Node 1, which goes on alone from its storage; the others are gone."""
    before = three.hosts[1]
    three.hosts = {1: Host(1, storage)}
    three.cut.clear()
    three.hosts[1].applied, three.hosts[1].applied_index = before.applied, before.applied_index
    three.hosts[1].restart()
    return three.hosts[1]


@pytest.mark.parametrize("storage", STORAGES)
def test_a_survivor_goes_on_and_others_join_it(storage: type[ListStorage | MemoryStorage]) -> None:
    three = with_a_tail(storage)
    host = three.hosts[1]
    plan = recovery.recover(host.storage, 1, ALONE, applied=host.applied_index)
    assert (plan.committed, plan.last, plan.changes) == (3, EntryId(2, 4), 0)
    assert plan.before == ConfState([1, 2, 3])
    assert plan.may_miss_committed
    host.storage.persist(plan.write)  # type: ignore[arg-type]
    survive(three, host.storage)
    three.settle()
    leader = three.elect(1)
    assert leader.status().conf_state == ALONE
    three.join(4)
    leader.propose_conf_change(ConfChange((ConfChangeOp(ConfChangeKind.ADD_VOTER, 4),)))
    three.settle()
    leader.propose(b"after")
    three.tick(3)
    assert three.hosts[1].applied == [b"committed", b"tail", b"after"]
    assert three.hosts[4].applied == three.hosts[1].applied
    other = recovery.log_position(three.hosts[1].storage, 1)
    with pytest.raises(RecoveryRefused, match="nothing to change"):
        recovery.recover(three.hosts[4].storage, 4, ConfState([1, 4]), survivors=[other])


def test_the_wrong_survivor_is_refused() -> None:
    three = with_a_tail(ListStorage)
    best, other = (recovery.log_position(three.hosts[id].storage, id) for id in (1, 2))
    assert best == recovery.LogPosition(1, 2, EntryId(2, 4), 3)
    assert max((best, other), key=lambda it: (it.last.term, it.last.index)) is best
    with pytest.raises(RecoveryRefused, match="node 1"):
        recovery.recover(three.hosts[2].storage, 2, ConfState([2]), survivors=[best])
    with pytest.raises(RecoveryRefused, match="node 2"):
        recovery.recover(three.hosts[1].storage, 1, ConfState([1, 2]))
    with pytest.raises(RecoveryRefused, match="joint"):
        recovery.recover(three.hosts[1].storage, 1, ConfState([1], voters_outgoing=[1]))
    with pytest.raises(ConfChangeError):
        recovery.recover(three.hosts[1].storage, 1, ConfState([1], learners=[1]))
    plan = recovery.recover(three.hosts[1].storage, 1, ALONE, survivors=[other])
    assert not plan.may_miss_committed


def test_what_a_storage_raises_comes_out() -> None:
    class Broken(ListStorage):
        def last_index(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(StorageError) as raised:
        recovery.log_position(Broken(), 1)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    beyond = ListStorage(ConfState([1, 2]))
    beyond.hard_state = HardState(1, 0, 9)
    with pytest.raises(InconsistentStorage):
        recovery.recover(beyond, 1, ALONE)
    with pytest.raises(TypeError):
        recovery.log_position(object(), 1)  # type: ignore[arg-type]


def test_a_database_is_recovered_in_place(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    with closing(SqliteStorage(path, ConfState([1, 2, 3]))) as storage:
        plan = recovery.recover(storage, 1, ALONE)
        storage.persist(plan.write)
    with closing(SqliteStorage(path)) as storage:
        host = Host(1, storage)
        while host.node.has_ready():
            host.cycle()
        host.node.campaign()
        while host.node.has_ready():
            host.cycle()
        assert host.node.status().conf_state == ALONE
        host.node.propose(b"x")
        host.cycle()


@pytest.mark.parametrize("storage", STORAGES)
def test_a_backup_becomes_a_new_group(storage: type[ListStorage | MemoryStorage]) -> None:
    three = with_a_tail(storage)
    three.hosts[2].compact()
    backup = recovery.encode_backup(three.hosts[2].storage.snapshot())
    assert recovery.decode_backup(backup) == three.hosts[2].storage.snapshot()
    members = ConfState([11, 12, 13])
    restored = recovery.restore(backup, members)
    assert restored.before == ConfState([1, 2, 3])
    group = Cluster([], storage)
    for id in members.voters:
        new = storage(None)
        new.persist(restored.write)  # type: ignore[arg-type]
        group.hosts[id] = Host(id, new)
        group.hosts[id].applied = restored.write.snapshot.data.split(b"\n")  # type: ignore[union-attr]
    group.elect(12).propose(b"more")
    group.tick(2)
    assert group.applied()[13] == [b"committed", b"more"]


def test_a_backup_becomes_a_database(tmp_path: Path) -> None:
    backup = recovery.encode_backup(Snapshot(5, 70, ConfState([1, 2, 3]), b"state"))
    with closing(SqliteStorage(tmp_path / "node.db")) as storage:
        storage.persist(recovery.restore(backup, ConfState([11])).write)
    with closing(SqliteStorage(tmp_path / "node.db")) as storage:
        assert storage.initial_state() == (HardState(5, 0, 70), ConfState([11]))
        host = Host(11, storage)
        host.node.campaign()
        while host.node.has_ready():
            host.cycle()
        assert host.node.status().last == EntryId(6, 71)


def test_a_damaged_backup_is_refused() -> None:
    good = recovery.encode_backup(Snapshot(2, 3, ConfState([1]), b"state"))
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 0x10
        with pytest.raises(DecodeError):
            recovery.decode_backup(bad)
        with pytest.raises(DecodeError):
            recovery.restore(bytes(bad), ALONE)
    with pytest.raises(DecodeError):
        recovery.decode_backup(good[:-1])
    with pytest.raises(ConfChangeError):
        recovery.restore(good, ConfState())
