//! Drills of docs/operations.md: a quorum is lost, and one survivor goes on.

mod common;

use common::{Group, is_snapshot};
use raftcore::recovery::{LogPosition, Plan, Request, TERM_STEP, log_position, plan};
use raftcore::storage::check::CheckedStorage;
use raftcore::{
    Append, Body, ConfChangeError, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Entry, EntryId,
    EntryKind, Error, HardState, Heartbeat, Index, MemoryStorage, Message, NodeId, RecoveryError, RoleKind,
    Storage, StorageError, Transition, wire,
};

fn alone(node: NodeId) -> ConfState {
    ConfState::new([node], [])
}

/// The request to go on with `members`, by the survivors of `group` alone: the others are lost.
fn request(group: &Group, node: NodeId, members: ConfState, survivors: &[NodeId]) -> Request {
    let position = |id: &NodeId| log_position(*id, group.nodes[id].raw.storage()).unwrap();
    Request {
        node,
        applied: group.nodes[&node].raw.status().applied,
        members,
        survivors: survivors.iter().map(position).collect(),
        ..Request::default()
    }
}

fn refusal(group: &Group, request: &Request) -> RecoveryError {
    match plan(group.nodes[&request.node].raw.storage(), request) {
        Err(Error::Recovery(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Carries a plan out: only the survivor is left, started again from its storage.
fn recover(group: &mut Group, request: &Request) -> Plan {
    let storage = group.nodes[&request.node].raw.storage().clone();
    let plan = plan(&storage, request).unwrap();
    start(group, request, storage, &plan);
    plan
}

fn start(group: &mut Group, request: &Request, mut storage: MemoryStorage, plan: &Plan) {
    CheckedStorage::persist(&mut storage, &plan.write).unwrap();
    let applied = group.nodes.remove(&request.node).unwrap().applied;
    *group = Group::empty();
    group.add(request.node, storage, |config| config.applied = request.applied);
    // The state machine survived, too.
    group.nodes.get_mut(&request.node).unwrap().applied = applied;
}

/// The recovered node applies what its log has, the new membership last, and needs nobody's vote then.
fn lead_again(group: &mut Group, node: NodeId) {
    group.settle();
    group.elect(node);
}

/// Three nodes with a committed entry; one that only node 1 has, behind it.
fn with_a_tail() -> Group {
    let mut group = Group::new(3);
    group.elect(1);
    group.propose(1, "committed");
    group.settle();
    group.tick_all(1);
    group.isolate(1);
    group.propose(1, "tail");
    group.settle();
    group
}

#[test]
fn a_survivor_goes_on_alone_with_all_that_its_log_has() {
    let mut group = with_a_tail();
    let request = request(&group, 1, alone(1), &[]);
    let plan = recover(&mut group, &request);
    assert_eq!((plan.committed, plan.last), (3, EntryId::new(2, 4)));
    assert_eq!(plan.before, ConfState::new([1, 2, 3], []));
    assert!(plan.may_miss_committed, "nodes 2 and 3 are a majority of three");
    lead_again(&mut group, 1);
    assert_eq!(group.nodes[&1].conf_state, alone(1));
    group.propose(1, "after");
    group.settle();
    assert_eq!(group.payloads(1), ["committed", "tail", "after"]);
}

#[test]
fn others_join_the_survivor_from_a_snapshot_under_new_ids() {
    let mut group = with_a_tail();
    let request = request(&group, 1, alone(1), &[]);
    recover(&mut group, &request);
    lead_again(&mut group, 1);
    for id in [4, 5] {
        group.add(id, MemoryStorage::new(), |_| {});
        group.change(1, ConfChangeKind::AddLearner, id);
        group.tick_all(3);
        group.change(1, ConfChangeKind::AddVoter, id);
        group.tick_all(3);
    }
    group.propose(1, "after");
    group.tick_all(3);
    for id in [4, 5] {
        assert_eq!(group.payloads(id), ["committed", "tail", "after"], "node {id}");
        assert_eq!(group.nodes[&id].conf_state, ConfState::new([1, 4, 5], []));
    }
    assert!(group.count(is_snapshot) >= 2);
    group.isolate(1);
    group.elect(4);
}

#[test]
fn a_second_recovery_is_refused_before_and_after_the_node_has_run() {
    let mut group = with_a_tail();
    let request = request(&group, 1, alone(1), &[]);
    recover(&mut group, &request);
    assert_eq!(refusal(&group, &request), RecoveryError::NothingToChange);
    lead_again(&mut group, 1);
    let again = Request { applied: group.nodes[&1].raw.status().applied, ..request };
    assert_eq!(refusal(&group, &again), RecoveryError::NothingToChange);
}

#[test]
fn a_survivor_with_a_worse_log_is_refused() {
    let group = with_a_tail();
    let worse = request(&group, 2, alone(2), &[1]);
    assert_eq!(refusal(&group, &worse), RecoveryError::BetterSurvivor(1));
    let best = request(&group, 1, alone(1), &[2]);
    assert!(plan(group.nodes[&1].raw.storage(), &best).is_ok());
    // A later term counts for more than a longer log, and so does what is known to be committed.
    let better = LogPosition { node: 3, term: 3, last: EntryId::new(3, 2), commit: 0 };
    let request = Request { survivors: vec![better], ..best };
    assert_eq!(refusal(&group, &request), RecoveryError::BetterSurvivor(3));
    let better = LogPosition { node: 3, term: 2, last: EntryId::new(2, 4), commit: 5 };
    assert_eq!(
        refusal(&group, &Request { survivors: vec![better], ..request }),
        RecoveryError::BetterSurvivor(3)
    );
}

#[test]
fn a_lost_leader_that_comes_back_is_of_an_older_term() {
    let mut group = with_a_tail();
    let request = Request {
        survivors: vec![LogPosition { node: 2, term: 7, ..LogPosition::default() }],
        ..request(&group, 1, alone(1), &[])
    };
    let plan = recover(&mut group, &request);
    assert_eq!(plan.write.hard_state, Some(HardState { term: 7 + TERM_STEP, vote: 1, commit: 6 }));
    lead_again(&mut group, 1);
    let before = group.node(1).status();
    let prev = EntryId::new(2, 4);
    for body in [
        Body::Heartbeat(Heartbeat { commit: 4, context: "".into() }),
        Body::Append(Append { prev, commit: 5, entries: vec![entry(1000, 5)].into() }),
    ] {
        group.node(1).step(Message { from: 2, to: 1, term: 1000, body }).unwrap();
    }
    assert_eq!(group.node(1).status(), before);
}

fn entry(term: u64, index: Index) -> Entry {
    Entry::new(EntryId::new(term, index), EntryKind::Normal, "x".into())
}

fn ops(ops: &[(ConfChangeKind, NodeId)], transition: Transition) -> ConfChangeV2 {
    let ops = ops.iter().map(|(kind, node)| ConfChangeOp { kind: *kind, node: *node }).collect();
    ConfChangeV2 { transition, ops, ..ConfChangeV2::default() }
}

#[test]
fn a_joint_configuration_that_is_half_way_through_is_left() {
    let mut group = Group::new(3);
    group.elect(1);
    let swap = [(ConfChangeKind::AddVoter, 4), (ConfChangeKind::AddLearner, 1), (ConfChangeKind::Remove, 2)];
    group.node(1).propose_conf_change(&ops(&swap, Transition::Explicit)).unwrap();
    group.settle();
    let joint = group.nodes[&1].conf_state.clone();
    assert_eq!((&joint.voters_outgoing[..], &joint.learners_next[..]), (&[1, 2, 3][..], &[1][..]));
    let request = request(&group, 1, alone(1), &[]);
    let plan = recover(&mut group, &request);
    assert_eq!((plan.before, plan.write.entries.len()), (joint, 3));
    lead_again(&mut group, 1);
    assert_eq!(group.nodes[&1].conf_state, alone(1));
}

#[test]
fn a_joint_configuration_that_is_only_in_the_tail_is_entered_and_left() {
    for (transition, joint_entries) in [(Transition::Explicit, 3), (Transition::Implicit, 3)] {
        let mut group = with_a_tail();
        let swap = [(ConfChangeKind::AddVoter, 4), (ConfChangeKind::Remove, 2), (ConfChangeKind::Remove, 1)];
        group.node(1).propose_conf_change(&ops(&swap, transition)).unwrap();
        group.settle();
        let request = request(&group, 1, alone(1), &[]);
        let plan = recover(&mut group, &request);
        assert_eq!((plan.changes, plan.write.entries.len()), (1, joint_entries));
        assert_eq!(plan.before.voters_outgoing, [1, 2, 3]);
        lead_again(&mut group, 1);
        assert_eq!(group.nodes[&1].conf_state, alone(1));
        group.propose(1, "after");
        group.settle();
        assert_eq!(group.payloads(1), ["committed", "tail", "after"]);
    }
}

#[test]
fn changes_in_the_tail_take_effect_before_the_new_membership() {
    let mut group = with_a_tail();
    group.node(1).propose_conf_change(&ops(&[(ConfChangeKind::AddVoter, 9)], Transition::Auto)).unwrap();
    group.settle();
    let request = request(&group, 1, alone(1), &[]);
    let plan = recover(&mut group, &request);
    assert_eq!((plan.before, plan.changes), (ConfState::new([1, 2, 3, 9], []), 1));
    lead_again(&mut group, 1);
    assert_eq!(group.nodes[&1].conf_state, alone(1), "and node 9 is gone again");
}

#[test]
fn the_new_membership_does_not_depend_on_changes_that_the_host_withdraws() {
    let mut group = with_a_tail();
    group.node(1).propose_conf_change(&ops(&[(ConfChangeKind::Remove, 3)], Transition::Auto)).unwrap();
    group.settle();
    let request = request(&group, 1, alone(1), &[]);
    recover(&mut group, &request);
    // Not as a host does it: the removal is passed over.
    let ready = group.node(1).ready().unwrap();
    let changes: Vec<_> =
        ready.committed_entries.iter().filter(|entry| entry.is_conf_change()).cloned().collect();
    assert_eq!(changes.len(), 3);
    for entry in &changes[1..] {
        let change = wire::decode_conf_change(entry, wire::Dialect::Etcd).unwrap();
        group.node(1).apply_conf_change(&change).unwrap();
    }
    assert_eq!(group.node(1).status().conf_state, alone(1));
}

#[test]
fn a_learner_may_be_the_one_that_survives() {
    let mut group = Group::new(2);
    group.elect(1);
    group.add(3, MemoryStorage::new(), |_| {});
    group.change(1, ConfChangeKind::AddLearner, 3);
    group.propose(1, "x");
    group.tick_all(3);
    let request = request(&group, 3, alone(3), &[]);
    recover(&mut group, &request);
    lead_again(&mut group, 3);
    assert_eq!(group.payloads(3), ["x"]);
}

#[test]
fn survivors_that_are_listed_go_on_with_their_logs() {
    let mut group = Group::new(5);
    group.elect(1);
    group.propose(1, "x");
    group.settle();
    group.tick_all(1);
    for id in [3, 4, 5] {
        group.isolate(id);
    }
    group.propose(1, "tail");
    group.settle();
    let members = ConfState::new([1, 2], []);
    let request = request(&group, 1, members.clone(), &[2]);
    let (other, applied) = (group.nodes[&2].raw.storage().clone(), group.nodes[&2].applied.clone());
    let other_applied = group.nodes[&2].raw.status().applied;
    recover(&mut group, &request);
    group.add(2, other, |config| config.applied = other_applied);
    group.nodes.get_mut(&2).unwrap().applied = applied;
    group.tick_all(3);
    group.elect_with_ticks(1);
    group.propose(1, "after");
    group.tick_all(3);
    for id in [1, 2] {
        assert_eq!(group.payloads(id), ["x", "tail", "after"], "node {id}");
        assert_eq!(group.nodes[&id].conf_state, members);
    }
    group.node(2).campaign().unwrap();
    group.settle();
    assert_eq!(group.role(2), RoleKind::Leader);
}

#[test]
fn what_may_be_missing_is_said_by_the_members_that_are_lost() {
    for (voters, survivors, may_miss) in
        [(3, &[][..], true), (3, &[2], false), (4, &[2], false), (5, &[2], true), (5, &[2, 3], false)]
    {
        let mut group = Group::new(voters);
        group.elect(1);
        group.tick_all(1);
        let request = request(&group, 1, alone(1), survivors);
        let plan = plan(group.nodes[&1].raw.storage(), &request).unwrap();
        assert_eq!(plan.may_miss_committed, may_miss, "{voters} voters, 1 and {survivors:?} survive");
    }
}

#[test]
fn memberships_that_nobody_can_go_on_with_are_refused() {
    let group = with_a_tail();
    let with = |members| request(&group, 1, members, &[]);
    assert_eq!(refusal(&group, &with(ConfState::new([4], [1]))), RecoveryError::NotVoter(1));
    assert_eq!(refusal(&group, &with(ConfState::new([1, 2, 3], []))), RecoveryError::LostMember(2));
    assert_eq!(refusal(&group, &with(ConfState::new([1, 4], [3]))), RecoveryError::LostMember(3));
    let same = request(&group, 1, ConfState::new([1, 2, 3], []), &[2, 3]);
    assert_eq!(refusal(&group, &same), RecoveryError::NothingToChange);
    let joint = ConfState { voters_outgoing: vec![1, 2], ..alone(1) };
    assert_eq!(refusal(&group, &with(joint)), RecoveryError::JointMembership);
    let twice = ConfState::new([1], [1]);
    let contradiction = plan(group.nodes[&1].raw.storage(), &with(twice)).unwrap_err();
    assert!(matches!(contradiction, Error::ConfChange(ConfChangeError::InvalidState(_))), "{contradiction}");
}

#[test]
fn a_storage_that_is_not_a_members_is_refused() {
    let mut group = with_a_tail();
    group.add(9, MemoryStorage::new(), |_| {});
    assert_eq!(refusal(&group, &request(&group, 9, alone(9), &[])), RecoveryError::NotMember(9));
    let mistaken = Request { node: 9, ..request(&group, 1, alone(9), &[]) };
    let storage = group.nodes[&1].raw.storage();
    assert_eq!(plan(storage, &mistaken), Err(Error::Recovery(RecoveryError::NotMember(9))));
}

#[test]
fn a_removed_node_is_not_a_survivor() {
    let mut group = Group::new(3);
    group.elect(1);
    group.change(1, ConfChangeKind::Remove, 3);
    group.tick_all(2);
    assert_eq!(group.nodes[&3].conf_state, ConfState::new([1, 2], []));
    assert_eq!(refusal(&group, &request(&group, 3, alone(3), &[])), RecoveryError::NotMember(3));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let group = with_a_tail();
    let good = group.nodes[&1].raw.storage().clone();
    let request = request(&group, 1, alone(1), &[]);
    let inconsistent = |storage: &MemoryStorage, request: &Request| {
        let error = plan(storage, request).unwrap_err();
        assert!(matches!(error, Error::InconsistentStorage(_)), "{error}");
    };
    let mut beyond = good.clone();
    beyond.set_hard_state(HardState { term: 2, vote: 1, commit: 9 });
    inconsistent(&beyond, &request);
    inconsistent(&good, &Request { applied: 5, ..request.clone() });
    let mut compacted = good.clone();
    compacted.create_snapshot(3, ConfState::new([1, 2, 3], []), "state").unwrap();
    compacted.compact(3).unwrap();
    inconsistent(&compacted, &Request { applied: 2, ..request.clone() });
    assert!(plan(&compacted, &Request { applied: 0, ..request.clone() }).is_ok());

    struct WithoutEntries(MemoryStorage);
    impl Storage for WithoutEntries {
        fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
            self.0.initial_state()
        }
        fn entries(&self, _: Index, _: Index, _: u64) -> Result<raftcore::Entries, StorageError> {
            Ok(vec![entry(2, 9)].into())
        }
        fn term(&self, index: Index) -> Result<u64, StorageError> {
            self.0.term(index)
        }
        fn first_index(&self) -> Result<Index, StorageError> {
            self.0.first_index()
        }
        fn last_index(&self) -> Result<Index, StorageError> {
            self.0.last_index()
        }
        fn snapshot(&self) -> Result<raftcore::Snapshot, StorageError> {
            self.0.snapshot()
        }
    }
    let error = plan(&WithoutEntries(good), &request).unwrap_err();
    assert!(matches!(error, Error::Storage(StorageError::Contract(_))), "{error}");
}

#[test]
fn a_lost_hard_state_does_not_stop_a_recovery() {
    let mut group = with_a_tail();
    let request = request(&group, 1, alone(1), &[]);
    let mut storage = group.nodes[&1].raw.storage().clone();
    storage.set_hard_state(HardState::default());
    let plan = plan(&storage, &request).unwrap();
    assert_eq!(plan.write.hard_state, Some(HardState { term: 2 + TERM_STEP, vote: 1, commit: 6 }));
    start(&mut group, &request, storage, &plan);
    lead_again(&mut group, 1);
}

#[test]
fn terms_that_nothing_can_follow_are_refused() {
    let group = with_a_tail();
    let far = LogPosition { node: 2, term: u64::MAX - (1 << 32), ..LogPosition::default() };
    let request = Request { survivors: vec![far], ..request(&group, 1, alone(1), &[]) };
    assert_eq!(refusal(&group, &request), RecoveryError::TermTooHigh(far.term));
}
