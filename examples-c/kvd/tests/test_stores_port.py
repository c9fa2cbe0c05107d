# SPDX-License-Identifier: Apache-2.0
"""Frames that no store sends, from somebody who has all that a store needs to be let in: each is refused, and
changes nothing."""

import contextlib

import pytest

from kvd_cluster import PATIENCE, wait_until
from raw_bytes import PeerConnection, connect, entry, facts_of_callers, frame, message, receive_all, snapshot

PROPOSE, APPEND, APPEND_REPLY, VOTE, VOTE_REPLY, SNAPSHOT, HEARTBEAT, HEARTBEAT_REPLY = 2, 3, 4, 5, 6, 7, 8, 9
TRANSFER_LEADER, TIMEOUT_NOW, PRE_VOTE = 13, 14, 17

# A write as it stands in the log: version, then SET with its flags, key and value.
FORGED_SET = b"\x01\x01\x00\x06forged\x01v"
REMOVE_VOTER_1 = b"\x10\x01\x18\x01"
EMPTY_SNAPSHOT = b"\x01" + bytes(8)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A cluster whose leader is 1, and what 1 and 2 say of themselves."""
    from kvd_cluster import Cluster

    options = ["--request-timeout-ms", "60000", "--election-ticks", "80"]
    with Cluster(tmp_path_factory.mktemp("attacked"), options=options) as cluster:
        cluster.leader()
        cluster.kill(3)
        facts = facts_of_callers(cluster.peer_addresses[3], 3, [1, 2])
        cluster.start(3)
        cluster.make_leader(1)
        with cluster.leader_client() as client:
            client.set("kept", "value")
        yield cluster, facts
        assert all(cluster.running(node) for node in cluster.ids)


def assert_unharmed(cluster, before):
    with cluster.leader_client() as client:
        assert client.get("kept") == "value"
        assert client.get("forged") is None
        client.incr("alive")
    cluster.wait_applied()
    for node in cluster.ids:
        status = cluster.status(node)
        assert status["peers"] == "1,2,3"
        assert status["term"] < before[node]["term"] + 1000
        assert status["last"] < before[node]["last"] + 100_000


def status_of_leader(cluster):
    cluster.make_leader(1)
    return cluster.status(1)


# What comes to store 3, on a connection as store 1 (the leader) or 2 makes it. `at`: the leader's status.
FORGED = {
    "another store's message": lambda at: message(HEARTBEAT, 2, 3, at["term"]),
    "a message for another store": lambda at: message(HEARTBEAT, 1, 2, at["term"]),
    "a message of no store": lambda at: message(HEARTBEAT, 0, 3, at["term"]),
    "a proposal": lambda at: message(PROPOSE, 1, 3, 0, [entry(0, 0, FORGED_SET)]),
    "a proposal with a term": lambda at: message(PROPOSE, 1, 3, at["term"], [entry(0, 0, FORGED_SET)]),
    "a proposed change of the membership": lambda at: message(PROPOSE, 1, 3, 0, [entry(0, 0, REMOVE_VOTER_1, 1)]),
    "a request for a transfer": lambda at: message(TRANSFER_LEADER, 1, 3, at["term"]),
    "a change of the membership": lambda at: message(
        APPEND, 1, 3, at["term"], [entry(at["term"], at["last"] + 1, REMOVE_VOTER_1, 1)],
        index=at["last"], log_term=at["term"], commit=at["last"] + 1,
    ),
    "a change of the second kind": lambda at: message(
        APPEND, 1, 3, at["term"], [entry(at["term"], at["last"] + 1, b"", 2)],
        index=at["last"], log_term=at["term"], commit=at["last"] + 1,
    ),
    "an entry of an unknown version": lambda at: message(
        APPEND, 1, 3, at["term"], [entry(at["term"], at["last"] + 1, b"\x02\x06")],
        index=at["last"], log_term=at["term"], commit=at["last"] + 1,
    ),
    "the end of all elections by a heartbeat": lambda at: message(HEARTBEAT, 1, 3, 2**64 - 1),
    "the end of all elections by a vote": lambda at: message(VOTE, 1, 3, 2**64 - 1, index=2**40, log_term=2**40),
    "the end of all elections by a reply": lambda at: message(VOTE_REPLY, 1, 3, 2**63, reject=1),
    "the end of all elections by a pre-vote": lambda at: message(PRE_VOTE, 1, 3, 2**62),
    "a term of next year": lambda at: message(HEARTBEAT, 1, 3, at["term"] + 2**30),
    "an absurd index": lambda at: message(VOTE, 1, 3, at["term"] + 1, index=2**63, log_term=1),
    "an absurd commit index": lambda at: message(HEARTBEAT, 1, 3, at["term"], commit=2**63),
    "a snapshot of nothing": lambda at: message(
        SNAPSHOT, 1, 3, at["term"] + 1, snapshot=snapshot(at["term"], at["last"] + 50, [1, 2, 3], b"")),
    "a snapshot of another version": lambda at: message(
        SNAPSHOT, 1, 3, at["term"] + 1, snapshot=snapshot(at["term"], at["last"] + 50, [1, 2, 3], b"\x09" + bytes(8))),
    "a snapshot that is cut": lambda at: message(
        SNAPSHOT, 1, 3, at["term"] + 1,
        snapshot=snapshot(at["term"], at["last"] + 50, [1, 2, 3], b"\x01" + bytes(7) + b"\x05")),
    "a snapshot of other voters": lambda at: message(
        SNAPSHOT, 1, 3, at["term"] + 1, snapshot=snapshot(at["term"], at["last"] + 50, [3], EMPTY_SNAPSHOT)),
    "a snapshot of no voters": lambda at: message(
        SNAPSHOT, 1, 3, at["term"] + 1, snapshot=snapshot(at["term"], at["last"] + 50, [], EMPTY_SNAPSHOT)),
    "a snapshot of the end of time": lambda at: message(
        SNAPSHOT, 1, 3, at["term"] + 1, snapshot=snapshot(at["term"], 2**63, [1, 2, 3], EMPTY_SNAPSHOT)),
    "what no store sends": lambda at: message(19, 1, 3, at["term"]),
    "the sender twice": lambda at: message(HEARTBEAT, 2, 3, at["term"]) + b"\x18\x01",
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_one_forged_frame_is_refused_and_changes_nothing(attacked, what):
    cluster, facts = attacked
    at = status_of_leader(cluster)
    before = cluster.statuses()
    with PeerConnection(cluster.peer_addresses[3], 1, 3, facts[1]) as connection:
        assert connection.accepted
        connection.send(frame(FORGED[what](at)))
        assert connection.closed() == b""
    assert_unharmed(cluster, before)


@pytest.mark.parametrize("kind", [HEARTBEAT, SNAPSHOT])
@pytest.mark.parametrize("region", [0, 2, 2**64 - 1])
def test_a_message_for_a_region_that_is_not_there_is_refused(attacked, kind, region):
    cluster, facts = attacked
    at = status_of_leader(cluster)
    before = cluster.statuses()
    brings = {"snapshot": snapshot(at["term"], at["last"] + 50, [1, 2, 3], EMPTY_SNAPSHOT)} if kind == SNAPSHOT else {}
    with PeerConnection(cluster.peer_addresses[3], 1, 3, facts[1]) as connection:
        assert connection.accepted
        connection.send(frame(message(kind, 1, 3, at["term"], **brings), region))
        assert connection.closed() == b""
    assert_unharmed(cluster, before)


def test_no_store_acknowledges_for_another(attacked):
    """Two followers cannot be had for the price of one: what only the leader has does not count."""
    cluster, facts = attacked
    at = status_of_leader(cluster)
    for pretended in (1, 3):
        with PeerConnection(cluster.peer_addresses[1], 2, 1, facts[2]) as connection:
            assert connection.accepted
            connection.send(frame(message(APPEND_REPLY, pretended, 1, at["term"], index=at["last"] + 1)))
            assert connection.closed() == b""
    with PeerConnection(cluster.peer_addresses[1], 2, 1, facts[2]) as connection:
        connection.send(frame(message(APPEND_REPLY, 2, 1, at["term"], index=2**62)))
        assert connection.closed() == b""
    assert_unharmed(cluster, cluster.statuses())


@pytest.mark.parametrize("claim", ["by a heartbeat", "by an append"])
def test_one_claim_that_data_was_lost_ends_no_store(attacked, claim):
    cluster, facts = attacked
    at = status_of_leader(cluster)
    forged = (
        message(HEARTBEAT, 1, 3, at["term"], commit=at["last"] + 1000)
        if claim == "by a heartbeat"
        else message(APPEND, 1, 3, at["term"], [entry(1, 2, FORGED_SET)], index=1, log_term=1, commit=2)
    )
    for _ in range(2):
        with PeerConnection(cluster.peer_addresses[3], 1, 3, facts[1]) as connection, contextlib.suppress(OSError):
            connection.send(frame(forged) * 50)
            connection.closed()
        cluster.wait_applied(nodes=[3])
    assert_unharmed(cluster, cluster.statuses())


def test_a_store_has_one_connection(attacked):
    cluster, facts = attacked
    address = cluster.peer_addresses[3]
    with PeerConnection(address, 2, 3, facts[2]) as first, PeerConnection(address, 2, 3, facts[2]) as second:
        assert first.accepted and second.accepted
        assert first.closed() == b""
    assert_unharmed(cluster, cluster.statuses())


def test_silent_connections_are_limited(attacked):
    cluster, facts = attacked
    address = cluster.peer_addresses[3]
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(200)]
        # The oldest go first: who is a store gets in.
        assert receive_all(silent[0]) == b""
        with PeerConnection(address, 1, 3, facts[1]) as connection:
            assert connection.accepted
        wait_until(lambda: receive_all(silent[-1]) == b"", PATIENCE, "the last silent connection being closed")
    assert_unharmed(cluster, cluster.statuses())


def test_strangers_are_not_logged_one_by_one(attacked):
    cluster, facts = attacked
    before = len(cluster.log(3).splitlines())
    for _ in range(300):
        with connect(cluster.peer_addresses[3]) as connection, contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            receive_all(connection)
    assert len(cluster.log(3).splitlines()) < before + 100
