//! Members that need a snapshot which the host's storage does not give, or gives on demand.

mod common;

use common::config;
use raftcore::{
    AppendReject, AppendReply, Body, ConfChangeKind, ConfChangeV2, ConfState, Entries, EntryId, HardState,
    Index, MemoryStorage, Message, NodeId, ProgressState, RawNode, Snapshot, SnapshotStatus, Storage,
    StorageError, Term,
};

type Answer = Result<Snapshot, StorageError>;

/// A storage whose snapshots are what a test says.
struct Host {
    log: MemoryStorage,
    snapshot: Answer,
    on_demand: Option<fn(&MemoryStorage, NodeId) -> Snapshot>,
}

impl Storage for Host {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.log.initial_state()
    }
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.log.entries(low, high, max_bytes)
    }
    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.log.term(index)
    }
    fn first_index(&self) -> Result<Index, StorageError> {
        self.log.first_index()
    }
    fn last_index(&self) -> Result<Index, StorageError> {
        self.log.last_index()
    }
    fn snapshot(&self) -> Answer {
        self.snapshot.clone()
    }
    fn snapshot_for(&self, peer: NodeId) -> Answer {
        match self.on_demand {
            Some(make) => Ok(make(&self.log, peer)),
            None => self.snapshot(),
        }
    }
}

type Node = RawNode<Host>;

/// The messages of all work that there is.
fn work(node: &mut Node) -> Vec<Message> {
    let mut messages = Vec::new();
    while node.has_ready() {
        let ready = node.ready().unwrap();
        messages.extend(ready.messages.iter().cloned());
        node.storage_mut().log.append(&ready.entries).unwrap();
        ready.hard_state.into_iter().for_each(|state| node.storage_mut().log.set_hard_state(state));
        node.advance(ready).unwrap();
    }
    messages
}

/// A leader, alone, whose log was compacted before learner 4 was added.
fn leader(on_demand: Option<fn(&MemoryStorage, NodeId) -> Snapshot>) -> Node {
    let log = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let snapshot = log.snapshot();
    let mut node = RawNode::new(config(1), Host { log, snapshot, on_demand }).unwrap();
    node.campaign().unwrap();
    work(&mut node);
    node.propose("x").unwrap();
    work(&mut node);
    let applied = node.status().applied;
    let log = &mut node.storage_mut().log;
    log.create_snapshot(applied, ConfState::new([1], []), "state").unwrap();
    log.compact(applied).unwrap();
    let snapshot = log.snapshot();
    node.storage_mut().snapshot = snapshot;
    node.apply_conf_change(&ConfChangeV2::single(ConfChangeKind::AddLearner, 4)).unwrap();
    node
}

/// The learner, whose log is empty, refuses what it is sent; the leader answers with a snapshot, if it can.
fn asks(node: &mut Node) -> Vec<Snapshot> {
    let mut messages = work(node);
    node.tick().unwrap();
    messages.extend(work(node));
    let term = node.hard_state().term;
    for message in &messages {
        let body = match &message.body {
            Body::Append(append) => Body::AppendReply(AppendReply {
                index: append.prev.index,
                reject: Some(AppendReject { hint: EntryId::default() }),
            }),
            Body::Heartbeat(beat) => {
                Body::HeartbeatReply(raftcore::HeartbeatReply { context: beat.context.clone() })
            }
            _ => continue,
        };
        node.step(Message { from: 4, to: 1, term, body }).unwrap();
    }
    messages.extend(work(node));
    let snapshots = messages.into_iter().filter_map(|message| match message.body {
        Body::Snapshot(snapshot) => Some(*snapshot),
        _ => None,
    });
    snapshots.collect()
}

/// Until the leader has asked its storage for a snapshot.
fn asks_until_heard(node: &mut Node) -> Vec<String> {
    for _ in 0..5 {
        assert!(asks(node).is_empty());
        let heard: Vec<_> = node.take_unserved().iter().map(ToString::to_string).collect();
        if !heard.is_empty() {
            return heard;
        }
    }
    Vec::new()
}

fn with_learner(node: &Node) -> Snapshot {
    let id = node.storage().snapshot.clone().unwrap().id;
    Snapshot { id, conf_state: ConfState::new([1], [4]), data: "state".into() }
}

#[test]
fn a_member_that_cannot_be_served_is_reported_once_for_each_cause() {
    let mut node = leader(None);
    let older = "node 4 cannot be sent what it needs: the storage broke its contract: the snapshot is older than \
                 the membership of node 4";
    assert_eq!(asks_until_heard(&mut node), [older]);
    assert!(matches!(node.take_storage_error(), Some(StorageError::Contract(_))));
    assert!(asks_until_heard(&mut node).is_empty(), "it is known");
    assert!(node.take_storage_error().is_some(), "it still fails");

    let failure = |code| StorageError::Host { code, message: format!("block {code}{code} cannot be read") };
    for (code, is_news) in [(5, true), (5, false), (6, true)] {
        node.storage_mut().snapshot = Err(failure(code));
        assert_eq!(!asks_until_heard(&mut node).is_empty(), is_news, "{code}");
    }
    node.storage_mut().snapshot = Err(StorageError::SnapshotUnavailable);
    node.take_storage_error();
    assert_eq!(asks_until_heard(&mut node).len(), 1);
    assert_eq!(node.take_storage_error(), None, "the host says that it comes later");
}

#[test]
fn a_cause_that_went_away_and_comes_back_is_reported_again() {
    let mut node = leader(None);
    let before = node.storage().snapshot.clone();
    assert_eq!(asks_until_heard(&mut node).len(), 1);
    let good = with_learner(&node);
    node.storage_mut().snapshot = Ok(good);
    assert_eq!((0..5).map(|_| asks(&mut node).len()).sum::<usize>(), 1, "served");
    node.report_snapshot(4, SnapshotStatus::Failed);
    node.storage_mut().snapshot = before;
    assert_eq!(asks_until_heard(&mut node).len(), 1);
}

#[test]
fn a_snapshot_that_leaves_a_gap_before_the_log_is_not_sent() {
    let mut node = leader(None);
    let gap = Snapshot { id: EntryId::new(1, 1), ..with_learner(&node) };
    node.storage_mut().snapshot = Ok(gap);
    let heard = asks_until_heard(&mut node);
    assert!(
        heard.len() == 1 && heard[0].ends_with("the snapshot ends at 1, but the log begins at 4"),
        "{heard:?}"
    );
}

/// As etcd does it: what the log knows is older than the member; the rest is made when it is sent.
#[test]
fn a_host_that_makes_snapshots_on_demand_serves_a_member_that_its_last_one_does_not_list() {
    let mut node = leader(Some(|log, peer| {
        let id = log.snapshot().unwrap().id;
        Snapshot { id, conf_state: ConfState::new([1], [peer]), data: Default::default() }
    }));
    let sent: Vec<_> = (0..5).flat_map(|_| asks(&mut node)).collect();
    assert_eq!(sent.len(), 1, "{:?} {:?}", node.status(), node.take_unserved());
    assert!(sent[0].conf_state.contains(4) && node.take_unserved().is_empty());
    // What travelled was newer than what the leader knows of.
    let (term, last) = (node.hard_state().term, node.status().last.index);
    assert!(last > 0 && last >= sent[0].id.index);
    node.propose("y").unwrap();
    work(&mut node);
    let body = Body::AppendReply(AppendReply { index: last, reject: None });
    node.step(Message { from: 4, to: 1, term, body }).unwrap();
    let progress = node.status().progress[1];
    assert_eq!((progress.matched, progress.state), (last, ProgressState::Replicate));
    assert!(
        work(&mut node)
            .iter()
            .any(|message| matches!(&message.body, Body::Append(append) if append.prev.index == last))
    );
}
