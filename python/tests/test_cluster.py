# SPDX-License-Identifier: Apache-2.0
"""Groups of nodes do what Raft promises, on a storage in Python and on the library's own."""

from __future__ import annotations

import pytest

from cluster import Cluster, MakeStorage
from raftcore import (
    ConfChange,
    ConfChangeKind,
    ConfChangeOp,
    ConfState,
    EntryId,
    Forwarded,
    InvalidTransferee,
    NoLeader,
    ProgressState,
    ProposalDropped,
    Role,
    Snapshot,
    TransferOutcome,
    TransferResult,
    Transition,
)


def test_a_silent_group_elects_one_leader(three: Cluster) -> None:
    three.tick(40)
    leader = three.leader
    assert {three[id].soft_state.leader for id in three.hosts} == {leader}
    assert len({three[id].hard_state.term for id in three.hosts}) == 1


def test_a_proposal_is_applied_everywhere_under_the_id_it_was_given(three: Cluster) -> None:
    leader = three.elect(1)
    proposed = leader.propose(b"x")
    assert isinstance(proposed, EntryId)
    three.settle()
    assert three.applied() == {1: [b"x"], 2: [b"x"], 3: [b"x"]}
    assert {host.storage.term(proposed.index) for host in three.hosts.values()} == {proposed.term}


def test_a_batch_takes_consecutive_places_and_one_message_for_each_follower(three: Cluster) -> None:
    leader = three.elect(1)
    three.sent.clear()
    first = leader.propose_batch([b"a", bytearray(b"b"), memoryview(b"c")])
    assert isinstance(first, EntryId)
    assert leader.status().last == EntryId(first.term, first.index + 2)
    for message in leader.ready().messages:
        assert [entry.data for entry in message.body.entries] == [b"a", b"b", b"c"]  # type: ignore[union-attr]


def test_a_follower_forwards(three: Cluster) -> None:
    three.elect(2)
    assert three[1].propose(b"x") == Forwarded(2)
    three.settle()
    assert three.applied() == {1: [b"x"], 2: [b"x"], 3: [b"x"]}


def test_a_minority_commits_nothing_and_is_overruled(three: Cluster) -> None:
    three.elect(1)
    three.cut = {1}
    lost = three[1].propose(b"lost")
    three.tick(40)
    assert three.leader != 1
    three[three.leader].propose(b"kept")
    three.settle()
    assert three.hosts[1].applied == []
    three.cut = set()
    three.tick(3)
    assert three.applied() == {1: [b"kept"], 2: [b"kept"], 3: [b"kept"]}
    assert isinstance(lost, EntryId)
    assert three.hosts[1].storage.term(lost.index) > lost.term


def test_a_restarted_node_continues_from_its_storage(three: Cluster) -> None:
    three.elect(1)
    three[1].propose(b"before")
    three.settle()
    term = three[2].hard_state.term
    three.hosts[2].restart()
    assert three[2].hard_state.term == term
    assert three[2].soft_state.role is Role.FOLLOWER
    three[1].propose(b"after")
    three.tick(2)
    assert three.applied() == {id: [b"before", b"after"] for id in (1, 2, 3)}


def test_a_node_that_fell_behind_the_log_gets_a_snapshot(three: Cluster) -> None:
    three.elect(1)
    three.cut = {3}
    for number in range(10):
        three[1].propose(b"%d" % number)
    three.settle()
    three.hosts[1].compact()
    three.cut = set()
    three.tick(20)
    assert any(isinstance(message.body, Snapshot) for message in three.sent)
    three[1].propose(b"more")
    three.settle()
    assert three.hosts[3].applied == [b"%d" % number for number in range(10)] + [b"more"]
    assert three[1].status().progress[3].state is ProgressState.REPLICATE


def test_members_are_added_and_removed(three: Cluster) -> None:
    leader = three.elect(1)
    leader.propose(b"first")
    three.join(4)
    leader.propose_conf_change(ConfChange.add_learner(4))
    three.tick(3)
    assert leader.status().conf_state == ConfState([1, 2, 3], [4])
    assert leader.status().progress[4].is_learner
    leader.propose_conf_change(ConfChange.add_voter(4))
    three.tick(3)
    leader.propose_conf_change(ConfChange.remove(2))
    three.tick(3)
    leader.propose(b"second")
    three.settle()
    for id in (1, 3, 4):
        assert three[id].status().conf_state == ConfState([1, 3, 4])
        assert three.hosts[id].storage.initial_state()[1] == ConfState([1, 3, 4])
        assert three.hosts[id].applied == [b"first", b"second"]
    assert three.hosts[2].applied == [b"first"]


def test_members_are_exchanged_through_joint_consensus(three: Cluster) -> None:
    leader = three.elect(1)
    three.join(4)
    ops = [
        ConfChangeOp(ConfChangeKind.ADD_VOTER, 4),
        ConfChangeOp(ConfChangeKind.REMOVE, 3),
    ]
    leader.propose_conf_change(ConfChange(tuple(ops), Transition.EXPLICIT, b"swap"))
    three.tick(3)
    joint = ConfState([1, 2, 4], voters_outgoing=[1, 2, 3])
    assert leader.status().conf_state == joint
    leader.propose_conf_change(ConfChange.leave_joint())
    three.tick(3)
    assert [three[id].status().conf_state for id in (1, 2, 4)] == [ConfState([1, 2, 4])] * 3


def test_a_restart_finds_the_membership_again(three: Cluster) -> None:
    leader = three.elect(1)
    leader.propose_conf_change(ConfChange.remove(3))
    three.tick(3)
    three.hosts[2].restart()
    assert three[2].status().conf_state == ConfState([1, 2])


def test_leadership_is_handed_over(three: Cluster) -> None:
    three.elect(1).transfer_leader(3)
    assert three[1].status().transferee == 3
    with pytest.raises(ProposalDropped):
        three[1].propose(b"x")
    assert three[1].take_transfer_outcome() is None
    three.settle()
    assert three.leader == 3
    assert three[1].take_transfer_outcome() == TransferOutcome(3, TransferResult.DONE)
    assert three[1].take_transfer_outcome() is None
    with pytest.raises(InvalidTransferee) as raised:
        three[3].transfer_leader(9)
    assert raised.value.node == 9


def test_a_transfer_that_comes_to_nothing_is_reported(three: Cluster) -> None:
    three.elect(1).transfer_leader(3)
    three[1].transfer_leader(1)
    assert three[1].take_transfer_outcome() == TransferOutcome(3, TransferResult.CANCELLED)
    three[1].transfer_leader(3)
    for _ in range(three[1].config.election_ticks):
        three[1].tick()
    assert three[1].take_transfer_outcome() == TransferOutcome(3, TransferResult.TIMED_OUT)


@pytest.mark.parametrize("reader", [1, 2])
def test_a_read_index_covers_what_was_applied_before(three: Cluster, reader: int) -> None:
    three.elect(1)
    three[1].propose(b"x")
    three.settle()
    three[reader].read_index(b"token")
    three.settle()
    ((read),) = three.hosts[reader].reads
    assert read.context == b"token"
    assert read.index == three[1].status().applied


def test_without_a_leader_there_is_nobody_to_ask(three: Cluster) -> None:
    with pytest.raises(NoLeader):
        three[1].read_index(b"token")
    with pytest.raises(NoLeader):
        three[1].transfer_leader(2)
    three.elect(2)
    three[1].forget_leader()
    assert three[1].soft_state.leader is None


def test_a_group_of_one_commits_alone(storage: MakeStorage) -> None:
    one = Cluster([1], storage)
    one.elect(1).propose(b"x")
    one.settle()
    assert one.applied() == {1: [b"x"]}
