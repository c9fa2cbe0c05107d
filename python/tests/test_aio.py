# SPDX-License-Identifier: Apache-2.0
"""Nodes on an event loop: callers learn what became of what they asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from raftcore import (
    ConfChange,
    Config,
    ConfState,
    Entry,
    MemoryStorage,
    Message,
    RaftError,
    Ready,
    Snapshot,
    aio,
)

PATIENCE = 60  # seconds until a test that waits in vain fails


class Memory(aio.Host):
    """A list as the state machine, a function as the transport."""

    def __init__(self, id: int, group: Group) -> None:
        self.id = id
        self.group = group
        self.storage = MemoryStorage(ConfState(group.members) if id in group.members else None)
        self.applied: list[bytes] = []
        self.events: list[str] = []
        self.failure: Exception | None = None

    async def persist(self, ready: Ready) -> None:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)  # others run meanwhile, as with a real disk
        self.storage.persist(ready)
        self.events.append("persisted")

    def send(self, message: Message) -> None:
        self.events.append("promise" if message.requires_persistence else "message")
        delivered = self.group.deliver(message)
        if isinstance(message.body, Snapshot):
            self.group.nodes[self.id].report_snapshot(message.to, delivered)

    def apply(self, entry: Entry) -> object:
        if entry.data:
            self.applied.append(entry.data)
        return entry.data.decode().upper()

    def apply_conf_change(self, entry: Entry, conf_state: ConfState) -> None:
        self.storage.set_conf_state(conf_state)
        self.storage.create_snapshot(entry.index, conf_state, b"\n".join(self.applied))

    async def compact_at(self, count: int) -> None:
        """Makes a snapshot of so many entries, once they are applied, and drops the log."""
        await self.group.until(lambda: len(self.applied) == count)
        status = self.group.nodes[self.id].raw.status()
        data = b"\n".join(self.applied)
        self.storage.create_snapshot(status.applied, status.conf_state, data)
        self.storage.compact(status.applied)

    def restore(self, snapshot: Snapshot) -> None:
        self.applied = snapshot.data.split(b"\n") if snapshot.data else []


class Group:
    """Nodes whose messages go straight to each other, unless one of the two is cut off."""

    def __init__(self, members: range) -> None:
        self.members = members
        self.hosts: dict[int, Memory] = {}
        self.nodes: dict[int, aio.Node] = {}
        self.cut: set[int] = set()
        self.stack = AsyncExitStack()

    async def start(self, id: int) -> aio.Node:
        host = self.hosts.setdefault(id, Memory(id, self))
        node = aio.Node(Config(id, seed=3), host.storage, host, tick_seconds=0.005)
        self.nodes[id] = await self.stack.enter_async_context(node)
        return node

    def deliver(self, message: Message) -> bool:
        if not self.cut.isdisjoint((message.from_, message.to)) or message.to not in self.nodes:
            return False
        with suppress(RaftError):
            self.nodes[message.to].receive(message.encode())
        return True

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    async def leader(self) -> aio.Node:
        def found() -> list[aio.Node]:
            alive = [node for id, node in self.nodes.items() if id not in self.cut]
            leaders = [node for node in alive if node.is_leader]
            led = [n for n in alive if leaders and n.raw.soft_state.leader == leaders[0].raw.id]
            return leaders if len(leaders) == 1 and len(led) == len(alive) else []

        await self.until(found)
        return found()[0]

    def follower(self) -> aio.Node:
        return next(node for node in self.nodes.values() if not node.is_leader)


@asynccontextmanager
async def group(size: int) -> AsyncIterator[Group]:
    nodes = Group(range(1, size + 1))
    async with nodes.stack:
        for id in nodes.members:
            await nodes.start(id)
        yield nodes


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a test on a loop of its own, with a limit to its patience."""

    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), PATIENCE))

    run.__name__ = test.__name__
    return run


@on_loop
async def test_a_proposal_returns_what_applying_it_returned() -> None:
    async with group(3) as three:
        leader = await three.leader()
        assert await leader.propose(b"x") == "X"
        many = await asyncio.gather(*(leader.propose(b"y%d" % n) for n in range(100)))
        assert many == [f"Y{n}" for n in range(100)]
        await three.until(lambda: all(len(h.applied) == 101 for h in three.hosts.values()))


@on_loop
async def test_a_follower_names_the_leader() -> None:
    async with group(3) as three:
        leader = await three.leader()
        with pytest.raises(aio.NotLeader) as raised:
            await three.follower().propose(b"x")
        assert raised.value.leader == leader.raw.id
        with pytest.raises(aio.NotLeader):
            await three.follower().propose_conf_change(ConfChange.remove(1))


@on_loop
async def test_a_read_barrier_waits_for_what_was_acknowledged() -> None:
    async with group(3) as three:
        leader = await three.leader()
        for number in range(20):
            await leader.propose(b"%d" % number)
            reader = three.follower()
            await reader.read_barrier()
            assert three.hosts[reader.raw.id].applied[-1] == b"%d" % number


@on_loop
async def test_a_read_barrier_is_asked_again_until_there_is_a_quorum() -> None:
    async with group(3) as three:
        leader = await three.leader()
        await leader.propose(b"x")
        three.cut = {1, 2, 3}
        barrier = asyncio.create_task(leader.read_barrier())
        await three.until(lambda: not leader.is_leader)
        assert not barrier.done()
        three.cut = set()
        await barrier


@on_loop
async def test_a_proposal_of_a_deposed_leader_is_superseded() -> None:
    async with group(3) as three:
        old = await three.leader()
        three.cut = {old.raw.id}
        lost = asyncio.create_task(old.propose(b"lost"))
        new = await three.leader()
        assert await new.propose(b"kept") == "KEPT"
        three.cut = set()
        with pytest.raises(aio.Superseded):
            await lost
        assert b"lost" not in three.hosts[new.raw.id].applied


@on_loop
async def test_under_a_snapshot_the_outcome_is_unknown() -> None:
    async with group(3) as three:
        old = await three.leader()
        three.cut = {old.raw.id}
        lost = asyncio.create_task(old.propose(b"lost"))
        new = await three.leader()
        for number in range(5):
            await new.propose(b"%d" % number)
        for host in three.hosts.values():
            if host.id != old.raw.id:
                await host.compact_at(5)
        three.cut = set()
        with pytest.raises(aio.OutcomeUnknown):
            await lost
        await three.until(lambda: len(three.hosts[old.raw.id].applied) == 5)


@on_loop
async def test_the_membership_changes_and_new_members_catch_up() -> None:
    async with group(3) as three:
        leader = await three.leader()
        await leader.propose(b"x")
        await three.start(4)
        assert await leader.propose_conf_change(ConfChange.add_learner(4)) == ConfState(
            [1, 2, 3], [4]
        )
        assert await leader.propose_conf_change(ConfChange.add_voter(4)) == ConfState([1, 2, 3, 4])
        await three.until(lambda: three.hosts[4].applied == [b"x"])


@on_loop
async def test_a_second_change_at_the_same_time_is_refused() -> None:
    async with group(1) as one:
        leader = await one.leader()
        first = asyncio.create_task(leader.propose_conf_change(ConfChange.add_learner(2)))
        second = asyncio.create_task(leader.propose_conf_change(ConfChange.add_learner(3)))
        assert await first == ConfState([1], [2])
        with pytest.raises(aio.ConfChangeRefused):
            await second


@on_loop
async def test_promises_leave_only_after_what_they_promise_is_stored() -> None:
    async with group(3) as three:
        leader = await three.leader()
        for number in range(20):
            await leader.propose(b"%d" % number)
        for host in three.hosts.values():
            for before, event in zip(host.events, host.events[1:], strict=False):
                assert event != "promise" or before in ("persisted", "promise")


@on_loop
async def test_a_failing_disk_stops_the_node_and_tells_everybody() -> None:
    one = Group(range(1, 2))

    async def life() -> None:
        async with one.stack:
            node = await one.start(1)
            await one.leader()
            one.hosts[1].failure = OSError("disk on fire")
            waiting: list[Awaitable[object]] = [node.propose(b"x"), node.propose(b"y")]
            for outcome in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(outcome, aio.NodeStopped)
            with pytest.raises(OSError, match="disk on fire"):
                await node.stopped()
            for late in (node.propose(b"z"), node.read_barrier()):
                with pytest.raises(aio.NodeStopped):
                    await late
            with pytest.raises(aio.NodeStopped):
                node.receive(b"")

    with pytest.raises(OSError, match="disk on fire"):
        await life()


@on_loop
async def test_a_cancelled_proposal_disturbs_nobody() -> None:
    async with group(3) as three:
        leader = await three.leader()
        three.cut = {1, 2, 3}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await leader.propose(b"x")
        three.cut = set()
        leader = await three.leader()
        assert await leader.propose(b"y") == "Y"


@on_loop
async def test_leaving_ends_all_that_waits() -> None:
    async with group(3) as three:
        leader = await three.leader()
        three.cut = {1, 2, 3}
        proposal = asyncio.create_task(leader.propose(b"x"))
        barrier = asyncio.create_task(leader.read_barrier())
        await asyncio.sleep(0)
    for task in (proposal, barrier):
        with pytest.raises(aio.NodeStopped):
            await task
