# SPDX-License-Identifier: Apache-2.0
"""Bytes that nobody should send, and clients that take no replies or come in great number."""

import contextlib
import random
import socket
import time

import pytest
import redis

from kvd_cluster import wait_until
from raw_bytes import connect, frame, handshake, receive_all


def assert_still_serves(cluster):
    with cluster.leader_client() as client:
        client.set("still", "serving")
        assert client.get("still") == "serving"
    assert all(cluster.running(node) for node in cluster.ids)


def test_garbage_to_the_clients_port(shared):
    generator = random.Random(1)
    address = shared.addresses[shared.leader()]
    for request, error in [
        (b"*1\r\n:5\r\n", b"expected '$'"),
        (b"*2000000\r\n", b"invalid multibulk length"),
        (b"*1\r\n$-5\r\n", b"invalid bulk length"),
        (b"*1\r\n$999999999\r\n", b"invalid bulk length"),
        (b'set "unbalanced\r\n', b"unbalanced quotes"),
        (b"x" * 100000, b"too big inline request"),
        (b"*1\r\n$4\r\nPINGPONG\r\n", b"expected CRLF"),
    ]:
        with connect(address) as connection:
            connection.sendall(b"PING\r\n" + request)
            reply = receive_all(connection)
            assert reply.startswith(b"+PONG\r\n-ERR Protocol error"), reply
            assert error in reply
    with connect(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET hacked 1\r\n")
        receive_all(connection)
    with shared.leader_client() as client:
        assert client.get("hacked") is None
    for _ in range(200):
        with connect(address) as connection, contextlib.suppress(OSError):
            connection.sendall(generator.randbytes(generator.randrange(1, 5000)))
            if generator.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
                receive_all(connection)
    assert_still_serves(shared)


def test_garbage_to_the_stores_port(shared):
    generator = random.Random(2)
    followers = shared.followers()
    target, pretended = followers[0], followers[1]
    address = shared.peer_addresses[target]
    term = shared.status(target)["term"]
    hello = handshake(pretended, target)
    for request in [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 1000,
        b"kvd-peer" * 100,
        handshake(pretended, target, cluster_id="another"),
        handshake(pretended, pretended),  # meant for another store
        handshake(target, target),  # from itself
        handshake(77, target),  # from a stranger
        hello + frame(b"not a message"),
        hello + frame(b""),
        hello + frame(b"\x08\x05\x10\x02\x18\x03", checksum=1),
        hello + frame(b"x", size=0xFFFFFFFF),
        hello + frame(generator.randbytes(200)),
        hello + generator.randbytes(5000),
    ]:
        with connect(address) as connection, contextlib.suppress(OSError):
            connection.sendall(request)
            assert receive_all(connection) == b"", request[:50]
    # A message for a Region that is not here is not garbage: it is dropped.
    with connect(address) as connection:
        connection.sendall(hello + frame(b"whatever", region=99))
    for _ in range(100):
        payload = bytearray(generator.randbytes(generator.randrange(1, 60)))
        payload[0] = generator.choice([0x08, 0x10, 0x18, 0x20, 0x28, 0x32, 0x3A, 0x42])
        with connect(address) as connection, contextlib.suppress(OSError):
            connection.sendall(hello + frame(bytes(payload)))
    assert shared.status(target)["term"] >= term
    assert_still_serves(shared)


def test_a_slow_client_is_not_buffered_without_end(shared, leader):
    leader.set("big", "x" * (1 << 20))
    address = shared.addresses[shared.leader()]
    with connect(address) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET big\r\n" * 2000
        connection.settimeout(2)
        with contextlib.suppress(socket.timeout):
            connection.sendall(request * 20)
        pid = shared.processes[shared.leader()].pid
        with open(f"/proc/{pid}/status") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert resident < 1_500_000  # kB; 2000 replies alone would be 2 GB
        assert leader.ping()
    leader.delete("big")


def test_a_slow_client_gets_all_its_replies(shared, leader):
    leader.set("big", "x" * (1 << 20))
    count = 100
    with connect(shared.addresses[shared.leader()]) as connection:
        connection.sendall(b"GET big\r\n" * count)
        time.sleep(0.5)
        received = 0
        while received < count * ((1 << 20) + len("$1048576\r\n\r\n")):
            chunk = connection.recv(1 << 20)
            assert chunk
            received += len(chunk)
    leader.delete("big")


def test_replies_are_limited(leader):
    leader.set("big", "x" * (1 << 20))
    with pytest.raises(redis.ResponseError, match="larger"):
        leader.mget(["big"] * 1000)
    assert len(leader.mget(["big"] * 10)) == 10
    assert leader.mget(["none"] * 1000) == [None] * 1000
    leader.delete("big")


def test_many_clients(make_cluster):
    with make_cluster("--max-clients", "50") as cluster:
        node = cluster.leader()
        with contextlib.ExitStack() as connections:
            first = connections.enter_context(cluster.client(node))
            # Connections of clients that have gone may still count.
            wait_until(
                lambda: first.info("clients")["connected_clients"] == 1, what="former clients leaving"
            )
            for _ in range(48):
                connections.enter_context(connect(cluster.addresses[node]))
            extra = connections.enter_context(connect(cluster.addresses[node]))
            extra.sendall(b"PING\r\n")
            assert extra.recv(100) == b"+PONG\r\n"
            refused = connections.enter_context(connect(cluster.addresses[node]))
            assert b"max number of clients" in receive_all(refused)
        assert_still_serves(cluster)
