//! Bugs that Raft implementations were found to have after years of use, one scenario each. Where the
//! scenario stands in another file already, that one is named.
//!
//! | bug | scenario |
//! |---|---|
//! | a context used twice confirms a stale read | `reads.rs`: contexts_used_twice_and_answers_repeated_confirm_nothing_new |
//! | a read before the term's first commit | `reads.rs`: nothing_is_read_before_the_first_commit_of_the_term |
//! | a lease read during a leadership transfer | `reads.rs`: a_leader_that_gives_its_lease_away_confirms_reads_by_a_round |
//! | term or vote not stored before answering | `elections.rs`: a_vote_is_handed_out_with_the_hard_state_that_it_promises; here for asynchronous writes |
//! | a joint configuration never left after a leader change | `membership.rs`: a_joint_configuration_is_left_by_the_next_leader_too |
//! | a voter that a snapshot restores as a learner | `snapshots.rs`: a_voter_that_a_snapshot_makes_a_learner_stays_reachable |
//! | a snapshot that keeps a conflicting tail | `snapshots.rs`: a_snapshot_leaves_no_conflicting_tail |
//! | in-flight bytes leaked | `progress/tests.rs`: no_bytes_stay_in_flight_when_probing_begins |

mod common;

use common::{Group, config, is_append, stored};
use raftcore::{
    Ack, Append, AppendReply, Body, ConfChangeKind, ConfChangeV2, ConfState, Config, Entry, EntryId,
    EntryKind, Error, HardState, Message, ProgressState, RawNode, Response, RoleKind, Snapshot, Storage,
    Vote, VoteReply,
};

fn message(from: u64, to: u64, term: u64, body: Body) -> Message {
    Message { from, to, term, body }
}

#[test]
fn a_granted_pre_vote_is_no_vote() {
    // Else a node could grant a PreVote and then vote for two candidates of that term.
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    let last = EntryId::new(1, 1);
    node.step(message(2, 1, 2, Body::Vote(Vote { pre: true, last, ..Vote::default() }))).unwrap();
    assert_eq!((node.hard_state().term, node.hard_state().vote), (1, 0));
    for (from, granted) in [(3, true), (2, false)] {
        node.step(message(from, 1, 2, Body::Vote(Vote { last, ..Vote::default() }))).unwrap();
        let ready = node.ready().unwrap();
        let reply = &ready.messages.last().unwrap().body;
        assert_eq!(reply, &Body::VoteReply(VoteReply { pre: false, granted, ..VoteReply::default() }));
        node.advance(ready).unwrap();
    }
}

#[test]
fn a_granted_pre_vote_takes_no_vote_back() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    let last = EntryId::new(1, 1);
    let vote = |from, term, pre| message(from, 1, term, Body::Vote(Vote { pre, last, ..Vote::default() }));
    node.step(vote(3, 2, false)).unwrap();
    node.step(vote(2, 3, true)).unwrap();
    assert_eq!((node.hard_state().term, node.hard_state().vote), (2, 3));
    node.step(vote(2, 2, false)).unwrap();
    let reply = node.ready().unwrap().messages.pop().unwrap();
    assert_eq!(reply.body, Body::VoteReply(VoteReply { pre: false, granted: false, ..VoteReply::default() }));
}

#[test]
fn a_pre_candidate_with_an_old_term_learns_of_the_later_one() {
    // Else it asks for ever: nobody may be disturbed by it, and nobody would tell it why.
    let mut node = RawNode::new(config(1), stored(3, 5, &[1])).unwrap();
    let last = EntryId::new(1, 1);
    node.step(message(2, 1, 3, Body::Vote(Vote { pre: true, last, ..Vote::default() }))).unwrap();
    let reply = node.ready().unwrap().messages.pop().unwrap();
    let refusal = Body::VoteReply(VoteReply { pre: true, granted: false, ..VoteReply::default() });
    assert_eq!((reply.term, reply.body), (5, refusal));
}

#[test]
fn with_asynchronous_writes_no_answer_leaves_before_what_it_promises_is_durable() {
    let config = || Config { async_storage_writes: true, ..config(1) };
    let vote = Body::Vote(Vote { last: EntryId::new(1, 1), ..Vote::default() });
    let entries = vec![Entry::new(EntryId::new(2, 2), EntryKind::Normal, "x".into())];
    let append = Body::Append(Append { prev: EntryId::new(1, 1), commit: 1, entries: entries.into() });
    for request in [vote, append] {
        let mut node = RawNode::new(config(), stored(3, 1, &[1])).unwrap();
        node.step(message(2, 1, 2, request)).unwrap();
        let ready = node.ready().unwrap();
        assert!(ready.must_sync && ready.messages.is_empty(), "{ready:?}");
        let responses = ready.storage_append.unwrap().responses;
        let is_answer = |response: &&Response| matches!(response, Response::Send(m) if m.is_reply());
        assert_eq!(responses.iter().filter(is_answer).count(), 1);
    }
}

#[test]
fn pre_vote_with_check_quorum_does_not_lock_up_on_a_higher_term() {
    // Node 3 comes back with a higher term than the leader's: neither may ignore the other for ever.
    let mut group = Group::with(3, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    group.elect(1);
    group.isolate(3);
    let mut storage = group.node(3).storage().clone();
    storage.set_hard_state(HardState { term: 40, vote: 3, commit: 1 });
    group.add(3, storage, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    group.heal();
    group.tick_all(100);
    assert_eq!(group.leaders().len(), 1);
    let leader = group.leaders()[0];
    group.propose(leader, "x");
    group.settle();
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn a_learner_that_was_promoted_without_knowing_it_votes() {
    // Voters 2 and 3, and 1 whose promotion only 3 has applied; then 2 is gone.
    let learner = || {
        let mut storage = stored(3, 2, &[1]);
        storage.set_conf_state(ConfState::new([2, 3], [1]));
        storage
    };
    let mut group = Group::empty();
    group.add(1, learner(), |_| {});
    group.add(3, stored(3, 2, &[1, 2]), |_| {});
    group.elect(3);
}

#[test]
fn nobody_campaigns_with_a_committed_change_to_apply() {
    let mut storage = stored(3, 1, &[1]);
    let change = raftcore::wire::encode_conf_change(
        &ConfChangeV2::single(ConfChangeKind::Remove, 1),
        raftcore::wire::Dialect::Etcd,
    );
    storage.append(&[Entry::new(EntryId::new(1, 2), EntryKind::ConfChangeV2, change)]).unwrap();
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 2 });
    let mut node = RawNode::new(config(1), storage).unwrap();
    for _ in 0..50 {
        node.tick().unwrap();
    }
    node.step(message(2, 1, 1, Body::TimeoutNow)).unwrap();
    assert_eq!((node.soft_state().role, node.hard_state().term), (RoleKind::Follower, 1));
}

#[test]
fn a_snapshot_of_a_disjoint_membership_does_not_win_over_what_is_committed() {
    let mut storage = stored(3, 2, &[1, 1, 2]);
    storage.set_hard_state(HardState { term: 2, vote: 0, commit: 3 });
    // The log does not tell any more whether it had the snapshot's last entry.
    storage.create_snapshot(3, ConfState::new([1, 2, 3], []), "").unwrap();
    storage.compact(3).unwrap();
    let mut node = RawNode::new(config(1), storage).unwrap();
    let old = Snapshot { id: EntryId::new(1, 2), conf_state: ConfState::new([1, 7, 8], []), data: "".into() };
    node.step(message(2, 1, 2, Body::Snapshot(Box::new(old)))).unwrap();
    assert_eq!(node.status().conf_state, ConfState::new([1, 2, 3], []));
}

#[test]
fn outgoing_voters_of_a_snapshot_are_members_too() {
    let conf_state =
        ConfState { voters: vec![2, 3], voters_outgoing: vec![1, 2], auto_leave: true, ..Default::default() };
    let snapshot = Snapshot { id: EntryId::new(1, 9), conf_state: conf_state.clone(), data: "".into() };
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(message(2, 1, 1, Body::Snapshot(Box::new(snapshot)))).unwrap();
    assert_eq!(node.status().conf_state, conf_state);
}

#[test]
fn a_commit_index_beyond_the_log_is_an_error_at_the_start() {
    let mut storage = stored(3, 1, &[1, 1]);
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    assert!(matches!(RawNode::new(config(1), storage), Err(Error::InconsistentStorage(_))));
}

#[test]
fn a_write_that_finishes_after_its_entries_were_replaced_twice_is_not_believed() {
    // The ABA problem of asynchronous writes: X is written, replaced by Y, replaced by X again; the
    // first write's end must not make the node read from the storage what the second will overwrite.
    let config = Config { async_storage_writes: true, log_cache_bytes: 0, ..config(1) };
    let mut node = RawNode::new(config, stored(3, 1, &[1])).unwrap();
    let append = |term: u64, leader: u64, entry_term: u64| {
        let entries = vec![Entry::new(EntryId::new(entry_term, 2), EntryKind::Normal, "x".into())];
        let append = Append { prev: EntryId::new(1, 1), commit: 1, entries: entries.into() };
        message(leader, 1, term, Body::Append(append))
    };
    let stored_ack = |node: &mut RawNode<_>| {
        let responses = node.ready().unwrap().storage_append.unwrap().responses;
        responses.into_iter().find_map(|response| match response {
            Response::Acknowledge(ack @ Ack::Stored { .. }) => Some(ack),
            _ => None,
        })
    };
    node.step(append(2, 2, 2)).unwrap();
    let first = stored_ack(&mut node).unwrap();
    node.step(append(3, 3, 3)).unwrap();
    let second = stored_ack(&mut node).unwrap();
    node.step(append(4, 2, 2)).unwrap();
    let third = stored_ack(&mut node).unwrap();
    node.acknowledge(first).unwrap();
    assert_eq!(node.status().stabled, 1, "the second write is still to come");
    node.acknowledge(second).unwrap();
    assert_eq!(node.status().stabled, 1);
    node.acknowledge(third).unwrap();
    assert_eq!(node.status().stabled, 2);
}

#[test]
fn completions_out_of_order_move_nothing_back() {
    let config = Config { async_storage_writes: true, ..config(1) };
    let mut storage = stored(3, 1, &[1, 1, 1]);
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    let mut node = RawNode::new(config, storage).unwrap();
    let applied = |index| Ack::Applied { index, bytes: 0, payload_bytes: 0 };
    node.ready().unwrap();
    node.acknowledge(applied(3)).unwrap();
    node.acknowledge(applied(1)).unwrap();
    assert_eq!(node.status().applied, 3);
    assert_eq!(node.acknowledge(applied(9)), Err(Error::UnknownAck));
}

#[test]
fn a_reordered_acknowledgement_keeps_next_above_matched() {
    let mut group = Group::new(2);
    group.elect(1);
    group.lose(is_append);
    for data in ["a", "b", "c"] {
        group.propose(1, data);
        group.settle();
    }
    group.node(1).report_unreachable(2);
    // The Appends arrive after all, and their answer comes after the probing began.
    let last = group.last(1).index;
    let reply = Body::AppendReply(AppendReply { index: last, reject: None });
    group.node(1).step(message(2, 1, 2, reply)).unwrap();
    let progress = group.node(1).status().progress[1];
    assert_eq!((progress.matched, progress.next), (last, last + 1));
}

#[test]
fn a_probe_that_was_lost_is_sent_again_after_a_heartbeat() {
    let mut group = Group::new(2);
    group.elect(1);
    group.lose(is_append);
    group.propose(1, "x");
    // Nothing is heard of the member: reports are acted on a few times, and the last one is a probe's.
    for _ in 0..4 {
        group.settle();
        group.node(1).report_unreachable(2);
    }
    let progress = group.node(1).status().progress[1];
    assert_eq!((progress.state, progress.is_paused), (ProgressState::Probe, true));
    group.heal();
    group.tick(1, 1);
    group.settle();
    assert_eq!(group.payloads(2), ["x"]);
}

#[test]
fn nothing_stays_in_flight_to_a_member_that_needs_a_snapshot() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    for i in 0..5 {
        group.propose(1, &format!("{i}"));
        group.settle();
    }
    assert!(group.node(1).status().progress[2].inflight_bytes > 0);
    group.compact(1);
    group.heal();
    group.tick_all(4);
    let progress = group.node(1).status().progress[2];
    assert_eq!((progress.inflight_bytes, progress.inflight_messages), (0, 0));
    assert_eq!(group.last(3), group.last(1));
}

#[test]
fn an_acknowledgement_of_what_nobody_has_is_refused() {
    let mut group = Group::new(3);
    group.elect(1);
    let reply = Body::AppendReply(AppendReply { index: 1000, reject: None });
    assert!(matches!(group.node(1).step(message(2, 1, 2, reply)), Err(Error::InvalidMessage(_))));
    assert_eq!(group.commit(1), group.last(1).index);
    assert_eq!(group.node(1).storage().last_index().unwrap(), 2);
}
