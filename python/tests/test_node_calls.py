# SPDX-License-Identifier: Apache-2.0
"""Calls of a node from threads and from within calls, and panics."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import raftcore
from cluster import Cluster, ListStorage, drain, single
from raftcore import (
    Config,
    ConfState,
    EntryId,
    MemoryStorage,
    Poisoned,
    RawNode,
    Reentrant,
    Role,
)


class CallingBack(ListStorage):
    """Calls its own node from within."""

    node: RawNode | None = None
    raised: Exception | None = None

    def last_index(self) -> int:
        return super().last_index()

    def entries(self, low: int, high: int, max_bytes: int) -> object:  # type: ignore[override]
        if self.node is not None:
            assert repr(self.node) == "<RawNode id=1>"
            try:
                self.node.tick()
            except Exception as error:
                self.raised = error
                raise
        return super().entries(low, high, max_bytes)


def test_a_storage_that_calls_its_own_node_gets_an_error_and_no_deadlock() -> None:
    storage = CallingBack(ConfState([1]))
    one = Cluster([1], lambda _: storage, log_cache_bytes=0)
    one.elect(1)
    storage.node = one[1]
    one[1].propose(b"x")
    with pytest.raises(raftcore.StorageError) as raised:
        one.settle()
    assert isinstance(storage.raised, Reentrant)
    assert raised.value.__cause__ is storage.raised
    storage.node = None
    one.settle()
    assert b"x" in one.hosts[1].applied


def test_a_storage_may_call_another_node() -> None:
    other = single()

    class Asking(ListStorage):
        def initial_state(self):  # type: ignore[no-untyped-def]
            other.node.tick()
            assert other.node.soft_state.role is Role.LEADER
            return super().initial_state()

    assert RawNode(Config(1), Asking(ConfState([1]))).id == 1


@pytest.mark.parametrize("storage", [ListStorage, MemoryStorage])
def test_many_threads_propose_and_nothing_is_lost(storage: type) -> None:
    one = Cluster([1], storage, log_cache_bytes=0)
    one.elect(1)
    host = one.hosts[1]
    threads, each = 8, 200
    start, places = threading.Barrier(threads), []

    def propose(number: int) -> None:
        start.wait()
        for turn in range(each):
            places.append((host.node.propose(b"%d/%d" % (number, turn)), number, turn))
            host.node.status()

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(propose, number) for number in range(threads)]
        while not all(future.done() for future in futures):
            drain(host)
        for future in futures:
            future.result()
    drain(host)
    assert sorted(host.applied) == sorted(b"%d/%d" % (n, t) for _, n, t in places)
    for place, number, turn in places:
        assert isinstance(place, EntryId)
        (entry,) = host.storage.entries(place.index, place.index + 1, 0)
        assert (entry.id, entry.data) == (place, b"%d/%d" % (number, turn))


def test_a_thread_in_a_slow_storage_does_not_stop_the_others() -> None:
    """A thread that waits for the node lets the one inside have the interpreter."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(ListStorage):
        slow = False

        def entries(self, low: int, high: int, max_bytes: int):  # type: ignore[no-untyped-def]
            if self.slow:
                inside.set()
                assert go_on.wait(60)
            return super().entries(low, high, max_bytes)

    storage = Slow(ConfState([1]))
    one = Cluster([1], lambda _: storage, log_cache_bytes=0)
    one.elect(1)
    storage.slow = True
    one[1].propose(b"x")
    worker = threading.Thread(target=one.settle)
    worker.start()
    assert inside.wait(60)
    waiting = [threading.Thread(target=one[1].status) for _ in range(4)]
    for thread in waiting:
        thread.start()
    go_on.set()
    for thread in [worker, *waiting]:
        thread.join(60)
        assert not thread.is_alive()
    assert one.hosts[1].applied == [b"x"]


class TestPanic:
    """A panic below a node ends that node and nothing else."""

    def poisoned(self, capfd: pytest.CaptureFixture[str]) -> RawNode:
        class Panicking(ListStorage):
            panic = False

            def entries(self, low: int, high: int, max_bytes: int):  # type: ignore[no-untyped-def]
                if self.panic:
                    # PyO3 turns its own exception back into the panic that it stands for.
                    raise panic_exception()("planted")
                return super().entries(low, high, max_bytes)

        storage = Panicking(ConfState([1]))
        one = Cluster([1], lambda _: storage, log_cache_bytes=0)
        node = one.elect(1)
        storage.panic = True
        node.propose(b"x")
        with pytest.raises(Poisoned, match="planted"):
            one.settle()
        capfd.readouterr()
        return node

    def test_every_later_call_says_so(self, capfd: pytest.CaptureFixture[str]) -> None:
        node = self.poisoned(capfd)
        for call in (node.tick, node.status, node.has_ready, node.ready, node.campaign):
            with pytest.raises(Poisoned, match="planted"):
                call()
        with pytest.raises(Poisoned):
            node.propose(b"x")
        assert (node.id, repr(node)) == (1, "<RawNode id=1>")

    def test_other_nodes_go_on(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.poisoned(capfd)
        host = single()
        host.node.propose(b"x")
        drain(host)
        assert host.applied == [b"x"]


def panic_exception() -> type[BaseException]:
    """The exception by which PyO3 shows panics; it exists once any exception has crossed."""
    storage = ListStorage(ConfState([1]))
    storage.first_index = lambda: 1 // 0  # type: ignore[method-assign]
    with pytest.raises(raftcore.StorageError):
        RawNode(Config(1), storage)
    (found,) = (c for c in BaseException.__subclasses__() if c.__name__ == "PanicException")
    return found
