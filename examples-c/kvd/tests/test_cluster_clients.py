# SPDX-License-Identifier: Apache-2.0
"""Clients of Redis Cluster find the leader, and what operators are told."""

import subprocess

import pytest
import redis

from kvd_cluster import PATIENCE, wait_until
from raw_bytes import raw_reply

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
