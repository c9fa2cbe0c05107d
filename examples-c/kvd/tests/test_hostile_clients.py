# SPDX-License-Identifier: Apache-2.0
"""Bytes that nobody should send, and clients that take no replies or come in great number."""

import contextlib
import random
import socket
import time

import pytest
import redis

from kvd_cluster import wait_until
from raw_bytes import PeerConnection, connect, facts_of_callers, frame, receive_all


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
    nonce = b"0" * 32
    for request in [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 5000,
        b"kvd-peer" * 1000,
        b"kvd-peer 1 kvd %d %d\n" % (pretended, target),  # of the version before
        b"kvd-peer 2 another %d %d %s\n" % (pretended, target, nonce),
        b"kvd-peer 2 kvd %d %d %s\n" % (pretended, pretended, nonce),  # meant for another store
        b"kvd-peer 2 kvd %d %d %s\n" % (target, target, nonce),  # from itself
        b"kvd-peer 2 kvd 77 %d %s\n" % (target, nonce),  # from a stranger
        frame(b"not a handshake"),
        generator.randbytes(5000),
    ]:
        with connect(address) as connection, contextlib.suppress(OSError):
            connection.sendall(request)
            assert receive_all(connection) == b"", request[:50]
    for answer in (b"", b"\n", b"kvd-store\n", b"x" * 5000, b"kvd-store - " + nonce + b" 1 1 1 " + nonce * 2 + b"\n"):
        with connect(address) as connection, contextlib.suppress(OSError):
            connection.sendall(b"kvd-peer 2 kvd %d %d %s\n" % (pretended, target, nonce) + answer)
            connection.shutdown(socket.SHUT_WR)
            assert receive_all(connection).count(b"\n") == 1, answer
    assert shared.status(target)["term"] >= term
    assert_still_serves(shared)


def test_garbage_after_a_handshake(make_cluster):
    generator = random.Random(3)
    with make_cluster() as cluster:
        cluster.leader()
        cluster.kill(3)
        facts = facts_of_callers(cluster.peer_addresses[3], 3, [1, 2])
        cluster.start(3)
        address = cluster.peer_addresses[1]
        for frames in [
            frame(b"not a message"),
            frame(b""),
            frame(b"\x08\x05\x10\x02\x18\x03", checksum=1),
            frame(b"x", size=0xFFFFFFFF),
            frame(generator.randbytes(200)),
            generator.randbytes(5000),
        ]:
            with PeerConnection(address, 2, 1, facts[2]) as connection:
                assert connection.accepted
                connection.send(frames)
                assert connection.closed() == b"", frames[:50]
        # A message for a Region that is not here is not garbage: it is dropped.
        with PeerConnection(address, 2, 1, facts[2]) as connection:
            connection.send(frame(b"whatever", region=99))
        for _ in range(100):
            payload = bytearray(generator.randbytes(generator.randrange(1, 60)))
            payload[0] = generator.choice([0x08, 0x10, 0x18, 0x20, 0x28, 0x32, 0x3A, 0x42])
            with PeerConnection(address, 2, 1, facts[2]) as connection:
                connection.send(frame(bytes(payload)))
        assert_still_serves(cluster)


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
