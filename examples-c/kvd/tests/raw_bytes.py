# SPDX-License-Identifier: Apache-2.0
"""Bytes as they are on the wire, of clients and of stores."""

import contextlib
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


def handshake(sender, receiver, cluster_id="kvd"):
    return f"kvd-peer 1 {cluster_id} {sender} {receiver}\n".encode()


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
