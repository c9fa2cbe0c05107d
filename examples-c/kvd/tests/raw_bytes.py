# SPDX-License-Identifier: Apache-2.0
"""Bytes as they are on the wire, of clients and of stores."""

import contextlib
import dataclasses
import hashlib
import hmac
import socket
import struct

from kvd_cluster import PATIENCE


def connect(address, timeout=PATIENCE):
    return socket.create_connection(address, timeout)


def receive_all(connection):
    """What comes until the other side closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def ask(address, request, replies):
    """Sends bytes and receives until `replies` lines are there."""
    with connect(address) as connection:
        connection.sendall(request)
        received = b""
        while received.count(b"\r\n") < replies:
            chunk = connection.recv(65536)
            assert chunk, f"closed after {received!r}"
            received += chunk
        return received


def raw_reply(client, *words):
    """The reply as it is on the wire, not as the client library presents it."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*words)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def proof(secret, *lines):
    """What a store proves that it knows the secret with (handshake.h): the lines so far."""
    return hmac.new(secret, b"\n".join(lines), hashlib.sha256).hexdigest().encode()


def read_line(connection):
    """A line without its end; b"" if the other side closes."""
    line = b""
    with contextlib.suppress(ConnectionResetError):
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                return b""
            line += byte
    return line[:-1]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a store says of itself in the handshake."""

    birth: str
    disk: str
    members: str = "1,2,3"
    version: int = 1
    largest: int = 1 << 30

    def line(self):
        return f"kvd-store {self.birth} {self.disk} {self.members} {self.version} {self.largest}".encode()

    @classmethod
    def of(cls, line):
        _, birth, disk, members, version, largest, _ = line.decode().split()
        return cls(birth, disk, members, int(version), int(largest))


class PeerConnection:
    """A connection to a store's port, with a handshake as a store makes it. `answer` is the other side's last
    line: its facts, a refusal, or b"" if it closed."""

    def __init__(self, address, sender, receiver, facts, cluster_id="kvd", secret=b""):
        self.socket = connect(address)
        hello = f"kvd-peer 2 {cluster_id} {sender} {receiver} {'0' * 32}".encode()
        self.socket.sendall(hello + b"\n")
        challenge = read_line(self.socket)
        said = facts.line()
        self.answer = b""
        if challenge:
            with contextlib.suppress(OSError):
                self.socket.sendall(said + b" " + proof(secret, hello, challenge, said) + b"\n")
                self.answer = read_line(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def accepted(self):
        return self.answer.startswith(b"kvd-store")

    def send(self, data):
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def closed(self):
        """Waits until the other side closes; what it sent before that."""
        return receive_all(self.socket)


def facts_of_callers(address, receiver, senders, secret=b""):
    """Listens in place of a store that is down until all `senders` have called: {store: its facts}."""
    found = {}
    with socket.create_server(address) as server:
        server.settimeout(PATIENCE)
        while set(senders) - set(found):
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                hello = read_line(connection)
                said = b"kvd-peer 2 " + b"1" * 32
                connection.sendall(said + b" " + proof(secret, hello, said) + b"\n")
                facts = read_line(connection)
                if facts:
                    found[int(hello.split()[3])] = Facts.of(facts)
                assert int(hello.split()[4]) == receiver
    return found


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frame(payload, region=1, size=None, checksum=None):
    return (
        struct.pack(
            "<IIQ",
            len(payload) if size is None else size,
            crc32c(payload) if checksum is None else checksum,
            region,
        )
        + payload
    )


def varint(value):
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def fields(*pairs):
    """Protocol Buffers: (number, value) pairs, an int or bytes each."""
    encoded = b""
    for number, value in pairs:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
        else:
            encoded += varint(number << 3 | 2) + varint(len(value)) + value
    return encoded


def entry(term, index, data, kind=0):
    return fields(*([(1, kind)] if kind else []), (2, term), (3, index), (4, data))


MESSAGE_FIELDS = {"log_term": 5, "index": 6, "commit": 8, "snapshot": 9, "reject": 10, "reject_hint": 11, "context": 12}


def message(kind, sender, receiver, term, entries=(), **others):
    """A Raft message (raftpb)."""
    return fields(
        (1, kind), (2, receiver), (3, sender), (4, term),
        *((7, one) for one in entries),
        *((MESSAGE_FIELDS[name], value) for name, value in others.items()),
    )  # fmt: skip


def snapshot(term, index, voters, data):
    metadata = fields((1, fields(*((1, voter) for voter in voters))), (2, index), (3, term))
    return fields((1, data), (2, metadata))
