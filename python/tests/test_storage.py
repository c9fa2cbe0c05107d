# SPDX-License-Identifier: Apache-2.0
"""Storages: what they raise reaches the caller, and what they answer is checked."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import raftcore
from cluster import Cluster, ListStorage
from raftcore import (
    Compacted,
    Config,
    ConfState,
    Entry,
    HardState,
    InconsistentStorage,
    MemoryStorage,
    RaftError,
    RawNode,
    Role,
    Snapshot,
    SnapshotOutOfDate,
    SnapshotUnavailable,
    StorageError,
    Unavailable,
)


class FlakyStorage(ListStorage):
    """Fails on demand."""

    failure: BaseException | None = None
    failing = ""
    asked = 0

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "failing"):
            self.asked += 1
            failure = object.__getattribute__(self, "failure")
            if failure is not None:
                return self.fail
        return super().__getattribute__(name)

    def fail(self, *_: object) -> Any:
        assert self.failure is not None
        raise self.failure


METHODS = ["initial_state", "entries", "term", "first_index", "last_index", "snapshot"]


def flaky(id: int = 1) -> tuple[Cluster, FlakyStorage]:
    """A leading node of three whose storage can fail, and no recent entries in memory."""
    storages: list[FlakyStorage] = []

    def make(conf_state: ConfState | None) -> FlakyStorage:
        storages.append(FlakyStorage(conf_state))
        return storages[-1]

    three = Cluster([1, 2, 3], make, log_cache_bytes=0)
    three.elect(id)
    return three, storages[id - 1]


@pytest.mark.parametrize("method", ["initial_state", "first_index", "last_index"])
def test_a_node_is_not_made_from_a_storage_that_fails(method: str) -> None:
    storage = FlakyStorage(ConfState([1]))
    storage.failing, storage.failure = method, OSError("disk on fire")
    with pytest.raises(StorageError, match="OSError: disk on fire") as raised:
        RawNode(Config(1), storage)
    assert raised.value.__cause__ is storage.failure
    storage.failure = None
    assert RawNode(Config(1), storage).id == 1


def test_a_failing_read_for_the_caller_leaves_the_node_usable() -> None:
    three, storage = flaky(2)
    three[1].propose(b"x")
    storage.failing, storage.failure = "entries", OSError("disk on fire")
    three.wire.clear()
    with pytest.raises(StorageError, match="disk on fire") as raised:
        three.settle()
    assert isinstance(raised.value.__cause__, OSError)
    storage.failure = None
    three.tick(5)
    applied = three.applied()
    assert applied[2] == applied[1] == applied[3]
    assert applied[2][0] == b"x"


def test_a_failing_read_for_a_member_stops_nobody_else() -> None:
    three, storage = flaky()
    three.cut = {3}
    three[1].propose(b"x")
    three.settle()
    three.cut = set()
    storage.failing, storage.failure = "entries", OSError("disk on fire")
    three.tick(20)
    error = three[1].take_storage_error()
    assert isinstance(error, StorageError)
    assert error.__cause__ is storage.failure
    three[1].propose(b"y")
    storage.failure = None
    three.tick(20)
    assert three.applied() == {id: [b"x", b"y"] for id in (1, 2, 3)}
    three[1].take_storage_error()
    assert three[1].take_storage_error() is None


def group_behind() -> Cluster:
    """A group whose leader, node 1, has entries that node 3 missed."""
    three = Cluster([1, 2, 3], lambda state: ListStorage(state), log_cache_bytes=0)
    three.elect(1)
    three.cut = {3}
    three[1].propose(b"x")
    three.settle()
    return three


def broken_snapshot() -> Snapshot:
    raise OSError("no such table")


def test_a_member_that_cannot_be_served_is_logged_once_for_each_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    three = group_behind()
    storage = three.hosts[1].storage
    index = storage.last_index()
    storage.create_snapshot(index, ConfState([1, 2]), b"x")
    storage.compact(index)
    three.cut = set()
    three.tick(30)
    ((name, level, text),) = caplog.record_tuples
    assert (name, level) == ("raftcore", logging.WARNING)
    assert text.startswith("node 1: node 3 cannot be sent what it needs: ")
    assert "older than the membership of node 3" in text
    words: list[tuple[int, str]] = []
    three[1].set_observer(log=lambda *said: words.append(said))
    storage.snapshot = lambda: broken_snapshot()  # type: ignore[method-assign]
    three.tick(30)
    ((level, text),) = words
    assert level == logging.WARNING
    assert "no such table" in text


def test_a_storage_that_makes_snapshots_on_demand_is_asked_for_the_peer() -> None:
    class OnDemand(ListStorage):
        asked: list[int]

        def snapshot_for(self, peer: int) -> Snapshot:
            self.asked.append(peer)
            return self.create_snapshot(self.offset.index, ConfState([1, 2, peer]), b"x")

    three = Cluster([1, 2, 3], lambda state: OnDemand(state), log_cache_bytes=0)
    storage = three.hosts[1].storage
    assert isinstance(storage, OnDemand)
    storage.asked = []
    three.elect(1)
    three.cut = {3}
    three[1].propose(b"x")
    three.settle()
    storage.compact(storage.last_index())
    three.cut = set()
    three.tick(20)
    assert storage.asked == [3]
    assert three.hosts[3].applied == [b"x"]


def test_an_interrupt_is_not_dressed_up_as_a_failed_storage() -> None:
    storage = FlakyStorage(ConfState([1]))
    storage.failing, storage.failure = "initial_state", KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        RawNode(Config(1), storage)


@pytest.mark.parametrize("known", [Compacted, Unavailable, SnapshotUnavailable, SnapshotOutOfDate])
def test_the_answers_of_the_protocol_keep_their_class(known: type[StorageError]) -> None:
    class Own(known):  # type: ignore[misc, valid-type]
        pass

    storage = FlakyStorage(ConfState([1]))
    storage.failing, storage.failure = "initial_state", Own("mine")
    with pytest.raises(known) as raised:
        RawNode(Config(1), storage)
    assert raised.value.__cause__ is storage.failure


def test_a_snapshot_that_is_not_there_yet_is_asked_for_again() -> None:
    three, storage = flaky()
    three.cut = {3}
    three[1].propose(b"x")
    three.settle()
    three.hosts[1].compact()
    storage.failing, storage.failure = "snapshot", SnapshotUnavailable()
    three.cut = set()
    three.tick(20)
    assert three.hosts[3].applied == []
    assert storage.asked > 1
    storage.failure = None
    three.tick(20)
    assert three.hosts[3].applied == [b"x"]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("initial_state", None),
        ("initial_state", (HardState(), None)),
        ("first_index", "1"),
        ("first_index", -1),
        ("last_index", 1 << 64),
        ("last_index", None),
    ],
)
def test_an_answer_of_the_wrong_type_is_a_failure(method: str, answer: object) -> None:
    storage = ListStorage(ConfState([1]))
    setattr(storage, method, lambda: answer)
    with pytest.raises(StorageError) as raised:
        RawNode(Config(1), storage)
    assert isinstance(raised.value.__cause__, TypeError | OverflowError)


def test_answers_that_contradict_each_other_are_refused() -> None:
    storage = ListStorage(ConfState([1]))
    storage.hard_state = HardState(1, 0, 9)
    with pytest.raises(InconsistentStorage):
        RawNode(Config(1), storage)


def broken_entries(*entries: object) -> Callable[[int, int, int], object]:
    return lambda low, high, max_bytes: list(entries)


@pytest.mark.parametrize(
    "entries",
    [(), (Entry(9, 9),), (Entry(2, 2), Entry(2, 2)), ("entry",)],
)
def test_entries_that_were_not_asked_for_are_an_error_or_harmless(entries: tuple[object]) -> None:
    three, storage = flaky()
    three.cut = {3}
    three[1].propose(b"x")
    three.settle()
    whole = storage.entries
    storage.entries = broken_entries(*entries)  # type: ignore[assignment, method-assign]
    three.cut = set()
    three.tick(20)
    assert isinstance(three[1].take_storage_error(), StorageError)
    storage.entries = whole  # type: ignore[method-assign]
    three.tick(20)
    assert three.hosts[3].applied == [b"x"]


def test_a_storage_has_all_its_methods() -> None:
    for missing in METHODS:
        methods = {name: getattr(ListStorage, name) for name in METHODS if name != missing}
        with pytest.raises(TypeError, match=rf"has no method {missing}\(\)"):
            RawNode(Config(1), type("Partial", (), methods)())
        with pytest.raises(TypeError, match=missing):
            type("Abstract", (raftcore.Storage,), methods)()
    with pytest.raises(TypeError):
        RawNode(Config(1), None)  # type: ignore[arg-type]


def test_the_protocol_knows_its_own() -> None:
    for storage in (MemoryStorage(), ListStorage()):
        assert isinstance(storage, raftcore.Storage)
        assert RawNode(Config(1), storage).storage is storage
    assert not isinstance(object(), raftcore.Storage)


def test_a_subclass_of_the_memory_storage_is_asked_itself() -> None:
    class Counting(MemoryStorage):
        asked = 0

        def initial_state(self) -> tuple[HardState, ConfState]:
            self.asked += 1
            return super().initial_state()

    storage = Counting(ConfState([1]))
    assert RawNode(Config(1), storage).status().conf_state == ConfState([1])
    assert storage.asked == 1


def test_a_node_and_a_storage_that_know_each_other_are_collected() -> None:
    class Knowing(ListStorage):
        node: RawNode | None = None

    storage = Knowing(ConfState([1]))
    node = storage.node = RawNode(Config(1), storage)
    gone = weakref.ref(node)
    del storage, node
    gc.collect()
    assert gone() is None


def test_a_kept_failure_does_not_keep_a_node_alive() -> None:
    three, storage = flaky()
    three.cut = {3}
    three[1].propose(b"x")
    three.settle()
    three.cut = set()
    storage.failing, storage.failure = "entries", OSError("disk on fire")
    three.tick(20)
    gone = weakref.ref(three[1])
    storage.cluster = three  # type: ignore[attr-defined]
    del three, storage
    gc.collect()
    assert gone() is None


class TestMemoryStorage:
    """The library's own storage, by its contract."""

    def filled(self) -> MemoryStorage:
        storage = MemoryStorage(ConfState([1]))
        storage.append([Entry(1, index, b"x" * 10) for index in range(2, 8)])
        return storage

    def test_a_group_starts_from_a_snapshot(self) -> None:
        storage = MemoryStorage(ConfState([1]))
        assert storage.snapshot() == Snapshot(1, 1, ConfState([1]))
        assert (storage.first_index(), storage.last_index()) == (2, 1)
        assert MemoryStorage().initial_state() == (HardState(), ConfState())
        with pytest.raises(ValueError, match="conf_state"):
            MemoryStorage(ConfState([1]), snapshot=Snapshot(1, 1, ConfState([1])))

    def test_entries_replace_what_follows(self) -> None:
        storage = self.filled()
        storage.append(iter([Entry(2, 5)]))
        assert [(entry.term, entry.index) for entry in storage.entries(4, 6)] == [(1, 4), (2, 5)]
        assert storage.last_index() == 5
        with pytest.raises(Unavailable):
            storage.append([Entry(2, 9)])

    def test_entries_are_limited_by_bytes(self) -> None:
        storage = self.filled()
        one = storage.entries(2, 3)[0].encoded_len
        assert len(storage.entries(2, 8, 0)) == 1
        assert len(storage.entries(2, 8, 3 * one)) == 3
        assert len(raftcore.fitting(storage.entries(2, 8), 3 * one)) == 3
        assert len(raftcore.fitting(storage.entries(2, 8), 0)) == 1

    def test_what_is_compacted_is_gone(self) -> None:
        storage = self.filled()
        storage.create_snapshot(5, ConfState([1]), b"state")
        storage.compact(5)
        assert (storage.first_index(), storage.term(5)) == (6, 1)
        assert storage.snapshot().data == b"state"
        for gone in (lambda: storage.entries(5, 7), lambda: storage.term(4)):
            with pytest.raises(Compacted):
                gone()
        for beyond in (lambda: storage.entries(6, 9), lambda: storage.term(8)):
            with pytest.raises(Unavailable):
                beyond()

    def test_what_no_snapshot_covers_stays(self) -> None:
        storage = self.filled()
        storage.create_snapshot(4, ConfState([1]), b"state")
        for index in (5, storage.last_index()):
            with pytest.raises(StorageError, match="the snapshot covers those up to 4"):
                storage.compact(index)
        with pytest.raises(Unavailable):
            storage.compact(storage.last_index() + 1)
        assert storage.first_index() == 2
        storage.compact(4)
        assert storage.first_index() == 5

    def test_an_older_snapshot_is_refused(self) -> None:
        storage = self.filled()
        storage.apply_snapshot(Snapshot(2, 9, ConfState([1, 2])))
        assert storage.initial_state()[1] == ConfState([1, 2])
        with pytest.raises(SnapshotOutOfDate):
            storage.apply_snapshot(Snapshot(2, 8, ConfState([1])))

    def test_it_prints_its_range(self) -> None:
        assert repr(self.filled()) == "<MemoryStorage entries 2..7>"


def test_every_exception_of_the_package_is_a_raft_error() -> None:
    for name in raftcore.errors.__all__:
        kind = getattr(raftcore.errors, name)
        if name != "DropReason":
            assert issubclass(kind, RaftError)


def test_leaders_ask_their_storage_only_for_what_left_the_memory() -> None:
    storage = FlakyStorage(ConfState([1]))
    node = RawNode(Config(1), storage)
    node.campaign()
    storage.failing, storage.failure = "entries", OSError("never asked")
    for _ in range(10):
        if node.soft_state.role is Role.LEADER:
            node.propose(b"x")
        while node.has_ready():
            ready = node.ready()
            storage.persist(ready)
            node.advance(ready)
    assert storage.asked == 0
    assert node.status().commit > 1
