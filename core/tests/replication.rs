//! Log replication and commitment: thesis sections 3.5 and 3.6.2.

mod common;

use common::{Group, config, is_append, stored};
use raftcore::{
    Append, AppendReply, Body, DropReason, EntryId, Error, Heartbeat, Message, Proposed, RawNode, RoleKind,
};

fn append(term: u64, prev: EntryId, terms: &[(u64, u64)], commit: u64) -> Message {
    let entries: Vec<_> = terms
        .iter()
        .map(|(term, index)| {
            raftcore::Entry::new(EntryId::new(*term, *index), raftcore::EntryKind::Normal, Default::default())
        })
        .collect();
    Message { from: 2, to: 1, term, body: Body::Append(Append { prev, commit, entries: entries.into() }) }
}

fn reply(node: &mut RawNode<raftcore::MemoryStorage>) -> AppendReply {
    let ready = node.ready().unwrap();
    let Some(Body::AppendReply(reply)) = ready.messages.first().map(|m| m.body.clone()) else {
        panic!("{:?}", ready.messages)
    };
    node.storage_mut().append(&ready.entries).unwrap();
    node.advance(ready).unwrap();
    reply
}

#[test]
fn a_proposal_is_applied_by_all_in_the_same_place() {
    let mut group = Group::new(3);
    group.elect(1);
    let place = group.propose(1, "x");
    group.settle();
    for node in group.nodes.values() {
        assert_eq!(node.applied.last().unwrap(), &(place, "x".into()));
    }
}

#[test]
fn propose_returns_the_place_in_the_log() {
    let mut group = Group::new(3);
    group.elect(1);
    assert_eq!(group.propose(1, "a"), EntryId::new(2, 3));
    assert_eq!(group.propose(1, "b"), EntryId::new(2, 4));
    let batch = group.node(1).propose_batch(["c".into(), "d".into()]).unwrap();
    assert_eq!(batch, Proposed::Appended(EntryId::new(2, 5)));
    assert_eq!(group.last(1), EntryId::new(2, 6));
}

#[test]
fn a_follower_passes_proposals_on() {
    let mut group = Group::new(3);
    group.elect(1);
    assert_eq!(group.node(2).propose("x").unwrap(), Proposed::Forwarded(1));
    group.settle();
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn a_follower_that_may_not_forward_says_so() {
    let mut group = Group::with(3, |config| config.forward_proposals = false);
    assert_eq!(group.node(1).propose("x"), Err(Error::ProposalDropped(DropReason::NoLeader)));
    group.elect(1);
    assert_eq!(group.node(2).propose("x"), Err(Error::ProposalDropped(DropReason::NotLeader)));
}

#[test]
fn proposals_between_two_readies_travel_in_one_append_per_follower() {
    let mut group = Group::new(3);
    group.elect(1);
    group.delivered.clear();
    for i in 0..64 {
        group.propose(1, &format!("{i}"));
    }
    group.settle();
    assert_eq!(group.payloads(3).len(), 64);
    let with_entries = |m: &Message| matches!(&m.body, Body::Append(append) if !append.entries.is_empty());
    assert_eq!(group.count(with_entries), 2);
    assert_eq!(group.delivered.len(), 6, "to each follower the entries, its answer, and the commit index");
}

#[test]
fn a_notice_of_the_commit_index_alone_is_not_answered() {
    let notice = append(2, EntryId::new(2, 3), &[], 3);
    let answers = |log: &[u64], notice: &Message| {
        let mut node = RawNode::new(config(1), stored(3, 2, log)).unwrap();
        node.step(notice.clone()).unwrap();
        node.ready().unwrap().messages.len()
    };
    assert_eq!(answers(&[1, 1, 2], &notice), 0);
    // A leader that does not know yet where the logs match; one that says nothing new; entries.
    assert_eq!(answers(&[1, 1, 1], &append(2, EntryId::new(1, 3), &[], 3)), 1);
    assert_eq!(answers(&[1, 1, 2], &append(2, EntryId::new(2, 3), &[], 0)), 1);
    assert_eq!(answers(&[1, 1, 2], &append(2, EntryId::new(2, 3), &[(2, 4)], 3)), 1);
    // A log that does not match after all.
    assert_eq!(answers(&[1, 1], &notice), 1);
}

#[test]
fn a_leader_whose_answer_was_lost_learns_of_it_after_a_heartbeat() {
    let mut group = Group::new(3);
    group.elect(1);
    group.lose(|message| message.from == 3 && matches!(message.body, Body::AppendReply(_)));
    group.propose(1, "x");
    group.settle();
    let last = group.last(1).index;
    let matched = |group: &mut Group| {
        let status = group.node(1).status();
        status.progress.iter().find(|progress| progress.id == 3).map(|progress| progress.matched)
    };
    assert_eq!((group.commit(3), matched(&mut group)), (last, Some(last - 1)));
    group.heal();
    group.tick_all(1);
    group.settle();
    assert_eq!(matched(&mut group), Some(last));
}

#[test]
fn with_eager_append_each_proposal_is_sent_at_once() {
    let mut group = Group::with(3, |config| config.eager_append = true);
    group.elect(1);
    group.propose(1, "a");
    group.propose(1, "b");
    let ready = group.node(1).ready().unwrap();
    assert_eq!(ready.messages.iter().filter(|m| is_append(m)).count(), 4);
}

#[test]
fn appends_respect_the_message_size_and_the_window() {
    let mut group = Group::with(2, |config| {
        config.max_message_bytes = 100;
        config.max_inflight_messages = 3;
    });
    group.elect(1);
    for _ in 0..20 {
        group.propose(1, &"x".repeat(60));
    }
    let ready = group.node(1).ready().unwrap();
    let appends: Vec<_> = ready.messages.iter().filter(|m| is_append(m)).collect();
    assert_eq!(appends.len(), 3, "the window");
    for message in appends {
        let Body::Append(append) = &message.body else { unreachable!() };
        assert_eq!(append.entries.len(), 1, "the size");
    }
    group.node(1).storage_mut().append(&ready.entries).unwrap();
    group.queue.extend(ready.messages.iter().cloned());
    group.node(1).advance(ready).unwrap();
    group.settle();
    assert_eq!(group.payloads(2).len(), 20);
}

#[test]
fn an_append_fits_only_behind_an_entry_that_matches() {
    // The follower's log has terms 1 1 2.
    for (prev, matches) in [
        (EntryId::new(0, 0), true),
        (EntryId::new(1, 1), true),
        (EntryId::new(2, 3), true),
        (EntryId::new(3, 3), false),
        (EntryId::new(2, 4), false),
    ] {
        let mut node = RawNode::new(config(1), stored(3, 2, &[1, 1, 2])).unwrap();
        node.step(append(3, prev, &[], 0)).unwrap();
        assert_eq!(reply(&mut node).reject.is_none(), matches, "{prev:?}");
    }
}

#[test]
fn conflicting_entries_are_replaced_and_others_kept() {
    let mut node = RawNode::new(config(1), stored(3, 2, &[1, 1, 2])).unwrap();
    node.step(append(3, EntryId::new(1, 1), &[(1, 2)], 0)).unwrap();
    assert_eq!(reply(&mut node).index, 2);
    assert_eq!(node.status().last, EntryId::new(2, 3), "a prefix of the log truncates nothing");
    node.step(append(3, EntryId::new(1, 1), &[(3, 2)], 0)).unwrap();
    assert_eq!(reply(&mut node).index, 2);
    assert_eq!(node.status().last, EntryId::new(3, 2), "the conflicting tail is gone");
}

#[test]
fn a_diverged_follower_is_found_in_a_round_trip_per_term() {
    // The follower has a long tail of terms 2 to 4 that nobody else has.
    let mut theirs = vec![1; 10];
    for term in 2..=4 {
        theirs.extend(vec![term; 300]);
    }
    let mut ours = vec![1; 10];
    ours.extend(vec![5; 500]);
    let mut group = Group::empty();
    group.add(1, stored(3, 5, &ours), |_| {});
    group.add(2, stored(3, 4, &theirs), |_| {});
    group.add(3, stored(3, 5, &ours), |_| {});
    group.elect(1);
    assert_eq!(group.last(2), group.last(1));
    let rejections =
        group.count(|m| matches!(&m.body, Body::AppendReply(reply) if reply.reject.is_some()) && m.from == 2);
    assert!(rejections <= 4, "{rejections} rejections for 4 terms and 900 entries");
}

#[test]
fn an_entry_commits_with_a_quorum() {
    let mut group = Group::new(5);
    group.elect(1);
    for other in [3, 4, 5] {
        group.cut(1, other);
    }
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.commit(1), 2, "two of five");
    group.heal();
    group.cut(1, 4);
    group.cut(1, 5);
    group.tick_all(2);
    assert_eq!(group.commit(1), 3, "three of five");
}

#[test]
fn entries_of_former_terms_commit_only_with_one_of_the_own_term() {
    // Figure 3.7 of the thesis: replication to a quorum alone is not enough.
    let mut group = Group::empty();
    group.add(1, stored(3, 2, &[1, 2]), |_| {});
    group.add(2, stored(3, 2, &[1, 2]), |_| {});
    group.add(3, stored(3, 2, &[1]), |_| {});
    group.node(1).campaign().unwrap();
    let carries_own_term = |m: &Message| matches!(&m.body, Body::Append(append) if append.entries.iter().any(|entry| entry.id.term == 3));
    group.lose(carries_own_term);
    group.settle();
    assert_eq!(group.role(1), RoleKind::Leader);
    assert_eq!(group.commit(1), 0, "entry 2 of term 2 is on a quorum, and not committed");
    group.heal();
    group.tick_all(3);
    assert_eq!(group.commit(1), 3);
}

#[test]
fn a_commit_is_told_to_all_followers_at_once() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x");
    group.settle();
    assert!((1..=3).all(|id| group.commit(id) == 3), "without a tick");
}

#[test]
fn a_follower_commits_no_further_than_the_entries_it_was_sent() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1, 1, 1, 1])).unwrap();
    node.step(append(1, EntryId::new(1, 1), &[(1, 2)], 9)).unwrap();
    assert_eq!(node.hard_state().commit, 2);
}

#[test]
fn a_heartbeat_carries_no_commit_beyond_what_matches() {
    let mut group = Group::new(3);
    group.elect(1);
    group.cut(1, 3);
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.commit(1), 3);
    group.tick(1, 1);
    let ready = group.node(1).ready().unwrap();
    let commits: Vec<_> = ready
        .messages
        .iter()
        .filter_map(|m| match &m.body {
            Body::Heartbeat(Heartbeat { commit, .. }) => Some((m.to, *commit)),
            _ => None,
        })
        .collect();
    assert_eq!(commits, [(2, 3), (3, 2)]);
}

#[test]
fn the_answer_to_a_heartbeat_wakes_up_a_lagging_member() {
    let mut group = Group::new(3);
    group.elect(1);
    group.cut(1, 3);
    group.propose(1, "x");
    group.settle();
    group.heal();
    assert_eq!(group.last(3).index, 2);
    group.tick(1, 1);
    group.settle();
    assert_eq!((group.last(3).index, group.commit(3)), (3, 3));
}

#[test]
fn an_unreachable_member_is_probed() {
    let mut group = Group::new(3);
    group.elect(1);
    group.lose(|m| m.to == 3);
    group.propose(1, "x");
    group.settle();
    group.node(1).report_unreachable(3);
    group.heal();
    group.propose(1, "y");
    group.settle();
    assert_eq!(group.payloads(3), ["x", "y"], "the probe found what was lost");
}

#[test]
fn an_acknowledgement_leaves_only_with_the_entries_it_promises() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(append(1, EntryId::new(1, 1), &[(1, 2)], 0)).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.entries.len(), 1);
    assert!(ready.messages[0].requires_persistence());
}

#[test]
fn a_leader_counts_its_own_log_once_it_is_stored() {
    let mut group = Group::new(1);
    group.elect(1);
    group.propose(1, "x");
    let ready = group.node(1).ready().unwrap();
    assert_eq!((ready.entries.len(), ready.committed_entries.len()), (1, 0));
    assert_eq!(group.commit(1), 2);
    group.node(1).storage_mut().append(&ready.entries).unwrap();
    group.node(1).advance(ready).unwrap();
    assert_eq!(group.commit(1), 3);
}

#[test]
fn proposals_beyond_the_uncommitted_bytes_are_refused_until_some_are_applied() {
    let mut group = Group::with(3, |config| config.max_uncommitted_bytes = 100);
    group.elect(1);
    group.isolate(1);
    group.propose(1, &"x".repeat(99));
    let refused = group.node(1).propose("yy");
    assert_eq!(refused, Err(Error::ProposalDropped(DropReason::TooManyUncommittedBytes)));
    group.heal();
    group.tick_all(2);
    group.propose(1, "yy");
    group.settle();
    assert_eq!(group.payloads(2).len(), 2);
}

#[test]
fn committed_entries_are_handed_out_within_the_limit() {
    let mut group = Group::with(1, |config| config.max_committed_bytes_per_ready = 50);
    group.elect(1);
    for _ in 0..10 {
        group.propose(1, &"x".repeat(20));
    }
    let mut most = 0;
    while group.node(1).has_ready() {
        let ready = group.node(1).ready().unwrap();
        most = most.max(raftcore::encoded_len(&ready.committed_entries));
        group.node(1).storage_mut().append(&ready.entries).unwrap();
        group.node(1).advance(ready).unwrap();
    }
    assert!((1..=50).contains(&most), "{most} bytes at once");
    assert_eq!(group.node(1).status().applied, 12);
}

#[test]
fn a_contradiction_of_committed_entries_is_an_error_and_changes_nothing() {
    let mut storage = stored(3, 1, &[1, 1]);
    storage.set_hard_state(raftcore::HardState { term: 1, vote: 0, commit: 2 });
    let mut node = RawNode::new(config(1), storage).unwrap();
    let error = node.step(append(2, EntryId::new(1, 2), &[(2, 4)], 0)).unwrap_err();
    assert!(matches!(error, Error::InvalidMessage(_)), "{error}");
    let heartbeat = Message {
        from: 2,
        to: 1,
        term: 2,
        body: Body::Heartbeat(Heartbeat { commit: 3, ..Default::default() }),
    };
    assert_eq!(node.step(heartbeat), Err(Error::CommitBeyondLog { commit: 3, last: 2 }));
    assert_eq!((node.status().last.index, node.hard_state().commit), (2, 2));
}

#[test]
fn logs_stay_in_the_storage_whatever_the_cache() {
    for log_cache_bytes in [0, 200, u64::MAX] {
        let mut group = Group::with(3, |config| config.log_cache_bytes = log_cache_bytes);
        group.elect(1);
        group.cut(1, 3);
        for i in 0..50 {
            group.propose(1, &format!("{i}"));
            group.settle();
        }
        group.heal();
        group.tick_all(3);
        assert_eq!(group.payloads(3).len(), 50, "caught up with a cache of {log_cache_bytes}");
    }
}
