# SPDX-License-Identifier: Apache-2.0
"""A store of a kvd cluster, written in Python: kvd's frames, entries and snapshots around a node.

What the bytes mean is said in kvd's own frame.h, write_command.h and snapshot.h; how a connection
begins, in kvd_handshake.py.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any

from kvd_handshake import Facts, Handshake, Refused
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
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(*self.store.peers[self.to])
                try:
                    if await self.shake_hands(reader, writer):
                        self.writer = writer
                    await reader.read()  # nothing comes: this is the end of the connection
                finally:
                    self.writer = None
                    await closed(writer)
            await asyncio.sleep(TICK_SECONDS)

    async def shake_hands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether frames may follow: not before both stores are part of the cluster."""
        own = self.store.facts
        theirs = await Handshake(reader, writer).connect(own, self.store.id, self.to)
        self.store.facts = self.store.facts.having_met(self.to, theirs)
        return own.begun and theirs.begun

    def send(self, message: Message) -> None:
        if isinstance(message.body, Snapshot):
            self.store.node.report_snapshot(self.to, self.writer is not None)
        if self.writer is None:
            self.store.node.report_unreachable(self.to)
            return
        data = message.encode()
        self.writer.write(HEADER.pack(len(data), crc32c(data), REGION) + data)


class KvdStore(aio.Host):
    """Runs in a thread of its own between `start` and `stop`; the storage outlives that."""

    def __init__(self, id: int, peers: dict[int, Address]) -> None:
        self.id = id
        self.peers = peers
        self.storage = MemoryStorage(ConfState(sorted(peers)))
        self.facts = Facts.of_a_new_store(tuple(sorted(peers)))
        self.keys: dict[bytes, bytes] = {}
        self.applied = 1
        self.snapshots = 0

    def start(self, election_ticks: int) -> None:
        config = Config(
            self.id, election_ticks=election_ticks, heartbeat_ticks=2, applied=self.applied
        )
        self.node = aio.Node(config, self.storage, self, tick_seconds=TICK_SECONDS)
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

    def call(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Runs a coroutine on the store's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(15)

    async def transfer_leader(self, to: int) -> None:
        self.node.raw.transfer_leader(to)
        self.node.wake()

    async def run(self, listening: threading.Event) -> None:
        self.stopping = asyncio.Event()
        self.receivers: set[asyncio.Task[None]] = set()
        async with self.node, await asyncio.start_server(self.receive, *self.peers[self.id]):
            links = [asyncio.create_task(link.run()) for link in self.links.values()]
            listening.set()
            await self.stopping.wait()
            mine = {*links, *self.receivers}
            for task in mine:
                task.cancel()
            outcomes = await asyncio.gather(*mine, return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, asyncio.CancelledError | None), outcome

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes the frames of another store, until the connection ends."""
        task = asyncio.current_task()
        assert task is not None
        self.receivers.add(task)
        try:
            await self.shake_hands(Handshake(reader, writer))
            while True:
                size, checksum, region = HEADER.unpack(await reader.readexactly(HEADER.size))
                payload = await reader.readexactly(size)
                assert (region, crc32c(payload)) == (REGION, checksum)
                with suppress(RaftError):
                    self.node.receive(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await closed(writer)
            self.receivers.discard(task)

    async def shake_hands(self, handshake: Handshake) -> None:
        """Answers a store that has connected."""
        store, theirs = await handshake.accept(self.id)
        try:
            self.facts = self.facts.having_met(store, theirs)
        except Refused as reason:
            handshake.refuse(reason)
            raise
        handshake.write_proven(self.facts.line())

    async def persist(self, ready: Ready) -> None:
        self.storage.persist(ready)

    def send(self, message: Message) -> None:
        self.links[message.to].send(message)

    def restore(self, snapshot: Snapshot) -> None:
        self.keys = snapshot_keys(snapshot.data)
        self.applied = snapshot.index
        self.snapshots += 1

    def apply(self, entry: Entry) -> object:
        assert entry.index == self.applied + 1
        if entry.data:
            apply_writes(self.keys, entry.data)
        self.applied = entry.index
        return entry.id

    def apply_conf_change(self, entry: Entry, conf_state: ConfState) -> None:
        self.storage.set_conf_state(conf_state)
        self.applied = entry.index
