//! Linearizable reads: thesis section 6.4.

mod common;

use common::Group;
use raftcore::{Body, Error, Heartbeat, HeartbeatReply, Message, ReadMode, ReadState, RoleKind};

fn leader() -> Group {
    let mut group = Group::new(3);
    group.elect(1);
    group
}

#[test]
fn a_read_is_confirmed_by_a_round_of_heartbeats() {
    let mut group = leader();
    group.propose(1, "x");
    group.settle();
    group.node(1).read_index("r").unwrap();
    assert!(group.nodes[&1].reads.is_empty());
    group.settle();
    assert_eq!(group.nodes[&1].reads, [ReadState { index: 3, context: "r".into() }]);
}

#[test]
fn reads_between_two_readies_share_one_round() {
    let mut group = leader();
    group.delivered.clear();
    for i in 0..50 {
        group.node(1).read_index(format!("{i}")).unwrap();
    }
    group.settle();
    assert_eq!(group.nodes[&1].reads.len(), 50);
    assert_eq!(group.count(|m| matches!(m.body, Body::Heartbeat(_))), 2);
}

#[test]
fn a_leader_without_a_quorum_confirms_nothing() {
    let mut group = leader();
    group.isolate(1);
    group.node(1).read_index("r").unwrap();
    group.tick(1, 5);
    group.settle();
    assert!(group.nodes[&1].reads.is_empty());
}

#[test]
fn a_follower_reads_through_its_leader() {
    let mut group = leader();
    group.node(3).read_index("r").unwrap();
    group.settle();
    assert_eq!(group.nodes[&3].reads, [ReadState { index: 2, context: "r".into() }]);
    assert!(group.nodes[&1].reads.is_empty());
}

#[test]
fn without_a_leader_there_is_nobody_to_ask() {
    let mut group = Group::new(3);
    assert_eq!(group.node(1).read_index("r"), Err(Error::NoLeader));
}

#[test]
fn nothing_is_read_before_the_first_commit_of_the_term() {
    let mut group = leader();
    group.propose(1, "x");
    group.settle();
    group.isolate(1);
    group.node(2).campaign().unwrap();
    group.lose(|m| matches!(m.body, Body::Append(_)));
    group.settle();
    group.node(2).read_index("early").unwrap();
    group.settle();
    group.tick(2, 1);
    group.settle();
    assert!(group.nodes[&2].reads.is_empty(), "its commit index may be behind what was acknowledged");
    group.heal();
    group.tick_all(3);
    assert_eq!(group.nodes[&2].reads, [ReadState { index: 4, context: "early".into() }]);
}

#[test]
fn a_single_voter_too_waits_for_the_first_commit_of_its_term() {
    let mut group = Group::new(1);
    group.elect(1);
    group.propose(1, "x");
    group.settle();
    // The commit index need not have been stored: here it is lost.
    let mut storage = group.node(1).storage().clone();
    storage.set_hard_state(raftcore::HardState { term: 2, vote: 1, commit: 1 });
    let mut group = Group::empty();
    group.add(1, storage, |_| {});
    group.node(1).campaign().unwrap();
    let ready = group.node(1).ready().unwrap();
    group.node(1).advance(ready).unwrap();
    group.node(1).read_index("r").unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].reads, [ReadState { index: 4, context: "r".into() }]);
}

#[test]
fn contexts_used_twice_and_answers_repeated_confirm_nothing_new() {
    // The answer to the first read's heartbeat must not confirm a second read of the same context.
    let mut group = leader();
    group.node(1).read_index("same").unwrap();
    group.settle();
    let replies: Vec<Message> = group
        .delivered
        .iter()
        .filter(|m| matches!(&m.body, Body::HeartbeatReply(reply) if !reply.context.is_empty()))
        .cloned()
        .collect();
    assert_eq!(replies.len(), 2);
    group.nodes.get_mut(&1).unwrap().reads.clear();
    group.isolate(1);
    // Meanwhile somebody else leads and commits.
    group.elect(2);
    group.propose(2, "newer");
    group.settle();
    group.node(1).read_index("same").unwrap();
    for reply in replies {
        group.node(1).step(reply).unwrap();
    }
    group.handle_ready(1);
    assert!(group.nodes[&1].reads.is_empty(), "a stale read");
}

#[test]
fn contexts_that_were_never_given_confirm_nothing() {
    let mut group = leader();
    group.isolate(1);
    group.node(1).read_index("r").unwrap();
    for context in ["", "x", "12345678", "\u{1}\0\0\0\0\0\0\0\0"] {
        let body = Body::HeartbeatReply(HeartbeatReply { context: context.into() });
        group.node(1).step(Message { from: 2, to: 1, term: 2, body }).unwrap();
    }
    group.settle();
    assert!(group.nodes[&1].reads.is_empty());
}

#[test]
fn a_follower_repeats_whatever_context_its_leader_uses() {
    let mut group = Group::new(3);
    let context = raftcore::Bytes::from_static(b"any bytes of another implementation");
    let body = Body::Heartbeat(Heartbeat { commit: 0, context: context.clone() });
    group.node(1).step(Message { from: 2, to: 1, term: 1, body }).unwrap();
    let ready = group.node(1).ready().unwrap();
    let repeated = Body::HeartbeatReply(HeartbeatReply { context });
    assert!(ready.messages.iter().any(|message| message.body == repeated));
}

fn leased() -> Group {
    let mut group = Group::with(3, |config| {
        config.check_quorum = true;
        config.read_mode = ReadMode::Lease;
    });
    // Nodes that were just started do not vote.
    for node in 1..=3 {
        group.tick(node, 10);
    }
    group.elect(1);
    group.tick_all(1);
    group
}

#[test]
fn a_host_cannot_make_a_node_break_the_lease_that_it_has_granted() {
    // Its own vote and that of somebody who hears from nobody would make another leader.
    let mut group = leased();
    group.node(1).campaign().unwrap();
    group.settle();
    let (term, leader) = (group.term(2), group.leaders());
    let follower = if leader == [2] { 3 } else { 2 };
    group.node(follower).campaign().unwrap();
    group.settle();
    assert_eq!((group.term(follower), group.leaders()), (term, leader));
}

#[test]
fn a_leased_read_needs_no_round() {
    let mut group = leased();
    group.delivered.clear();
    group.node(1).read_index("r").unwrap();
    group.settle();
    assert_eq!((group.nodes[&1].reads.len(), group.delivered.len()), (1, 0));
}

#[test]
fn a_leader_that_gives_its_lease_away_confirms_reads_by_a_round() {
    let mut group = leased();
    group.isolate(1);
    group.node(1).transfer_leader(2).unwrap();
    group.node(1).read_index("r").unwrap();
    group.settle();
    assert!(group.nodes[&1].reads.is_empty(), "its successor may lead already");
}

#[test]
fn forgetting_the_leader_opens_the_way_for_a_vote_except_with_leases() {
    for (mode, leader) in [(ReadMode::Safe, 0), (ReadMode::Lease, 1)] {
        let mut group = Group::with(3, |config| {
            config.check_quorum = true;
            config.read_mode = mode;
        });
        for node in 1..=3 {
            group.tick(node, 10);
        }
        group.elect(1);
        group.node(2).forget_leader();
        assert_eq!(group.node(2).soft_state().leader, leader);
    }
}

#[test]
fn a_lease_ends_before_anybody_else_can_be_elected() {
    let mut group = leased();
    group.isolate(1);
    let mut leased_ticks = 0;
    loop {
        group.node(1).read_index("r").unwrap();
        group.handle_ready(1);
        if std::mem::take(&mut group.nodes.get_mut(&1).unwrap().reads).is_empty() {
            break;
        }
        // The others' timers have not run out: they refuse a candidate.
        group.tick(3, 1);
        let last = group.last(3);
        let vote = raftcore::Vote { last, ..Default::default() };
        group.node(2).step(Message { from: 3, to: 2, term: 9, body: Body::Vote(vote) }).unwrap();
        assert!(group.term(2) < 9, "after {leased_ticks} ticks");
        group.tick(1, 1);
        group.tick(2, 1);
        leased_ticks += 1;
    }
    assert!((1..10).contains(&leased_ticks), "{leased_ticks} ticks of 10");
}

/// A group whose leader, node 1, has heard from node 2 alone since it was elected.
fn leased_by_the_second(adjust: impl Fn(&mut raftcore::Config)) -> Group {
    let mut group = Group::with(3, |config| {
        config.check_quorum = true;
        config.read_mode = ReadMode::Lease;
        adjust(config);
    });
    for node in 1..=3 {
        group.tick(node, 20);
    }
    group.elect(1);
    group.cut(1, 3);
    group.tick_all(5);
    group
}

fn is_served_without_a_round(mut group: Group) -> bool {
    group.isolate(1);
    group.node(1).read_index("r").unwrap();
    group.settle();
    !group.nodes[&1].reads.is_empty()
}

#[test]
fn a_follower_grants_a_lease_only_if_it_counts_leases_at_least_as_long() {
    for (ticks, mode, is_granted) in [
        (10, ReadMode::Lease, true),
        (11, ReadMode::Lease, true),
        (9, ReadMode::Lease, false),
        (10, ReadMode::Safe, false),
        (20, ReadMode::Safe, false),
    ] {
        let group = leased_by_the_second(|config| {
            if config.id == 2 {
                (config.election_ticks, config.read_mode) = (ticks, mode);
            }
        });
        assert_eq!(is_served_without_a_round(group), is_granted, "{ticks} {mode:?}");
    }
}

#[test]
fn a_member_that_repeats_what_it_gets_grants_no_lease_but_confirms_reads() {
    // As etcd/raft does.
    let repeats = || leased_by_the_second(|config| config.eager_append = config.id == 2);
    let mut group = repeats();
    group.node(1).read_index("r").unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].reads.len(), 1);
    assert!(!is_served_without_a_round(repeats()));
}

#[test]
fn a_group_that_restarts_into_leases_one_by_one_reads_by_them_when_a_quorum_grants_them() {
    let mut group = Group::with(3, |config| config.check_quorum = true);
    group.elect(1);
    let mut served = Vec::new();
    for node in [1, 2, 3] {
        group.restart_with(node, |config| config.read_mode = ReadMode::Lease);
        group.tick_all(40);
        let leader = group.leaders()[0];
        group.delivered.clear();
        group.node(leader).read_index("r").unwrap();
        group.settle();
        served.push(group.delivered.is_empty());
    }
    assert!(!served[0] && served[2], "{served:?}");
}

#[test]
fn a_lease_counts_from_when_the_heartbeat_was_sent() {
    let mut group = leased();
    group.tick(1, 1);
    group.handle_ready(1);
    group.tick(1, 8);
    group.queue.retain(|m| m.from == 1 && matches!(&m.body, Body::Heartbeat(_)));
    group.queue.truncate(2);
    while group.deliver_one() {
        group.handle_ready(2);
        group.handle_ready(3);
    }
    // The answers came at once; the heartbeats were eight ticks old.
    group.node(1).read_index("r").unwrap();
    let ready = group.node(1).ready().unwrap();
    assert!(ready.read_states.is_empty());
}

#[test]
fn a_granted_lease_outlasts_a_later_term() {
    let mut group = leased();
    let last = group.last(3);
    let refused = Body::VoteReply(raftcore::VoteReply::default());
    group.node(2).step(Message { from: 3, to: 2, term: 9, body: refused }).unwrap();
    assert_eq!((group.term(2), group.node(2).soft_state().leader), (9, 0));
    // Node 1 knows nothing of that, and reads. So nobody may be elected yet: not this node ...
    group.node(2).campaign().unwrap();
    assert_eq!(group.node(2).soft_state().role, RoleKind::Follower);
    // ... nor another with its vote.
    let vote = raftcore::Vote { last, ..Default::default() };
    let request = Message { from: 3, to: 2, term: 10, body: Body::Vote(vote) };
    group.node(2).step(request.clone()).unwrap();
    assert_eq!(group.term(2), 9);
    group.tick(2, 10);
    group.node(2).step(request).unwrap();
    assert_eq!(group.term(2), 10);
}

#[test]
fn a_node_that_may_have_granted_a_lease_before_its_start_does_not_vote() {
    let mut group = leased();
    group.restart(2);
    let last = group.last(2);
    let vote = raftcore::Vote { last, ..Default::default() };
    let request = Message { from: 3, to: 2, term: 9, body: Body::Vote(vote) };
    group.node(2).step(request.clone()).unwrap();
    assert!(group.term(2) < 9);
    group.tick(2, 10);
    group.node(2).step(request).unwrap();
    assert_eq!(group.term(2), 9);
}
