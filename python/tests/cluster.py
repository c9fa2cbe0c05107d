# SPDX-License-Identifier: Apache-2.0
"""A group of nodes in one thread, with a network whose links can be cut: what the tests drive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import raftcore
from raftcore import (
    Compacted,
    Config,
    ConfState,
    Entry,
    EntryId,
    EntryKind,
    HardState,
    MemoryStorage,
    Message,
    RawNode,
    ReadState,
    Ready,
    Role,
    Snapshot,
    SnapshotOutOfDate,
    Unavailable,
    rpc,
)
from raftcore.sqlite import SqliteStorage


class ListStorage(raftcore.Storage):
    """A storage in plain Python, written from its contract alone."""

    def __init__(self, conf_state: ConfState | None = None) -> None:
        self.hard_state = HardState()
        self.conf_state = ConfState()
        self.latest = Snapshot(0, 0, self.conf_state)
        self.offset = EntryId(0, 0)
        self.log: list[Entry] = []
        if conf_state is not None:
            self.apply_snapshot(Snapshot(1, 1, conf_state))
            self.hard_state = HardState(1, 0, 1)

    def initial_state(self) -> tuple[HardState, ConfState]:
        return self.hard_state, self.conf_state

    def entries(self, low: int, high: int, max_bytes: int) -> Iterable[Entry]:
        if low <= self.offset.index:
            raise Compacted
        if high > self.last_index() + 1:
            raise Unavailable
        start = low - self.offset.index - 1
        return raftcore.fitting(self.log[start : start + high - low], max_bytes)

    def term(self, index: int) -> int:
        if index == self.offset.index:
            return self.offset.term
        if index < self.offset.index:
            raise Compacted
        if index > self.last_index():
            raise Unavailable
        return self.log[index - self.offset.index - 1].term

    def first_index(self) -> int:
        return self.offset.index + 1

    def last_index(self) -> int:
        return self.offset.index + len(self.log)

    def snapshot(self) -> Snapshot:
        return self.latest

    def persist(self, ready: Ready) -> None:
        if ready.snapshot is not None:
            self.apply_snapshot(ready.snapshot)
        if ready.entries:
            del self.log[ready.entries[0].index - self.offset.index - 1 :]
            self.log += ready.entries
        if ready.hard_state is not None:
            self.hard_state = ready.hard_state

    def set_conf_state(self, conf_state: ConfState) -> None:
        self.conf_state = conf_state

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.index < self.offset.index:
            raise SnapshotOutOfDate
        self.latest, self.offset, self.conf_state = snapshot, snapshot.id, snapshot.conf_state
        self.log.clear()

    def create_snapshot(self, index: int, conf_state: ConfState, data: bytes) -> Snapshot:
        self.latest = Snapshot(self.term(index), index, conf_state, data)
        return self.latest

    def compact(self, index: int) -> None:
        term = self.term(index)
        del self.log[: index - self.offset.index]
        self.offset = EntryId(term, index)


AnyStorage = ListStorage | MemoryStorage | SqliteStorage
MakeStorage = Callable[[ConfState | None], AnyStorage]


class Host:
    """One node with its storage and its state machine, a list of payloads. Both are durable."""

    def __init__(self, id: int, storage: AnyStorage, **settings: Any) -> None:
        self.id = id
        self.settings = settings
        self.storage = storage
        self.applied: list[bytes] = []
        self.applied_index = storage.snapshot().index
        self.reads: list[ReadState] = []
        self.node = self.start()

    def start(self) -> RawNode:
        config = Config(self.id, applied=self.applied_index, seed=7, **self.settings)
        return RawNode(config, self.storage)

    def restart(self) -> None:
        """Loses everything but what was stored."""
        self.node = self.start()

    def cycle(self) -> list[Message]:
        """Does the work of one Ready; the answer is what to send."""
        ready = self.node.ready()
        if ready.snapshot is not None:
            self.applied = ready.snapshot.data.split(b"\n") if ready.snapshot.data else []
            self.applied_index = ready.snapshot.index
        self.storage.persist(ready)
        for entry in ready.committed_entries:
            self.apply(entry)
        self.reads += ready.read_states
        self.node.advance(ready)
        return list(ready.messages)

    def apply(self, entry: Entry) -> None:
        if entry.is_conf_change:
            conf_state = self.node.apply_conf_change(entry)
            self.storage.set_conf_state(conf_state)
            # A new member accepts no snapshot that does not know it.
            self.storage.create_snapshot(entry.index, conf_state, b"\n".join(self.applied))
        elif entry.kind is EntryKind.NORMAL and entry.data:
            self.applied.append(entry.data)
        self.applied_index = entry.index

    def compact(self) -> None:
        """Makes a snapshot of all that is applied, and drops the log that it covers."""
        conf_state = self.node.status().conf_state
        self.storage.create_snapshot(self.applied_index, conf_state, b"\n".join(self.applied))
        self.storage.compact(self.applied_index)


class Cluster:
    """Hosts, and the messages between them."""

    def __init__(
        self, ids: Iterable[int], storage: MakeStorage = ListStorage, **settings: Any
    ) -> None:
        ids = list(ids)
        self.make_storage = storage
        self.hosts = {id: Host(id, storage(ConfState(ids)), **settings) for id in ids}
        self.cut: set[int] = set()
        self.wire: deque[bytes] = deque()
        self.sent: list[Message] = []

    def __getitem__(self, id: int) -> RawNode:
        return self.hosts[id].node

    def join(self, id: int) -> None:
        """A host that knows nothing yet."""
        self.hosts[id] = Host(id, self.make_storage(None))

    def settle(self) -> None:
        """Runs until nobody has anything to do. What involves a cut host is lost."""
        for _ in range(10_000):
            if not self.wire and not any(host.node.has_ready() for host in self.hosts.values()):
                return
            for host in self.hosts.values():
                while host.node.has_ready():
                    self.send(host.cycle())
            while self.wire:
                self.deliver(self.wire.popleft())
        raise AssertionError("the group does not come to rest")

    def send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.sent.append(message)
            lost = not self.cut.isdisjoint((message.from_, message.to))
            if isinstance(message.body, Snapshot):
                self[message.from_].report_snapshot(message.to, not lost)
            if not lost:
                self.wire.append(message.encode())

    def deliver(self, data: bytes) -> None:
        message = Message.decode(data)
        if message.to in self.hosts:
            # A leader may be told by a removed member that it does not know it.
            try:
                self[message.to].step(message)
            except (raftcore.PeerNotFound, raftcore.ProposalDropped, raftcore.ConfChangeError):
                assert not isinstance(message.body, rpc.Append)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            for host in self.hosts.values():
                host.node.tick()
            self.settle()

    def elect(self, id: int) -> RawNode:
        """Makes the given node the leader."""
        self[id].campaign()
        self.settle()
        assert self[id].soft_state.role is Role.LEADER
        return self[id]

    @property
    def leader(self) -> int:
        """The only leader among those that are not cut off."""
        roles = {id: self[id].soft_state.role for id in self.hosts if id not in self.cut}
        (leader,) = (id for id, role in roles.items() if role is Role.LEADER)
        return leader

    def applied(self) -> dict[int, list[bytes]]:
        return {id: host.applied for id, host in self.hosts.items()}


def single() -> Host:
    """A leader of itself."""
    one = Cluster([1], lambda state: MemoryStorage(state))
    one.elect(1)
    return one.hosts[1]


def drain(host: Host) -> None:
    while host.node.has_ready():
        host.cycle()
