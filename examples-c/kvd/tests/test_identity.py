# SPDX-License-Identifier: Apache-2.0
"""Which stores are one cluster: how it begins, and who is refused because it is another one or lost its data."""

import shutil

import pytest
import redis

from kvd_cluster import Cluster, wait_until
from raw_bytes import PeerConnection, Facts, facts_of_callers

SECRET = "a secret that all stores have\n"


def wait_for_log(cluster, node, text):
    wait_until(lambda: text in cluster.log(node), what=f"node {node} logging {text!r}")


def assert_serves(cluster):
    with cluster.leader_client() as client:
        client.set("still", "serving")
        assert client.get("still") == "serving"


def test_an_empty_directory_begins_nothing(make_cluster):
    with make_cluster(start=False) as cluster:
        cluster.start(1, wait=False, bootstrap=False)
        assert cluster.wait_for_exit(1) == 1
        assert "--bootstrap" in cluster.log(1)


def test_a_cluster_begins_when_all_its_stores_are_there(make_cluster):
    with make_cluster(start=False) as cluster:
        cluster.start(1)
        cluster.start(2)
        with cluster.client(1) as client:
            assert client.ping()
            assert client.info("raft")["connected_stores"] == 0
            with pytest.raises(redis.exceptions.ClusterDownError, match="waits"):
                client.set("k", "v")
        assert cluster.status(1)["role"] == cluster.status(2)["role"] == "waiting"
        # A store that waits is started again as it was the first time.
        # (--bootstrap or not: it was told to when its directory was made).
        for bootstrap in (True, False):
            cluster.kill(2)
            cluster.start(2, bootstrap=bootstrap)
            assert cluster.status(2)["role"] == "waiting"
        cluster.start(3)
        assert_serves(cluster)
        # Later it makes no difference.
        cluster.kill(2)
        cluster.start(2, bootstrap=True)
        cluster.wait_applied(nodes=[2])


def test_stores_that_were_told_of_different_stores_form_no_cluster(tmp_path):
    """Stores 1 and 2 know of three, 3 to 5 of five: each group would have a majority of what it knows."""
    with Cluster(tmp_path, n=5, start=False, options=["--election-ticks", "4"]) as cluster:
        five = cluster.cluster_argument()
        cluster.ids = [1, 2, 3]
        three = cluster.cluster_argument()
        for told, nodes in ((three, [1, 2]), (five, [3, 4, 5])):
            cluster.cluster_argument = lambda text=told: text
            for node in nodes:
                cluster.start(node)
        wait_for_log(cluster, 1, "it was told of the stores 1,2,3,4,5, and this one of 1,2,3")
        wait_for_log(cluster, 3, "it was told of")
        for node in (1, 2, 3, 4, 5):
            assert cluster.status(node)["role"] == "waiting"


def test_a_store_of_another_cluster_is_refused(tmp_path):
    with Cluster(tmp_path / "one") as one, Cluster(tmp_path / "two", host=one.addresses[1][0]) as two:
        with one.leader_client() as client:
            client.set("of", "one")
        one.kill(3)
        two.kill(3)
        # Store 3 of the second cluster, with its data, where that of the first one was.
        shutil.rmtree(one.data_directory(3))
        shutil.copytree(two.data_directory(3), one.data_directory(3))
        one.start(3)
        wait_for_log(one, 1, "refusing store 3: it belongs to another cluster")
        wait_for_log(one, 3, "belongs to another cluster")
        assert one.status(3)["applied"] < one.wait_applied(nodes=[1, 2])
        assert_serves(one)


def test_stores_that_lost_their_data_do_not_outvote_the_one_that_has_it(make_cluster):
    with make_cluster() as cluster:
        with cluster.leader_client() as client:
            client.set("k", "v")
        index = cluster.wait_applied()
        for node in (1, 2):
            cluster.kill(node)
            shutil.rmtree(cluster.data_directory(node))
        # Without being told to begin, they end; with it, they wait for all stores to be empty.
        cluster.start(1, wait=False)
        assert cluster.wait_for_exit(1) == 1
        for node in (1, 2):
            cluster.start(node, bootstrap=True)
        for node in (1, 2):
            wait_for_log(cluster, 3, f"store {node} came back with another disk")
            wait_for_log(cluster, node, "came back with another disk")
        assert cluster.status(1)["role"] == cluster.status(2)["role"] == "waiting"
        assert cluster.status(3)["applied"] >= index
        wait_until(lambda: cluster.status(3)["leader"] == 0, what="store 3 being alone")


def damage_by_removing(directory):
    for path in directory.glob("*.log"):
        path.unlink()


def damage_by_zeroing(directory):
    for path in directory.glob("*.log"):
        path.write_bytes(bytes(path.stat().st_size))


def damage_by_cutting(directory):
    for path in directory.glob("*.log"):
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size // 2)


def damage_by_emptying(directory):
    for path in directory.glob("*.log"):
        path.write_bytes(b"")


def damage_by_leaving_the_first_records(directory):
    """The identity, perhaps, and nothing that was written since."""
    for path in directory.glob("*.log"):
        with open(path, "r+b") as file:
            file.truncate(min(100, path.stat().st_size))


def damage_by_removing_all_but_the_witness(directory):
    for path in directory.iterdir():
        if not path.name.startswith("witness"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def damage_by_removing_the_witness(directory):
    for path in directory.glob("witness*"):
        path.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        damage_by_removing,
        damage_by_zeroing,
        damage_by_cutting,
        damage_by_emptying,
        damage_by_leaving_the_first_records,
        damage_by_removing_all_but_the_witness,
        damage_by_removing_the_witness,
    ],
)
def test_a_log_that_is_damaged_does_not_vote(make_cluster, damage):
    with make_cluster() as cluster:
        with cluster.leader_client() as client:
            for i in range(300):
                client.set(f"k{i}", "x" * 1000)
        victim = cluster.followers()[0]
        cluster.wait_applied(nodes=[victim])  # a store that has voted and stored nothing yet has nothing to lose
        # A clean end: what the witness puts off for a second is written then.
        cluster.stop(victim)
        damage(cluster.data_directory(victim))
        for bootstrap in (False, True):
            cluster.start(victim, wait=False, bootstrap=bootstrap)
            assert cluster.wait_for_exit(victim) == 1
        assert "fatal" in cluster.log(victim)
        assert_serves(cluster)


def test_a_store_that_learns_that_it_lost_data_ends_for_good(make_cluster):
    """An older copy of the directory is whole: only the leader knows that there was more."""
    with make_cluster("--election-ticks", "40") as cluster:
        leader = cluster.leader()
        victim = cluster.followers()[0]
        cluster.stop(victim)
        copy = cluster.directory / "copy"
        shutil.copytree(cluster.data_directory(victim), copy)
        cluster.start(victim)
        cluster.make_leader(leader)
        with cluster.leader_client() as client:
            for i in range(50):
                client.set(f"k{i}", "v")
        cluster.wait_applied()
        cluster.kill(victim)
        shutil.rmtree(cluster.data_directory(victim))
        shutil.copytree(copy, cluster.data_directory(victim))
        cluster.start(victim, wait=False)
        assert cluster.wait_for_exit(victim) == 1
        assert "lost data that it had acknowledged" in cluster.log(victim)
        for bootstrap in (False, True):
            cluster.start(victim, wait=False, bootstrap=bootstrap)
            assert cluster.wait_for_exit(victim) == 1
        assert "must not come back under its id" in cluster.log(victim)
        assert_serves(cluster)


def test_the_secret_is_needed(make_cluster, tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET)
    with make_cluster("--peer-secret-file", path) as cluster:
        assert_serves(cluster)
        cluster.kill(3)
        secret = SECRET.strip().encode()
        facts = facts_of_callers(cluster.peer_addresses[3], 3, [1, 2], secret)
        target = cluster.peer_addresses[1]
        for wrong in (b"", b"another secret, as long as that"):
            with PeerConnection(target, 2, 1, facts[2], secret=wrong) as connection:
                assert connection.answer == b""
        with PeerConnection(target, 2, 1, facts[2], secret=secret) as connection:
            assert connection.accepted
        cluster.options = [option for option in cluster.options if str(path) != option and "secret" not in option]
        cluster.start(3)
        wait_for_log(cluster, 3, "another secret")
        wait_for_log(cluster, 1, "another secret")


def test_what_a_store_says_of_itself_is_checked(make_cluster):
    with make_cluster() as cluster:
        assert_serves(cluster)
        cluster.kill(3)
        facts = facts_of_callers(cluster.peer_addresses[3], 3, [1, 2])
        target = cluster.peer_addresses[1]
        right = facts[2]
        for wrong in (
            Facts("-", right.disk),
            Facts("-", "5" * 32),
            Facts("5" * 32, right.disk),
            Facts(right.birth, "5" * 32),
        ):
            with PeerConnection(target, 2, 1, wrong) as connection:
                assert connection.answer.startswith((b"kvd-refused", b"kvd-wait")), wrong
                assert connection.closed() == b""
        with PeerConnection(target, 2, 1, right) as connection:
            assert connection.accepted
        assert_serves(cluster)
