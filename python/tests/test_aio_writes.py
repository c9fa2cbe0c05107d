# SPDX-License-Identifier: Apache-2.0
"""No write lands after its node on an event loop, however the node ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from aio_group import Group, Memory, on_loop, spin
from raftcore import Config, Ready, aio


class Threaded(Memory):
    """Persists in a thread, which a test may hold up."""

    def __init__(self, id: int, group: Group) -> None:
        super().__init__(id, group)
        self.may_write = threading.Event()
        self.may_write.set()
        self.writes = 0
        self.executor = concurrent.futures.ThreadPoolExecutor(1)

    async def persist(self, ready: Ready) -> None:
        await asyncio.get_running_loop().run_in_executor(self.executor, self.write, ready)

    def write(self, ready: Ready) -> None:
        self.may_write.wait()
        self.storage.persist(ready)
        self.writes += 1


@on_loop
async def test_leaving_waits_for_a_write_in_a_thread() -> None:
    one = Group(range(1, 2))
    host = one.hosts[1] = Threaded(1, one)
    left = asyncio.Event()

    async def life() -> None:
        async with one.stack:
            await one.start(1)
            host.may_write.clear()
            one.nodes[1].raw.campaign()
            one.nodes[1].wake()
            await spin()
        left.set()

    task = asyncio.create_task(life())
    await spin(50)
    assert not left.is_set()
    host.may_write.set()
    await task
    assert host.writes == 1


@on_loop
async def test_a_cancellation_waits_for_it_too_however_often_it_is_repeated() -> None:
    one = Group(range(1, 2))
    host = one.hosts[1] = Threaded(1, one)

    async def life() -> None:
        async with one.stack:
            await one.start(1)
            host.may_write.clear()
            one.nodes[1].raw.campaign()
            one.nodes[1].wake()
            await asyncio.Event().wait()

    task = asyncio.create_task(life())
    await spin()
    for _ in range(5):
        task.cancel()
        await spin()
        assert not task.done()
    host.may_write.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert host.writes == 1


def cancel_all() -> None:
    """What asyncio.run does at its end, and what some programs do themselves."""
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()


async def in_task_group(one: Group, host: Threaded) -> None:
    """A sibling in the group fails."""

    async def life() -> None:
        async with one.stack:
            await write(one, host)
            await asyncio.Event().wait()

    async def fails() -> None:
        await spin(40)
        raise OSError("a sibling")

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(life())
            tasks.create_task(fails())


async def by_cancelling_all(one: Group, host: Threaded, times: int = 1) -> None:
    async def life() -> None:
        async with one.stack:
            await write(one, host)
            await asyncio.Event().wait()

    task = asyncio.create_task(life())
    await spin(40)
    for _ in range(times):
        cancel_all()
        await spin()
    with suppress(asyncio.CancelledError):
        await task


async def by_cancelling_all_twice(one: Group, host: Threaded) -> None:
    await by_cancelling_all(one, host, times=3)


async def by_a_timeout(one: Group, host: Threaded) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05), one.stack:
            await write(one, host)
            await asyncio.Event().wait()


async def by_the_end_of_the_loop(one: Group, host: Threaded) -> None:
    """Nobody leaves the node: the task that has it is cancelled with all others."""

    async def life() -> None:
        async with one.stack:
            await write(one, host)
            await asyncio.Event().wait()

    host.life = asyncio.create_task(life())  # type: ignore[attr-defined]
    await spin(40)


async def by_nobody(one: Group, host: Threaded) -> None:
    """The node was entered, and is never left."""
    await write(one, host)
    await spin(40)


async def write(one: Group, host: Threaded) -> None:
    """Starts a node whose first write does not end."""
    await one.start(1)
    host.may_write.clear()
    one.nodes[1].raw.campaign()
    one.nodes[1].wake()
    await spin()
    threading.Timer(0.15, host.may_write.set).start()


@pytest.mark.parametrize(
    "left",
    [
        in_task_group,
        by_cancelling_all,
        by_cancelling_all_twice,
        by_a_timeout,
        by_the_end_of_the_loop,
        by_nobody,
    ],
)
def test_however_a_node_ends_its_write_has_ended_before(
    left: Callable[[Group, Threaded], Awaitable[None]],
) -> None:
    """As seen when the loop ends, and where the program goes on when its call returns. What ends
    is counted where the node sees it, and not by the executor, which asyncio.run waits for too."""
    one = Group(range(1, 2))
    host = one.hosts[1] = Threaded(1, one)
    ended = []

    async def persist(ready: Ready) -> None:
        await asyncio.get_running_loop().run_in_executor(host.executor, host.write, ready)
        ended.append(True)

    host.persist = persist  # type: ignore[method-assign]

    async def main() -> None:
        await left(one, host)
        if left not in (by_the_end_of_the_loop, by_nobody):
            assert ended == [True]

    asyncio.run(main())
    assert ended == [True]
    assert one.nodes[1]._stopped


@on_loop
async def test_a_persist_may_use_timeouts_and_task_groups_of_its_own() -> None:
    one = Group(range(1, 2))
    host = one.hosts[1] = Memory(1, one)
    raised = []

    async def persist(ready: Ready) -> None:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError as error:
            raised.append(error)
        host.storage.persist(ready)

    host.persist = persist  # type: ignore[method-assign]
    async with one.stack:
        leader = await one.start(1)
        await one.until(lambda: leader.is_leader)
        await leader.propose(b"x")
    assert raised


@on_loop
async def test_no_old_write_lands_under_a_new_node() -> None:
    """Nodes that come and go over one storage: terms and votes never go back, and what was
    acknowledged stays."""
    one = Group(range(1, 2))
    host = one.hosts[1] = Threaded(1, one)
    term, kept = 0, 0
    for round in range(100):

        async def life(round: int = round) -> None:
            nonlocal kept
            node = aio.Node(Config(1, seed=3), host.storage, host, tick_seconds=0.001)
            one.nodes[1] = node
            async with node:
                node.raw.campaign()
                node.wake()
                await one.until(lambda: node.is_leader)
                while True:
                    await node.propose(b"%d" % round)
                    kept = node.raw.status().commit

        host.applied.clear()
        task = asyncio.create_task(life())
        await spin(round % 17)
        await asyncio.sleep(0.0005 * (round % 5))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        writes = host.writes
        state = host.storage.initial_state()[0]
        assert state.term >= term
        assert host.storage.last_index() >= kept
        term = state.term
        await spin(3)
        assert (host.writes, host.storage.initial_state()[0]) == (writes, state)
    assert kept > 0


@on_loop
async def test_a_write_that_fails_while_the_node_is_left_comes_out() -> None:
    one = Group(range(1, 2))
    host = one.hosts[1] = Threaded(1, one)

    def broken(ready: Ready) -> None:
        host.may_write.wait()
        raise OSError("disk on fire")

    host.write = broken  # type: ignore[method-assign]

    async def life() -> None:
        async with one.stack:
            await one.start(1)
            host.may_write.clear()
            one.nodes[1].raw.campaign()
            one.nodes[1].wake()
            await spin()
            asyncio.get_running_loop().call_soon(host.may_write.set)

    with pytest.raises(OSError, match="disk on fire"):
        await life()
