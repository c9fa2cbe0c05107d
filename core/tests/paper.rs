//! The rules of "In Search of an Understandable Consensus Algorithm" (extended version), figure 2 and
//! sections 5 to 8, one test each, named by section.

mod common;

use common::{Group, config, log, stored};
use raftcore::{
    Append, AppendReply, Body, ConfChangeKind, ConfState, EntryId, Heartbeat, MemoryStorage, Message,
    RawNode, RoleKind, Storage, Vote, VoteReply,
};

fn to_1(term: u64, body: Body) -> Message {
    Message { from: 2, to: 1, term, body }
}

fn node(term: u64, terms: &[u64]) -> RawNode<MemoryStorage> {
    RawNode::new(config(1), stored(3, term, terms)).unwrap()
}

fn replies(node: &mut RawNode<MemoryStorage>) -> Vec<Body> {
    let ready = node.ready().unwrap();
    let bodies = ready.messages.iter().map(|message| message.body.clone()).collect();
    node.storage_mut().append(&ready.entries).unwrap();
    node.advance(ready).unwrap();
    bodies
}

#[test]
fn section_5_1_a_larger_term_is_taken_over_and_makes_a_follower() {
    let bodies = [
        Body::Append(Append::default()),
        Body::Heartbeat(Heartbeat::default()),
        Body::Vote(Vote::default()),
        Body::VoteReply(VoteReply { pre: false, granted: false, ..VoteReply::default() }),
        Body::AppendReply(AppendReply { index: 0, reject: None }),
        Body::TimeoutNow,
    ];
    for body in bodies {
        let mut group = Group::new(3);
        group.elect(1);
        group.node(1).step(to_1(9, body.clone())).unwrap();
        let expected =
            if body == Body::TimeoutNow { (RoleKind::Candidate, 10) } else { (RoleKind::Follower, 9) };
        assert_eq!((group.role(1), group.term(1)), expected, "{body:?}");
    }
}

#[test]
fn section_5_1_a_request_with_a_stale_term_is_not_granted() {
    let vote = Body::Vote(Vote { last: EntryId::new(4, 9), ..Vote::default() });
    let append = Body::Append(Append { entries: log(&[4, 4]).into(), ..Append::default() });
    for (request, refusal) in [
        (vote, Body::VoteReply(VoteReply { pre: false, granted: false, ..VoteReply::default() })),
        (append, Body::AppendReply(AppendReply { index: 0, reject: None })),
    ] {
        let mut node = node(5, &[1]);
        node.step(to_1(4, request)).unwrap();
        assert_eq!(node.status().last, EntryId::new(1, 1));
        let ready = node.ready().unwrap();
        assert_eq!(ready.hard_state, None);
        // The answer's later term is what makes the sender step down.
        let [answer] = &ready.messages[..] else { panic!("{ready:?}") };
        assert_eq!((answer.term, &answer.body), (5, &refusal));
    }
}

#[test]
fn section_5_2_servers_start_as_followers() {
    assert_eq!(node(3, &[1]).soft_state().role, RoleKind::Follower);
}

#[test]
fn section_5_2_a_leader_sends_heartbeats_to_all_at_its_interval() {
    let mut group = Group::with(3, |config| config.heartbeat_ticks = 3);
    group.elect(1);
    group.tick(1, 2);
    assert!(!group.node(1).has_ready());
    group.tick(1, 1);
    let ready = group.node(1).ready().unwrap();
    let to: Vec<_> = ready.messages.iter().map(|message| message.to).collect();
    assert_eq!(to, [2, 3]);
}

#[test]
fn section_5_2_a_follower_that_hears_nothing_starts_an_election() {
    let mut node = node(1, &[1]);
    let last = EntryId::new(1, 1);
    for _ in 0..20 {
        node.tick().unwrap();
    }
    assert_eq!(
        (node.soft_state().role, node.hard_state().term, node.hard_state().vote),
        (RoleKind::Candidate, 2, 1)
    );
    let vote = Body::Vote(Vote { last, ..Vote::default() });
    assert_eq!(replies(&mut node), [vote.clone(), vote]);
}

#[test]
fn section_5_2_heartbeats_keep_followers_from_campaigning() {
    let mut group = Group::new(3);
    group.elect(1);
    group.tick_all(200);
    assert_eq!((group.leaders(), group.term(1)), (vec![1], 2));
}

#[test]
fn section_5_2_a_candidate_with_votes_from_a_majority_wins() {
    for (voters, votes, wins) in [(3, 1, true), (5, 1, false), (5, 2, true), (7, 2, false), (7, 3, true)] {
        let mut node = RawNode::new(config(1), stored(voters, 1, &[1])).unwrap();
        node.campaign().unwrap();
        replies(&mut node);
        for from in 2..2 + votes {
            let body = Body::VoteReply(VoteReply { pre: false, granted: true, ..VoteReply::default() });
            node.step(Message { from, ..to_1(2, body) }).unwrap();
        }
        assert_eq!(node.soft_state().role == RoleKind::Leader, wins, "{votes} of {voters} besides its own");
    }
}

#[test]
fn section_5_2_a_candidate_that_wins_nothing_starts_a_new_election() {
    let mut node = node(1, &[1]);
    node.campaign().unwrap();
    replies(&mut node);
    for _ in 0..20 {
        node.tick().unwrap();
    }
    assert_eq!((node.soft_state().role, node.hard_state().term), (RoleKind::Candidate, 3));
}

#[test]
fn section_5_2_a_split_vote_is_resolved_by_random_timeouts() {
    let mut group = Group::new(3);
    for id in 1..=3 {
        group.node(id).campaign().unwrap();
    }
    group.settle();
    assert!(group.leaders().is_empty(), "one vote each");
    group.tick_all(60);
    assert_eq!(group.leaders().len(), 1);
}

#[test]
fn section_5_3_a_leader_appends_proposals_and_commits_what_a_majority_has() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    let place = group.propose(1, "x");
    group.settle();
    assert_eq!((group.commit(1), group.commit(2)), (place.index, place.index));
}

#[test]
fn section_5_3_a_leader_never_gives_up_on_a_follower() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "x");
    for _ in 0..100 {
        group.tick(1, 1);
        group.settle();
    }
    group.heal();
    group.tick_all(5);
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn section_5_3_followers_apply_committed_entries_in_log_order() {
    let mut group = Group::new(3);
    group.elect(1);
    for i in 0..30 {
        group.propose(1, &format!("{i}"));
        if i % 7 == 0 {
            group.settle();
        }
    }
    group.settle();
    let expected: Vec<_> = (0..30).map(|i| format!("{i}")).collect();
    for id in 1..=3 {
        assert_eq!(group.payloads(id), expected);
        assert!(group.nodes[&id].applied.is_sorted_by_key(|(id, _)| id.index));
    }
}

#[test]
fn section_5_3_a_leader_brings_the_logs_of_figure_7_into_line_with_its_own() {
    let leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for theirs in followers {
        let mut group = Group::empty();
        group.add(1, stored(3, 7, &leader), |_| {});
        group.add(2, stored(3, 7, theirs), |_| {});
        // The third vote comes from one whose log is a prefix.
        group.add(3, stored(3, 7, &[1]), |_| {});
        group.elect(1);
        assert_eq!(group.last(2), EntryId::new(8, 11), "{theirs:?}");
        let logs = [1, 2].map(|id| group.node(id).storage().entries(1, 12, u64::MAX).unwrap());
        assert_eq!(logs[0], logs[1], "{theirs:?}");
    }
}

#[test]
fn section_5_3_only_what_conflicts_is_deleted() {
    // An Append that arrives late tells nothing about the entries after its own.
    let mut node = node(2, &[1, 2, 2, 2]);
    let late = Append { prev: EntryId::new(1, 1), commit: 0, entries: log(&[1, 2])[1..].to_vec().into() };
    node.step(to_1(2, Body::Append(late))).unwrap();
    assert_eq!(node.status().last, EntryId::new(2, 4));
    let conflicting =
        Append { prev: EntryId::new(1, 1), commit: 0, entries: log(&[1, 3])[1..].to_vec().into() };
    node.step(to_1(3, Body::Append(conflicting))).unwrap();
    assert_eq!(node.status().last, EntryId::new(3, 2));
}

#[test]
fn section_5_4_1_only_candidates_with_all_committed_entries_are_elected() {
    // Nodes 1 and 2 share an entry that node 3 lacks.
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "committed");
    group.settle();
    group.heal();
    group.isolate(1);
    group.node(3).campaign().unwrap();
    group.settle();
    assert_ne!(group.role(3), RoleKind::Leader);
    group.elect(2);
    assert_eq!(group.payloads(3), ["committed"]);
}

#[test]
fn section_5_4_2_only_entries_of_the_own_term_are_committed_by_counting() {
    // Figure 8 (c): entry 2 of term 2 is on a majority, and may still be overwritten.
    let mut group = Group::empty();
    for (id, terms) in [(1, &[1, 2][..]), (2, &[1, 2]), (3, &[1, 2]), (4, &[1]), (5, &[1, 3])] {
        group.add(id, stored(5, 3, terms), |_| {});
    }
    group.isolate(5);
    group.node(1).campaign().unwrap();
    group.lose(|m| matches!(&m.body, Body::Append(a) if a.entries.iter().any(|entry| entry.id.term == 4)));
    group.settle();
    assert_eq!((group.role(1), group.commit(1)), (RoleKind::Leader, 0));
    // Figure 8 (e): with an entry of its own term all before it is committed too.
    group.heal();
    group.isolate(5);
    group.tick_all(3);
    assert_eq!(group.commit(1), 3);
}

#[test]
fn section_5_5_repeated_and_delayed_requests_do_no_harm() {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "x");
    group.propose(1, "y");
    group.settle();
    for message in group.delivered.clone() {
        group.queue.push_back(message);
    }
    group.settle();
    assert_eq!((group.leaders(), group.payloads(2).len(), group.payloads(3).len()), (vec![1], 2, 2));
}

#[test]
fn section_6_a_majority_of_the_new_configuration_decides_once_it_is_applied() {
    let mut group = Group::new(1);
    group.elect(1);
    group.add(2, MemoryStorage::new(), |_| {});
    group.change(1, ConfChangeKind::AddVoter, 2);
    group.tick_all(2);
    group.isolate(2);
    group.propose(1, "x");
    group.settle();
    assert!(group.payloads(1).is_empty(), "one of two is no majority");
}

#[test]
fn section_6_a_server_that_hears_its_leader_ignores_candidates() {
    let mut group = Group::with(3, |config| config.check_quorum = true);
    group.elect(1);
    let vote = Body::Vote(Vote { last: EntryId::new(9, 9), ..Vote::default() });
    group.node(2).step(Message { from: 3, to: 2, term: 9, body: vote }).unwrap();
    assert_eq!((group.term(2), group.node(2).has_ready()), (2, false));
}

#[test]
fn section_7_a_snapshot_replaces_the_log_that_it_covers() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "x");
    group.settle();
    let index = group.compact(1);
    group.heal();
    group.tick_all(3);
    assert_eq!(group.node(3).storage().first_index().unwrap(), index + 1);
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn section_8_a_new_leader_commits_an_empty_entry_of_its_term() {
    let mut group = Group::new(3);
    group.elect(1);
    group.elect(2);
    let committed = group.commit(2);
    let entry = group.node(2).storage().entries(committed, committed + 1, u64::MAX).unwrap()[0].clone();
    assert_eq!((entry.id.term, entry.data.len()), (group.term(2), 0));
}

#[test]
fn section_8_a_read_is_confirmed_by_a_majority() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(1);
    group.elect(2);
    group.propose(2, "newer");
    group.settle();
    group.node(1).read_index("r").unwrap();
    group.tick(1, 3);
    group.settle();
    assert!(group.nodes[&1].reads.is_empty(), "the old leader does not know that it was replaced");
}

#[test]
fn figure_2_persistent_state_is_stored_before_it_is_told() {
    let mut node =
        RawNode::new(config(1), MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], []))).unwrap();
    node.campaign().unwrap();
    let ready = node.ready().unwrap();
    let hard_state = ready.hard_state.unwrap();
    assert_eq!((hard_state.term, hard_state.vote, ready.must_sync), (2, 1, true));
    assert!(ready.messages.iter().all(Message::requires_persistence));
}
