# SPDX-License-Identifier: Apache-2.0
"""A small Redis client for tests that must know what became of a command.

An ordinary client retries by itself, and then nobody knows how often a command was executed. This one tries once and
says which of three things happened: it was executed (the reply), it certainly was not (NotExecuted), or nobody can know
(Unknown: the connection broke or the time ran out after the command had left).
"""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping

Address = tuple[str, int]
Reply = bytes | int | list["Reply"] | None

# Error replies that say the command was refused before anything was done with it.
_REFUSALS = ("MOVED", "CLUSTERDOWN", "TRYAGAIN")
_LONGEST_TIMEOUT = 10.0


class NotExecuted(Exception):
    """The command certainly had no effect. `moved` is where to try instead, if the node said so."""

    def __init__(self, reason: str, moved: Address | None = None) -> None:
        super().__init__(reason)
        self.moved = moved


class Unknown(Exception):
    """The command may have been executed, may be executed later, or never."""


class Connection:
    """One connection to one node; opened by the first command, and again after it broke."""

    def __init__(self, address: Address, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self._socket: socket.socket | None = None
        self._buffer = b""

    def request(self, *words: str) -> Reply:
        """Sends one command and returns its reply. Raises NotExecuted or Unknown."""
        self.send(*words)
        return self.receive()

    def send(self, *words: str) -> None:
        """Sends one command; `receive` fetches the reply. Raises NotExecuted if there is no connection."""
        if self._socket is None:
            try:
                self._socket = socket.create_connection(self.address, self.timeout)
            except OSError as error:
                raise NotExecuted(f"{self.address}: {error}") from error
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(_encode(words))
        except OSError as error:
            self.close()
            raise Unknown(str(error)) from error

    def receive(self) -> Reply:
        """The reply to the oldest command that was sent. Raises NotExecuted or Unknown."""
        try:
            return self._read_reply()
        except OSError as error:
            self.close()
            raise Unknown(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Closes the connection; the next command opens a new one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""

    def _read_reply(self) -> Reply:
        line = self._read_line()
        kind, rest = line[:1], line[1:].decode()
        if kind == b"+":
            return rest.encode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if int(rest) < 0 else self._read_exactly(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self._read_reply() for _ in range(int(rest))]
        if kind == b"-":
            raise _error(rest)
        raise ConnectionError(f"not a reply: {line!r}")

    def _read_line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _read_exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _fill(self) -> None:
        if self._socket is None:
            raise ConnectionError("not connected")
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionError("closed by the node")
        self._buffer += chunk


class Client:
    """A client of the whole cluster: goes to the node that it takes for the leader, and learns from MOVED.

    It waits `timeout` seconds for a reply, and twice as long after each that did not come (up to _LONGEST_TIMEOUT):
    on a machine where everything is slow, some are to come in the end.
    """

    def __init__(self, addresses: Mapping[int, Address], timeout: float, rng: random.Random) -> None:
        self._nodes = {address: Connection(address, timeout) for address in addresses.values()}
        self._timeout = timeout
        self._patience = timeout
        self._rng = rng
        self._target = rng.choice(list(self._nodes))

    def attempt(self, *words: str) -> Reply:
        """Tries the command once. After NotExecuted or Unknown the next attempt may go to another node."""
        node = self._nodes[self._target]
        node.timeout = self._patience
        try:
            reply = node.request(*words)
        except NotExecuted as refusal:
            self._target = refusal.moved if refusal.moved in self._nodes else self._another()
            raise
        except Unknown:
            self._target = self._another()
            self._patience = min(2 * self._patience, _LONGEST_TIMEOUT)
            raise
        self._patience = self._timeout
        return reply

    def close(self) -> None:
        """Closes every connection."""
        for node in self._nodes.values():
            node.close()

    def _another(self) -> Address:
        return self._rng.choice([address for address in self._nodes if address != self._target] or [self._target])


def _encode(words: tuple[str, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def _error(text: str) -> Exception:
    code, _, rest = text.partition(" ")
    if code not in _REFUSALS:
        return Unknown(text)
    moved = None
    if code == "MOVED":
        host, _, port = rest.split(" ")[-1].rpartition(":")
        moved = (host, int(port))
    return NotExecuted(text, moved)
