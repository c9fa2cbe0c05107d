//! Leader election: thesis sections 3.4, 3.6.1 and 9.6.

mod common;

use common::{Group, config, stored};
use raftcore::{
    Append, Body, ConfState, EntryId, Heartbeat, MemoryStorage, Message, RawNode, RoleKind, Storage, Vote,
    VoteReply,
};

fn message(from: u64, to: u64, term: u64, body: Body) -> Message {
    Message { from, to, term, body }
}

fn vote(term: u64, last: EntryId) -> Message {
    message(2, 1, term, Body::Vote(Vote { last, ..Vote::default() }))
}

/// The node's only message of this Ready, stored and advanced.
fn answer(node: &mut RawNode<MemoryStorage>) -> Message {
    let ready = node.ready().unwrap();
    assert_eq!(ready.messages.len(), 1, "{:?}", ready.messages);
    let message = ready.messages[0].clone();
    if let Some(hard_state) = ready.hard_state {
        node.storage_mut().set_hard_state(hard_state);
    }
    node.advance(ready).unwrap();
    message
}

fn grants(message: &Message) -> bool {
    matches!(message.body, Body::VoteReply(VoteReply { granted: true, .. }))
}

#[test]
fn election_timeouts_are_spread_over_election_to_twice_election_ticks() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let storage = MemoryStorage::with_conf_state(ConfState::new([1, 2], []));
        let mut node = RawNode::new(raftcore::Config { seed, ..config(1) }, storage).unwrap();
        let mut ticks = 0;
        while node.soft_state().role == RoleKind::Follower {
            node.tick().unwrap();
            ticks += 1;
        }
        assert!((10..20).contains(&ticks), "campaigned after {ticks} ticks");
        seen.insert(ticks);
    }
    assert_eq!(seen.len(), 10, "every timeout of the range occurs");
}

/// The tick in which a node that hears of nobody campaigns first.
fn first_campaign(config: raftcore::Config) -> u32 {
    let storage = MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], []));
    let mut node = RawNode::new(config, storage).unwrap();
    (1..).find(|_| node.tick().is_ok() && node.soft_state().role != RoleKind::Follower).unwrap()
}

#[test]
fn without_seeds_groups_do_not_all_elect_the_same_node_in_the_same_tick() {
    let mut first = std::collections::BTreeMap::new();
    for group_id in 1..=200 {
        let timeout = |id| first_campaign(raftcore::Config { seed: 0, group_id, ..config(id) });
        let winner = (1..=3).map(|id| (timeout(id), id)).min().unwrap();
        *first.entry(winner).or_insert(0) += 1;
    }
    let led_by =
        |id| first.iter().filter(|((_, node), _)| *node == id).map(|(_, groups)| *groups).sum::<u32>();
    // A fair draw gives a node 67 of 200 groups, and a tick and node, 28 at most.
    for id in 1..=3 {
        assert!((40..=100).contains(&led_by(id)), "node {id} is the first in {} of 200 groups", led_by(id));
    }
    assert!(first.values().all(|groups| *groups <= 45), "{first:?}");
}

/// The same numbers are in the tests of the C interface, of C and of Python.
#[test]
fn without_a_seed_timeouts_follow_from_node_and_group() {
    let timeouts = |group_id| {
        [1, 2, 3]
            .map(|id| first_campaign(raftcore::Config { seed: 0, group_id, ..raftcore::Config::new(id) }))
    };
    let expected = [[11, 15, 19], [14, 12, 13], [10, 13, 13], [15, 18, 11]];
    assert_eq!([0, 1, 77, u64::MAX].map(timeouts), expected);
}

#[test]
fn with_a_seed_the_group_changes_no_timeout() {
    let timeout = |group_id| first_campaign(raftcore::Config { seed: 9, group_id, ..config(1) });
    assert!((1..50).all(|group_id| timeout(group_id) == timeout(0)));
}

#[test]
fn the_same_seed_gives_the_same_timeouts() {
    let run = || {
        let mut group = Group::new(3);
        (0..200)
            .map(|_| {
                group.tick_all(1);
                group.leaders()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_single_voter_elects_itself_without_asking_anybody() {
    let mut group = Group::new(1);
    group.elect(1);
    assert_eq!((group.term(1), group.commit(1)), (2, 2));
    assert!(group.delivered.is_empty());
}

#[test]
fn a_single_voter_elects_itself_at_its_timeout() {
    let mut group = Group::with(1, |config| config.pre_vote = true);
    group.tick_all(20);
    assert_eq!(group.leaders(), [1]);
}

#[test]
fn a_quorum_of_votes_makes_a_leader() {
    let mut group = Group::new(5);
    group.cut(1, 4);
    group.cut(1, 5);
    group.elect(1);
    assert_eq!(group.leaders(), [1]);
}

#[test]
fn a_minority_of_votes_makes_no_leader() {
    let mut group = Group::new(5);
    for other in [3, 4, 5] {
        group.cut(1, other);
    }
    group.node(1).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(1), RoleKind::Candidate);
}

#[test]
fn a_quorum_of_rejections_ends_the_candidacy() {
    let mut group = Group::new(3);
    group.elect(2);
    group.propose(2, "newer");
    group.isolate(1);
    group.settle();
    group.heal();
    // Nodes 2 and 3 have an entry that node 1 lacks.
    group.node(1).campaign().unwrap();
    group.node(1).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(1), RoleKind::Follower, "both others said no");
    assert!(group.count(|m| matches!(m.body, Body::VoteReply(VoteReply { granted: false, .. }))) >= 2);
}

#[test]
fn votes_go_only_to_logs_that_are_up_to_date() {
    // The voter's log ends at term 2, index 3.
    for (last, expected) in [
        (EntryId::new(2, 3), true),
        (EntryId::new(2, 4), true),
        (EntryId::new(3, 1), true),
        (EntryId::new(2, 2), false),
        (EntryId::new(1, 9), false),
        (EntryId::new(0, 0), false),
    ] {
        let mut node = RawNode::new(config(1), stored(3, 2, &[1, 1, 2])).unwrap();
        node.step(vote(3, last)).unwrap();
        assert_eq!(grants(&answer(&mut node)), expected, "{last:?}");
    }
}

#[test]
fn one_vote_a_term_also_over_a_restart() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(vote(2, EntryId::new(1, 1))).unwrap();
    assert!(grants(&answer(&mut node)));
    let mut node = RawNode::new(config(1), node.storage().clone()).unwrap();
    assert_eq!(node.hard_state().vote, 2);
    let other = Message { from: 3, ..vote(2, EntryId::new(1, 1)) };
    node.step(other).unwrap();
    assert!(!grants(&answer(&mut node)), "the vote of this term is gone");
    node.step(vote(2, EntryId::new(1, 1))).unwrap();
    assert!(grants(&answer(&mut node)), "the same candidate may ask again");
}

#[test]
fn a_vote_is_handed_out_with_the_hard_state_that_it_promises() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.step(vote(2, EntryId::new(1, 1))).unwrap();
    let ready = node.ready().unwrap();
    let hard_state = ready.hard_state.unwrap();
    assert_eq!((hard_state.term, hard_state.vote), (2, 2));
    assert!(ready.must_sync);
    assert!(ready.messages.iter().all(Message::requires_persistence));
}

#[test]
fn a_candidacy_must_be_durable_before_anybody_hears_of_it() {
    let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
    node.campaign().unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(ready.messages.len(), 2);
    assert!(ready.messages.iter().all(Message::requires_persistence));
    assert_eq!(node.soft_state().role, RoleKind::Candidate, "the own vote counts once it is stored");
}

#[test]
fn the_first_answer_of_a_voter_counts() {
    let mut node = RawNode::new(config(1), stored(5, 1, &[1])).unwrap();
    node.campaign().unwrap();
    let ready = node.ready().unwrap();
    node.advance(ready).unwrap();
    let reply = |granted| Body::VoteReply(VoteReply { pre: false, granted, ..VoteReply::default() });
    for granted in [true, true, true, false] {
        node.step(message(2, 1, 2, reply(granted))).unwrap();
    }
    assert_eq!(node.soft_state().role, RoleKind::Candidate, "one voter is one vote");
    node.step(message(3, 1, 2, reply(true))).unwrap();
    assert_eq!(node.soft_state().role, RoleKind::Leader);
}

#[test]
fn a_candidate_follows_the_leader_of_its_term() {
    for body in [Body::Append(Append::default()), Body::Heartbeat(Heartbeat::default())] {
        let mut node = RawNode::new(config(1), stored(3, 1, &[1])).unwrap();
        node.campaign().unwrap();
        node.step(message(3, 1, 2, body)).unwrap();
        let state = node.soft_state();
        assert_eq!((state.role, state.leader), (RoleKind::Follower, 3));
    }
}

#[test]
fn a_higher_term_makes_a_follower_of_anybody() {
    let mut group = Group::new(3);
    group.elect(1);
    let heartbeat = Body::Heartbeat(Heartbeat::default());
    group.node(1).step(message(2, 1, 9, heartbeat)).unwrap();
    assert_eq!((group.role(1), group.term(1)), (RoleKind::Follower, 9));
}

#[test]
fn a_lower_term_changes_nothing_and_is_told_the_higher() {
    let mut group = Group::new(3);
    group.elect(1);
    let append =
        Body::Append(Append { prev: EntryId::default(), commit: 9, entries: common::log(&[1, 1]).into() });
    group.node(1).step(message(2, 1, 1, append)).unwrap();
    assert_eq!((group.role(1), group.last(1).index), (RoleKind::Leader, 2));
    let ready = group.node(1).ready().unwrap();
    let [reply] = &ready.messages[..] else { panic!("{ready:?}") };
    assert_eq!((reply.to, reply.term), (2, group.term(1)));
}

#[test]
fn a_pre_vote_changes_neither_term_nor_vote() {
    let mut group = Group::with(3, |config| config.pre_vote = true);
    group.isolate(1);
    for _ in 0..10 {
        group.tick(1, 20);
        group.settle();
    }
    assert_eq!((group.role(1), group.term(1)), (RoleKind::PreCandidate, 1));
    group.heal();
    group.elect(1);
    assert_eq!(group.term(1), 2, "the first real election");
}

#[test]
fn a_node_that_was_cut_off_does_not_disturb_with_pre_vote_and_check_quorum() {
    let mut group = Group::with(3, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    group.elect(1);
    group.isolate(3);
    group.tick_all(50);
    group.heal();
    group.tick_all(50);
    assert_eq!((group.leaders(), group.term(1)), (vec![1], 2));
    assert_eq!(group.nodes[&3].raw.soft_state().leader, 1);
}

#[test]
fn a_leader_without_a_quorum_steps_down_with_check_quorum() {
    let mut group = Group::with(3, |config| config.check_quorum = true);
    group.elect(1);
    group.isolate(1);
    group.tick(1, 21);
    assert_eq!(group.role(1), RoleKind::Follower);
}

#[test]
fn a_learner_does_not_campaign_but_votes() {
    let storage = MemoryStorage::with_conf_state(ConfState::new([2, 3], [1]));
    let mut node = RawNode::new(config(1), storage).unwrap();
    for _ in 0..100 {
        node.tick().unwrap();
    }
    node.campaign().unwrap();
    assert_eq!(node.soft_state().role, RoleKind::Follower);
    // It may have been made a voter without knowing it yet.
    node.step(vote(2, EntryId::new(1, 1))).unwrap();
    assert!(grants(&answer(&mut node)));
}

#[test]
fn a_new_leader_begins_its_term_with_an_empty_entry() {
    let mut group = Group::new(3);
    group.elect(2);
    let entries = group.node(2).storage().entries(2, 3, u64::MAX).unwrap();
    assert_eq!((entries[0].id, entries[0].data.len()), (EntryId::new(2, 2), 0));
    assert!((1..=3).all(|id| group.commit(id) == 2));
}

#[test]
fn among_equally_good_candidates_the_highest_priority_wins() {
    let mut group = Group::with(3, |config| config.priority = config.id as i64);
    group.node(1).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(1), RoleKind::Follower, "2 and 3 could lead as well");
    group.elect(3);
    group.isolate(2);
    group.propose(3, "x");
    group.settle();
    group.heal();
    // Node 1 has an entry that node 2 lacks: then priority does not count.
    group.isolate(3);
    group.elect(1);
}

#[test]
fn a_transfer_does_not_look_at_priorities() {
    let mut group = Group::with(3, |config| config.priority = config.id as i64);
    group.elect(3);
    group.node(3).transfer_leader(1).unwrap();
    group.settle();
    assert_eq!(group.leaders(), [1]);
}

/// Ticks until five voters have a leader, of which 4 and 5 are dead, 1 and 2 cannot reach each other, and only 3,
/// not preferred, reaches a quorum.
fn ticks_until_the_bridge_leads(seed: u64, adjust: impl Fn(&mut raftcore::Config)) -> u32 {
    let mut group = Group::with(5, |config| {
        (config.pre_vote, config.check_quorum, config.seed) = (true, true, seed);
        config.priority = if config.id == 1 { 10 } else { 0 };
        adjust(config);
    });
    group.cut(1, 2);
    group.isolate(4);
    group.isolate(5);
    for ticks in 0..1000 {
        if group.role(3) == RoleKind::Leader {
            return ticks;
        }
        group.tick_all(1);
    }
    panic!("seed {seed}: nobody leads");
}

#[test]
fn a_priority_is_no_veto() {
    let worst = (0..1000).map(|seed| ticks_until_the_bridge_leads(seed, |_| {})).max().unwrap();
    assert!(worst <= 5 * 10, "it took {worst} ticks");
    // Without PreVote 1 and 2 also take terms from 3: that takes longer, and as long without priorities.
    let plain = |config: &mut raftcore::Config| (config.pre_vote, config.check_quorum) = (false, false);
    (0..1000).for_each(|seed| assert!(ticks_until_the_bridge_leads(seed, plain) < 1000));
}

#[test]
fn a_preference_holds_for_two_election_timeouts_without_a_leader_however_they_are_counted() {
    // Terms and votes of others, and its own campaigns, change nothing; idle ticks count as others do.
    for disturbed in [false, true] {
        let mut node = RawNode::new(
            raftcore::Config { priority: 5, pre_vote: true, ..config(1) },
            MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], [])),
        )
        .unwrap();
        let heard = message(2, 1, 1, Body::Heartbeat(Heartbeat::default()));
        node.step(heard).unwrap();
        drop_messages(&mut node);
        for tick in 1..=20 {
            node.set_randomized_election_timeout(if disturbed { 7 } else { 1000 });
            node.tick().unwrap();
            if disturbed && tick % 5 == 0 {
                let refused = Vote { last: EntryId::default(), priority: -1, ..Vote::default() };
                node.step(message(3, 1, 1 + tick, Body::Vote(refused))).unwrap();
            }
            drop_messages(&mut node);
            let last = node.status().last;
            let asked = Vote { pre: true, last, ..Vote::default() };
            node.step(message(3, 1, node.hard_state().term + 1, Body::Vote(asked))).unwrap();
            assert_eq!(grants(&answer(&mut node)), tick >= 20, "after {tick} ticks, disturbed: {disturbed}");
        }
    }
}

/// What the node has to say is lost.
fn drop_messages(node: &mut RawNode<MemoryStorage>) {
    while node.has_ready() {
        let ready = node.ready().unwrap();
        if let Some(hard_state) = ready.hard_state {
            node.storage_mut().set_hard_state(hard_state);
        }
        node.advance(ready).unwrap();
    }
}
