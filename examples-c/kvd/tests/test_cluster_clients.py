# SPDX-License-Identifier: Apache-2.0
"""Clients of Redis Cluster find the leader, and what operators are told."""

import dataclasses
import signal
import subprocess

import pytest
import redis

from kvd_cluster import PATIENCE, wait_until
from raw_bytes import PeerConnection, connect, facts_of_callers, raw_reply

SLOTS = 16384


def redis_cli(address, *words, input=None, cluster=False):
    mode = ["-c"] if cluster else []
    return subprocess.run(
        ["redis-cli", *mode, "-h", address[0], "-p", str(address[1]), *words],
        input=input,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


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
        address = shared.addresses[node]
        assert redis_cli(address, "SET", f"cli{node}", "value", cluster=True).strip() == "OK"
        assert redis_cli(address, "GET", f"cli{node}", cluster=True).strip() == "value"
    out = redis_cli(shared.addresses[1], input="set x 1\nincr x\nget x\n", cluster=True)
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
            nodes = redis_cli(shared.addresses[node], "CLUSTER", "NODES").strip().splitlines()
            assert len(nodes) == 3
            assert sum("master" in line and "0-16383" in line for line in nodes) == 1
            assert sum("slave" in line for line in nodes) == 2
            assert sum("myself" in line for line in nodes) == 1
            assert "cluster_state:ok" in redis_cli(shared.addresses[node], "CLUSTER", "INFO")
            assert redis_cli(shared.addresses[node], "CLUSTER", "MYID").strip() in "\n".join(nodes)
            assert "master" in redis_cli(shared.addresses[node], "CLUSTER", "SHARDS")


def test_status(shared, leader):
    node = shared.leader()
    status = shared.status(node)
    assert status["id"] == status["leader"] == node
    assert status["role"] == "leader"
    assert status["peers"] == "1,2,3"
    assert status["applied"] <= status["commit"] <= status["last"]
    for follower in shared.followers():
        wait_until(
            lambda f=follower: "state=replicate" in shared.status(node)[f"peer_{f}"],
            what=f"replication to node {follower}",
        )


def test_transfer_of_leadership(shared):
    for _ in range(3):
        old, target = shared.leader(), shared.followers()[0]
        with shared.client(old) as client:
            with pytest.raises(redis.ResponseError):
                client.execute_command("RAFT.TRANSFER", 99)
            assert client.execute_command("RAFT.TRANSFER", target) in (True, "OK")
        shared.make_leader(target)


def test_redis_benchmark(shared, leader):
    host, port = shared.addresses[shared.leader()]
    result = subprocess.run(
        ["redis-benchmark", "-h", host, "-p", str(port), "-t", "ping,set,get,incr,mset", "-P", "16", "-q",
         "-n", "20000", "-r", "10000", "-d", "256"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "error" not in (result.stdout + result.stderr).lower()
    assert result.stdout.count("requests per second") == 6


def test_followers_answer_reads_of_clients_that_want_it(shared, leader):
    leader.set("k", "old")
    for node in shared.followers():
        with shared.client(node) as follower:
            raw = [("GET", "k"), ("MGET", "k", "k"), ("EXISTS", "k"), ("DBSIZE",), ("SCAN", "0"), ("KEYS", "*")]
            for words in raw:
                with pytest.raises(redis.exceptions.MovedError):
                    follower.execute_command(*words)
            # READONLY is a state of the connection.
            with follower.client() as connection:
                connection.execute_command("READONLY")
                for i in range(50):
                    leader.set("k", i)
                    assert connection.get("k") == str(i), "a follower's read is linearizable, too"
                leader.mset({"{a}1": "x", "{a}2": "y"})
                assert connection.mget("{a}1", "{a}2") == ["x", "y"]
                assert connection.dbsize() == 3
                assert set(connection.scan_iter()) == {"k", "{a}1", "{a}2"}
                leader.delete("{a}1", "{a}2")
                assert connection.keys("*") == ["k"]
                with pytest.raises(redis.exceptions.MovedError):
                    connection.set("k", "v")
                connection.execute_command("READWRITE")
                with pytest.raises(redis.exceptions.MovedError):
                    connection.get("k")


def test_cluster_client_reads_from_replicas(shared, leader):
    from redis.cluster import RedisCluster

    host, port = shared.addresses[1]
    with RedisCluster(host=host, port=port, decode_responses=True, protocol=2, read_from_replicas=True) as client:
        for i in range(50):
            assert client.set(f"rr{i}", i)
            assert client.get(f"rr{i}") == str(i)


def test_reads_of_a_follower_survive_a_change_of_the_leader(make_cluster):
    with make_cluster() as cluster:
        with cluster.leader_client() as client:
            client.set("k", "v")
        old = cluster.leader()
        reader = cluster.followers()[0]
        with cluster.client(reader) as follower, follower.client() as connection:
            connection.execute_command("READONLY")
            wait_until(lambda: answers(connection), what="reads")
            cluster.kill(old)
            for _ in range(20):
                answers(connection)  # or says why not
            cluster.leader()
            wait_until(lambda: answers(connection), what="reads again")


def answers(connection):
    try:
        assert connection.get("k") == "v"
        return True
    except redis.RedisError:
        return False


def test_topology_is_what_is(make_cluster):
    with make_cluster() as cluster:
        # A store that is only on the command line is none.
        cluster.wait_applied()
        ids = list(cluster.ids)
        host = cluster.addresses[1][0]
        cluster.peer_addresses[4], cluster.addresses[4] = (host, 19998), (host, 19999)
        cluster.ids.append(4)
        for node in ids:
            cluster.kill(node)
        for node in ids:
            cluster.start(node, wait=False)
        cluster.ids = ids
        for node in ids:
            cluster.wait_for_ping(node)
        leader = cluster.leader()
        dead, other = cluster.followers()

        def lines(node):
            return redis_cli(cluster.addresses[node], "CLUSTER", "NODES").strip().splitlines()

        for node in ids:
            assert "which is no member" in cluster.log(node)
            assert "19999" not in redis_cli(cluster.addresses[node], "CLUSTER", "SLOTS")
            assert "19999" not in redis_cli(cluster.addresses[node], "CLUSTER", "SHARDS")
            assert "cluster_known_nodes:3" in redis_cli(cluster.addresses[node], "CLUSTER", "INFO")
            assert cluster.status(node)["peers"] == "1,2,3"
            wait_until(lambda n=node: not any("fail" in line for line in lines(n)), what="all online")
            assert len(lines(node)) == 3
        cluster.kill(dead)
        for node in (leader, other):
            wait_until(lambda n=node: sum("fail" in line for line in lines(n)) == 1, what="the dead store")
            [line] = [line for line in lines(node) if "fail" in line]
            assert f":{cluster.addresses[dead][1]}@" in line and "disconnected" in line
            with cluster.client(node) as client:
                shards = str(raw_reply(client, "CLUSTER", "SHARDS"))
                assert shards.count("'fail'") == 1 and shards.count("'online'") == 2
                [(_, _, *nodes)] = raw_reply(client, "CLUSTER", "SLOTS")
                assert cluster.addresses[dead][1] not in [one[1] for one in nodes]
        cluster.start(dead)
        for node in (leader, other):
            wait_until(lambda n=node: not any("fail" in line for line in lines(n)), what="it is back")


def test_moved_names_the_slot_of_the_key(make_cluster):
    """Also when a request had come in already when the leader learned that it leads no more."""
    with make_cluster() as cluster:
        with cluster.leader_client() as client:
            client.set("foo", "v")
        old = cluster.leader()
        process = cluster.processes[old]
        with connect(cluster.addresses[old]) as connection:
            connection.sendall(b"GET foo\r\n")
            assert connection.recv(100) == b"$1\r\nv\r\n"
            process.send_signal(signal.SIGSTOP)
            try:
                connection.sendall(b"GET foo\r\nGET foo\r\n")
                wait_until(lambda: any(cluster.status(n)["role"] == "leader" for n in cluster.ids if n != old),
                           what="a new leader")  # fmt: skip
            finally:
                process.send_signal(signal.SIGCONT)
            received = b""
            while received.count(b"\r\n") < 2:
                received += connection.recv(1000)
            for line in received.split(b"\r\n"):
                if line.startswith(b"-MOVED"):
                    assert line.split()[1] == b"12182", line


def test_what_a_member_cannot_read_is_not_written(make_cluster):
    with make_cluster() as cluster:
        cluster.leader()
        cluster.kill(3)
        facts = facts_of_callers(cluster.peer_addresses[3], 3, [1, 2])
        cluster.start(3)
        cluster.kill(2)
        # A store 2 that reads no entries of today.
        older = dataclasses.replace(facts[2], version=0)
        for node in (1, 3):
            with PeerConnection(cluster.peer_addresses[node], 2, node, older) as connection:
                assert connection.accepted
        with cluster.client(cluster.leader()) as client:
            with pytest.raises(redis.exceptions.TryAgainError, match="cannot read"):
                client.set("k", "v")
            assert client.get("k") is None
        cluster.start(2)
        with cluster.leader_client() as client:
            assert client.set("k", "v")
