# SPDX-License-Identifier: Apache-2.0
"""How a node on an event loop lives and ends: no tick is missed, and what stopped it is known."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from aio_group import Group, Memory, group, on_loop, spin
from raftcore import (
    CommitBeyondLog,
    Config,
    ConfigError,
    ConfState,
    InheritedByFork,
    MemoryStorage,
    Message,
    RaftError,
    ReadMode,
    Ready,
    StorageInUse,
    aio,
    rpc,
)
from raftcore.aio.clock import TickClock


@on_loop
async def test_a_node_is_entered_once_and_has_its_storage_to_itself() -> None:
    one = Group(range(1, 2))
    host = one.hosts[1] = Memory(1, one)
    node, other = (aio.Node(Config(1), host.storage, host) for _ in range(2))
    with pytest.raises(RaftError, match="was not entered"):
        await node.stopped()
    async with node:
        with pytest.raises(RaftError, match="entered once"):
            async with node:
                pass
        with pytest.raises(StorageInUse):
            async with other:
                pass
        assert not node._stopped
    with pytest.raises(RaftError, match="entered once"):
        await node.__aenter__()
    with pytest.raises(aio.NodeStopped) as raised:
        node.receive(b"")
    assert raised.value.__cause__ is None
    async with other:
        pass


def test_what_a_node_on_a_loop_cannot_do_is_refused_when_it_is_made() -> None:
    storage = MemoryStorage(ConfState([1]))
    host = Memory(1, Group(range(1, 2)))
    with pytest.raises(ConfigError) as raised:
        aio.Node(Config(1, async_storage_writes=True), storage, host)
    assert raised.value.field == "async_storage_writes"
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ConfigError) as raised:
            aio.Node(Config(1), storage, host, tick_seconds=seconds)
        assert raised.value.field == "tick_seconds"


@on_loop
async def test_what_stopped_the_node_is_the_cause_of_every_node_stopped() -> None:
    one = Group(range(1, 2))
    disk = OSError("disk on fire")

    async def life() -> None:
        async with one.stack:
            node = await one.start(1)
            await one.leader()
            one.hosts[1].failure = disk
            waiting: list[Awaitable[object]] = [node.propose(b"x"), node.read_barrier()]
            for outcome in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(outcome, aio.NodeStopped)
                assert outcome.__cause__ is disk
            with pytest.raises(aio.NodeStopped) as raised:
                node.receive(b"")
            assert raised.value.__cause__ is disk

    with pytest.raises(OSError, match="disk on fire"):
        await life()


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("method", ["apply", "persist", "send"])
def test_an_interrupt_ends_the_loop_and_the_program_s_own_cleaning_up_runs(
    interrupt: type[BaseException], method: str
) -> None:
    cleaned = []

    async def main() -> None:
        two = Group(range(1, 3))

        async def persist(ready: Ready) -> None:
            raise interrupt

        def now(_: object) -> None:
            raise interrupt

        try:
            async with two.stack:
                for id in (1, 2):
                    await two.start(id)
                leader = await two.leader()
                setattr(leader._host, method, persist if method == "persist" else now)
                with suppress(aio.NodeStopped):
                    await leader.propose(b"x")
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(interrupt):
        asyncio.run(main())
    assert cleaned == [True]


class Hand:
    """Moves the clock that nodes tick by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real = TickClock._now
        monkeypatch.setattr(TickClock, "_now", lambda clock: real(clock) + self.ahead)


@on_loop
async def test_a_leader_whose_loop_was_blocked_does_not_read_by_its_old_lease() -> None:
    """Neither for itself nor for a follower that asks: it counts what it missed before it looks."""
    for blocked_ticks in (1, 25):  # an election timeout is 10 ticks
        for asked_by_message in (False, True):
            host = Memory(1, Group(range(1, 4)))
            config = Config(1, read_mode=ReadMode.LEASE)
            with pytest.MonkeyPatch.context() as monkeypatch:
                hand = Hand(monkeypatch)
                async with aio.Node(config, host.storage, host, tick_seconds=60) as node:
                    await elect(node, host)
                    hand.ahead += 60 * blocked_ticks
                    if asked_by_message:
                        with suppress(RaftError):
                            node.receive(Message(2, 1, 2, rpc.ReadIndex(b"read")))
                        await spin()
                        served = any(isinstance(m.body, rpc.ReadIndexReply) for m in host.sent)
                    else:
                        read = asyncio.create_task(node.read_barrier())
                        await spin()
                        served = read.done()
                        read.cancel()
                    assert served == (blocked_ticks == 1)


async def elect(node: aio.Node, host: Memory) -> None:
    """Answers for node 2 of three until node 1 leads, and has committed an entry of its term."""
    node.raw.tick(10)  # until then it may have granted a lease before it was started
    node.raw.campaign()
    for term, body in (
        (2, rpc.VoteReply(True, pre=True)),
        (2, rpc.VoteReply(True)),
        (2, rpc.AppendReply(2)),
    ):
        node.wake()
        await spin()
        node.receive(Message(2, 1, term, body))
    await spin()
    node.raw.tick()
    node.wake()
    await spin()
    (*_, context) = (m.body.context for m in host.sent if isinstance(m.body, rpc.Heartbeat))
    grant = context[:16]  # number and tick: what a follower that grants a lease repeats
    node.receive(Message(2, 1, 2, rpc.HeartbeatReply(grant)))
    await spin()
    assert node.is_leader


@on_loop
async def test_ticks_come_by_deadlines_and_none_is_lost_or_counted_twice() -> None:
    one = Group(range(1, 3))
    host = Memory(1, one)
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context():
        hand = Hand(monkeypatch)
        ticks: list[int] = []
        node = aio.Node(Config(1, election_ticks=100), host.storage, host, tick_seconds=60)
        node.receive(Message(2, 1, 1, rpc.Heartbeat(1)))  # before it lives: no tick is due
        async with node:
            due = node._clock.due

            def noted() -> int:
                ticks.append(due())
                return ticks[-1]

            monkeypatch.setattr(node._clock, "due", noted)
            for ahead in (59, 2, 60, 170, 7, 60 * 3, 60 * 1_000_000):
                hand.ahead += ahead
                node.catch_up()
                node.catch_up()
        assert ticks[::2] == [0, 1, 1, 2, 0, 3, 200], "at most two election timeouts at once"
        assert ticks[1::2] == [0] * 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@on_loop
async def test_a_forked_process_is_refused_by_a_node_on_a_loop() -> None:
    async with group(1) as one:
        leader = await one.leader()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for call in (leader.propose(b"x"), leader.read_barrier(), leader.stopped()):
                    try:
                        call.send(None)
                    except (InheritedByFork, RuntimeError):
                        continue
                    os._exit(2)
                for refused in (leader.catch_up, lambda: leader.receive(b"")):
                    try:
                        refused()
                    except InheritedByFork:
                        continue
                    os._exit(3)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert await leader.propose(b"x") == "X"


@on_loop
async def test_a_node_whose_storage_lost_data_stops() -> None:
    host = Memory(1, Group(range(1, 4)))

    async def life() -> None:
        async with aio.Node(Config(1), host.storage, host, tick_seconds=60) as node:
            node.receive(Message(2, 1, 2, rpc.Heartbeat(1)))
            await spin()
            with pytest.raises(CommitBeyondLog):
                node.receive(Message(2, 1, 2, rpc.Heartbeat(9)))
            with pytest.raises(aio.NodeStopped) as raised:
                node.receive(Message(2, 1, 2, rpc.Heartbeat(1)))
            assert isinstance(raised.value.__cause__, CommitBeyondLog)

    with pytest.raises(CommitBeyondLog):
        await life()
