//! What a node may start from, and what it refuses.

mod common;

use common::{config, stored};
use raftcore::{
    ConfState, Config, EntryId, Error, HardState, MemoryStorage, RawNode, RoleKind, Snapshot, Storage, Term,
};

fn snapshot(term: Term, index: u64) -> Snapshot {
    Snapshot { id: EntryId::new(term, index), conf_state: ConfState::new([1], []), data: "state".into() }
}

fn without_hard_state(mut storage: MemoryStorage) -> MemoryStorage {
    storage.set_hard_state(HardState::default());
    storage
}

#[test]
fn a_log_without_its_hard_state_is_refused() {
    let compacted = || {
        let mut storage = stored(3, 5, &[1, 1, 5]);
        storage.set_hard_state(HardState { term: 5, vote: 2, commit: 3 });
        storage.create_snapshot(3, ConfState::new([1, 2, 3], []), "state").unwrap();
        storage.compact(3).unwrap();
        storage
    };
    for (what, storage) in [
        ("entries of term 5", stored(3, 5, &[1, 1, 5])),
        ("entries of term 1", stored(3, 1, &[1])),
        ("compacted entries", compacted()),
        ("a snapshot of a later term", MemoryStorage::with_snapshot(snapshot(2, 1))),
    ] {
        assert!(RawNode::new(config(1), storage.clone()).is_ok(), "{what}");
        let refused = RawNode::new(config(1), without_hard_state(storage));
        assert!(matches!(refused, Err(Error::InconsistentStorage(_))), "{what}: {refused:?}");
    }
}

#[test]
fn a_saved_term_older_than_the_log_is_refused_whatever_else_is_saved() {
    for saved in [HardState { term: 4, vote: 1, commit: 3 }, HardState { term: 0, vote: 0, commit: 3 }] {
        let mut storage = stored(3, 5, &[1, 1, 5]);
        storage.set_hard_state(saved);
        assert!(matches!(RawNode::new(config(1), storage), Err(Error::InconsistentStorage(_))), "{saved:?}");
    }
}

#[test]
fn a_group_starts_from_a_snapshot_of_any_index_and_term() {
    let lone = |storage: MemoryStorage| {
        let mut node = RawNode::new(config(1), storage).unwrap();
        node.campaign().unwrap();
        while node.has_ready() {
            let ready = node.ready().unwrap();
            node.storage_mut().append(&ready.entries).unwrap();
            ready.hard_state.into_iter().for_each(|state| node.storage_mut().set_hard_state(state));
            node.advance(ready).unwrap();
        }
        (node.soft_state().role, node.hard_state().commit)
    };
    for (term, index) in [(1, 1), (1, 1000), (7, 1), (7, 1000)] {
        let storage = MemoryStorage::with_snapshot(snapshot(term, index));
        assert_eq!(lone(storage), (RoleKind::Leader, index + 1), "{term}/{index}");
    }
    for index in [1, 1000] {
        let storage = without_hard_state(MemoryStorage::with_snapshot(snapshot(1, index)));
        assert_eq!(lone(storage), (RoleKind::Leader, index + 1), "1/{index}, nobody has voted yet");
    }
}

/// As etcd starts a group: changes of term 1 from index 1 on, committed and applied.
#[test]
fn a_group_starts_from_a_log_that_was_never_compacted() {
    let mut storage = stored(3, 1, &[1, 1, 1]);
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    let node = RawNode::new(Config { applied: 3, ..config(1) }, storage.clone()).unwrap();
    assert_eq!((node.status().applied, node.status().conf_state.voters.len()), (3, 3));
    assert_eq!(storage.first_index(), Ok(1));
}
