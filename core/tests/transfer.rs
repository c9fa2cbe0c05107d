//! Leadership transfer: thesis section 3.10.

mod common;

use common::{Group, is_append};
use raftcore::{Body, ConfChangeKind, DropReason, Error, MemoryStorage, RoleKind};

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
