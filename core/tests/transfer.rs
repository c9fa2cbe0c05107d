//! Leadership transfer: thesis section 3.10.

mod common;

use common::{Group, is_append};
use raftcore::{
    Body, ConfChangeKind, ConfChangeV2, DropReason, Error, HeartbeatReply, MemoryStorage, Message, RoleKind,
    TransferOutcome, TransferResult,
};

fn outcome(group: &mut Group, of: u64) -> Option<(u64, TransferResult)> {
    group.node(of).take_transfer_outcome().map(|TransferOutcome { to, result }| (to, result))
}

fn requests(group: &Group, to: u64) -> usize {
    group.count(|m| m.to == to && matches!(m.body, Body::TimeoutNow))
}

#[test]
fn leadership_goes_to_an_up_to_date_follower_at_once() {
    let mut group = Group::with(3, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    group.elect(1);
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    assert_eq!(group.leaders(), [2], "without a tick, whatever the leases");
}

#[test]
fn a_lagging_follower_is_brought_up_to_date_first() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "x");
    group.settle();
    group.heal();
    group.node(1).transfer_leader(3).unwrap();
    group.tick_all(2);
    assert_eq!((group.leaders(), group.payloads(3)), (vec![3], vec!["x".to_owned()]));
}

#[test]
fn a_follower_behind_the_compaction_gets_its_snapshot_first() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "x");
    group.settle();
    group.compact(1);
    group.heal();
    group.node(1).transfer_leader(3).unwrap();
    group.tick_all(5);
    assert_eq!(group.leaders(), [3]);
}

#[test]
fn a_transfer_to_the_leader_itself_changes_nothing() {
    let mut group = Group::new(3);
    group.elect(1);
    group.node(1).transfer_leader(1).unwrap();
    group.settle();
    assert_eq!((group.leaders(), group.node(1).status().transferee), (vec![1], None));
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(2), ["x"]);
}

#[test]
fn a_transfer_to_an_unknown_node_or_a_learner_is_refused() {
    let mut group = Group::new(2);
    group.elect(1);
    group.add(3, MemoryStorage::new(), |_| {});
    group.change(1, ConfChangeKind::AddLearner, 3);
    for target in [3, 9] {
        assert_eq!(group.node(1).transfer_leader(target), Err(Error::InvalidTransferee(target)));
    }
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(2), ["x"], "nothing is pending");
}

#[test]
fn a_follower_passes_the_wish_on() {
    let mut group = Group::new(3);
    group.elect(1);
    group.node(2).transfer_leader(3).unwrap();
    group.settle();
    assert_eq!(group.leaders(), [3]);
}

#[test]
fn without_a_leader_there_is_nobody_to_ask() {
    let mut group = Group::new(3);
    assert_eq!(group.node(1).transfer_leader(2), Err(Error::NoLeader));
}

#[test]
fn proposals_are_refused_while_a_transfer_is_pending() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).transfer_leader(2).unwrap();
    assert_eq!(group.node(1).propose("x"), Err(Error::ProposalDropped(DropReason::Transferring)));
}

#[test]
fn a_transfer_is_given_up_after_an_election_timeout() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).transfer_leader(2).unwrap();
    group.tick(1, 9);
    assert_eq!(group.node(1).status().transferee, Some(2));
    group.tick(1, 1);
    assert_eq!(group.node(1).status().transferee, None);
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn a_second_transfer_replaces_the_first() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).transfer_leader(2).unwrap();
    group.node(1).transfer_leader(3).unwrap();
    group.settle();
    assert_eq!(group.role(3), RoleKind::Leader);
}

#[test]
fn a_transfer_whose_target_is_removed_is_dropped() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    let removal = raftcore::ConfChangeV2::single(ConfChangeKind::Remove, 2);
    group.node(1).propose_conf_change(&removal).unwrap();
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    assert_eq!(group.node(1).status().transferee, None);
}

#[test]
fn the_target_campaigns_only_with_the_whole_log() {
    let mut group = Group::new(3);
    group.elect(1);
    group.lose(|m| is_append(m) && m.to == 2);
    group.propose(1, "x");
    group.settle();
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    assert_eq!(group.count(|m| matches!(m.body, Body::TimeoutNow)), 0);
}

#[test]
fn the_leader_learns_that_the_target_leads_once() {
    let mut group = Group::new(3);
    group.elect(1);
    assert_eq!(outcome(&mut group, 1), None);
    group.node(1).transfer_leader(2).unwrap();
    assert_eq!(outcome(&mut group, 1), None, "pending");
    group.settle();
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::Done)));
    assert_eq!(outcome(&mut group, 1), None);
    assert_eq!((outcome(&mut group, 2), outcome(&mut group, 3)), (None, None));
}

#[test]
fn the_leader_learns_that_a_transfer_was_given_up() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).transfer_leader(2).unwrap();
    group.tick(1, 9);
    assert_eq!(outcome(&mut group, 1), None);
    group.tick(1, 1);
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::TimedOut)));
}

#[test]
fn the_leader_learns_that_a_transfer_was_replaced_or_ended_by_its_host() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).transfer_leader(2).unwrap();
    group.node(1).transfer_leader(1).unwrap();
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::Cancelled)));
    group.node(1).transfer_leader(2).unwrap();
    group.node(1).transfer_leader(3).unwrap();
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::Cancelled)));
    group.settle();
    assert_eq!(outcome(&mut group, 1), Some((3, TransferResult::Done)));
}

#[test]
fn the_leader_learns_that_the_target_votes_no_more() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).propose_conf_change(&ConfChangeV2::single(ConfChangeKind::Remove, 2)).unwrap();
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::NotVoter)));
}

#[test]
fn the_leader_learns_that_another_than_the_target_leads() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(2);
    group.node(1).transfer_leader(2).unwrap();
    group.elect(3);
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::OtherLeader)));
    // Or it is elected again itself.
    group.elect(1);
    group.node(1).transfer_leader(2).unwrap();
    let term = group.term(1) + 1;
    let vote = raftcore::Vote { last: group.last(1), ..Default::default() };
    group.node(1).step(Message { from: 3, to: 1, term, body: Body::Vote(vote) }).unwrap();
    assert_eq!((group.role(1), outcome(&mut group, 1)), (RoleKind::Follower, None), "not known yet");
    group.elect(1);
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::OtherLeader)));
}

#[test]
fn a_request_that_is_repeated_is_sent_again_and_gets_no_more_time() {
    let mut group = Group::new(3);
    group.elect(1);
    group.lose(|m| matches!(m.body, Body::TimeoutNow));
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    group.tick(1, 9);
    group.node(1).transfer_leader(2).unwrap();
    group.queue.clear();
    group.handle_ready(1);
    assert!(group.queue.iter().any(|m| m.body == Body::TimeoutNow));
    group.tick(1, 1);
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::TimedOut)));
}

#[test]
fn a_lost_request_is_repeated_when_the_target_is_heard() {
    let mut group = Group::new(3);
    group.elect(1);
    group.lose(|m| matches!(m.body, Body::TimeoutNow));
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    group.heal();
    group.tick_all(1);
    assert_eq!((group.leaders(), requests(&group, 2)), (vec![2], 1));
    assert_eq!(outcome(&mut group, 1), Some((2, TransferResult::Done)));
}

#[test]
fn a_target_that_has_a_change_to_apply_takes_over_once_it_has_applied_it() {
    let mut group = Group::new(3);
    group.elect(1);
    group.node(1).propose_conf_change(&ConfChangeV2::single(ConfChangeKind::AddLearner, 4)).unwrap();
    while group.commit(2) < 3 {
        for id in 1..=3 {
            group.handle_ready(id);
        }
        group.deliver_one();
    }
    group.node(1).transfer_leader(2).unwrap();
    // Node 2 gets the request before it applies the change.
    let message = Message { from: 1, to: 2, term: group.term(1), body: Body::TimeoutNow };
    group.node(2).step(message).unwrap();
    assert_eq!(group.role(2), RoleKind::Follower);
    group.lose(|m| matches!(m.body, Body::TimeoutNow));
    group.settle();
    group.heal();
    group.tick_all(1);
    assert_eq!(group.leaders(), [2]);
}

#[test]
fn transfers_one_after_the_other_do_not_put_off_the_quorum_check() {
    let mut group = Group::with(3, |config| config.check_quorum = true);
    group.elect(1);
    group.isolate(1);
    for tick in 0..21 {
        if group.role(1) == RoleKind::Leader {
            group.node(1).transfer_leader(2 + tick % 2).unwrap();
        }
        group.tick(1, 1);
    }
    assert_eq!(group.role(1), RoleKind::Follower);
}

#[test]
fn a_follower_refuses_to_pass_on_what_it_knows_to_be_impossible() {
    let mut group = Group::new(3);
    group.elect(1);
    assert_eq!(group.node(2).transfer_leader(9), Err(Error::InvalidTransferee(9)));
    group.change(1, ConfChangeKind::AddLearner, 4);
    assert_eq!(group.node(2).transfer_leader(4), Err(Error::InvalidTransferee(4)));
}

#[test]
fn with_eager_append_a_target_is_asked_once() {
    let mut group = Group::with(3, |config| config.eager_append = true);
    group.elect(1);
    group.lose(|m| matches!(m.body, Body::TimeoutNow));
    group.node(1).transfer_leader(2).unwrap();
    group.settle();
    group.heal();
    group.node(1).transfer_leader(2).unwrap();
    let term = group.term(1);
    let body = Body::HeartbeatReply(HeartbeatReply { context: "".into() });
    group.node(1).step(Message { from: 2, to: 1, term, body }).unwrap();
    group.settle();
    assert_eq!(requests(&group, 2), 0);
}
