# SPDX-License-Identifier: Apache-2.0
"""Nodes that are killed, paused, away, without a majority or without a disk: nothing is lost."""

import contextlib
import random
import resource
import signal
import threading
import time

import pytest
import redis

from kvd_cluster import PATIENCE, REFUSALS, wait_until


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
                with self.cluster.client(node) as client:
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
            thread.join(2 * PATIENCE)
        assert not any(thread.is_alive() for thread in threads)


def assert_nothing_lost(cluster, threads):
    with cluster.leader_client() as client:
        for thread in threads:
            value = int(client.get(thread.name) or 0)
            assert thread.acknowledged <= value <= thread.attempted, thread.name


def test_kill_and_restart_of_leaders_loses_nothing(make_cluster):
    with make_cluster() as cluster:
        with writers(cluster, 4) as threads:
            for _ in range(5):
                done = sum(thread.acknowledged for thread in threads)
                wait_until(lambda d=done: sum(t.acknowledged for t in threads) > d + 50, what="writes")
                victim = cluster.leader()
                cluster.kill(victim)
                assert cluster.leader() != victim
                cluster.start(victim)
        assert_nothing_lost(cluster, threads)
        cluster.wait_applied()
        for node in cluster.ids:
            cluster.kill(node)
        for node in cluster.ids:
            cluster.start(node, wait=False)
        assert_nothing_lost(cluster, threads)


def test_restart_of_all_nodes(make_cluster):
    with make_cluster() as cluster:
        with cluster.leader_client() as client:
            client.mset({f"k{i}": i for i in range(1000)})
            client.incr("n")
        before = cluster.status(cluster.leader())
        for node in cluster.ids:
            assert cluster.stop(node) == 0
        for node in cluster.ids:
            cluster.start(node)
        with cluster.leader_client() as client:
            assert client.dbsize() == 1001
            assert client.get("k999") == "999"
            assert client.incr("n") == 2
        assert cluster.status(cluster.leader())["term"] > before["term"]


def test_a_single_store(make_cluster):
    with make_cluster(n=1) as cluster:
        with cluster.leader_client() as client:
            for i in range(100):
                client.incr("n")
        cluster.kill(1)
        cluster.start(1)
        with cluster.leader_client() as client:
            assert client.get("n") == "100"


def answer_of(cluster, node, ask):
    """What `ask(client)` gives of this very node, which is made the leader for that."""
    while True:
        cluster.make_leader(node)
        with contextlib.suppress(*REFUSALS), cluster.client(node) as client:
            return ask(client)


def test_a_follower_away_past_compaction_gets_a_snapshot(make_cluster):
    with make_cluster("--compact-after", "50") as cluster:
        away = cluster.followers()[0]
        cluster.kill(away)
        last = cluster.status(cluster.leader())["last"]
        with cluster.leader_client() as client:
            client.set("before", "x" * 100000)
            for i in range(300):
                client.set(f"k{i % 100}", i)
            client.delete("before")
        wait_until(lambda: cluster.status(cluster.leader())["first"] > last + 1, what="a shorter log")
        cluster.start(away)
        cluster.wait_applied(nodes=[away])
        assert "installs a snapshot" in cluster.log(away)
        # Its data is its own: it can lead with it.
        assert answer_of(cluster, away, lambda client: client.dbsize()) == 100
        assert answer_of(cluster, away, lambda client: client.mget("k99", "before")) == ["299", None]
        # And it survives what it was given.
        cluster.kill(away)
        cluster.start(away)
        cluster.wait_applied()


def test_without_a_majority_nothing_is_acknowledged(make_cluster):
    with make_cluster("--request-timeout-ms", "1500") as cluster:
        with cluster.leader_client() as client:
            client.set("k", "before")
        leader = cluster.leader()
        with cluster.client(leader) as client:
            for node in cluster.ids:
                if node != leader:
                    cluster.kill(node)
            with pytest.raises(redis.ResponseError) as error:
                client.set("k", "alone")
            assert isinstance(error.value, REFUSALS) or str(error.value).startswith("UNKNOWN")
            wait_until(lambda: cluster.status(leader)["leader"] == 0, what="stepping down")
            for command in (["SET", "k", "x"], ["GET", "k"]):
                with pytest.raises(redis.RedisError, match="no leader"):
                    client.execute_command(*command)
            assert client.ping()
        for node in cluster.ids:
            if not cluster.running(node):
                cluster.start(node)
        with cluster.leader_client() as client:
            assert client.get("k") in ("before", "alone")


def test_leadership_is_not_handed_to_a_store_that_is_down(make_cluster):
    """The library would wait for it, and take no writes meanwhile."""
    with make_cluster() as cluster:
        leader, dead = cluster.leader(), cluster.followers()[0]
        cluster.kill(dead)
        with cluster.client(leader) as client:
            wait_until(lambda: client.info("raft")["connected_stores"] == 1, what="noticing that it is down")
            with pytest.raises(redis.ResponseError, match="not connected"):
                client.execute_command("RAFT.TRANSFER", dead)
            assert client.incr("n") == 1


def test_reads_are_linearizable_across_a_pause_of_the_leader(make_cluster):
    """A deposed leader that does not know it yet must not answer reads from its old state."""
    with make_cluster() as cluster:
        with cluster.leader_client() as client:
            client.set("k", "old")
        old = cluster.leader()

        def set_at_the_successor():
            for node in set(cluster.ids) - {old}:
                with contextlib.suppress(*REFUSALS), cluster.client(node) as other:
                    return other.set("k", "new")
            return False

        with cluster.client(old) as client:
            client.ping()
            process = cluster.processes[old]
            process.send_signal(signal.SIGSTOP)
            try:
                wait_until(set_at_the_successor, what="a new leader")
            finally:
                process.send_signal(signal.SIGCONT)
            with contextlib.suppress(*REFUSALS):
                assert client.get("k") == "new"


def test_a_full_disk_stops_the_store_and_loses_nothing(make_cluster):
    limit = 20 << 20

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with make_cluster(start=False) as cluster:
        cluster.start(1, wait=False)
        cluster.start(2, wait=False)
        cluster.start(3, preexec_fn=small_files)
        cluster.leader()
        acknowledged = []
        for i in range(60):
            # The node may be the leader, and end while it has a write.
            with contextlib.suppress(redis.RedisError), cluster.leader_client() as client:
                client.set(f"k{i}", f"{i}:" + "x" * (1 << 20))
                acknowledged.append(i)
        assert cluster.wait_for_exit(3) == 1
        assert "fatal" in cluster.log(3) and "cannot write" in cluster.log(3)
        cluster.start(3)
        cluster.wait_applied(nodes=[3])
        with cluster.leader_client() as client:
            for i in acknowledged:
                assert client.get(f"k{i}").startswith(f"{i}:")
