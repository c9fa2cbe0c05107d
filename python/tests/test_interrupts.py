# SPDX-License-Identifier: Apache-2.0
"""Interrupts (KeyboardInterrupt, SystemExit) come out of the call that they were raised in, and
lose no work. What would keep a node busy for hours is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cluster import Cluster, Host, ListStorage
from raftcore import Config, ConfState, Entry, RawNode, Snapshot, SnapshotUnavailable

INTERRUPTS = pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
Interrupt = type[BaseException]


class Interrupted(ListStorage):
    """Raises in its methods what it is told to, one after the other."""

    def __init__(self, conf_state: ConfState | None = None) -> None:
        super().__init__(conf_state)
        self.raises: dict[str, list[BaseException]] = {}

    def check(self, method: str) -> None:
        if waiting := self.raises.get(method):
            raise waiting.pop(0)

    def initial_state(self) -> Any:
        self.check("initial_state")
        return super().initial_state()

    def entries(self, low: int, high: int, max_bytes: int) -> Iterable[Entry]:
        self.check("entries")
        return super().entries(low, high, max_bytes)

    def term(self, index: int) -> int:
        self.check("term")
        return super().term(index)

    def snapshot(self) -> Snapshot:
        self.check("snapshot")
        return super().snapshot()


def elected(**settings: Any) -> Host:
    """A leader of one that has nothing left to do, and keeps nothing in memory."""
    host = Host(1, Interrupted(ConfState([1])), log_cache_bytes=0, **settings)
    host.node.campaign()
    while host.node.has_ready():
        host.cycle()
    return host


@INTERRUPTS
@pytest.mark.parametrize("method", ["initial_state", "term"])
def test_an_interrupt_while_a_node_is_made_comes_out(method: str, interrupt: Interrupt) -> None:
    storage = Interrupted(ConfState([1]))
    storage.raises[method] = [interrupt()]
    with pytest.raises(interrupt):
        RawNode(Config(1), storage)
    assert RawNode(Config(1), storage).status().term == 1


@INTERRUPTS
@pytest.mark.parametrize("later", [OSError("disk"), SnapshotUnavailable()])
def test_an_interrupt_comes_out_whatever_the_storage_raises_after_it(
    interrupt: Interrupt, later: Exception
) -> None:
    three = Cluster([1, 2, 3], Interrupted, log_cache_bytes=0)
    three[1].campaign()
    three.settle()
    three.cut = {3}
    for number in range(5):
        three[1].propose(b"%d" % number)
        three.settle()
    three.hosts[1].compact()
    storage = three.hosts[1].storage
    assert isinstance(storage, Interrupted)
    # The leader asks for a snapshot for node 3, and deals with it if there is none.
    storage.raises["snapshot"] = [interrupt(), later]
    three.cut = set()
    seen = 0
    for _ in range(30):
        try:
            three[1].tick()
            three.settle()
        except interrupt:
            seen += 1
    assert seen == 1
    three.settle()
    assert three[3].status().commit == three[1].status().commit


@INTERRUPTS
def test_an_interrupt_of_the_storage_loses_no_ready(interrupt: Interrupt) -> None:
    host = elected()
    host.node.propose(b"kept")
    host.storage.raises["entries"] = [interrupt()]  # type: ignore[union-attr]
    while host.node.has_ready():
        try:
            host.cycle()
        except interrupt:
            assert host.node.has_ready()
    assert host.applied == [b"kept"]


@INTERRUPTS
@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_interrupt_of_an_observer_loses_no_ready(
    interrupt: Interrupt, asynchronous: bool
) -> None:
    node = RawNode(Config(1, async_storage_writes=asynchronous), ListStorage(ConfState([1, 2, 3])))
    node.campaign()
    waiting: list[BaseException] = [interrupt()]

    def trace(event: dict[str, Any]) -> None:
        if event["kind"] == "send" and waiting:
            raise waiting.pop()

    node.set_observer(trace=trace)
    with pytest.raises(interrupt):
        node.ready()
    assert node.has_ready()
    ready = node.ready()
    assert sorted(message.to for message in ready.messages) == [2, 3]
    assert not node.has_ready()
    finish = node.advance if not asynchronous else lambda _: None
    finish(ready)


@pytest.mark.parametrize("count", [-1, (1 << 20) + 1, 60_000_000, 1 << 32, 1 << 80])
def test_a_count_of_ticks_that_is_a_mistake_is_refused_at_once(count: int) -> None:
    host = elected()
    with pytest.raises(ValueError, match=f"count: {count} is not from 0 to 1048576"):
        host.node.tick(count)
    assert not host.node.has_ready()


@pytest.mark.parametrize("count", [True, 1.0, "1", None])
def test_what_is_no_number_of_ticks_is_a_type_error(count: Any) -> None:
    with pytest.raises(TypeError, match="is not a number of ticks"):
        elected().node.tick(count)


def test_many_ticks_count_as_one_after_the_other() -> None:
    nodes = [
        RawNode(Config(1, pre_vote=False, seed=5), ListStorage(ConfState([1, 2]))) for _ in range(2)
    ]
    nodes[0].tick(25)
    for _ in range(25):
        nodes[1].tick()
    nodes[1].tick(0)
    terms = [node.status().term for node in nodes]
    assert terms[0] == terms[1] > 1
