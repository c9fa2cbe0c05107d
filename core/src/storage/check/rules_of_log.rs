//! Appending, replacing, reading and compacting.

use bytes::Bytes;

use super::subject::{Checked, Log, Subject, answer, broken, compare, compare_entries, entry};
use crate::entry::{Entry, EntryKind, encoded_len};
use crate::error::StorageError;
use crate::membership::ConfState;
use crate::types::{EntryId, HardState};

pub(super) fn fresh(subject: &mut Subject<'_>) -> Checked {
    let when = "in a fresh storage";
    let EntryId { term, index } = subject.base;
    subject.has_bounds(when, &subject.empty_log())?;
    subject.has_term(when, index, Ok(term))?;
    let (hard_state, members) = answer("initial_state()", subject.storage.initial_state())?;
    compare(when, "the hard state", Ok(HardState { term, vote: 0, commit: index }), Ok(hard_state))?;
    let empty = members == ConfState::default();
    compare(when, "whether the membership is empty", Ok(index == 0), Ok(empty))
}

pub(super) fn append(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2])?;
    subject.holds("after appending 3 entries", &log)
}

pub(super) fn append_in_parts(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1])?;
    for (place, terms) in [(2, vec![1, 2]), (4, vec![3])] {
        let entries = subject.entries(place, &terms);
        subject.append(&mut log, entries)?;
        subject.holds("after appending in parts", &log)?;
    }
    Ok(())
}

pub(super) fn entry_fields(subject: &mut Subject<'_>) -> Checked {
    let bytes: Vec<u8> = (0..=255).collect();
    let contents = [
        (EntryKind::Normal, Bytes::new()),
        (EntryKind::Normal, Bytes::from(bytes.clone())),
        (EntryKind::Normal, Bytes::from(bytes.repeat(512))),
        (EntryKind::ConfChange, Bytes::from_static(&[0, 1])),
        (EntryKind::ConfChangeV2, Bytes::new()),
        (EntryKind::ConfChangeV2, Bytes::from_static(b"\0")),
    ];
    let mut entries: Vec<Entry> = (subject.at(1)..)
        .zip(contents)
        .map(|(index, (kind, data))| Entry::new(EntryId::new(3, index), kind, data))
        .collect();
    entries.push(Entry::refused().at(EntryId::new(3, subject.at(7))));
    let mut log = subject.empty_log();
    subject.append(&mut log, entries)?;
    subject.holds("after appending entries of all kinds", &log)
}

/// Enough for keys that are not ordered as numbers, or keep one byte of them, to go wrong.
pub(super) fn many_entries(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1; 300])?;
    let when = "after appending 300 entries";
    subject.holds(when, &log)?;
    for (low, high) in [(8, 12), (98, 102), (254, 258)] {
        let part: Vec<_> =
            log.entries.iter().filter(|e| (low..=high).contains(&e.index())).cloned().collect();
        subject.has_range(when, low..=high, &part)?;
    }
    Ok(())
}

/// Entries 3 and 4 of 5 are replaced.
fn overwritten(subject: &mut Subject<'_>) -> Checked<Log> {
    let mut log = subject.filled(&[1, 1, 1, 1, 1])?;
    let entries = subject.entries(3, &[2, 2]);
    subject.append(&mut log, entries)?;
    Ok(log)
}

const OVERWRITTEN: &str = "after replacing the third and fourth of five entries";

pub(super) fn overwrite_content(subject: &mut Subject<'_>) -> Checked {
    let log = overwritten(subject)?;
    for entry in &log.entries {
        subject.has_term(OVERWRITTEN, entry.index(), Ok(entry.term()))?;
        let only = std::slice::from_ref(entry);
        subject.has_range(OVERWRITTEN, entry.index()..=entry.index(), only)?;
    }
    Ok(())
}

pub(super) fn overwrite_last_index(subject: &mut Subject<'_>) -> Checked {
    let log = overwritten(subject)?;
    subject.has_bounds(OVERWRITTEN, &log)
}

pub(super) fn overwrite_tail(subject: &mut Subject<'_>) -> Checked {
    let mut log = overwritten(subject)?;
    let gone = subject.at(5);
    subject.has_term(OVERWRITTEN, gone, Err(StorageError::Unavailable))?;
    subject.has_no_range(OVERWRITTEN, (gone, gone + 1), StorageError::Unavailable)?;
    subject.has_no_range(OVERWRITTEN, (gone - 1, gone + 1), StorageError::Unavailable)?;
    // Replacing once more, further ahead: nothing of the first log comes up again.
    let entries = subject.entries(2, &[3]);
    subject.append(&mut log, entries)?;
    let when = "after replacing the second entry then";
    subject.holds(when, &log)?;
    for place in 3..=5 {
        subject.has_term(when, subject.at(place), Err(StorageError::Unavailable))?;
    }
    let entries = subject.entries(3, &[3]);
    subject.append(&mut log, entries)?;
    subject.holds("after appending one more", &log)?;
    subject.has_term("after appending one more", subject.at(4), Err(StorageError::Unavailable))
}

pub(super) fn overwrite_all(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1, 1, 1])?;
    let entries = subject.entries(1, &[4, 4]);
    subject.append(&mut log, entries)?;
    subject.holds("after replacing all entries", &log)?;
    subject.has_term("after replacing all entries", subject.at(3), Err(StorageError::Unavailable))
}

pub(super) fn write_again(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1, 1, 2])?;
    let entries = log.entries.clone();
    subject.append(&mut log, entries)?;
    subject.holds("after appending the same 3 entries twice", &log)
}

pub(super) fn range(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2, 3, 3])?;
    for low in 0..log.entries.len() {
        for high in low..log.entries.len() {
            let part = log.entries.get(low..=high).unwrap_or_default();
            let (low, high) = (subject.at(low as u64 + 1), subject.at(high as u64 + 1));
            subject.has_range("with 5 entries", low..=high, part)?;
        }
    }
    Ok(())
}

pub(super) fn range_at_least_one(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2])?;
    let (low, end) = (subject.at(1), subject.at(4));
    let first = log.entries.get(..1).unwrap_or_default();
    for max_bytes in [0, 1, encoded_len(first) - 1, encoded_len(first)] {
        let got = subject.storage.entries(low, end, max_bytes);
        let what = format!("entries({low}, {end}, {max_bytes})");
        compare_entries("with 3 entries, the first larger than the limit or equal", &what, Ok(first), got)?;
    }
    Ok(())
}

pub(super) fn range_limit(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2, 3])?;
    let (low, end) = (subject.at(1), subject.at(5));
    let total = encoded_len(&log.entries);
    for max_bytes in 0..=total + 1 {
        let what = format!("entries({low}, {end}, {max_bytes})");
        let got = answer(&what, subject.storage.entries(low, end, max_bytes))?;
        let expected = log.entries.get(..got.len()).unwrap_or_default();
        compare_entries("with 4 entries", &what, Ok(expected), Ok(got.clone()))?;
        if got.len() > 1 && encoded_len(&got) > max_bytes {
            let size = encoded_len(&got);
            return Err(broken(
                format_args!("{what}: at most {max_bytes} bytes"),
                format_args!("{} entries of {size} bytes", got.len()),
            ));
        }
    }
    Ok(())
}

/// A node never asks for one. Whatever the storage answers, it is no entry.
pub(super) fn range_empty(subject: &mut Subject<'_>) -> Checked {
    let log = subject.filled(&[1, 1, 2])?;
    for index in subject.at(1)..=subject.at(4) {
        if let Ok(found) = subject.storage.entries(index, index, u64::MAX) {
            compare_entries("with 3 entries", &format!("entries({index}, {index})"), Ok(&[]), Ok(found))?;
        }
    }
    subject.holds("after reading empty ranges", &log)
}

pub(super) fn range_beyond_last(subject: &mut Subject<'_>) -> Checked {
    let first = subject.at(1);
    subject.has_no_range("in a fresh storage", (first, first + 1), StorageError::Unavailable)?;
    subject.filled(&[1, 1, 2])?;
    let last = subject.at(3);
    for (low, high) in
        [(last + 1, last + 2), (last, last + 2), (subject.at(1), last + 2), (last + 5, last + 9)]
    {
        subject.has_no_range("with 3 entries", (low, high), StorageError::Unavailable)?;
    }
    Ok(())
}

pub(super) fn term_beyond_last(subject: &mut Subject<'_>) -> Checked {
    subject.has_term("in a fresh storage", subject.at(1), Err(StorageError::Unavailable))?;
    subject.filled(&[1, 1, 2])?;
    let last = subject.at(3);
    for index in [last + 1, last + 2, 1 << 40] {
        subject.has_term("with 3 entries", index, Err(StorageError::Unavailable))?;
    }
    Ok(())
}

/// Five entries of terms 1, 2, 3, 4, 5, the first three compacted.
fn compacted(subject: &mut Subject<'_>) -> Checked<Log> {
    let mut log = subject.filled(&[1, 2, 3, 4, 5])?;
    let index = subject.at(3);
    subject.compact(&mut log, index)?;
    Ok(log)
}

const COMPACTED: &str = "after compacting three of five entries";

pub(super) fn compaction(subject: &mut Subject<'_>) -> Checked {
    let log = compacted(subject)?;
    subject.holds(COMPACTED, &log)
}

pub(super) fn compaction_boundary_term(subject: &mut Subject<'_>) -> Checked {
    let log = compacted(subject)?;
    subject.has_term(COMPACTED, log.boundary.index, Ok(log.boundary.term))
}

pub(super) fn term_compacted(subject: &mut Subject<'_>) -> Checked {
    let log = compacted(subject)?;
    for index in 1..log.boundary.index {
        subject.has_term(COMPACTED, index, Err(StorageError::Compacted))?;
    }
    Ok(())
}

pub(super) fn range_compacted(subject: &mut Subject<'_>) -> Checked {
    let log = compacted(subject)?;
    let (boundary, last) = (log.boundary.index, log.last().index);
    for (low, high) in [(boundary, boundary + 1), (boundary, last + 1), (1, boundary + 1), (1, 2)] {
        subject.has_no_range(COMPACTED, (low, high), StorageError::Compacted)?;
    }
    Ok(())
}

pub(super) fn compaction_of_all(subject: &mut Subject<'_>) -> Checked {
    let mut log = subject.filled(&[1, 2, 3])?;
    let last = subject.at(3);
    subject.compact(&mut log, last)?;
    let when = "after compacting all entries";
    subject.holds(when, &log)?;
    subject.has_term(when, last, Ok(3))?;
    subject.has_term(when, last + 1, Err(StorageError::Unavailable))?;
    subject.has_no_range(when, (last + 1, last + 2), StorageError::Unavailable)?;
    subject.append(&mut log, vec![entry(EntryId::new(4, last + 1))])?;
    subject.holds("after compacting all entries and appending one", &log)
}

pub(super) fn compaction_again(subject: &mut Subject<'_>) -> Checked {
    let log = compacted(subject)?;
    for index in [subject.at(3), subject.at(1)] {
        // An error is as good as doing nothing.
        let _ = subject.storage.compact(index);
        subject.holds("after compacting again up to what is compacted", &log)?;
        subject.has_term("after compacting again", log.boundary.index, Ok(log.boundary.term))?;
    }
    Ok(())
}

pub(super) fn overwrite_compacted(subject: &mut Subject<'_>) -> Checked {
    let mut log = compacted(subject)?;
    let entries = subject.entries(4, &[6]);
    subject.append(&mut log, entries)?;
    let when = "after replacing all that was not compacted";
    subject.holds(when, &log)?;
    subject.has_term(when, subject.at(5), Err(StorageError::Unavailable))?;
    subject.has_term(when, log.boundary.index, Ok(log.boundary.term))
}
