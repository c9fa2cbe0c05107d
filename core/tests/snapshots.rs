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

/// A follower that was handed out its first entries to apply, and its `Ready`.
fn applying(adjust: impl Fn(&mut raftcore::Config)) -> (RawNode<MemoryStorage>, Box<raftcore::Ready>) {
    let mut storage = stored(3, 2, &[1, 1, 2]);
    storage.set_hard_state(HardState { term: 2, vote: 0, commit: 2 });
    let mut config = config(1);
    adjust(&mut config);
    let mut node = RawNode::new(config, storage).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.committed_entries.len(), 2);
    (node, ready)
}

fn replies(messages: &[Message]) -> Vec<AppendReply> {
    let reply = |message: &Message| match message.body {
        Body::AppendReply(reply) => Some(reply),
        _ => None,
    };
    messages.iter().filter_map(reply).collect()
}

#[test]
fn a_snapshot_that_comes_while_entries_are_applied_is_installed_after_them() {
    let (mut node, ready) = applying(|_| {});
    node.step(install(2, snapshot(2, 9, &[1, 2, 3], &[4]))).unwrap();
    assert_eq!(node.status().conf_state, ConfState::new([1, 2, 3], []), "not before");
    node.advance(ready).unwrap();
    assert_eq!(node.status().conf_state, ConfState::new([1, 2, 3], [4]));
    let ready = node.ready().unwrap();
    assert_eq!(ready.snapshot.as_ref().unwrap().id, EntryId::new(2, 9));
    assert_eq!(replies(&ready.messages), [AppendReply { index: 9, reject: None }], "one answer");
}

#[test]
fn a_snapshot_waits_for_the_last_of_several_applies() {
    let (mut node, first) = applying(|config| config.async_storage_writes = true);
    node.step(install(2, snapshot(2, 9, &[1, 2, 3], &[]))).unwrap();
    let beat = raftcore::Heartbeat { commit: 3, context: "".into() };
    node.step(Message { from: 2, to: 1, term: 2, body: Body::Heartbeat(beat) }).unwrap();
    let second = node.ready().unwrap();
    node.acknowledge(first.storage_apply.unwrap().ack).unwrap();
    assert!(!node.has_ready());
    node.acknowledge(second.storage_apply.unwrap().ack).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.snapshot.unwrap().id, EntryId::new(2, 9));
    let Some(raftcore::StorageAppend { responses }) = ready.storage_append else { panic!("not stored") };
    let reply = Body::AppendReply(AppendReply { index: 9, reject: None });
    assert!(responses.iter().any(|response| match response {
        raftcore::Response::Send(message) => message.body == reply,
        raftcore::Response::Acknowledge(_) => false,
    }));
}

#[test]
fn of_several_snapshots_that_wait_the_newest_is_installed() {
    let (mut node, ready) = applying(|_| {});
    for index in [9, 11, 10] {
        node.step(install(2, snapshot(2, index, &[1, 2, 3], &[]))).unwrap();
    }
    node.advance(ready).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.snapshot.as_ref().unwrap().id, EntryId::new(2, 11));
    assert_eq!(replies(&ready.messages), [AppendReply { index: 11, reject: None }]);
}

#[test]
fn a_snapshot_that_waits_goes_with_the_term_of_its_leader() {
    let (mut node, ready) = applying(|_| {});
    node.step(install(2, snapshot(2, 9, &[1, 2, 3], &[]))).unwrap();
    let beat = raftcore::Heartbeat { commit: 0, context: "".into() };
    node.step(Message { from: 3, to: 1, term: 3, body: Body::Heartbeat(beat) }).unwrap();
    node.advance(ready).unwrap();
    assert_eq!(node.status().last, EntryId::new(2, 3));
}

#[test]
fn a_snapshot_that_waits_is_judged_by_what_is_committed_when_its_turn_comes() {
    let (mut node, ready) = applying(|_| {});
    node.step(install(2, snapshot(2, 5, &[1, 2, 3], &[]))).unwrap();
    let entries = [4, 5, 6].map(|index| raftcore::Entry::normal("x").at(EntryId::new(2, index)));
    let append = raftcore::Append { prev: EntryId::new(2, 3), commit: 6, entries: entries.to_vec().into() };
    node.step(Message { from: 2, to: 1, term: 2, body: Body::Append(append) }).unwrap();
    node.advance(ready).unwrap();
    let ready = node.ready().unwrap();
    assert!(ready.snapshot.is_none());
    assert_eq!(node.status().last, EntryId::new(2, 6));
}

#[test]
fn an_append_after_a_snapshot_that_waits_is_not_refused() {
    // The host of the leader has reported the snapshot delivered. Refused, the leader would send it again.
    let (mut node, ready) = applying(|_| {});
    node.step(install(2, snapshot(2, 9, &[1, 2, 3], &[]))).unwrap();
    let append = raftcore::Append { prev: EntryId::new(2, 9), commit: 9, entries: vec![].into() };
    node.step(Message { from: 2, to: 1, term: 2, body: Body::Append(append) }).unwrap();
    node.advance(ready).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(replies(&ready.messages), [AppendReply { index: 9, reject: None }]);
}
