# SPDX-License-Identifier: Apache-2.0
"""Work and memory that clients can ask for, and what is too large for a snapshot."""

import contextlib
import resource
import threading
import time

import pytest

from kvd_cluster import wait_until
from raw_bytes import connect, receive_all


def resident_bytes(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def info(cluster, node):
    with cluster.client(node) as client:
        return client.info("everything")


def read_until(connection, size):
    """What comes, its last bytes, until there are `size` bytes of it or the other side closes."""
    received = 0
    last = b""
    with contextlib.suppress(ConnectionResetError):
        while received < size and (chunk := connection.recv(1 << 20)):
            received += len(chunk)
            last = (last + chunk)[-100:]
    return received, last


@pytest.mark.parametrize("keys", [30, 300])
def test_pipelined_reads_of_much_do_not_take_all_memory(make_cluster, keys):
    """A few kB that ask for 2 GB: of one client, and of several that take nothing."""
    with make_cluster(n=1) as cluster:
        cluster.leader()
        value = 2000 // keys * 1000  # a reply has about 2 MB
        with cluster.client(1) as client:
            client.set("big", "x" * value)
        words = ["MGET"] + ["big"] * keys
        request = f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(connect(cluster.addresses[1])) for _ in range(10)]
            for connection in silent:
                connection.sendall(request * 100)
            reads = stack.enter_context(connect(cluster.addresses[1]))
            reads.sendall(request * 100)
            reply = keys * (value + len(f"${value}\r\n\r\n")) + len(f"*{keys}\r\n")
            received, last = read_until(reads, 100 * reply)
            assert received == 100 * reply, last
            assert resident_bytes(cluster.processes[1]) < 700 << 20
            with cluster.client(1) as other:
                assert other.ping()


def test_the_client_with_the_most_goes_when_memory_is_short(make_cluster):
    with make_cluster("--max-client-bytes", str(8 << 20), n=1) as cluster:
        cluster.leader()
        with cluster.client(1) as modest, connect(cluster.addresses[1]) as greedy:
            modest.set("k", "v")
            # A request that does not end.
            with contextlib.suppress(OSError):
                greedy.sendall(b"*2\r\n$4\r\nECHO\r\n$30000000\r\n" + b"x" * 29_000_000)
            assert receive_all(greedy) == b""
            assert modest.get("k") == "v"
        assert "--max-client-bytes" in cluster.log(1)
        assert info(cluster, 1)["max_client_bytes"] == 8 << 20


def test_idle_clients_keep_little(make_cluster):
    with make_cluster(n=1) as cluster:
        cluster.leader()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(cluster.client(1)) for _ in range(100)]
            for client in clients:
                client.set("k", "x" * (1 << 20))
            assert info(cluster, 1)["client_bytes"] < 150 << 20


def test_one_client_s_long_reads_do_not_hold_up_another_s(make_cluster):
    with make_cluster(n=1) as cluster:
        cluster.leader()
        with cluster.client(1) as client:
            for start in range(0, 100_000, 1000):
                client.mset({f"key:{i}": "v" for i in range(start, start + 1000)})
            with connect(cluster.addresses[1]) as greedy:
                greedy.sendall(b"KEYS *\r\n" * 100)
                wait_until(lambda: info(cluster, 1)["waiting_long_reads"] > 50, what="long reads")
                client.scan(0)
                # It was not behind them all.
                assert info(cluster, 1)["waiting_long_reads"] > 0


def test_a_turn_is_bounded(make_cluster):
    with make_cluster(n=1) as cluster:
        cluster.leader()
        with cluster.client(1) as client:
            client.set("big", "x" * 100_000)
        with connect(cluster.addresses[1]) as busy:
            requests = b"GET big\r\n" * 2000 + b"SET k v\r\n" * 20_000
            writer = threading.Thread(target=busy.sendall, args=(requests,))
            writer.start()
            received, _ = read_until(busy, 2000 * 100_011 + 20_000 * 5)
            writer.join()
            assert received == 2000 * 100_011 + 20_000 * 5
        found = info(cluster, 1)
        assert 500 < found["largest_session_turn_keys"] <= 1100
        assert found["largest_session_turn_bytes"] <= (1 << 20) + 200_000
        assert found["largest_turn_keys"] >= found["largest_session_turn_keys"]
        assert found["longest_turn_us"] > 0


def test_scan_answers_in_pieces(leader):
    leader.mset({"{same}%d" % i: "v" for i in range(5000)})
    cursor, keys = leader.scan(0, count=1)
    assert cursor != 0 and len(keys) == 1
    found = list(leader.scan_iter(count=100))
    assert len(found) == len(set(found)) == 5000
    _, keys = leader.scan(0, count=1_000_000_000)
    assert len(keys) == 5000


def test_a_full_disk_is_said_at_the_start(make_cluster):
    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with make_cluster(n=1, start=False) as cluster:
        for _ in range(2):
            cluster.start(1, wait=False, bootstrap=True, preexec_fn=no_room)
            assert cluster.wait_for_exit(1) == 1
            assert "there is no room in the data directory" in cluster.log(1)
            cluster.start(1, bootstrap=True)
            cluster.leader()
            cluster.kill(1)


SMALL = ("--max-value-bytes", "100000", "--max-request-bytes", "200000")


def fill(cluster, count):
    with cluster.leader_client() as client:
        for i in range(count):
            client.set(f"k{i}", "x" * 90_000)


def test_a_snapshot_that_is_too_large_is_said_and_not_tried_again_and_again(make_cluster):
    options = (*SMALL, "--max-snapshot-bytes", "500000", "--compact-after", "10")
    with make_cluster(*options) as cluster:
        away = cluster.followers()[0]
        cluster.kill(away)
        fill(cluster, 60)
        leader = cluster.leader()
        wait_until(lambda: cluster.status(leader)["first"] > 20, what="a shorter log")
        cluster.start(away)
        wait_until(lambda: cluster.status(leader)["snapshot"] == "too large", what="the status")
        status = cluster.status(leader)
        assert status["snapshot_limit"] == 500_000
        assert status["snapshot_retry_in"] > 0
        with cluster.leader_client() as client:
            for _ in range(20):
                client.incr("n")
                time.sleep(0.02)  # heartbeats, each of which asks for it
        assert cluster.log(leader).count("too large for a snapshot") == 1


def test_the_log_warns_before_a_snapshot_is_too_large(make_cluster):
    with make_cluster(*SMALL, "--max-snapshot-bytes", "2000000", "--compact-after", "2", n=1) as cluster:
        cluster.leader()
        fill(cluster, 10)
        # Of what is in files: it depends on time how much of the last writes is, until others follow.
        wait_until(lambda: cluster.status(1)["snapshot_estimate"] > 0, what="an estimate")
        assert "--max-snapshot-bytes" not in cluster.log(1)
        fill(cluster, 21)
        wait_until(lambda: fill(cluster, 1) or "--max-snapshot-bytes" in cluster.log(1), what="the warning")
        status = cluster.status(1)
        assert 1_600_000 <= status["snapshot_estimate"] and status["snapshot"] == "none"


def test_a_store_that_takes_no_snapshot_of_that_size_costs_no_leader(make_cluster):
    options = (*SMALL, "--compact-after", "10")
    with make_cluster(*options) as cluster:
        away = cluster.followers()[0]
        cluster.kill(away)
        fill(cluster, 60)
        leader = cluster.leader()
        wait_until(lambda: cluster.status(leader)["first"] > 20, what="a shorter log")
        term = cluster.status(leader)["term"]
        cluster.options += ["--max-snapshot-bytes", "500000"]
        cluster.start(away)
        wait_until(lambda: cluster.status(leader)["snapshot_refused_by"] == away, what="the status")
        fill(cluster, 5)
        assert cluster.log(leader).count("takes no message of more than") == 1
        assert cluster.status(leader)["term"] == term
        assert "frame larger" not in cluster.log(away)
