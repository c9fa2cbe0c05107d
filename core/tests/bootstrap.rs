//! What a group may start from: a snapshot at any index, a log from index 1 as etcd starts one.

mod common;

use common::{Group, config, is_snapshot};
use raftcore::{
    ConfChange, ConfChangeKind, ConfChangeOp, ConfState, Config, Entry, EntryId, EntryKind, Error, HardState,
    MemoryStorage, RawNode, Snapshot, Storage, wire,
};

#[test]
fn a_group_starts_from_a_snapshot_at_any_index() {
    for index in [1, 2, 1000, 1 << 40] {
        let snapshot = Snapshot {
            id: EntryId::new(5, index),
            conf_state: ConfState::new([1, 2, 3], []),
            data: "a\nb\n".into(),
        };
        let mut group = Group::empty();
        for id in [1, 2, 3] {
            // The state machine begins with the snapshot's data: entries up to it are not handed out.
            group.add(id, MemoryStorage::with_snapshot(snapshot.clone()), |config| config.applied = index);
        }
        group.elect(2);
        assert_eq!(group.term(2), 6);
        assert_eq!(group.propose(2, "c"), EntryId::new(6, index + 2));
        group.settle();
        group.add(4, MemoryStorage::new(), |_| {});
        group.change(2, ConfChangeKind::AddVoter, 4);
        group.tick_all(3);
        assert_eq!(group.last(4), group.last(2), "from {index}");
    }
}

/// As etcd's `StartNode` leaves it: an entry that adds each member, committed and applied.
fn bootstrapped(ids: &[u64]) -> MemoryStorage {
    let mut storage = MemoryStorage::new();
    let entry = |(index, id): (u64, &u64)| {
        let op = ConfChangeOp { kind: ConfChangeKind::AddVoter, node: *id };
        let change = ConfChange { id: 0, op, context: "address".into() };
        let data = wire::encode_conf_change_v1(&change, wire::Dialect::Etcd);
        Entry::new(EntryId::new(1, index), EntryKind::ConfChange, data)
    };
    storage.append((1..).zip(ids).map(entry).collect::<Vec<_>>()).unwrap();
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: ids.len() as u64 });
    storage.set_conf_state(ConfState::new(ids, []));
    storage
}

#[test]
fn a_group_starts_from_a_log_with_its_members_as_etcd_does_it() {
    let ids = [1, 2, 3];
    let mut group = Group::empty();
    for id in ids {
        group.add(id, bootstrapped(&ids), |config| config.applied = 3);
    }
    group.elect(1);
    assert_eq!(group.propose(1, "x"), EntryId::new(2, 5));
    group.settle();
    // Whoever joins with an empty storage gets all of the log, and learns the members from it.
    group.add(4, MemoryStorage::new(), |_| {});
    group.change(1, ConfChangeKind::AddVoter, 4);
    group.tick_all(3);
    assert_eq!(group.count(is_snapshot), 0);
    assert_eq!(group.payloads(4), ["x"]);
    assert_eq!(group.nodes[&4].conf_state, ConfState::new([1, 2, 3, 4], []));
    group.elect(4);
}

#[test]
fn a_log_without_a_snapshot_serves_joiners_until_it_is_compacted() {
    let ids = [1, 2, 3];
    let mut group = Group::empty();
    for id in ids {
        group.add(id, bootstrapped(&ids), |config| config.applied = 3);
    }
    group.elect(1);
    assert_eq!(group.node(1).storage().snapshot().unwrap().id.index, 0, "there is none");
    group.compact(1);
    group.add(4, MemoryStorage::new(), |_| {});
    group.change(1, ConfChangeKind::AddVoter, 4);
    group.tick_all(3);
    assert!(group.count(is_snapshot) > 0);
    assert_eq!(group.last(4), group.last(1));
}

#[test]
fn members_without_a_log_are_refused() {
    let mut storage = MemoryStorage::new();
    storage.set_conf_state(ConfState::new([1, 2, 3], []));
    let refused = RawNode::new(config(1), storage).unwrap_err();
    assert!(matches!(refused, Error::InconsistentStorage(_)), "{refused}");
}

#[test]
fn the_applied_index_is_one_that_the_log_covers() {
    let start = |applied| {
        let mut storage = bootstrapped(&[1, 2, 3]);
        storage.create_snapshot(2, ConfState::new([1, 2], []), "").unwrap();
        storage.compact(2).unwrap();
        RawNode::new(Config { applied, ..config(1) }, storage)
    };
    for applied in [1, 4] {
        assert!(matches!(start(applied), Err(Error::InconsistentStorage(_))), "{applied}");
    }
    for applied in [0, 2, 3] {
        assert!(start(applied).is_ok(), "{applied}");
    }
}
