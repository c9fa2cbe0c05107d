# SPDX-License-Identifier: Apache-2.0
"""Nodes on an event loop, whose messages go straight to each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from raftcore import (
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
        self.sent: list[Message] = []
        self.failure: Exception | None = None

    async def persist(self, ready: Ready) -> None:
        if self.failure is not None:
            raise self.failure
        await asyncio.sleep(0)  # others run meanwhile, as with a real disk
        self.storage.persist(ready)
        self.events.append("persisted")

    def send(self, message: Message) -> None:
        self.events.append("promise" if message.requires_persistence else "message")
        self.sent.append(message)
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


async def spin(times: int = 20) -> None:
    """Lets the others on the loop run."""
    for _ in range(times):
        await asyncio.sleep(0)


def on_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a test on a loop of its own, with a limit to its patience."""

    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), PATIENCE))

    run.__name__ = test.__name__
    return run
