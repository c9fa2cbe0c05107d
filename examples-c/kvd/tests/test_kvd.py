# SPDX-License-Identifier: Apache-2.0
"""kvd end to end: three real processes on loopback, real clients.

    KVD=build/examples-c/kvd/kvd pytest examples-c/kvd/tests/test_kvd.py
"""

import contextlib
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
import redis

from kvd_cluster import Cluster, kvd_binary, wait_until

SLOTS = 16384


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cluster for tests that leave it as it was."""
    with Cluster(tmp_path_factory.mktemp("kvd")) as cluster:
        yield cluster


@pytest.fixture
def leader(shared):
    """An empty key space and a client of the leader."""
    with shared.client(shared.leader()) as client:
        client.flushall()
        yield client


def make_cluster(tmp_path, *options, **named):
    return Cluster(tmp_path / "cluster", options=options, **named)


def connect(address, timeout=10):
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


def redis_cli(port, *words, input=None, cluster=False):
    mode = ["-c"] if cluster else []
    return subprocess.run(
        ["redis-cli", *mode, "-p", str(port), *words],
        input=input,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout


# -- commands ----------------------------------------------------------------------------------


def test_strings(leader):
    assert leader.ping() is True
    assert leader.echo("hello") == "hello"
    assert leader.get("none") is None
    assert leader.set("k", "v") is True
    assert leader.get("k") == "v"
    assert leader.strlen("k") == 1
    assert leader.append("k", "alue") == 5
    assert leader.get("k") == "value"
    assert leader.exists("k", "k", "none") == 2
    assert leader.delete("k", "none") == 1
    assert leader.mset({"a": "1", "b": "2"}) is True
    assert leader.mget("a", "none", "b") == ["1", None, "2"]
    assert leader.dbsize() == 2


def test_conditional_set(leader):
    assert leader.set("k", "1", xx=True) is None
    assert leader.set("k", "1", nx=True) is True
    assert leader.set("k", "2", nx=True) is None
    assert leader.set("k", "3", get=True) == "1"
    assert leader.get("k") == "3"
    with pytest.raises(redis.ResponseError, match="EX"):
        leader.set("k", "4", ex=10)


def test_counters(leader):
    assert leader.incr("n") == 1
    assert leader.incrby("n", 9) == 10
    assert leader.decr("n") == 9
    assert leader.decrby("n", 10) == -1
    leader.set("text", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        leader.incr("text")


def test_binary_values(leader, shared):
    with shared.client(shared.leader(), decode_responses=False) as client:
        everything = bytes(range(256)) * 100
        client.set(everything[:300], everything)
        assert client.get(everything[:300]) == everything


def test_scan_and_keys(leader):
    names = {f"key:{i}" for i in range(200)}
    leader.mset({name: "v" for name in names})
    assert set(leader.scan_iter(count=7)) == names
    assert set(leader.scan_iter(match="key:1?", count=50)) == {f"key:1{i}" for i in range(10)}
    assert set(leader.keys("key:*")) == names
    assert leader.flushdb() is True
    assert leader.keys() == []
    assert leader.dbsize() == 0


def test_large_values_and_limits(leader):
    value = "x" * (8 << 20)
    leader.set("large", value)
    assert leader.get("large") == value
    with pytest.raises(redis.ResponseError, match="max-value-bytes"):
        leader.set("large", value + "x")
    with pytest.raises(redis.ResponseError, match="max-value-bytes"):
        leader.append("large", "x")
    with pytest.raises(redis.ResponseError, match="max-key-bytes"):
        leader.set("k" * 4097, "v")
    assert leader.strlen("large") == 8 << 20
    leader.delete("large")


def test_connection_commands(leader, shared):
    assert leader.client_setname("me")
    assert leader.client_getname() == "me"
    assert isinstance(leader.client_id(), int)
    with pytest.raises(redis.ResponseError):
        leader.client_setname("a b")
    assert leader.execute_command("SELECT", "0") in (True, "OK")
    with pytest.raises(redis.ResponseError):
        leader.execute_command("SELECT", "1")
    assert leader.config_get("save") == {"save": ""}
    assert leader.config_get("append*") == {"appendonly": "yes"}
    assert raw_reply(leader, "COMMAND", "COUNT") > 20
    info = leader.info()
    assert info["redis_mode"] == "cluster"
    assert info["cluster_enabled"] == 1
    with pytest.raises(redis.ResponseError, match="unknown command"):
        leader.lpush("k", "v")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        leader.execute_command("GET")
    assert ask(shared.addresses[1], b"HELLO 3\r\n", 1).startswith(b"-NOPROTO")
    assert b"proto" in ask(shared.addresses[1], b"HELLO 2\r\n", 10)


def test_quit_closes_after_its_reply(shared):
    with connect(shared.addresses[1]) as connection:
        connection.sendall(b"PING\r\nQUIT\r\nPING\r\n")
        assert receive_all(connection) == b"+PONG\r\n+OK\r\n"


def test_pipelines_keep_their_order(leader):
    pipe = leader.pipeline(transaction=False)
    expected = []
    for i in range(300):
        pipe.set("k", i)
        pipe.get("k")
        pipe.incr("n")
        pipe.ping()
        pipe.get("n")
        expected += [True, str(i), i + 1, True, str(i + 1)]
    assert pipe.execute() == expected


def test_a_read_does_not_see_a_later_write_of_its_pipeline(leader):
    leader.set("k", "old")
    for i in range(200):
        pipe = leader.pipeline(transaction=False)
        pipe.get("k").set("k", f"new {i}")
        before, _ = pipe.execute()
        assert before == ("old" if i == 0 else f"new {i - 1}")


def test_reply_after_half_close(leader, shared):
    with connect(shared.addresses[shared.leader()]) as connection:
        connection.sendall(b"SET half closed\r\nGET half\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b"+OK\r\n$6\r\nclosed\r\n"


def raw_reply(client, *words):
    """The reply as it is on the wire, not as the client library presents it."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*words)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


# -- cluster clients ---------------------------------------------------------------------------


def test_followers_redirect(shared, leader):
    leader_host, leader_port = shared.addresses[shared.leader()]
    for node in shared.followers():
        with shared.client(node) as follower:
            for command in (["GET", "foo"], ["SET", "foo", "bar"], ["INCR", "foo"]):
                with pytest.raises(redis.ResponseError) as error:
                    follower.execute_command(*command)
                words = str(error.value).split()
                assert words[-2:] == ["12182", f"{leader_host}:{leader_port}"]
            assert follower.execute_command("CLUSTER KEYSLOT", "foo") == 12182


def test_redis_cli_follows_redirects(shared, leader):
    for node in shared.ids:
        port = shared.addresses[node][1]
        assert redis_cli(port, "SET", f"cli{node}", "value", cluster=True).strip() == "OK"
        assert redis_cli(port, "GET", f"cli{node}", cluster=True).strip() == "value"
    out = redis_cli(shared.addresses[1][1], input="set x 1\nincr x\nget x\n", cluster=True)
    assert "2" in out.split()


def test_cluster_client(shared, leader):
    from redis.cluster import RedisCluster

    for node in shared.ids:
        host, port = shared.addresses[node]
        with RedisCluster(host=host, port=port, decode_responses=True, protocol=2) as client:
            for i in range(50):
                assert client.set(f"rc{i}", i)
            assert [client.get(f"rc{i}") for i in range(50)] == [str(i) for i in range(50)]
            assert client.incr("rcn") > 0


def test_cluster_topology(shared):
    leader = shared.leader()
    for node in shared.ids:
        with shared.client(node) as client:
            [(first, last, master, *replicas)] = raw_reply(client, "CLUSTER", "SLOTS")
            assert (first, last) == (0, SLOTS - 1)
            assert master[1] == shared.addresses[leader][1]
            assert {replica[1] for replica in replicas} == {
                shared.addresses[follower][1] for follower in shared.followers()
            }
            nodes = redis_cli(shared.addresses[node][1], "CLUSTER", "NODES").strip().splitlines()
            assert len(nodes) == 3
            assert sum("master" in line and "0-16383" in line for line in nodes) == 1
            assert sum("slave" in line for line in nodes) == 2
            assert sum("myself" in line for line in nodes) == 1
            assert "cluster_state:ok" in redis_cli(shared.addresses[node][1], "CLUSTER", "INFO")
            assert redis_cli(shared.addresses[node][1], "CLUSTER", "MYID").strip() in "\n".join(nodes)
            assert "master" in redis_cli(shared.addresses[node][1], "CLUSTER", "SHARDS")


def test_status(shared, leader):
    node = shared.leader()
    status = shared.status(node)
    assert status["id"] == status["leader"] == node
    assert status["role"] == "leader"
    assert status["peers"] == "1,2,3"
    assert status["applied"] <= status["commit"] <= status["last"]
    assert "state=replicate" in status[f"peer_{shared.followers()[0]}"]


def test_transfer_of_leadership(shared):
    for _ in range(3):
        old, target = shared.leader(), shared.followers()[0]
        with shared.client(old) as client:
            assert client.execute_command("RAFT.TRANSFER", target) in (True, "OK")
            with pytest.raises(redis.ResponseError):
                client.execute_command("RAFT.TRANSFER", 99)
        wait_until(lambda t=target: shared.leader() == t, what="the transfer")


def test_redis_benchmark(shared, leader):
    port = shared.addresses[shared.leader()][1]
    result = subprocess.run(
        ["redis-benchmark", "-p", str(port), "-t", "ping,set,get,incr,mset", "-P", "16", "-q",
         "-n", "20000", "-r", "10000", "-d", "256"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "error" not in (result.stdout + result.stderr).lower()
    assert result.stdout.count("requests per second") == 6


# -- hostile bytes -----------------------------------------------------------------------------


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


def assert_still_serves(cluster):
    with cluster.client(cluster.leader()) as client:
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
    with shared.client(shared.leader()) as client:
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


# -- failures ----------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Sets its own keys to rising numbers at whoever leads, and notes what was acknowledged."""

    def __init__(self, cluster, name):
        super().__init__(daemon=True)
        self.cluster, self.name = cluster, name
        self.acknowledged = 0
        self.attempted = 0
        self.ends = False

    def run(self):
        node = random.choice(self.cluster.ids)
        while not self.ends:
            try:
                with self.cluster.client(node, socket_timeout=8) as client:
                    while not self.ends:
                        self.attempted += 1
                        client.set(self.name, self.attempted)
                        self.acknowledged = self.attempted
            except redis.RedisError:
                node = random.choice(self.cluster.ids)
                time.sleep(0.01)


@contextlib.contextmanager
def writers(cluster, count):
    threads = [Writer(cluster, f"writer{i}") for i in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.ends = True
        for thread in threads:
            thread.join(20)


def assert_nothing_lost(cluster, threads):
    with cluster.client(cluster.leader()) as client:
        for thread in threads:
            value = int(client.get(thread.name) or 0)
            assert thread.acknowledged <= value <= thread.attempted, thread.name


def test_kill_and_restart_of_leaders_loses_nothing(tmp_path):
    with make_cluster(tmp_path) as cluster:
        with writers(cluster, 4) as threads:
            for _ in range(5):
                done = sum(thread.acknowledged for thread in threads)
                wait_until(lambda d=done: sum(t.acknowledged for t in threads) > d + 50, 30, "writes")
                victim = cluster.leader(30)
                cluster.kill(victim)
                assert cluster.leader(30) != victim
                cluster.start(victim)
        assert_nothing_lost(cluster, threads)
        cluster.wait_applied()
        for node in cluster.ids:
            cluster.kill(node)
        for node in cluster.ids:
            cluster.start(node, wait=False)
        assert_nothing_lost(cluster, threads)


def test_restart_of_all_nodes(tmp_path):
    with make_cluster(tmp_path) as cluster:
        with cluster.client(cluster.leader()) as client:
            client.mset({f"k{i}": i for i in range(1000)})
            client.incr("n")
        before = cluster.status(cluster.leader())
        for node in cluster.ids:
            assert cluster.stop(node) == 0
        for node in cluster.ids:
            cluster.start(node)
        with cluster.client(cluster.leader()) as client:
            assert client.dbsize() == 1001
            assert client.get("k999") == "999"
            assert client.incr("n") == 2
        assert cluster.status(cluster.leader())["term"] > before["term"]


def test_a_follower_away_past_compaction_gets_a_snapshot(tmp_path):
    with make_cluster(tmp_path, "--compact-after", "50") as cluster:
        away = cluster.followers()[0]
        cluster.kill(away)
        last = cluster.status(cluster.leader())["last"]
        with cluster.client(cluster.leader()) as client:
            client.set("before", "x" * 100000)
            for i in range(300):
                client.set(f"k{i % 100}", i)
            client.delete("before")
        assert cluster.status(cluster.leader())["first"] > last + 1
        cluster.start(away)
        cluster.wait_applied(nodes=[away])
        assert "installs a snapshot" in cluster.log(away)
        # Its data is its own: it can lead with it.
        with cluster.client(cluster.leader()) as client:
            client.execute_command("RAFT.TRANSFER", away)
        wait_until(lambda: cluster.leader() == away, what="the transfer")
        with cluster.client(away) as client:
            assert client.dbsize() == 100
            assert client.get("k99") == "299"
            assert client.get("before") is None
        # And it survives what it was given.
        cluster.kill(away)
        cluster.start(away)
        cluster.wait_applied()


def test_a_store_that_lost_its_data_is_noticed(tmp_path):
    with make_cluster(tmp_path) as cluster:
        with cluster.client(cluster.leader()) as client:
            client.set("k", "v")
        cluster.wait_applied()
        lost = cluster.followers()[0]
        cluster.kill(lost)
        shutil.rmtree(cluster.data_directory(lost))
        cluster.start(lost)
        wait_until(lambda: "lost data" in cluster.log(lost), what="the complaint")
        with cluster.client(cluster.leader()) as client:
            assert client.set("k", "w") and client.get("k") == "w"


def test_without_a_majority_nothing_is_acknowledged(tmp_path):
    with make_cluster(tmp_path, "--request-timeout-ms", "1500") as cluster:
        leader = cluster.leader()
        with cluster.client(leader) as client:
            client.set("k", "before")
            for node in cluster.followers():
                cluster.kill(node)
            with pytest.raises(redis.RedisError) as error:
                client.set("k", "alone")
            assert str(error.value).split()[0] in ("UNKNOWN", "CLUSTERDOWN", "TRYAGAIN")
            wait_until(lambda: cluster.status(leader)["role"] != "leader", what="stepping down")
            for command in (["SET", "k", "x"], ["GET", "k"]):
                with pytest.raises(redis.RedisError, match="no leader"):
                    client.execute_command(*command)
            assert client.ping()
        for node in cluster.ids:
            if not cluster.running(node):
                cluster.start(node)
        with cluster.client(cluster.leader()) as client:
            assert client.get("k") in ("before", "alone")


def test_reads_are_linearizable_across_a_pause_of_the_leader(tmp_path):
    """A deposed leader that does not know it yet must not answer reads from its old state."""
    with make_cluster(tmp_path) as cluster:
        old = cluster.leader()
        with cluster.client(old) as client, cluster.client(old) as writer:
            writer.set("k", "old")
            process = cluster.processes[old]
            process.send_signal(signal.SIGSTOP)
            try:
                rest = [node for node in cluster.ids if node != old]
                new = wait_until(
                    lambda: next((n for n in rest if cluster.status(n)["role"] == "leader"), None),
                    30, "a new leader",
                )  # fmt: skip
                with cluster.client(new) as other:
                    other.set("k", "new")
            finally:
                process.send_signal(signal.SIGCONT)
            try:
                assert client.get("k") == "new"
            except redis.RedisError as error:
                assert str(error).split()[0] in ("MOVED", "CLUSTERDOWN", "TRYAGAIN") or isinstance(
                    error, redis.exceptions.MovedError
                )


def test_a_full_disk_stops_the_store_and_loses_nothing(tmp_path):
    limit = 20 << 20

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with make_cluster(tmp_path, start=False) as cluster:
        cluster.start(1, wait=False)
        cluster.start(2, wait=False)
        cluster.start(3, preexec_fn=small_files)
        leader = cluster.leader(30)
        acknowledged = []
        with contextlib.suppress(redis.RedisError), cluster.client(leader, socket_timeout=30) as client:
            for i in range(60):
                client.set(f"k{i}", f"{i}:" + "x" * (1 << 20))
                acknowledged.append(i)
        assert cluster.wait_for_exit(3, 30) == 1
        assert "fatal" in cluster.log(3) and "cannot write" in cluster.log(3)
        cluster.start(3)
        cluster.wait_applied(nodes=[3])
        with cluster.client(cluster.leader()) as client:
            for i in acknowledged:
                assert client.get(f"k{i}").startswith(f"{i}:")


# -- start -------------------------------------------------------------------------------------


def test_data_of_another_store_is_refused(tmp_path):
    with make_cluster(tmp_path, start=False) as cluster:
        cluster.start(1)
        cluster.stop(1)
        shutil.move(cluster.data_directory(1), cluster.data_directory(2))
        cluster.start(2, wait=False)
        assert cluster.wait_for_exit(2) == 1
        assert "belongs to store 1" in cluster.log(2)


def test_two_processes_on_one_directory(tmp_path):
    with make_cluster(tmp_path, start=False) as cluster:
        cluster.start(1)
        second = subprocess.run(cluster.command(1), capture_output=True, text=True, timeout=30)
        assert second.returncode == 1
        assert "fatal" in second.stderr


def test_port_in_use(tmp_path):
    with make_cluster(tmp_path, start=False) as cluster, socket.socket() as taken:
        taken.bind(cluster.addresses[1])
        taken.listen()
        cluster.start(1, wait=False)
        assert cluster.wait_for_exit(1) == 1
        assert "cannot listen" in cluster.log(1)


def test_command_line():
    for option in ("--help", "--version"):
        assert subprocess.run([kvd_binary(), option], capture_output=True).returncode == 0
    for words in ([], ["--id", "1"], ["--id", "9", "--data", "x", "--cluster", "1=a:1/b:2"]):
        result = subprocess.run([kvd_binary(), *words], capture_output=True, text=True)
        assert result.returncode != 0 and result.stderr


def test_a_single_store(tmp_path):
    with make_cluster(tmp_path, n=1) as cluster:
        with cluster.client(cluster.leader()) as client:
            for i in range(100):
                client.incr("n")
        cluster.kill(1)
        cluster.start(1)
        with cluster.client(cluster.leader()) as client:
            assert client.get("n") == "100"


def test_many_clients(tmp_path):
    with make_cluster(tmp_path, "--max-clients", "50") as cluster:
        address = cluster.addresses[cluster.leader()]
        connections = [connect(address) for _ in range(49)]
        try:
            time.sleep(0.2)
            with connect(address) as extra, connect(address) as refused:
                extra.sendall(b"PING\r\n")
                assert extra.recv(100) == b"+PONG\r\n"
                assert b"max number of clients" in receive_all(refused)
        finally:
            for connection in connections:
                connection.close()
        assert_still_serves(cluster)
