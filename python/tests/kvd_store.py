# SPDX-License-Identifier: Apache-2.0
"""A store of a kvd cluster, written in Python: kvd's frames, entries and snapshots around a node.

What the bytes mean is said in kvd's own frame.h, write_command.h and snapshot.h.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from raftcore import (
    Config,
    ConfState,
    Entry,
    EntryId,
    Forwarded,
    MemoryStorage,
    Message,
    RaftError,
    RawNode,
    Snapshot,
)

REGION = 1
TICK_SECONDS = 0.05
HEADER = struct.Struct("<IIQ")

Address = tuple[str, int]


def crc32c_table() -> Iterator[int]:
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        yield value


TABLE = list(crc32c_table())


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader:
    """Takes bytes apart from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.place : self.place + count]
        assert len(piece) == count
        self.place += count
        return piece

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.take(1)[0]) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def string(self) -> bytes:
        return self.take(self.varint())

    def __bool__(self) -> bool:
        return self.place < len(self.data)


def set_command(key: bytes, value: bytes) -> bytes:
    """A log entry that sets a key."""
    return b"\x01\x01\x00" + varint(len(key)) + key + varint(len(value)) + value


def apply_writes(keys: dict[bytes, bytes], data: bytes) -> None:
    """Applies the writes of an entry: SET without conditions, DEL and MSET."""
    reader = Reader(data)
    assert reader.take(1) == b"\x01"
    while reader:
        match reader.take(1):
            case b"\x01":
                assert reader.take(1) == b"\x00"
                key = reader.string()
                keys[key] = reader.string()
            case b"\x02":
                for _ in range(reader.varint()):
                    keys.pop(reader.string(), None)
            case b"\x03":
                for _ in range(reader.varint()):
                    key = reader.string()
                    keys[key] = reader.string()
            case other:
                raise AssertionError(f"write of an unknown kind: {other!r}")


def snapshot_keys(data: bytes) -> dict[bytes, bytes]:
    """The keys of a snapshot; none for the one that a group starts from."""
    if not data:
        return {}
    reader = Reader(data)
    assert reader.take(1) == b"\x01"
    (count,) = struct.unpack(">Q", reader.take(8))
    keys = {}
    for _ in range(count):
        key = reader.string()
        keys[key] = reader.string()
    assert not reader
    return keys


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class Link:
    """The connection on which this store sends to another one, made again when it breaks."""

    def __init__(self, store: KvdStore, to: int) -> None:
        self.store = store
        self.to = to
        self.writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        while True:
            with suppress(OSError):
                reader, self.writer = await asyncio.open_connection(*self.store.peers[self.to])
                try:
                    self.writer.write(b"kvd-peer 1 kvd %d %d\n" % (self.store.id, self.to))
                    await reader.read()  # nothing comes: this is the end of the connection
                finally:
                    await self.close()
            await asyncio.sleep(TICK_SECONDS)

    async def close(self) -> None:
        if self.writer is not None:
            writer, self.writer = self.writer, None
            await closed(writer)

    def send(self, message: Message) -> None:
        if self.writer is None:
            self.store.node.report_unreachable(self.to)
            return
        data = message.encode()
        self.writer.write(HEADER.pack(len(data), crc32c(data), REGION) + data)


class KvdStore:
    """Runs in a thread of its own between `start` and `stop`; the storage outlives that."""

    def __init__(self, id: int, peers: dict[int, Address]) -> None:
        self.id = id
        self.peers = peers
        self.storage = MemoryStorage(ConfState(sorted(peers)))
        self.keys: dict[bytes, bytes] = {}
        self.applied = 1
        self.snapshots = 0

    def start(self, election_ticks: int) -> None:
        config = Config(
            self.id, election_ticks=election_ticks, heartbeat_ticks=2, applied=self.applied
        )
        self.node = RawNode(config, self.storage)
        self.links = {to: Link(self, to) for to in self.peers if to != self.id}
        listening = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(
            target=self.loop.run_until_complete, args=(self.run(listening),)
        )
        self.thread.start()
        assert listening.wait(15)

    def stop(self) -> None:
        """Ends the thread, and loses what was not stored."""
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join(15)
        assert not self.thread.is_alive()
        self.loop.close()

    async def run(self, listening: threading.Event) -> None:
        self.stopping = asyncio.Event()
        server = await asyncio.start_server(self.receive, *self.peers[self.id])
        jobs = [self.tick(), *(link.run() for link in self.links.values())]
        tasks = [asyncio.create_task(job) for job in jobs]
        listening.set()
        await self.stopping.wait()
        server.close()
        mine = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in mine:
            task.cancel()
        outcomes = await asyncio.gather(*mine, return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, asyncio.CancelledError | None), outcome
        assert set(tasks) <= set(mine)

    async def tick(self) -> None:
        while True:
            self.node.tick()
            self.work()
            await asyncio.sleep(TICK_SECONDS)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes the frames of another store, until the connection ends."""
        try:
            words = (await reader.readuntil(b"\n")).split()
            assert words[:3] == [b"kvd-peer", b"1", b"kvd"]
            assert int(words[4]) == self.id
            while True:
                size, checksum, region = HEADER.unpack(await reader.readexactly(HEADER.size))
                payload = await reader.readexactly(size)
                assert (region, crc32c(payload)) == (REGION, checksum)
                with suppress(RaftError):
                    self.node.step(payload)
                self.work()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await closed(writer)

    def work(self) -> None:
        """Does what the node wants to have done."""
        while self.node.has_ready():
            ready = self.node.ready()
            self.send(m for m in ready.messages if not m.requires_persistence)
            self.storage.persist(ready)
            self.send(m for m in ready.messages if m.requires_persistence)
            if ready.snapshot is not None:
                self.keys = snapshot_keys(ready.snapshot.data)
                self.applied = ready.snapshot.index
                self.snapshots += 1
            for entry in ready.committed_entries:
                self.apply(entry)
            self.node.advance(ready)

    def send(self, messages: Iterator[Message]) -> None:
        for message in messages:
            self.links[message.to].send(message)
            if isinstance(message.body, Snapshot):
                self.node.report_snapshot(message.to, self.links[message.to].writer is not None)

    def apply(self, entry: Entry) -> None:
        assert entry.index == self.applied + 1
        if entry.is_conf_change:
            self.storage.set_conf_state(self.node.apply_conf_change(entry))
        elif entry.data:
            apply_writes(self.keys, entry.data)
        self.applied = entry.index

    def call(self, what: Callable[[RawNode], EntryId | Forwarded | None]) -> None:
        """Calls the node on its loop, where the work that follows from it is done."""

        async def on_loop() -> None:
            what(self.node)
            self.work()

        asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(15)
