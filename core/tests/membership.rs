//! Membership changes: thesis chapter 4.

mod common;

use common::Group;
use raftcore::{
    ConfChange, ConfChangeError, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, DropReason, EntryId,
    EntryKind, Error, MemoryStorage, RawNode, Response, RoleKind, Storage, StorageApply, Transition,
};

use ConfChangeKind::{AddLearner, AddVoter, Remove, Update};

fn change(transition: Transition, ops: &[(ConfChangeKind, u64)]) -> ConfChangeV2 {
    let ops = ops.iter().map(|(kind, node)| ConfChangeOp { kind: *kind, node: *node }).collect();
    ConfChangeV2 { transition, ops, ..Default::default() }
}

#[test]
fn a_voter_is_added_and_counts() {
    let mut group = Group::new(2);
    group.elect(1);
    group.add(3, MemoryStorage::new(), |_| {});
    group.change(1, AddVoter, 3);
    group.tick_all(2);
    assert_eq!(group.nodes[&3].conf_state, ConfState::new([1, 2, 3], []));
    group.isolate(2);
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(3), ["x"], "one and three are a quorum");
}

#[test]
fn a_removed_voter_does_not_count() {
    let mut group = Group::new(3);
    group.elect(1);
    group.isolate(3);
    group.change(1, Remove, 3);
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(2), ["x"]);
    assert_eq!(group.nodes[&1].conf_state, ConfState::new([1, 2], []));
}

#[test]
fn a_learner_gets_the_log_and_does_not_count() {
    let mut group = Group::new(2);
    group.elect(1);
    group.add(3, MemoryStorage::new(), |_| {});
    group.change(1, AddLearner, 3);
    group.tick_all(2);
    assert_eq!(group.last(3), group.last(1));
    group.isolate(2);
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.commit(1), group.last(1).index - 1, "a learner is no quorum");
    group.heal();
    group.change(1, AddVoter, 3);
    group.tick_all(2);
    assert_eq!(group.nodes[&3].conf_state, ConfState::new([1, 2, 3], []), "promoted");
}

#[test]
fn only_one_change_is_under_way() {
    let mut group = Group::new(3);
    group.elect(1);
    let first = change(Transition::Auto, &[(AddLearner, 4)]);
    let second = change(Transition::Auto, &[(AddLearner, 5)]);
    group.node(1).propose_conf_change(&first).unwrap();
    let last = group.last(1);
    assert_eq!(group.node(1).propose_conf_change(&second), refused(ConfChangeError::Pending));
    assert_eq!(group.last(1), last, "what is refused gets no place");
    group.settle();
    assert_eq!(group.nodes[&1].conf_state, ConfState::new([1, 2, 3], [4]));
    group.node(1).propose_conf_change(&second).unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].conf_state, ConfState::new([1, 2, 3], [4, 5]));
}

#[test]
fn a_new_leader_takes_no_change_before_it_has_applied_all_former_entries() {
    let mut group = Group::new(3);
    group.node(1).campaign().unwrap();
    group.settle();
    let mut fresh = Group::new(1);
    fresh.node(1).campaign().unwrap();
    let ready = fresh.node(1).ready().unwrap();
    fresh.node(1).advance(ready).unwrap();
    assert_eq!(fresh.role(1), RoleKind::Leader);
    // Its log was empty when it was elected: there is nothing to wait for.
    fresh.change(1, AddLearner, 2);
    assert_eq!(fresh.nodes[&1].conf_state, ConfState::new([1], [2]));
    // Here an entry of the former leader waits.
    group.lose(|m| matches!(m.body, raftcore::Body::AppendReply(_)));
    group.propose(1, "x");
    group.settle();
    group.isolate(1);
    group.node(2).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(2), RoleKind::Leader);
    let learner = change(Transition::Auto, &[(AddLearner, 9)]);
    assert_eq!(group.node(2).propose_conf_change(&learner), refused(ConfChangeError::Pending));
    group.heal();
    group.tick_all(3);
    group.change(2, AddLearner, 9);
    assert_eq!(group.nodes[&2].conf_state, ConfState::new([1, 2, 3], [9]), "all former entries were applied");
}

#[test]
fn the_first_version_of_changes_works_too() {
    let mut group = Group::new(3);
    group.elect(1);
    let op = ConfChangeOp { kind: Remove, node: 3 };
    group.node(1).propose_conf_change_v1(&ConfChange { id: 0, op, context: "why".into() }).unwrap();
    group.settle();
    assert_eq!(group.nodes[&2].conf_state, ConfState::new([1, 2], []));
}

/// A change may be put into force whenever its host likes, until its entry counts as applied.
#[test]
fn until_a_change_counts_as_applied_the_node_goes_on_by_the_old_membership() {
    let mut group = Group::new(1);
    group.elect(1);
    let learner = change(Transition::Auto, &[(AddLearner, 2)]);
    group.node(1).propose_conf_change(&learner).unwrap();
    group.handle_ready(1);
    let ready = group.node(1).ready().unwrap();
    assert!(ready.committed_entries.iter().any(|entry| entry.kind != EntryKind::Normal));
    group.tick(1, 3);
    group.propose(1, "meanwhile");
    assert!(group.node(1).status().conf_state.learners.is_empty());
    let next = change(Transition::Auto, &[(AddLearner, 3)]);
    assert_eq!(group.node(1).propose_conf_change(&next), refused(ConfChangeError::Pending));
    group.node(1).apply_conf_change(&learner).unwrap();
    group.tick(1, 3);
    // In force, but not yet applied as far as the leader knows: the next change waits for that.
    assert_eq!(group.node(1).propose_conf_change(&next), refused(ConfChangeError::Pending));
    group.node(1).advance(ready).unwrap();
    assert!(group.node(1).propose_conf_change(&next).is_ok());
    assert_eq!(group.node(1).status().conf_state.learners, [2]);
}

/// The same where notices go back one by one: what counts is that of the application.
#[test]
fn with_asynchronous_writes_a_change_is_put_into_force_before_its_notice_goes_back() {
    let mut group = Group::with(1, |config| config.async_storage_writes = true);
    let learner = change(Transition::Auto, &[(AddLearner, 2)]);
    let next = change(Transition::Auto, &[(AddLearner, 3)]);
    let node = group.node(1);
    node.campaign().unwrap();
    let mut applies = Vec::new();
    let work = |node: &mut RawNode<MemoryStorage>, applies: &mut Vec<StorageApply>| {
        while node.has_ready() {
            let ready = node.ready().unwrap();
            node.storage_mut().append(&ready.entries).unwrap();
            for response in ready.storage_append.into_iter().flat_map(|append| append.responses) {
                if let Response::Acknowledge(ack) = response {
                    node.acknowledge(ack).unwrap();
                }
            }
            applies.extend(ready.storage_apply);
        }
    };
    work(node, &mut applies);
    for apply in applies.drain(..) {
        node.acknowledge(apply.ack).unwrap();
    }
    node.propose_conf_change(&learner).unwrap();
    work(node, &mut applies);
    node.apply_conf_change(&learner).unwrap();
    assert_eq!(node.propose_conf_change(&next), refused(ConfChangeError::Pending));
    for apply in applies.drain(..) {
        node.acknowledge(apply.ack).unwrap();
    }
    assert!(node.propose_conf_change(&next).is_ok());
}

#[test]
fn a_leader_that_is_removed_steps_down() {
    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, Remove, 1);
    assert_eq!(group.role(1), RoleKind::Follower);
    group.elect(2);
    group.propose(2, "x");
    group.settle();
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn a_removed_leader_that_may_stay_takes_no_proposals() {
    let mut group = Group::with(3, |config| config.step_down_on_removal = false);
    group.elect(1);
    group.change(1, Remove, 1);
    assert_eq!(group.role(1), RoleKind::Leader);
    assert_eq!(group.node(1).propose("x"), Err(Error::ProposalDropped(DropReason::Removed)));
}

#[test]
fn a_removed_node_is_not_heard() {
    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, Remove, 3);
    let reply = raftcore::AppendReply { index: 1, reject: None };
    let message = raftcore::Message { from: 3, to: 1, term: 1, body: raftcore::Body::AppendReply(reply) };
    assert_eq!(group.node(1).step(message), Err(Error::PeerNotFound(3)));
}

#[test]
fn joint_consensus_replaces_all_voters_and_leaves_by_itself() {
    let mut group = Group::new(3);
    group.elect(1);
    for id in 4..=6 {
        group.add(id, MemoryStorage::new(), |_| {});
    }
    let ops = [(AddVoter, 4), (AddVoter, 5), (AddVoter, 6), (Remove, 2), (Remove, 3)];
    group.node(1).propose_conf_change(&change(Transition::Auto, &ops)).unwrap();
    group.tick_all(5);
    assert_eq!(group.nodes[&5].conf_state, ConfState::new([1, 4, 5, 6], []));
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(6), ["x"]);
}

#[test]
fn a_joint_configuration_needs_both_majorities() {
    let mut group = Group::new(3);
    group.elect(1);
    for id in 4..=5 {
        group.add(id, MemoryStorage::new(), |_| {});
    }
    let ops = [(AddVoter, 4), (AddVoter, 5), (Remove, 2), (Remove, 3)];
    group.node(1).propose_conf_change(&change(Transition::Explicit, &ops)).unwrap();
    group.tick_all(3);
    let joint = &group.nodes[&1].conf_state;
    assert_eq!((&joint.voters, &joint.voters_outgoing), (&vec![1, 4, 5], &vec![1, 2, 3]));
    // The incoming half alone is not enough.
    group.isolate(2);
    group.isolate(3);
    group.propose(1, "x");
    group.tick_all(2);
    assert!(group.payloads(1).is_empty());
    group.heal();
    group.tick_all(2);
    assert_eq!(group.payloads(1), ["x"]);
    group.node(1).propose_conf_change(&ConfChangeV2::default()).unwrap();
    group.settle();
    assert_eq!(group.nodes[&4].conf_state, ConfState::new([1, 4, 5], []));
}

#[test]
fn a_joint_configuration_is_left_by_the_next_leader_too() {
    let mut group = Group::new(3);
    group.elect(1);
    let ops = [(AddVoter, 4), (Remove, 3)];
    group.node(1).propose_conf_change(&change(Transition::Implicit, &ops)).unwrap();
    // The leader is cut off as soon as another node knows that the change is committed.
    while group.commit(2) < 3 {
        for id in 1..=3 {
            group.handle_ready(id);
        }
        group.deliver_one();
    }
    group.isolate(1);
    group.queue.clear();
    group.settle();
    assert!(group.nodes[&2].conf_state.auto_leave, "joint, and nobody has proposed to leave");
    group.add(4, MemoryStorage::new(), |_| {});
    group.elect_with_ticks(2);
    assert_eq!(group.nodes[&2].conf_state, ConfState::new([1, 2, 4], []));
}

#[test]
fn a_joint_configuration_is_left_after_a_transfer_that_was_pending_then_though_the_group_is_idle() {
    for ends_by_itself in [true, false] {
        let mut group = Group::new(5);
        group.elect(1);
        group.isolate(2);
        group
            .node(1)
            .propose_conf_change(&change(Transition::Auto, &[(Remove, 3), (AddLearner, 4)]))
            .unwrap();
        group.node(1).transfer_leader(2).unwrap();
        group.settle();
        assert!(group.nodes[&1].conf_state.auto_leave, "joint, and the transfer gets in the way");
        if ends_by_itself {
            group.tick_all(10);
        } else {
            group.node(1).transfer_leader(1).unwrap();
            group.tick_all(1);
        }
        assert_eq!(group.nodes[&1].conf_state, ConfState::new([1, 2, 5], [4]));
    }
}

#[test]
fn a_withdrawn_operation_changes_nothing() {
    let mut group = Group::new(2);
    group.elect(1);
    let conf_state = group.node(1).apply_conf_change(&change(Transition::Auto, &[(AddVoter, 0)])).unwrap();
    assert_eq!(conf_state, ConfState::new([1, 2], []));
}

#[test]
fn impossible_changes_are_errors_and_change_nothing() {
    let mut group = Group::new(1);
    group.elect(1);
    for (bad, expected) in [
        (change(Transition::Auto, &[(Remove, 1)]), ConfChangeError::NoVoters),
        (ConfChangeV2::default(), ConfChangeError::NotJoint),
    ] {
        assert_eq!(group.node(1).apply_conf_change(&bad), Err(Error::ConfChange(expected)));
    }
    assert_eq!(group.node(1).status().conf_state, ConfState::new([1], []));
    group.propose(1, "x");
    group.settle();
    assert_eq!(group.payloads(1), ["x"]);
}

fn refused<T>(reason: ConfChangeError) -> Result<T, Error> {
    Err(Error::ConfChange(reason))
}

#[test]
fn a_change_that_would_come_to_nothing_is_refused_with_the_reason_and_leaves_no_entry() {
    let mut group = Group::new(1);
    group.elect(1);
    group.change(1, AddLearner, 3);
    let last = group.last(1);
    for (bad, reason) in [
        (change(Transition::Auto, &[(Remove, 1)]), ConfChangeError::NoVoters),
        (change(Transition::Auto, &[(AddLearner, 1)]), ConfChangeError::NoVoters),
        (change(Transition::Implicit, &[(Remove, 1)]), ConfChangeError::NoVoters),
        (change(Transition::Auto, &[(AddVoter, 0)]), ConfChangeError::NoNode),
        (change(Transition::Auto, &[(Update, 0)]), ConfChangeError::NoNode),
        (change(Transition::Auto, &[(AddLearner, 4), (Remove, 0)]), ConfChangeError::NoNode),
        (change(Transition::Auto, &[(Remove, 9)]), ConfChangeError::NoEffect),
        (change(Transition::Auto, &[(Update, 9)]), ConfChangeError::NoEffect),
        (change(Transition::Auto, &[(AddVoter, 1)]), ConfChangeError::NoEffect),
        (change(Transition::Auto, &[(AddLearner, 3)]), ConfChangeError::NoEffect),
        (change(Transition::Implicit, &[(Remove, 9)]), ConfChangeError::NoEffect),
        (change(Transition::Explicit, &[(AddVoter, 1), (Remove, 9)]), ConfChangeError::NoEffect),
        (change(Transition::Auto, &[(AddVoter, 4), (Remove, 4)]), ConfChangeError::NoEffect),
        (change(Transition::Explicit, &[]), ConfChangeError::NoEffect),
        (ConfChangeV2::default(), ConfChangeError::NotJoint),
    ] {
        assert_eq!(group.node(1).propose_conf_change(&bad), refused(reason), "{bad:?}");
        if let ([op], Transition::Auto) = (&bad.ops[..], bad.transition) {
            let first_version = ConfChange { id: 0, op: *op, context: "why".into() };
            assert_eq!(group.node(1).propose_conf_change_v1(&first_version), refused(reason), "{bad:?}");
        }
    }
    assert_eq!(group.last(1), last);
    // Nothing is pending after a refusal.
    group.change(1, Update, 3);
    group.change(1, AddVoter, 3);
    assert_eq!(group.nodes[&1].conf_state, ConfState::new([1, 3], []));
}

#[test]
fn a_joint_configuration_takes_no_change_but_the_one_that_leaves_it() {
    let mut group = Group::new(3);
    group.elect(1);
    group.node(1).propose_conf_change(&change(Transition::Explicit, &[(AddLearner, 3)])).unwrap();
    group.settle();
    for bad in [
        change(Transition::Auto, &[(Remove, 2)]),
        change(Transition::Implicit, &[(Remove, 2)]),
        change(Transition::Explicit, &[]),
    ] {
        let answer = group.node(1).propose_conf_change(&bad);
        assert_eq!(answer, refused(ConfChangeError::AlreadyJoint), "{bad:?}");
    }
    group.node(1).propose_conf_change(&ConfChangeV2::default()).unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].conf_state, ConfState::new([1, 2], [3]), "a demotion ends with leaving");
}

#[test]
fn nothing_of_a_forwarded_batch_is_taken_if_the_leader_refuses_a_change_in_it() {
    let mut group = Group::new(3);
    group.elect(1);
    let last = group.last(1);
    let entry = |change: ConfChangeV2| {
        let data = raftcore::wire::encode_conf_change(&change, raftcore::wire::Dialect::Etcd);
        raftcore::Entry::new(EntryId::default(), EntryKind::ConfChangeV2, data)
    };
    let good = change(Transition::Auto, &[(AddLearner, 4)]);
    let second = change(Transition::Auto, &[(AddLearner, 5)]);
    for (changes, reason) in [
        ([change(Transition::Auto, &[(Remove, 9)]), good.clone()], ConfChangeError::NoEffect),
        ([good.clone(), second], ConfChangeError::Pending),
    ] {
        let [first, second] = changes.map(entry);
        let entries = vec![raftcore::Entry::normal("x"), first, second];
        let body = raftcore::Body::Propose(raftcore::Propose { entries: entries.into() });
        let message = raftcore::Message { from: 2, to: 1, term: 0, body };
        assert_eq!(group.node(1).step(message), refused(reason));
        assert_eq!(group.last(1), last);
    }
    group.node(2).propose_conf_change(&good).unwrap();
    group.settle();
    assert_eq!(group.nodes[&3].conf_state, ConfState::new([1, 2, 3], [4]), "nothing is pending");
}

#[test]
fn changes_are_taken_as_they_are_without_validation_and_replaced_as_in_etcd_with_eager_append() {
    let bad = change(Transition::Auto, &[(Remove, 9)]);
    let mut group = Group::with(1, |config| config.validate_conf_changes = false);
    group.elect(1);
    group.node(1).propose_conf_change(&bad).unwrap();
    group.node(1).propose_conf_change(&bad).unwrap();
    let mut group = Group::with(1, |config| config.eager_append = true);
    group.elect(1);
    group.node(1).propose_conf_change(&bad).unwrap();
    group.node(1).propose_conf_change(&bad).unwrap();
    group.settle();
    let last = group.last(1).index;
    let entries = group.node(1).storage().entries(last - 1, last + 1, u64::MAX).unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.kind, entry.data.is_empty())).collect();
    assert_eq!(kinds, [(EntryKind::ConfChangeV2, false), (EntryKind::Normal, true)]);
}

#[test]
fn a_node_does_not_campaign_with_a_change_to_apply() {
    let mut group = Group::new(3);
    group.elect(1);
    group.node(1).propose_conf_change(&change(Transition::Auto, &[(AddLearner, 4)])).unwrap();
    // Node 2 knows that the change is committed and has not applied it.
    while group.commit(2) < 3 {
        for id in 1..=3 {
            group.handle_ready(id);
        }
        group.deliver_one();
    }
    assert_eq!(group.node(2).status().applied, 2);
    group.node(2).campaign().unwrap();
    assert_eq!(group.role(2), RoleKind::Follower);
    group.settle();
    group.elect(2);
    assert_eq!(group.last(2), EntryId::new(3, 4));
}

#[test]
fn a_malformed_change_is_refused() {
    let mut group = Group::new(1);
    group.elect(1);
    let entry = raftcore::Entry::new(EntryId::default(), EntryKind::ConfChangeV2, "\u{1}garbage".into());
    let propose = raftcore::Propose { entries: vec![entry].into() };
    let message = raftcore::Message { from: 9, to: 1, term: 0, body: raftcore::Body::Propose(propose) };
    let expected = Err(Error::ProposalDropped(DropReason::MalformedConfChange));
    assert_eq!(group.node(1).step(message), expected);
    assert_eq!(group.last(1).index, 2);
}
