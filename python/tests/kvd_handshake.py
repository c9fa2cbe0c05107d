# SPDX-License-Identifier: Apache-2.0
"""How a store of a kvd cluster begins a connection: kvd's handshake.h, without a secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace

CLUSTER_ID = b"kvd"
NO_BIRTH = b"-"


class Refused(ConnectionError):
    """One of the two stores does not work with the other, now or at all."""


@dataclass(frozen=True)
class Facts:
    """What a store says of itself."""

    members: tuple[int, ...]
    disk: bytes
    birth: bytes = NO_BIRTH
    entry_version: int = 1
    max_message_bytes: int = 1 << 30

    @classmethod
    def of_a_new_store(cls, members: tuple[int, ...]) -> Facts:
        return cls(members, secrets.token_hex(16).encode())

    def line(self) -> bytes:
        members = b",".join(b"%d" % member for member in self.members)
        return b"kvd-store %s %s %s %d %d" % (
            self.birth,
            self.disk,
            members,
            self.entry_version,
            self.max_message_bytes,
        )

    @classmethod
    def read(cls, line: bytes) -> Facts:
        word, birth, disk, members, entry_version, max_message_bytes = line.split(b" ")
        assert word == b"kvd-store"
        ids = tuple(int(member) for member in members.split(b","))
        return cls(ids, disk, birth, int(entry_version), int(max_message_bytes))

    @property
    def begun(self) -> bool:
        return self.birth != NO_BIRTH

    def having_met(self, store: int, theirs: Facts) -> Facts:
        """What this store, not the first of its cluster, is after it met another one."""
        if theirs.members != self.members or (
            self.begun and theirs.birth not in (NO_BIRTH, self.birth)
        ):
            raise Refused(f"store {store} belongs to another cluster")
        if self.begun and not theirs.begun:
            raise Refused(f"store {store} is no part of the cluster yet")
        if theirs.begun and not self.begun:
            if store != min(self.members):
                raise Refused("the birth id comes from the first store")
            return replace(self, birth=theirs.birth)
        return self


class Handshake:
    """The lines of a handshake in their order, and the proofs over them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.transcript = b""

    def proof(self, said: bytes) -> bytes:
        return hmac.new(b"", self.transcript + said, hashlib.sha256).hexdigest().encode()

    def write(self, line: bytes) -> None:
        self.transcript += line + b"\n"
        self.writer.write(line + b"\n")

    def write_proven(self, said: bytes) -> None:
        self.write(said + b" " + self.proof(said))

    async def read(self) -> bytes:
        line = await self.reader.readuntil(b"\n")
        self.transcript += line
        return line[:-1]

    async def read_proven(self) -> bytes:
        line = (await self.reader.readuntil(b"\n"))[:-1]
        if line.startswith((b"kvd-wait ", b"kvd-refused ")):
            raise Refused(line.decode())
        said, _, proof = line.rpartition(b" ")
        assert proof == self.proof(said)
        self.transcript += line + b"\n"
        return said

    async def connect(self, own: Facts, from_: int, to: int) -> Facts:
        """The connecting side; what the other store says of itself."""
        self.write(b"kvd-peer 2 %s %d %d %s" % (CLUSTER_ID, from_, to, nonce()))
        assert (await self.read_proven()).startswith(b"kvd-peer 2 ")
        self.write_proven(own.line())
        return Facts.read(await self.read_proven())

    async def accept(self, to: int) -> tuple[int, Facts]:
        """The accepting side, up to its answer: who connected, and what it says of itself."""
        word, version, cluster, from_, meant, _ = (await self.read()).split(b" ")
        assert (word, version, cluster, int(meant)) == (b"kvd-peer", b"2", CLUSTER_ID, to)
        self.write_proven(b"kvd-peer 2 " + nonce())
        return int(from_), Facts.read(await self.read_proven())

    def refuse(self, reason: Refused) -> None:
        self.writer.write(b"kvd-wait %s\n" % str(reason).encode())


def nonce() -> bytes:
    return secrets.token_hex(16).encode()
