//! A storage while it is tried: what rules do to it, and how they compare its answers.

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::{CheckedStorage, Reopen, Write};
use crate::entry::{Entries, Entry, EntryKind};
use crate::error::StorageError;
use crate::membership::ConfState;
use crate::message::Snapshot;
use crate::types::{EntryId, HardState, Index, NO_NODE, Term};

/// Why a rule ends early.
pub(super) enum Stop {
    NotChecked(&'static str),
    Broken { expected: String, got: String },
}

pub(super) type Checked<T = ()> = Result<T, Stop>;

pub(super) fn broken(expected: impl Display, got: impl Display) -> Stop {
    Stop::Broken { expected: expected.to_string(), got: got.to_string() }
}

/// What a log should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// The last compacted entry.
    pub(super) boundary: EntryId,
    pub(super) entries: Vec<Entry>,
}

impl Log {
    pub(super) fn last(&self) -> EntryId {
        self.entries.last().map_or(self.boundary, |entry| entry.id)
    }

    pub(super) fn store(&mut self, entries: &[Entry]) {
        if let Some(first) = entries.first() {
            self.entries.retain(|entry| entry.index() < first.index());
            self.entries.extend_from_slice(entries);
        }
    }

    pub(super) fn compact(&mut self, index: Index) {
        if let Some(last) = self.entries.iter().rfind(|entry| entry.index() <= index) {
            self.boundary = last.id;
            self.entries.retain(|entry| entry.index() > index);
        }
    }
}

/// The storage, and where its log begins.
pub(super) struct Subject<'a> {
    pub(super) storage: &'a mut dyn CheckedStorage,
    /// The last compacted entry of a fresh storage: 0, or 1 of term 1.
    pub(super) base: EntryId,
}

impl<'a> Subject<'a> {
    pub(super) fn fresh(storage: &'a mut dyn CheckedStorage) -> Checked<Self> {
        done("reset", storage.reset())?;
        let first = answer("first_index() of a fresh storage", storage.first_index())?;
        let base = match first {
            1 => EntryId::new(0, 0),
            2 => EntryId::new(1, 1),
            other => {
                let expected = "first_index() of a fresh storage = 1, or 2 for a first member's";
                return Err(broken(expected, format!("first_index() = {other}")));
            }
        };
        Ok(Self { storage, base })
    }

    pub(super) fn renew(&mut self) -> Checked {
        done("reset", self.storage.reset())
    }

    pub(super) fn empty_log(&self) -> Log {
        Log { boundary: self.base, entries: Vec::new() }
    }

    /// The `place`th entry that a fresh storage takes, counted from 1.
    pub(super) fn at(&self, place: u64) -> Index {
        self.base.index + place
    }

    /// Entries at places one after the other, of the given terms. Their payloads tell them apart.
    pub(super) fn entries(&self, place: u64, terms: &[Term]) -> Vec<Entry> {
        let id = |(at, term): (usize, &Term)| EntryId::new(*term, self.at(place) + at as u64);
        terms.iter().enumerate().map(id).map(entry).collect()
    }

    /// Stores entries of the given terms; the answer is what the log should be then.
    pub(super) fn filled(&mut self, terms: &[Term]) -> Checked<Log> {
        let mut log = self.empty_log();
        let entries = self.entries(1, terms);
        self.append(&mut log, entries)?;
        Ok(log)
    }

    /// Stores entries, as the storage should keep them in `log`.
    pub(super) fn append(&mut self, log: &mut Log, entries: Vec<Entry>) -> Checked {
        log.store(&entries);
        let term = entries.last().map_or(1, Entry::term);
        let hard_state = HardState { term, vote: NO_NODE, commit: log.boundary.index };
        self.persist(&Write { entries, hard_state: Some(hard_state), must_sync: true, snapshot: None })
    }

    /// Commits and compacts up to `index`.
    pub(super) fn compact(&mut self, log: &mut Log, index: Index) -> Checked {
        let hard_state = HardState { term: log.last().term, vote: NO_NODE, commit: index };
        self.persist(&Write { hard_state: Some(hard_state), must_sync: true, ..Write::default() })?;
        log.compact(index);
        done(format_args!("compact({index})"), self.storage.compact(index))
    }

    pub(super) fn install(&mut self, snapshot: &Snapshot) -> Checked {
        self.persist(&installation(snapshot))
    }

    pub(super) fn persist(&mut self, write: &Write) -> Checked {
        done(describe(write), self.storage.persist(write))
    }

    /// Opens the storage again, if there is a way.
    pub(super) fn reopen(&mut self, how: Reopen) -> Checked {
        match answer(format_args!("reopen({how:?})"), self.storage.reopen(how))? {
            true => Ok(()),
            false => Err(Stop::NotChecked("the storage offers no way to open it again")),
        }
    }

    // ---- Comparisons -----------------------------------------------------------------------------

    /// The log's bounds, its terms, and its entries in one piece.
    pub(super) fn holds(&self, when: &str, log: &Log) -> Checked {
        self.has_bounds(when, log)?;
        for entry in &log.entries {
            self.has_term(when, entry.index(), Ok(entry.term()))?;
        }
        let (first, end) = (log.boundary.index + 1, log.last().index + 1);
        if first < end { self.has_range(when, first..=end - 1, &log.entries) } else { Ok(()) }
    }

    pub(super) fn has_bounds(&self, when: &str, log: &Log) -> Checked {
        compare(when, "first_index()", Ok(log.boundary.index + 1), self.storage.first_index())?;
        compare(when, "last_index()", Ok(log.last().index), self.storage.last_index())
    }

    /// What a node would read when it starts: a host may have read it when it opened the storage.
    pub(super) fn has_state(
        &mut self,
        when: &str,
        what: &str,
        holds: &dyn Fn(HardState, ConfState) -> bool,
        expected: &dyn Debug,
    ) -> Checked {
        let (hard_state, members) = answer("initial_state()", self.storage.initial_state())?;
        if holds(hard_state, members) {
            return Ok(());
        }
        answer("reopen(Closed)", self.storage.reopen(Reopen::Closed))?;
        let (hard_state, members) = answer("initial_state()", self.storage.initial_state())?;
        if holds(hard_state, members.clone()) {
            return Ok(());
        }
        Err(broken(format_args!("{when}: {what} {expected:?}"), format_args!("{hard_state:?}, {members:?}")))
    }

    pub(super) fn has_hard_state(&mut self, when: &str, expected: HardState) -> Checked {
        self.has_state(when, "the hard state", &|got, _| got == expected, &expected)
    }

    pub(super) fn has_members(&mut self, when: &str, expected: &ConfState) -> Checked {
        self.has_state(when, "the membership", &|_, got| sorted(got) == *expected, expected)
    }

    pub(super) fn has_term(&self, when: &str, index: Index, expected: Result<Term, StorageError>) -> Checked {
        compare(when, format_args!("term({index})"), expected, self.storage.term(index))
    }

    /// Reads a range to its end; a storage may hand it out in pieces.
    pub(super) fn has_range(&self, when: &str, range: RangeInclusive<Index>, expected: &[Entry]) -> Checked {
        let (mut low, high) = (*range.start(), *range.end() + 1);
        let mut rest = expected;
        while low < high {
            let what = format!("entries({low}, {high}, no limit)");
            let got = self.storage.entries(low, high, u64::MAX);
            let found = got.as_ref().map_or(0, |found| found.len());
            let piece = rest.get(..found.clamp(1, rest.len())).unwrap_or(rest);
            compare_entries(when, &what, Ok(piece), got)?;
            rest = rest.get(piece.len()..).unwrap_or_default();
            low += found as u64;
        }
        Ok(())
    }

    pub(super) fn has_no_range(
        &self,
        when: &str,
        (low, high): (Index, Index),
        expected: StorageError,
    ) -> Checked {
        let what = format!("entries({low}, {high}, no limit)");
        compare_entries(when, &what, Err(expected), self.storage.entries(low, high, u64::MAX))
    }
}

pub(super) fn sorted(mut members: ConfState) -> ConfState {
    members.voters.sort_unstable();
    members
}

pub(super) fn entry(id: EntryId) -> Entry {
    Entry::new(id, EntryKind::Normal, Bytes::from(format!("{} in term {}", id.index, id.term)))
}

pub(super) fn snapshot(id: EntryId) -> Snapshot {
    Snapshot { id, conf_state: ConfState::new([1, 2, 3], [7]), data: Bytes::from_static(b"state") }
}

/// A snapshot with what a node stores beside it.
pub(super) fn installation(snapshot: &Snapshot) -> Write {
    let EntryId { term, index } = snapshot.id;
    Write {
        snapshot: Some(snapshot.clone()),
        hard_state: Some(HardState { term, vote: NO_NODE, commit: index }),
        must_sync: true,
        entries: Vec::new(),
    }
}

/// What a call that must not fail answers.
pub(super) fn answer<T>(what: impl Display, got: Result<T, StorageError>) -> Checked<T> {
    got.map_err(|error| broken(format_args!("{what}: an answer"), format_args!("{what}: {error}")))
}

pub(super) fn done(what: impl Display, got: Result<(), StorageError>) -> Checked {
    got.map_err(|error| broken(format_args!("{what}: done"), format_args!("{what}: {error}")))
}

pub(super) fn compare<T: Debug + PartialEq>(
    when: &str,
    what: impl Display,
    expected: Result<T, StorageError>,
    got: Result<T, StorageError>,
) -> Checked {
    if expected == got {
        return Ok(());
    }
    let shown = |value: T| format!("{value:?}");
    Err(differ(when, what, expected.map(shown), got.map(shown)))
}

fn differ(
    when: &str,
    what: impl Display,
    expected: Result<String, StorageError>,
    got: Result<String, StorageError>,
) -> Stop {
    let show = |answer: Result<String, StorageError>| match answer {
        Ok(value) => format!("{what} = {value}"),
        Err(error) => format!("{what}: {error}"),
    };
    broken(format_args!("{when}: {}", show(expected)), show(got))
}

pub(super) fn compare_entries(
    when: &str,
    what: &str,
    expected: Result<&[Entry], StorageError>,
    got: Result<Entries, StorageError>,
) -> Checked {
    match (&expected, &got) {
        (Ok(expected), Ok(got)) if *expected == &got[..] => return Ok(()),
        (Err(expected), Err(got)) if expected == got => return Ok(()),
        _ => {}
    }
    let both = (expected.as_ref().copied().unwrap_or_default(), got.as_deref().unwrap_or_default());
    let listed = |entries: &[Entry]| list(entries, Difference::between(both.0, both.1));
    Err(differ(when, what, expected.map(listed), got.as_deref().map(listed).map_err(Clone::clone)))
}

/// Where two lists of entries differ first.
#[derive(Clone, Copy)]
struct Difference {
    entry: usize,
    /// In its payload.
    byte: usize,
}

impl Difference {
    fn between(one: &[Entry], other: &[Entry]) -> Self {
        let entry = one.iter().zip(other).take_while(|(a, b)| a == b).count();
        let byte = match (one.get(entry), other.get(entry)) {
            (Some(a), Some(b)) => a.data.iter().zip(&b.data).take_while(|(a, b)| a == b).count(),
            _ => 0,
        };
        Self { entry, byte }
    }
}

/// Entries in words: how many, and a few from the first that differs on.
fn list(entries: &[Entry], difference: Difference) -> String {
    const ENTRIES: usize = 5;
    const BYTES: usize = 24;
    let shown = entries.iter().enumerate().skip(difference.entry).take(ENTRIES).map(|(place, entry)| {
        let before = match difference.byte.saturating_sub(BYTES / 2) {
            before if place == difference.entry => before,
            _ => 0,
        };
        let part = entry.data.get(before..entry.data.len().min(before + BYTES)).unwrap_or_default();
        let stated = if entry.kind_stated() { " stated" } else { "" };
        let from = if before > 0 { format!(" from {before} on") } else { String::new() };
        format!("{entry:?}{stated}{from} \"{}\"", part.escape_ascii())
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let before = if difference.entry > 0 { "..., " } else { "" };
    let after = if entries.len() > difference.entry + ENTRIES { ", ..." } else { "" };
    format!("{} entries [{before}{shown}{after}]", entries.len())
}

fn describe(write: &Write) -> String {
    let mut parts = Vec::new();
    if let Some(snapshot) = &write.snapshot {
        parts.push(format!("snapshot at {}", snapshot.id.index));
    }
    if let (Some(first), Some(last)) = (write.entries.first(), write.entries.last()) {
        parts.push(format!("entries {} to {}", first.index(), last.index()));
    }
    if write.hard_state.is_some() {
        parts.push("hard state".to_owned());
    }
    format!("persist({})", parts.join(", "))
}
