use super::*;
use crate::entry::Entry;
use crate::entry::EntryKind;

fn entries(ids: &[(Term, Index)]) -> Vec<Entry> {
    let entry = |(term, index): &(Term, Index)| {
        Entry::new(EntryId::new(*term, *index), EntryKind::Normal, Bytes::from_static(b"12345"))
    };
    ids.iter().map(entry).collect()
}

/// Compacted up to 3/3, then 4/4 and 5/5.
fn storage() -> MemoryStorage {
    let conf_state = ConfState::new([1, 2], []);
    let id = EntryId::new(3, 3);
    let mut storage = MemoryStorage::with_snapshot(Snapshot { id, conf_state, data: Bytes::new() });
    storage.append(entries(&[(4, 4), (5, 5)])).unwrap();
    storage
}

#[test]
fn a_group_starts_from_a_snapshot_at_index_1() {
    let storage = MemoryStorage::with_conf_state(ConfState::new([1, 2], []));
    assert_eq!((storage.first_index(), storage.last_index(), storage.term(1)), (Ok(2), Ok(1), Ok(1)));
    let (hard_state, conf_state) = storage.initial_state().unwrap();
    assert_eq!(hard_state, HardState { term: 1, vote: 0, commit: 1 });
    assert_eq!(conf_state, storage.snapshot().unwrap().conf_state);
}

#[test]
fn an_empty_storage_has_nothing() {
    let storage = MemoryStorage::new();
    assert_eq!((storage.first_index(), storage.last_index(), storage.term(0)), (Ok(1), Ok(0), Ok(0)));
    assert_eq!(storage.term(1), Err(StorageError::Unavailable));
}

#[test]
fn terms_are_known_from_the_last_compacted_entry_on() {
    let storage = storage();
    let terms: Vec<_> = (2..=6).map(|index| storage.term(index)).collect();
    assert_eq!(terms, [Err(StorageError::Compacted), Ok(3), Ok(4), Ok(5), Err(StorageError::Unavailable)]);
}

#[test]
fn ranges_are_checked_and_limited() {
    let storage = storage();
    assert_eq!(storage.entries(3, 5, u64::MAX), Err(StorageError::Compacted));
    assert_eq!(storage.entries(4, 7, u64::MAX), Err(StorageError::Unavailable));
    assert_eq!(storage.entries(5, 5, u64::MAX), Err(StorageError::Unavailable));
    assert_eq!(storage.entries(4, 6, u64::MAX).unwrap()[..], entries(&[(4, 4), (5, 5)]));
    assert_eq!(storage.entries(4, 6, 0).unwrap()[..], entries(&[(4, 4)]), "at least one");
    let one = entries(&[(4, 4)])[0].encoded_len();
    assert_eq!(storage.entries(4, 6, 2 * one - 1).unwrap().len(), 1);
    assert_eq!(storage.entries(4, 6, 2 * one).unwrap().len(), 2);
}

#[test]
fn appending_replaces_the_tail() {
    for (appended, result) in [
        (vec![(6, 6)], Ok(vec![(4, 4), (5, 5), (6, 6)])),
        (vec![(6, 5)], Ok(vec![(4, 4), (6, 5)])),
        (vec![(6, 4)], Ok(vec![(6, 4)])),
        (vec![(2, 2), (3, 3), (4, 4)], Ok(vec![(4, 4)])),
        (vec![(2, 2), (3, 3)], Ok(vec![(4, 4), (5, 5)])),
        (vec![(7, 7)], Err(StorageError::Unavailable)),
    ] {
        let mut storage = storage();
        let found = storage.append(entries(&appended)).map(|()| {
            let last = storage.last_index().unwrap();
            storage.entries(4, last + 1, u64::MAX).unwrap()
        });
        assert_eq!(found, result.map(|ids| entries(&ids).into()), "{appended:?}");
    }
}

#[test]
fn compaction_keeps_the_term_of_the_last_entry_that_went() {
    let mut storage = storage();
    storage.compact(4).unwrap();
    assert_eq!((storage.first_index(), storage.term(4)), (Ok(5), Ok(4)));
    assert_eq!(storage.compact(4), Err(StorageError::Compacted));
    assert_eq!(storage.compact(6), Err(StorageError::Unavailable));
    storage.compact(5).unwrap();
    assert_eq!((storage.first_index(), storage.last_index()), (Ok(6), Ok(5)));
}

#[test]
fn a_received_snapshot_replaces_the_log() {
    let mut storage = storage();
    let conf_state = ConfState::new([1, 2, 3], []);
    let snapshot = Snapshot { id: EntryId::new(6, 9), conf_state: conf_state.clone(), data: Bytes::new() };
    storage.apply_snapshot(snapshot.clone()).unwrap();
    assert_eq!((storage.first_index(), storage.last_index(), storage.term(9)), (Ok(10), Ok(9), Ok(6)));
    assert_eq!(storage.initial_state().unwrap().1, conf_state);
    assert_eq!(storage.apply_snapshot(snapshot), Err(StorageError::SnapshotOutOfDate));
}

#[test]
fn a_snapshot_is_made_of_a_stored_entry() {
    let mut storage = storage();
    let conf_state = ConfState::new([1], []);
    let made = storage.create_snapshot(4, conf_state.clone(), "state").unwrap().clone();
    assert_eq!(made, Snapshot { id: EntryId::new(4, 4), conf_state, data: "state".into() });
    assert_eq!(storage.snapshot().unwrap(), made);
    assert!(storage.create_snapshot(4, ConfState::default(), "").is_err());
    assert!(storage.create_snapshot(6, ConfState::default(), "").is_err());
}
