//! A Ready that was taken and not begun can be given back.

mod common;

use common::{Group, config};
use raftcore::{
    ConfChange, ConfChangeKind, ConfChangeOp, ConfState, Config, DropReason, EntryKind, Error, MemoryStorage,
    Proposed, RawNode, Ready, RoleKind, SnapshotStatus, Storage, wire,
};

fn elected() -> Group {
    let mut group = Group::new(3);
    group.elect(1);
    group
}

/// All that a Ready shows.
fn shown(ready: &Ready) -> String {
    let mut text = format!("{ready:?}");
    text.truncate(text.find(", completion").unwrap());
    text
}

#[test]
fn what_is_given_back_comes_again_with_what_has_come_since() {
    let mut group = elected();
    group.propose(1, "x");
    group.node(1).read_index("r").unwrap();
    let first = group.node(1).ready().unwrap();
    let before = shown(&first);
    assert_eq!((first.entries.len(), first.messages.len()), (1, 4));
    group.node(1).give_back(first).unwrap();
    let again = group.node(1).ready().unwrap();
    assert_eq!(shown(&again), before, "nothing has come since");
    group.propose(1, "y");
    group.node(1).give_back(again).unwrap();
    let larger = group.node(1).ready().unwrap();
    assert_eq!(larger.entries.len(), 2);
    assert!(larger.messages.len() > 4 && larger.must_sync);
    group.node(1).give_back(larger).unwrap();
    group.settle();
    assert_eq!(group.payloads(3), ["x", "y"]);
    assert_eq!(group.nodes[&1].reads.len(), 1);
}

#[test]
fn a_vote_and_a_role_that_were_given_back_are_told_again() {
    let mut node =
        RawNode::new(config(1), MemoryStorage::with_conf_state(ConfState::new([1, 2], []))).unwrap();
    node.campaign().unwrap();
    let ready = node.ready().unwrap();
    let (hard, soft) = (ready.hard_state, ready.soft_state);
    assert!(hard.is_some() && soft.is_some());
    node.give_back(ready).unwrap();
    let ready = node.ready().unwrap();
    assert_eq!((ready.hard_state, ready.soft_state), (hard, soft));
    node.advance(ready).unwrap();
    assert_eq!(node.soft_state().role, RoleKind::Candidate, "the own vote counts once");
}

#[test]
fn only_the_outstanding_ready_can_be_given_back() {
    let mut group = elected();
    group.propose(1, "x");
    group.propose(2, "y");
    let theirs = group.node(2).ready().unwrap();
    let own = group.node(1).ready().unwrap();
    assert_eq!(group.node(1).give_back(theirs), Err(Error::ForeignReady));
    group.node(1).give_back(own).unwrap();
    let storage = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let mut node = RawNode::new(Config { async_storage_writes: true, ..config(1) }, storage).unwrap();
    node.campaign().unwrap();
    let ready = node.ready().unwrap();
    assert_eq!(node.give_back(ready), Err(Error::WrongWriteMode));
}

/// Three nodes that are cut off and compacted, and whose Readys are given back at random.
fn story(seed: u64) -> Vec<String> {
    let mut group = elected();
    let mut state = seed;
    let mut draw = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for turn in 0..400 {
        let id = 1 + draw(3);
        match draw(12) {
            0 => group.isolate(id),
            1..=2 => group.heal(),
            3 if group.node(id).storage().snapshot().unwrap().id.index < group.node(id).status().applied => {
                group.compact(id);
            }
            4..=6 => {
                let _ = group.node(id).propose(format!("{turn}"));
            }
            7 => {
                let _ = group.node(id).read_index(format!("{turn}"));
            }
            _ => group.tick(id, 1 + draw(4) as u32),
        }
        for id in 1..=3 {
            let returns = draw(2) == 0;
            if returns && group.node(id).has_ready() {
                let ready = group.node(id).ready().unwrap();
                // Something comes while it is out.
                group.deliver_one();
                group.node(id).give_back(ready).unwrap();
                group.node(id).check_invariants().unwrap();
            }
            group.handle_ready(id);
            group.node(id).check_invariants().unwrap();
        }
        for _ in 0..draw(6) {
            group.deliver_one();
        }
    }
    group.heal();
    group.tick_all(40);
    let leader = group.leaders()[0];
    // Snapshots that were lost on cut links.
    (1..=3).for_each(|id| group.node(leader).report_snapshot(id, SnapshotStatus::Failed));
    group.tick_all(5);
    let states: Vec<_> = group.nodes.values().map(common::Node::state).collect();
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: {states:?}");
    states
}

#[test]
fn a_group_whose_readys_are_given_back_at_random_agrees() {
    for seed in 0..40 {
        let states = story(seed);
        assert!(!states[0].is_empty());
    }
}

// ---- What hosts can propose and see without more ado -------------------------------------------------

#[test]
fn an_entry_of_a_kind_is_proposed_with_the_bytes_that_the_host_made() {
    let mut group = elected();
    let op = ConfChangeOp { kind: ConfChangeKind::AddLearner, node: 4 };
    let change = ConfChange { id: 0x0123_4567_89ab_cdef, op, context: "where".into() };
    let data = wire::encode_conf_change_v1(&change, group.node(1).config().dialect);
    let Ok(Proposed::Appended(place)) = group.node(1).propose_entry(EntryKind::ConfChange, data.clone())
    else {
        panic!("not taken")
    };
    group.settle();
    let stored = group.node(2).storage().entries(place.index, place.index + 1, u64::MAX).unwrap();
    assert_eq!((stored[0].kind, &stored[0].data), (EntryKind::ConfChange, &data));
    // The field that etcd/raft's hosts read: number 1, a varint.
    assert_eq!(data[..10], [0x08, 0xef, 0x9b, 0xaf, 0xcd, 0xf8, 0xac, 0xd1, 0x91, 0x01]);
    assert!(group.node(3).status().conf_state.learners.contains(&4));
    let refused = group.node(1).propose_entry(EntryKind::ConfChangeV2, "\u{7f}bytes of something else");
    assert_eq!(refused, Err(Error::ProposalDropped(DropReason::MalformedConfChange)));
}

#[test]
fn a_basic_status_is_the_status_without_what_must_be_collected() {
    let mut group = elected();
    group.propose(1, "x");
    for id in 1..=3 {
        let (basic, full) = (group.node(id).basic_status(), group.node(id).status());
        assert_eq!((basic.id, basic.hard_state, basic.soft_state), (id, full.hard_state, full.soft_state));
        assert_eq!((basic.applied, basic.stabled, basic.last), (full.applied, full.stabled, full.last));
        assert_eq!((basic.is_voter, basic.transferee), (full.is_voter, full.transferee));
    }
}
