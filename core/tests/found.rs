//! Bugs found by simulation, one scenario each.

mod common;

use std::cell::Cell;

use common::{Group, config, stored};
use raftcore::{
    Body, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Config, Entries, Entry, EntryId, EntryKind,
    HardState, Index, MemoryStorage, Message, RawNode, Response, RoleKind, Snapshot, Storage, StorageError,
    Term, Transition, VoteReply,
};

#[test]
fn a_state_machine_ahead_of_the_saved_commit_index_is_believed() {
    // A commit index alone is not synced: a power failure may lose it, but not what was applied.
    let mut storage = stored(3, 2, &[1, 1, 2]);
    storage.set_hard_state(HardState { term: 2, vote: 0, commit: 1 });
    let node = RawNode::new(Config { applied: 3, ..config(1) }, storage).unwrap();
    assert_eq!((node.status().applied, node.hard_state().commit), (3, 3));
}

#[test]
fn a_log_compacted_beyond_the_saved_commit_index_is_believed() {
    let mut storage = stored(3, 2, &[1, 1, 2]);
    storage.create_snapshot(2, ConfState::new([1, 2, 3], []), "").unwrap();
    storage.compact(2).unwrap();
    storage.set_hard_state(HardState { term: 2, vote: 0, commit: 1 });
    let node = RawNode::new(config(1), storage).unwrap();
    assert_eq!(node.hard_state().commit, 2);
}

#[test]
fn with_asynchronous_writes_nobody_hears_of_a_candidacy_before_it_is_durable() {
    // Else the others' votes could make a leader of a term that its own disk does not know, and that
    // it could lead again after a crash, with another log.
    let config = Config { async_storage_writes: true, ..config(1) };
    let mut node = RawNode::new(config, stored(3, 1, &[1])).unwrap();
    node.campaign().unwrap();
    let ready = node.ready().unwrap();
    assert!(ready.messages.is_empty());
    let responses = ready.storage_append.unwrap().responses;
    let is_vote =
        |response: &&Response| matches!(response, Response::Send(m) if matches!(m.body, Body::Vote(_)));
    assert_eq!(responses.iter().filter(is_vote).count(), 2);
}

#[test]
fn a_snapshot_waits_until_what_was_handed_out_is_applied() {
    // A membership change among the entries must not be put on top of the snapshot's membership.
    let mut storage = stored(3, 1, &[1, 1, 1]);
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    let mut node = RawNode::new(config(1), storage).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.committed_entries.len(), 3);
    let conf_state = ConfState::new([1, 2], []);
    let snapshot = Snapshot { id: EntryId::new(1, 9), conf_state: conf_state.clone(), data: "".into() };
    let install = Message { from: 2, to: 1, term: 1, body: Body::Snapshot(Box::new(snapshot)) };
    node.step(install.clone()).unwrap();
    assert_eq!(node.status().conf_state, ConfState::new([1, 2, 3], []));
    node.advance(ready).unwrap();
    node.step(install).unwrap();
    assert_eq!(node.status().conf_state, conf_state);
}

#[test]
fn a_leader_that_is_removed_tells_the_others_that_it_is_committed() {
    // Else they may wait for ever for the vote of somebody who does not campaign any more.
    let mut group = Group::new(2);
    group.elect(1);
    group.node(1).propose_conf_change(&ConfChangeV2::single(ConfChangeKind::Remove, 1)).unwrap();
    while group.role(1) == RoleKind::Leader {
        group.handle_ready(1);
        group.handle_ready(2);
        group.deliver_one();
    }
    // The leader is gone for good as soon as it has sent what it had to send.
    group.settle();
    group.isolate(1);
    group.elect(2);
    assert_eq!(group.nodes[&2].conf_state, ConfState::new([2], []));
}

#[test]
fn a_campaign_looks_for_changes_only_where_the_log_begins() {
    // The host has applied and compacted, and did not say so yet.
    let mut group = Group::new(1);
    group.elect(1);
    group.propose(1, "x");
    let ready = group.node(1).ready().unwrap();
    group.node(1).storage_mut().append(&ready.entries).unwrap();
    group.node(1).advance(ready).unwrap();
    let ready = group.node(1).ready().unwrap();
    let last = ready.committed_entries.last().unwrap().index();
    let storage: &mut MemoryStorage = group.node(1).storage_mut();
    storage.create_snapshot(last, ConfState::new([1], []), "").unwrap();
    storage.compact(last).unwrap();
    let message = Message { from: 9, to: 1, term: 7, body: Body::Heartbeat(Default::default()) };
    group.node(1).step(message).unwrap();
    group.node(1).campaign().unwrap();
    assert_eq!(group.role(1), RoleKind::Candidate);
}

#[test]
fn a_leader_that_is_a_quorum_by_itself_confirms_reads_also_while_joint() {
    let mut group = Group::new(1);
    group.elect(1);
    let learner = raftcore::ConfChangeOp { kind: ConfChangeKind::AddLearner, node: 9 };
    let change =
        ConfChangeV2 { transition: raftcore::Transition::Explicit, ops: vec![learner], ..Default::default() };
    group.node(1).propose_conf_change(&change).unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].conf_state.voters_outgoing, [1]);
    group.node(1).read_index("r").unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].reads.len(), 1);
}

/// A storage whose terms cannot be read when a test says so.
struct Failing {
    inner: MemoryStorage,
    fails: Cell<bool>,
}

impl Storage for Failing {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.inner.initial_state()
    }
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.inner.entries(low, high, max_bytes)
    }
    fn term(&self, index: Index) -> Result<Term, StorageError> {
        match self.fails.get() {
            true => Err(StorageError::Host { code: -5, message: "read failed".into() }),
            false => self.inner.term(index),
        }
    }
    fn first_index(&self) -> Result<Index, StorageError> {
        self.inner.first_index()
    }
    fn last_index(&self) -> Result<Index, StorageError> {
        self.inner.last_index()
    }
    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.inner.snapshot()
    }
}

#[test]
fn a_change_that_is_in_force_is_no_failed_call() {
    let inner = MemoryStorage::with_conf_state(ConfState::new([1, 2], []));
    let config = Config { log_cache_bytes: 0, ..config(1) };
    let mut node = RawNode::new(config, Failing { inner, fails: Cell::new(false) }).unwrap();
    let store = |node: &mut RawNode<Failing>| {
        let ready = node.ready().unwrap();
        node.storage_mut().inner.append(&ready.entries).unwrap();
        node.advance(ready).unwrap();
    };
    node.campaign().unwrap();
    store(&mut node);
    let granted = Body::VoteReply(VoteReply { pre: false, granted: true, ..VoteReply::default() });
    node.step(Message { from: 2, to: 1, term: 2, body: granted }).unwrap();
    node.propose("stored").unwrap();
    store(&mut node);
    node.propose("not stored").unwrap();
    // Without node 2 the first proposal would be committed, could its term be read.
    node.storage().fails.set(true);
    let change = ConfChangeV2::single(ConfChangeKind::Remove, 2);
    assert_eq!(node.apply_conf_change(&change).unwrap(), ConfState::new([1], []));
    assert!(matches!(node.take_storage_error(), Some(StorageError::Host { .. })));
    node.storage().fails.set(false);
    store(&mut node);
    assert_eq!(node.hard_state().commit, 4);
}

#[test]
fn nothing_is_granted_in_term_0() {
    let bodies = [
        Body::Vote(raftcore::Vote::default()),
        Body::Append(Default::default()),
        Body::Heartbeat(Default::default()),
        Body::TimeoutNow,
    ];
    for body in bodies {
        let mut node = RawNode::new(config(1), MemoryStorage::new()).unwrap();
        let message = Message { from: 2, to: 1, term: 0, body };
        assert!(matches!(node.step(message), Err(raftcore::Error::InvalidMessage(_))));
        assert_eq!(node.hard_state(), HardState::default());
    }
}

#[test]
fn a_snapshot_that_does_not_list_its_receiver_is_not_sent() {
    // It would be refused, and sent again without end.
    let mut group = Group::new(1);
    group.elect(1);
    group.node(1).apply_conf_change(&ConfChangeV2::single(ConfChangeKind::AddVoter, 2)).unwrap();
    group.handle_ready(1);
    group.queue.clear();
    let hint = EntryId::default();
    let reply = raftcore::AppendReply { index: 1, reject: Some(raftcore::AppendReject { hint }) };
    let message = Message { from: 2, to: 1, term: 2, body: Body::AppendReply(reply) };
    group.node(1).step(message).unwrap();
    group.handle_ready(1);
    assert!(!group.queue.iter().any(common::is_snapshot));
    assert!(matches!(group.node(1).take_storage_error(), Some(StorageError::Contract(_))));
}

#[test]
fn a_node_with_a_later_term_is_let_in_also_where_nothing_tames_candidates() {
    // It may believe that it is a learner, or was removed: then it never campaigns, and an answer is
    // the only way for its leader to learn of the later term.
    let mut group = Group::new(2);
    group.elect(1);
    let term = group.term(1) + 5;
    let vote = raftcore::Vote::default();
    group.node(2).step(Message { from: 9, to: 2, term, body: Body::Vote(vote) }).unwrap();
    group.settle();
    assert_eq!(group.term(2), term);
    group.node(1).propose("x").unwrap();
    group.settle();
    assert_eq!((group.role(1), group.term(1)), (RoleKind::Follower, term));
}

#[test]
fn a_candidate_with_an_old_term_learns_of_the_later_one() {
    // Somebody with an old membership may keep raising the others' terms, but never the candidate's.
    let mut group = Group::new(3);
    group.cut(1, 3);
    for _ in 0..5 {
        group.node(3).campaign().unwrap();
        group.lose(|message| message.is_reply());
        group.settle();
    }
    group.heal();
    let taken = group.term(3);
    group.node(1).campaign().unwrap();
    group.settle();
    // And asks for the next one at once.
    assert_eq!((group.term(1), group.role(1)), (taken + 1, RoleKind::Leader));
}

#[test]
fn a_candidate_that_others_are_always_ahead_of_catches_up() {
    // Node 2 has an old membership and a fast clock. It cannot win, and takes a term after the other with
    // those it asks; node 1, which needs its vote, is not among them.
    let mut group = Group::empty();
    let mut add = |id, voters: &[u64], terms: &[u64]| {
        let mut storage = stored(0, 2, terms);
        storage.set_conf_state(ConfState::new(voters, []));
        group.add(id, storage, |_| {});
    };
    add(1, &[1, 2], &[1, 1, 2]);
    add(2, &[2, 3, 4], &[1]);
    add(3, &[2, 3, 4], &[1, 1, 1]);
    add(4, &[2, 3, 4], &[1, 1, 1]);
    for _ in 0..200 {
        group.tick(2, 3);
        group.tick(1, 1);
        group.settle();
        if group.role(1) == RoleKind::Leader {
            return;
        }
    }
    panic!("terms {} and {}", group.term(1), group.term(2));
}

#[test]
fn a_candidate_asks_again_only_once_before_its_timer_expires() {
    for pre_vote in [false, true] {
        let mut group = Group::with(3, |config| config.pre_vote = pre_vote);
        group.node(1).campaign().unwrap();
        let refuse = |group: &mut Group, term| {
            while group.handle_ready(1) {}
            let asked = group.queue.drain(..).filter(|message| message.to == 2);
            let asked = asked.map(|message| message.term).last();
            let refusal = raftcore::VoteReply { pre: pre_vote, ..Default::default() };
            let refusal = Message { from: 2, to: 1, term, body: Body::VoteReply(refusal) };
            group.node(1).step(refusal).unwrap();
            asked
        };
        assert_eq!(refuse(&mut group, 5), Some(2), "pre_vote: {pre_vote}");
        assert_eq!(refuse(&mut group, 9), Some(6));
        assert_eq!((refuse(&mut group, 9), group.role(1)), (None, RoleKind::Follower));
        group.tick(1, 20);
        assert_eq!((refuse(&mut group, 20), refuse(&mut group, 30)), (Some(10), Some(21)));
    }
}

#[test]
fn a_leader_that_is_demoted_gives_up_a_transfer_to_a_removed_node() {
    let mut group = Group::with(3, |config| config.step_down_on_removal = false);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "unknown to 3");
    group.node(1).transfer_leader(3).unwrap();
    let op = |kind, node| ConfChangeOp { kind, node };
    let ops = vec![op(ConfChangeKind::AddLearner, 1), op(ConfChangeKind::Remove, 3)];
    let demote = ConfChangeV2 { transition: Transition::Explicit, ops, context: "".into() };
    group.node(1).apply_conf_change(&demote).unwrap();
    assert_eq!(group.node(1).status().transferee, Some(3));
    group.node(1).apply_conf_change(&ConfChangeV2::default()).unwrap();
    assert_eq!(group.node(1).status().conf_state, ConfState::new([2], [1]));
    assert_eq!(group.node(1).status().transferee, None);
    group.node(1).propose("taken").unwrap();
}

#[test]
fn no_vote_is_given_in_term_0() {
    // Not even where a message without a term is taken, because recorded scripts have some.
    for (eager_append, pre) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut node = RawNode::new(Config { eager_append, ..config(1) }, MemoryStorage::new()).unwrap();
        let vote = raftcore::Vote { pre, ..raftcore::Vote::default() };
        let message = Message { from: 2, to: 1, term: 0, body: Body::Vote(vote) };
        assert!(matches!(node.step(message), Err(raftcore::Error::InvalidMessage(_))));
        assert_eq!((node.hard_state(), node.has_ready()), (HardState::default(), false));
    }
}

#[test]
fn a_hopeless_candidate_does_not_stop_the_timers_of_others() {
    // With a fast clock it would keep those from campaigning who could win.
    let mut group = Group::new(3);
    group.elect(1);
    let old = raftcore::Vote { last: EntryId::new(1, 1), ..raftcore::Vote::default() };
    for term in 10..60 {
        group.node(2).step(Message { from: 3, to: 2, term, body: Body::Vote(old) }).unwrap();
        group.node(2).tick().unwrap();
        if group.role(2) != RoleKind::Follower {
            return;
        }
    }
    panic!("it never campaigns");
}

#[test]
fn a_candidate_learns_from_a_refusal_that_the_voter_is_none_any_more() {
    for (pre_vote, is_later) in [(false, false), (true, false), (true, true)] {
        let mut group = Group::with(2, |config| config.pre_vote = pre_vote);
        group.elect(1);
        let demotion = ConfChangeV2::single(ConfChangeKind::AddLearner, 1);
        group.node(1).propose_conf_change(&demotion).unwrap();
        group.handle_ready(1);
        group.deliver_one();
        group.handle_ready(2);
        // Node 2 has stored the change. What the leader says from now on gets lost.
        group.lose(|message| message.from == 1);
        group.propose(1, "makes the leader's log longer");
        group.settle();
        assert!(group.leaders().is_empty() && group.commit(2) < group.commit(1));
        if is_later {
            // Somebody has told node 2 of a later term, and PreVotes do not pass that on.
            let term = group.term(2) + 7;
            let vote = Body::Vote(raftcore::Vote::default());
            group.node(2).step(Message { from: 9, to: 2, term, body: vote }).unwrap();
        }
        // Neither is electable for all it knows: a learner, and one with the shorter log of two.
        group.heal();
        group.tick_all(100);
        assert_eq!(group.leaders(), [2], "pre_vote: {pre_vote}, of a later term: {is_later}");
        group.propose(2, "x");
        group.settle();
        assert_eq!(group.payloads(1), ["x"]);
    }
}

#[test]
fn a_voter_learns_from_a_candidate_that_it_is_one() {
    for pre_vote in [false, true] {
        let mut group = Group::with(2, |config| config.pre_vote = pre_vote);
        group.elect(1);
        group.add(3, MemoryStorage::new(), |config| config.pre_vote = pre_vote);
        group.change(1, ConfChangeKind::AddLearner, 3);
        group.tick_all(2);
        let promotion = ConfChangeV2::single(ConfChangeKind::AddVoter, 3);
        group.node(1).propose_conf_change(&promotion).unwrap();
        group.handle_ready(1);
        group.deliver_one();
        group.deliver_one();
        // Node 3 has one entry more than node 2, and only that one hears that the promotion is committed.
        group.propose(1, "makes node 3's log longer");
        group.handle_ready(1);
        group.queue.retain(|message| message.to == 3);
        group.deliver_one();
        group.handle_ready(2);
        group.handle_ready(3);
        group.queue.retain(|message| message.from == 2);
        group.deliver_one();
        group.tick(1, 1);
        group.handle_ready(1);
        group.queue.retain(|message| message.to == 2 && matches!(message.body, Body::Heartbeat(_)));
        group.deliver_one();
        group.isolate(1);
        group.settle();
        let promoted = ConfState::new([1, 2, 3], []);
        assert!(group.nodes[&2].conf_state == promoted && group.nodes[&3].conf_state != promoted);
        // Node 2 needs the vote of node 3, whose log is longer, and which is a learner for all it knows.
        assert!(group.last(2) < group.last(3));
        group.tick_all(60);
        assert_eq!((group.role(3), group.nodes[&3].conf_state.clone()), (RoleKind::Leader, promoted));
    }
}

#[test]
fn what_a_candidate_tells_is_taken_for_what_it_is() {
    let node = |eager_append| {
        let change = ConfChangeV2::single(ConfChangeKind::AddLearner, 9);
        let data = raftcore::wire::encode_conf_change(&change, raftcore::wire::Dialect::Etcd);
        let mut storage = stored(3, 1, &[1, 1]);
        let entry = Entry::new(EntryId::new(1, 3), EntryKind::ConfChangeV2, data);
        storage.append(vec![entry]).unwrap();
        RawNode::new(Config { eager_append, ..config(1) }, storage).unwrap()
    };
    let ask = |node: &mut RawNode<MemoryStorage>, term, commit| {
        let vote = raftcore::Vote { commit, ..Default::default() };
        node.step(Message { from: 2, to: 1, term, body: Body::Vote(vote) }).unwrap();
        (node.hard_state().commit, node.soft_state().role)
    };
    let (change, before) = (EntryId::new(1, 3), EntryId::new(1, 2));
    for (told, commit, role) in [
        // A change that has to be applied ends a candidacy; all else does not.
        (change, 3, RoleKind::Follower),
        (before, 2, RoleKind::Candidate),
        (EntryId::new(2, 3), 0, RoleKind::Candidate),
        (EntryId::new(1, 4), 0, RoleKind::Candidate),
        (EntryId::default(), 0, RoleKind::Candidate),
    ] {
        let mut candidate = node(false);
        candidate.campaign().unwrap();
        assert_eq!(ask(&mut candidate, 2, told), (commit, role), "{told:?}");
        // It is of no use to somebody of an older term, who may say so nevertheless.
        assert_eq!(ask(&mut candidate, 1, change), (commit, role), "{told:?}");
    }
    let mut candidate = node(true);
    candidate.campaign().unwrap();
    assert_eq!(ask(&mut candidate, 2, change), (0, RoleKind::Candidate), "as the reference");
}

#[test]
fn a_candidate_tells_what_is_committed() {
    for (eager_append, told) in [(false, EntryId::new(2, 2)), (true, EntryId::default())] {
        let mut group = Group::with(3, |config| config.eager_append = eager_append);
        group.elect(1);
        group.isolate(2);
        group.propose(1, "not known to node 2");
        group.settle();
        group.queue.clear();
        group.node(2).campaign().unwrap();
        group.handle_ready(2);
        let votes = group.queue.iter().map(|message| &message.body);
        let told: Vec<_> =
            votes.filter(|body| matches!(body, Body::Vote(vote) if vote.commit == told)).collect();
        assert_eq!(told.len(), 2);
    }
}
