use super::*;
use crate::config::NO_LIMIT;
use crate::entry::EntryKind;
use crate::membership::ConfState;
use crate::message::Append;
use crate::storage::MemoryStorage;
use crate::types::HardState;

fn entry(term: Term, index: Index) -> Entry {
    Entry::new(EntryId::new(term, index), EntryKind::Normal, vec![b'x'; 10].into())
}

fn entries(ids: &[(Term, Index)]) -> Vec<Entry> {
    ids.iter().map(|(term, index)| entry(*term, *index)).collect()
}

/// Stored: 1/1 to 1/3; not stored: 2/4, 2/5.
fn log() -> RaftLog<MemoryStorage> {
    let mut storage = MemoryStorage::new();
    storage.append(entries(&[(1, 1), (1, 2), (1, 3)])).unwrap();
    let mut log = RaftLog::new(storage).unwrap();
    log.append(entries(&[(2, 4), (2, 5)]).into());
    log
}

/// How an Append fits `log`.
fn fit(log: &RaftLog<MemoryStorage>, prev: (Term, Index), ids: &[(Term, Index)]) -> Result<Fit, Error> {
    let prev = EntryId::new(prev.0, prev.1);
    let append = Append { prev, commit: 0, entries: entries(ids).into() };
    log.fit(LogSlice::new(&append, 9).unwrap())
}

#[test]
fn a_slice_reaches_over_the_end_of_what_is_stored() {
    let one = entry(1, 1).encoded_len();
    let mut log = log();
    for low in 1..=5u64 {
        for high in low + 1..=6 {
            for fit in 0..=5u64 {
                let found = log.slice(low, high, fit * one).unwrap().unwrap();
                let indexes: Vec<_> = found.iter().map(Entry::index).collect();
                let expected: Vec<_> = (low..high).take(fit.max(1) as usize).collect();
                assert_eq!(indexes, expected, "{low}..{high} with room for {fit}");
            }
        }
    }
}

#[test]
fn terms_come_from_wherever_the_entry_is() {
    let log = log();
    let terms: Vec<_> = (0..=6).map(|index| log.term(index).unwrap()).collect();
    assert_eq!(terms, [Some(0), Some(1), Some(1), Some(1), Some(2), Some(2), None]);
}

#[test]
fn what_is_stored_leaves_the_memory_as_far_as_the_cache_is_full() {
    for (cache, first) in [(0, 6), (NO_LIMIT, 4)] {
        let mut log = log();
        let to_store = log.entries_to_store();
        assert_eq!(to_store.len(), 2);
        log.handed_out();
        assert!(!log.has_entries_to_store());
        log.storage_mut().append(&to_store).unwrap();
        log.stored(EntryId::new(2, 5), cache);
        assert_eq!((log.stabled(), log.recent.first()), (5, first));
        assert_eq!(log.slice(1, 6, NO_LIMIT).unwrap().unwrap().len(), 5);
    }
}

#[test]
fn a_notice_for_replaced_entries_is_void() {
    let mut log = log();
    log.handed_out();
    log.append(entries(&[(3, 4), (3, 5)]).into());
    log.stored(EntryId::new(2, 5), 0);
    assert_eq!(log.stabled(), 3);
    assert!(log.has_entries_to_store(), "the new ones have not been handed out");
}

#[test]
fn an_overwritten_stored_part_is_not_stored_any_more() {
    let mut log = log();
    log.append(entries(&[(3, 2)]).into());
    assert_eq!((log.stabled(), log.handed(), log.last()), (1, 1, EntryId::new(3, 2)));
    assert_eq!(log.term(3).unwrap(), None);
    let found = log.slice(1, 3, NO_LIMIT).unwrap().unwrap();
    assert_eq!(found[..], entries(&[(1, 1), (3, 2)]), "not what the storage still has");
}

#[test]
fn where_a_slice_fits() {
    let mut log = log();
    log.commit_to(2);
    for (prev, ids, expected) in [
        ((1, 1), vec![], Fit::BelowCommitted),
        ((1, 2), vec![], Fit::Known),
        ((1, 3), vec![(2, 4), (2, 5)], Fit::Known),
        ((1, 3), vec![(2, 4), (2, 5), (2, 6)], Fit::New { from: 2 }),
        ((1, 3), vec![(2, 4), (3, 5)], Fit::New { from: 1 }),
        ((2, 5), vec![(2, 6)], Fit::New { from: 0 }),
        ((2, 6), vec![], Fit::Mismatch { hint: EntryId::new(2, 5) }),
        ((1, 4), vec![], Fit::Mismatch { hint: EntryId::new(1, 3) }),
        ((3, 5), vec![], Fit::Mismatch { hint: EntryId::new(2, 5) }),
    ] {
        assert_eq!(fit(&log, prev, &ids).unwrap(), expected, "{prev:?} {ids:?}");
    }
    log.commit_to(4);
    let contradiction = fit(&log, (2, 4), &[(2, 5)]);
    assert_eq!(contradiction, Ok(Fit::Known));
    let conflict = Err(Error::CommittedConflict { index: 4, committed: 4 });
    assert_eq!(fit(&log, (1, 4), &[]), conflict, "also where it had to be read");
}

#[test]
fn slices_that_no_leader_sends_are_refused() {
    for (prev, ids) in [
        ((1, 3), vec![(1, 5)]),
        ((1, 3), vec![(1, 4), (1, 4)]),
        ((2, 3), vec![(1, 4)]),
        ((1, 3), vec![(3, 4), (2, 5)]),
        ((1, 3), vec![(99, 4)]),
        ((0, 0), vec![(0, 1)]),
        ((1, Index::MAX), vec![]),
    ] {
        let prev = EntryId::new(prev.0, prev.1);
        let append = Append { prev, commit: 0, entries: entries(&ids).into() };
        assert!(matches!(LogSlice::new(&append, 9), Err(Error::InvalidMessage(_))), "{prev:?} {ids:?}");
    }
}

#[test]
fn hints_skip_what_cannot_match() {
    let log = log();
    for (their, hint) in [((9, 9), (2, 5)), ((2, 4), (2, 4)), ((1, 5), (1, 3)), ((0, 5), (0, 0))] {
        let found = log.conflict_hint(EntryId::new(their.0, their.1)).unwrap();
        assert_eq!(found, EntryId::new(hint.0, hint.1), "{their:?}");
    }
}

#[test]
fn a_commit_never_goes_back() {
    let mut log = log();
    log.commit_to(4);
    log.commit_to(2);
    assert_eq!(log.committed(), 4);
}

#[test]
fn entries_to_apply_wait_for_storage_only_if_they_must() {
    let mut log = log();
    log.commit_to(5);
    assert_eq!(log.entries_to_apply(false, NO_LIMIT).unwrap().unwrap().len(), 3);
    assert_eq!(log.entries_to_apply(true, NO_LIMIT).unwrap().unwrap().len(), 5);
}

#[test]
fn a_storage_that_answers_something_else_is_found_out() {
    struct Liar(MemoryStorage);
    impl Storage for Liar {
        fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
            self.0.initial_state()
        }
        fn entries(&self, low: Index, high: Index, _: u64) -> Result<Entries, StorageError> {
            Ok((low + 1..high + 1).map(|index| entry(1, index)).collect())
        }
        fn term(&self, index: Index) -> Result<Term, StorageError> {
            self.0.term(index)
        }
        fn first_index(&self) -> Result<Index, StorageError> {
            self.0.first_index()
        }
        fn last_index(&self) -> Result<Index, StorageError> {
            self.0.last_index()
        }
        fn snapshot(&self) -> Result<Snapshot, StorageError> {
            self.0.snapshot()
        }
    }
    let mut storage = MemoryStorage::new();
    storage.append(entries(&[(1, 1), (1, 2), (1, 3)])).unwrap();
    let mut log = RaftLog::new(Liar(storage)).unwrap();
    assert!(matches!(log.slice(1, 3, NO_LIMIT), Err(StorageError::Contract(_))));
}

#[test]
fn pointers_that_do_not_fit_the_log_are_refused_at_the_start() {
    for (committed, applied, good) in
        [(0, 0, true), (3, 2, true), (5, 5, true), (3, 4, true), (6, 0, false), (0, 6, false)]
    {
        let mut log = log();
        assert_eq!(log.restart_at(committed, applied).is_ok(), good, "{committed} {applied}");
        if good {
            assert_eq!(log.committed(), committed.max(applied), "what is applied was committed");
        }
    }
}
