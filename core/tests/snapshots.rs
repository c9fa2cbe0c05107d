//! Snapshots and log compaction: thesis chapter 5.

mod common;

use common::{Group, config, is_snapshot, stored};
use raftcore::{
    AppendReply, Body, ConfState, EntryId, Error, HardState, MemoryStorage, Message, ProgressState, RawNode,
    Snapshot, SnapshotStatus, Storage, StorageError,
};

fn snapshot(term: u64, index: u64, voters: &[u64], learners: &[u64]) -> Snapshot {
    Snapshot {
        id: EntryId::new(term, index),
        conf_state: ConfState::new(voters, learners),
        data: "s\n".into(),
    }
}

fn install(term: u64, snapshot: Snapshot) -> Message {
    Message { from: 2, to: 1, term, body: Body::Snapshot(Box::new(snapshot)) }
}

/// A group whose node 3 missed entries that are compacted now.
fn behind() -> Group {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    for i in 0..10 {
        group.propose(1, &format!("{i}"));
    }
    group.settle();
    group.compact(1);
    group
}

#[test]
fn a_follower_behind_the_compaction_gets_a_snapshot_and_then_the_log() {
    let mut group = behind();
    group.heal();
    group.propose(1, "after");
    group.tick_all(3);
    assert_eq!(group.count(is_snapshot), 1);
    assert_eq!(group.nodes[&3].state(), group.nodes[&1].state());
    assert_eq!(group.last(3), group.last(1));
}

#[test]
fn nothing_is_sent_to_a_member_that_gets_a_snapshot_until_it_answers() {
    let mut group = behind();
    group.heal();
    group.lose(is_snapshot);
    group.tick_all(2);
    group.propose(1, "more");
    group.tick_all(5);
    let status = group.node(1).status();
    let progress = status.progress[2];
    assert_eq!((progress.state, progress.is_paused), (ProgressState::Snapshot, true));
    assert_eq!(group.commit(1), group.last(1).index, "the others go on");
}

#[test]
fn a_failed_snapshot_is_sent_again() {
    let mut group = behind();
    group.heal();
    group.lose(is_snapshot);
    group.tick_all(2);
    group.heal();
    group.node(1).report_snapshot(3, SnapshotStatus::Failed);
    group.tick_all(3);
    assert_eq!(group.nodes[&3].state(), group.nodes[&1].state());
}

#[test]
fn a_delivered_snapshot_whose_answer_got_lost_is_followed_by_the_log() {
    let mut group = behind();
    group.heal();
    group.lose(|m| {
        m.from == 3 && matches!(m.body, Body::AppendReply(AppendReply { index: 12, reject: None }))
    });
    group.tick_all(2);
    group.heal();
    assert_eq!(group.node(1).status().progress[2].state, ProgressState::Snapshot);
    group.node(1).report_snapshot(3, SnapshotStatus::Delivered);
    group.propose(1, "after");
    group.tick_all(3);
    assert_eq!((group.count(is_snapshot), group.last(3)), (1, group.last(1)));
}

#[test]
fn a_snapshot_brings_its_membership() {
    let mut node = RawNode::new(config(1), MemoryStorage::new()).unwrap();
    node.step(install(3, snapshot(2, 10, &[1, 2, 3], &[4]))).unwrap();
    let status = node.status();
    assert_eq!(status.conf_state, ConfState::new([1, 2, 3], [4]));
    assert_eq!((status.last, status.hard_state.commit), (EntryId::new(2, 10), 10));
    let ready = node.ready().unwrap();
    assert!(ready.must_sync, "its acknowledgement promises it");
    assert!(ready.committed_entries.is_empty(), "the state comes first");
    assert_eq!(ready.messages[0].body, Body::AppendReply(AppendReply { index: 10, reject: None }));
    node.storage_mut().apply_snapshot(*ready.snapshot.clone().unwrap()).unwrap();
    node.storage_mut().set_hard_state(ready.hard_state.unwrap());
    node.advance(ready).unwrap();
    assert_eq!(node.status().applied, 10);
    let node = RawNode::new(config(1), node.storage().clone()).unwrap();
    assert_eq!(node.status().conf_state, ConfState::new([1, 2, 3], [4]), "also after a restart");
}

#[test]
fn a_snapshot_of_what_is_committed_changes_nothing() {
    let mut storage = stored(3, 2, &[1, 1, 2]);
    storage.set_hard_state(HardState { term: 2, vote: 0, commit: 3 });
    let mut node = RawNode::new(config(1), storage).unwrap();
    node.step(install(2, snapshot(2, 3, &[1, 2], &[]))).unwrap();
    let ready = node.ready().unwrap();
    assert!(ready.snapshot.is_none());
    assert_eq!(ready.messages[0].body, Body::AppendReply(AppendReply { index: 3, reject: None }));
}

#[test]
fn a_snapshot_whose_last_entry_is_in_the_log_only_commits() {
    let mut node = RawNode::new(config(1), stored(3, 2, &[1, 1, 2])).unwrap();
    node.step(install(2, snapshot(1, 2, &[1, 2, 3], &[]))).unwrap();
    assert_eq!((node.status().last.index, node.hard_state().commit), (3, 2), "the tail stays");
}

#[test]
fn a_snapshot_leaves_no_conflicting_tail() {
    let mut node = RawNode::new(config(1), stored(3, 2, &[1, 1, 2, 2, 2, 2])).unwrap();
    node.step(install(3, snapshot(3, 4, &[1, 2, 3], &[]))).unwrap();
    assert_eq!(node.status().last, EntryId::new(3, 4));
}

#[test]
fn a_snapshot_of_a_group_without_this_node_is_ignored() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(install(1, snapshot(1, 9, &[2, 3], &[]))).unwrap();
    assert!(node.ready().unwrap().snapshot.is_none());
}

#[test]
fn a_voter_that_a_snapshot_makes_a_learner_stays_reachable() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(install(1, snapshot(1, 9, &[2, 3], &[1]))).unwrap();
    assert!(!node.status().is_voter);
    assert_eq!(node.status().last.index, 9);
}

#[test]
fn a_snapshot_with_an_impossible_membership_is_an_error() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    let bad = snapshot(1, 9, &[1, 2], &[2]);
    assert!(matches!(node.step(install(1, bad)), Err(Error::ConfChange(_))));
    assert_eq!(node.status().last.index, 1);
}

#[test]
fn a_node_with_a_snapshot_to_install_does_not_campaign() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(install(1, snapshot(1, 9, &[1, 2, 3], &[]))).unwrap();
    node.campaign().unwrap();
    assert_eq!(node.hard_state().term, 1);
}

#[test]
fn a_missing_snapshot_is_reported_and_stops_nobody_else() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "x");
    group.settle();
    // Compacted without having made a snapshot: the host broke the contract.
    let applied = group.node(1).status().applied;
    group.node(1).storage_mut().compact(applied).unwrap();
    group.heal();
    group.tick_all(2);
    assert!(matches!(group.node(1).take_storage_error(), Some(StorageError::Contract(_))));
    group.propose(1, "y");
    group.settle();
    assert_eq!(group.payloads(2), ["x", "y"]);
}

#[test]
fn compaction_keeps_the_term_of_the_last_entry_that_went() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x");
    group.settle();
    let index = group.compact(1);
    assert_eq!(group.node(1).storage().first_index().unwrap(), index + 1);
    group.propose(1, "y");
    group.settle();
    assert_eq!((group.payloads(3), group.count(is_snapshot)), (vec!["x".into(), "y".into()], 0));
}
