//! The storage suite itself: storages that keep the contract pass, and each of many broken ones fails
//! by the rule that it breaks.

use std::collections::BTreeMap;

use raftcore::storage::check::{self, CheckedStorage, Outcome, Reopen, Write};
use raftcore::{
    ConfState, Entries, Entry, EntryId, EntryKind, HardState, Index, MemoryStorage, Snapshot, Storage,
    StorageError, Term,
};

/// What can be wrong with a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    FreshHasATerm,
    SkipsFirstOfRange,
    DropsPayload,
    DropsKind,
    DropsStatedKind,
    RangeOneTooMany,
    IgnoresLimit,
    LimitOneTooMany,
    EmptyIfTooLarge,
    EmptyRangeHasOne,
    BeyondIsCutOff,
    TermBeyondIsZero,
    KeysAsText,
    KeepsOldContent,
    LastIsStale,
    KeepsTail,
    RefusesFirstIndex,
    RefusesAgain,
    CompactsOneTooMany,
    BoundaryTermLost,
    BoundaryTermOfNext,
    CompactedIsUnavailable,
    CompactedIsCutOff,
    ForgetsEndWhenAllCompacted,
    CompactsBackwards,
    ConflictForgetsBoundary,
    GapAfterSnapshot,
    SnapshotTermLost,
    SnapshotKeepsTail,
    SnapshotDropsItsEntries,
    SnapshotWithoutMembers,
    OlderSnapshotAccepted,
    SendsStaleSnapshot,
    Terms32,
    HardStateNotStored,
    KeepsVote,
    ReopenLosesLastEntry,
    ReopenForgetsHardState,
    ReopenBringsTailBack,
    ReopenForgetsBoundaryTerm,
    ReopenForgetsMembers,
    SyncsNothing,
    SyncsEntriesOnly,
    CrashTearsHardState,
    WriteErrorSwallowed,
    ReadErrorIsUnavailable,
    FailedWriteIsHalfDone,
    FailedWriteIsHalfDurable,
}

/// The first rule that each of them breaks.
const BROKEN: &[(Flaw, &str)] = &[
    (Flaw::FreshHasATerm, "fresh"),
    (Flaw::SkipsFirstOfRange, "append"),
    (Flaw::DropsPayload, "append"),
    (Flaw::DropsKind, "entry_fields"),
    (Flaw::DropsStatedKind, "entry_fields"),
    (Flaw::RangeOneTooMany, "range"),
    (Flaw::IgnoresLimit, "range_limit"),
    (Flaw::LimitOneTooMany, "range_limit"),
    (Flaw::EmptyIfTooLarge, "range_at_least_one"),
    (Flaw::EmptyRangeHasOne, "range_empty"),
    (Flaw::BeyondIsCutOff, "range_beyond_last"),
    (Flaw::TermBeyondIsZero, "term_beyond_last"),
    (Flaw::KeysAsText, "many_entries"),
    (Flaw::KeepsOldContent, "overwrite_content"),
    (Flaw::LastIsStale, "overwrite_last_index"),
    (Flaw::KeepsTail, "overwrite_tail"),
    (Flaw::RefusesFirstIndex, "overwrite_all"),
    (Flaw::RefusesAgain, "write_again"),
    (Flaw::CompactsOneTooMany, "compaction"),
    (Flaw::BoundaryTermLost, "compaction_boundary_term"),
    (Flaw::BoundaryTermOfNext, "compaction_boundary_term"),
    (Flaw::CompactedIsUnavailable, "term_compacted"),
    (Flaw::CompactedIsCutOff, "range_compacted"),
    (Flaw::ForgetsEndWhenAllCompacted, "compaction_of_all"),
    (Flaw::CompactsBackwards, "compaction_again"),
    (Flaw::ConflictForgetsBoundary, "overwrite_compacted"),
    (Flaw::GapAfterSnapshot, "snapshot_bounds"),
    (Flaw::SnapshotTermLost, "snapshot_term"),
    (Flaw::SnapshotKeepsTail, "snapshot_replaces_log"),
    (Flaw::SnapshotDropsItsEntries, "snapshot_with_entries"),
    (Flaw::SnapshotWithoutMembers, "snapshot_membership"),
    (Flaw::OlderSnapshotAccepted, "snapshot_older"),
    (Flaw::SendsStaleSnapshot, "snapshot_covers"),
    (Flaw::Terms32, "large_numbers"),
    (Flaw::HardStateNotStored, "hard_state"),
    (Flaw::KeepsVote, "hard_state_replaced"),
    (Flaw::ReopenLosesLastEntry, "reopen_log"),
    (Flaw::ReopenForgetsHardState, "reopen_hard_state"),
    (Flaw::ReopenBringsTailBack, "reopen_overwrite"),
    (Flaw::ReopenForgetsBoundaryTerm, "reopen_compaction"),
    (Flaw::ReopenForgetsMembers, "reopen_snapshot"),
    (Flaw::SyncsNothing, "crash_synced"),
    (Flaw::SyncsEntriesOnly, "crash_synced"),
    (Flaw::CrashTearsHardState, "crash_whole_writes"),
    (Flaw::WriteErrorSwallowed, "failure_reported"),
    (Flaw::ReadErrorIsUnavailable, "failure_reported"),
    (Flaw::FailedWriteIsHalfDone, "failure_passes"),
    (Flaw::FailedWriteIsHalfDurable, "crash_failed_write"),
];

/// What a disk holds.
#[derive(Clone, Debug, Default)]
struct Disk {
    entries: BTreeMap<Index, Entry>,
    boundary: EntryId,
    last: Index,
    hard_state: HardState,
    members: ConfState,
    snapshot: Snapshot,
    /// What was ever replaced: for a storage that does not delete it.
    replaced: BTreeMap<Index, Entry>,
}

/// A storage with a disk and a cache, and at most one flaw.
struct Host {
    flaw: Flaw,
    /// Starts as a first member's storage, at index 1 of term 1.
    member: bool,
    now: Disk,
    synced: Disk,
    failing: bool,
}

impl Host {
    fn new(flaw: Flaw, member: bool) -> Self {
        let mut host = Self { flaw, member, now: Disk::default(), synced: Disk::default(), failing: false };
        host.reset().unwrap();
        host
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn check_reads(&self) -> Result<(), StorageError> {
        match (self.failing, self.flaw) {
            (false, _) => Ok(()),
            (true, Flaw::ReadErrorIsUnavailable) => Err(StorageError::Unavailable),
            (true, _) => Err(StorageError::Host { code: 5, message: "no disk".into() }),
        }
    }

    fn install(&mut self, snapshot: &Snapshot) -> Result<(), StorageError> {
        let EntryId { index, term } = snapshot.id;
        if index < self.now.boundary.index && !self.is(Flaw::OlderSnapshotAccepted) {
            return Err(StorageError::SnapshotOutOfDate);
        }
        let kept = self.is(Flaw::SnapshotKeepsTail);
        self.now.entries.retain(|at, _| kept && *at > index);
        self.now.boundary = EntryId::new(if self.is(Flaw::SnapshotTermLost) { 0 } else { term }, index);
        if !(self.is(Flaw::GapAfterSnapshot) || kept && self.now.last > index) {
            self.now.last = index;
        }
        if !self.is(Flaw::SnapshotWithoutMembers) {
            self.now.members = snapshot.conf_state.clone();
        }
        self.now.snapshot = snapshot.clone();
        Ok(())
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        let Some((first, last)) = entries.first().zip(entries.last()) else { return Ok(()) };
        let known = self.now.entries.contains_key(&first.index());
        let same = known && self.now.entries.values().eq(entries);
        if self.is(Flaw::RefusesAgain) && same
            || self.is(Flaw::RefusesFirstIndex)
                && known
                && !same
                && first.index() == self.now.boundary.index + 1
        {
            return Err(StorageError::Unavailable);
        }
        if self.is(Flaw::ConflictForgetsBoundary) && known && first.index() == self.now.boundary.index + 1 {
            self.now.boundary.term = 0;
        }
        let tail = self.now.entries.split_off(&first.index());
        if self.is(Flaw::KeepsTail) {
            self.now.entries.extend(tail.clone());
        }
        if self.is(Flaw::KeepsOldContent) {
            self.now.entries.extend(tail.clone().into_iter().filter(|(index, _)| *index <= last.index()));
        }
        self.now.replaced.extend(tail);
        for entry in entries {
            let stored = match self.flaw {
                Flaw::DropsPayload => Entry::new(entry.id, entry.kind, Default::default()),
                Flaw::DropsKind => Entry::new(entry.id, EntryKind::Normal, entry.data.clone()),
                Flaw::DropsStatedKind => Entry::new(entry.id, entry.kind, entry.data.clone()),
                Flaw::Terms32 => {
                    entry.clone().at(EntryId::new(u64::from(entry.term() as u32), entry.index()))
                }
                _ => entry.clone(),
            };
            if self.is(Flaw::KeepsOldContent) {
                self.now.entries.entry(entry.index()).or_insert(stored);
            } else {
                self.now.entries.insert(entry.index(), stored);
            }
        }
        let stale = self.is(Flaw::LastIsStale) && self.now.last > last.index();
        if !stale {
            self.now.last = last.index();
        }
        Ok(())
    }

    fn set_hard_state(&mut self, mut hard_state: HardState) {
        match self.flaw {
            Flaw::HardStateNotStored => return,
            Flaw::KeepsVote if hard_state.vote == 0 => hard_state.vote = self.now.hard_state.vote,
            _ => {}
        }
        self.now.hard_state = hard_state;
    }
}

impl Storage for Host {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.check_reads()?;
        Ok((self.now.hard_state, self.now.members.clone()))
    }

    fn entries(&self, mut low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.check_reads()?;
        if low <= self.now.boundary.index {
            if !self.is(Flaw::CompactedIsCutOff) {
                return Err(StorageError::Compacted);
            }
            low = self.now.boundary.index + 1;
        }
        let end = if self.is(Flaw::KeepsTail) {
            self.now.entries.keys().next_back().map_or(0, |last| last + 1)
        } else {
            self.now.last + 1
        };
        if high > end && !self.is(Flaw::BeyondIsCutOff) {
            return Err(StorageError::Unavailable);
        }
        let mut found: Vec<Entry> = if self.is(Flaw::KeysAsText) {
            let (from, to) = (low.to_string(), high.to_string());
            let mut keys: Vec<_> =
                self.now.entries.iter().map(|(key, entry)| (key.to_string(), entry)).collect();
            keys.sort_by(|(a, _), (b, _)| a.cmp(b));
            keys.into_iter()
                .filter(|(key, _)| *key >= from && *key < to)
                .map(|(_, entry)| entry.clone())
                .collect()
        } else {
            let high = high + u64::from(self.is(Flaw::RangeOneTooMany));
            let low = low + u64::from(self.is(Flaw::SkipsFirstOfRange));
            let empty = low >= high;
            match self.flaw {
                Flaw::EmptyRangeHasOne if empty => self.now.entries.get(&low).cloned().into_iter().collect(),
                _ if empty => Vec::new(),
                _ => self.now.entries.range(low..high).map(|(_, entry)| entry.clone()).collect(),
            }
        };
        let fits = match self.flaw {
            Flaw::IgnoresLimit => found.len(),
            Flaw::LimitOneTooMany => raftcore::fitting(&found, max_bytes) + 1,
            Flaw::EmptyIfTooLarge if found.first().is_some_and(|e| e.encoded_len() > max_bytes) => 0,
            _ => raftcore::fitting(&found, max_bytes),
        };
        found.truncate(fits);
        Ok(found.into())
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.check_reads()?;
        if let Some(entry) = self.now.entries.get(&index) {
            return Ok(entry.term());
        }
        let boundary = self.now.boundary;
        let first = self.now.entries.values().next().map_or(0, Entry::term);
        match self.flaw {
            Flaw::FreshHasATerm if self.now.entries.is_empty() && index <= 1 => Ok(7),
            Flaw::BoundaryTermLost if index == boundary.index && index > 1 && first > 0 => {
                Err(StorageError::Compacted)
            }
            Flaw::BoundaryTermOfNext if index == boundary.index && index > 1 && first > 0 => Ok(first),
            _ if index == boundary.index => Ok(boundary.term),
            Flaw::CompactedIsUnavailable => Err(StorageError::Unavailable),
            _ if index < boundary.index => Err(StorageError::Compacted),
            Flaw::TermBeyondIsZero => Ok(0),
            _ => Err(StorageError::Unavailable),
        }
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.check_reads()?;
        Ok(self.now.boundary.index + 1)
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.check_reads()?;
        Ok(self.now.last)
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.check_reads()?;
        Ok(self.now.snapshot.clone())
    }
}

impl CheckedStorage for Host {
    fn reset(&mut self) -> Result<(), StorageError> {
        self.now = Disk::default();
        if self.member {
            let id = EntryId::new(1, 1);
            self.now.boundary = id;
            self.now.last = 1;
            self.now.hard_state = HardState { term: 1, vote: 0, commit: 1 };
            self.now.members = ConfState::new([1], []);
            self.now.snapshot =
                Snapshot { id, conf_state: self.now.members.clone(), data: Default::default() };
        }
        self.synced = self.now.clone();
        self.failing = false;
        Ok(())
    }

    fn persist(&mut self, write: &Write) -> Result<(), StorageError> {
        if self.failing {
            if let Some(first) = write.entries.first().filter(|_| self.is(Flaw::FailedWriteIsHalfDone)) {
                self.now.entries.retain(|index, _| *index < first.index());
                self.now.last = self.now.last.min(first.index() - 1);
            }
            if let Some(hard_state) = write.hard_state.filter(|_| self.is(Flaw::FailedWriteIsHalfDurable)) {
                self.synced.hard_state = hard_state;
            }
            return if self.is(Flaw::WriteErrorSwallowed) { Ok(()) } else { self.check_reads() };
        }
        if let Some(snapshot) = &write.snapshot {
            self.install(snapshot)?;
        }
        if !(self.is(Flaw::SnapshotDropsItsEntries) && write.snapshot.is_some()) {
            self.append(&write.entries)?;
        }
        if let Some(hard_state) = write.hard_state {
            self.set_hard_state(hard_state);
        }
        match self.flaw {
            Flaw::SyncsNothing => {}
            Flaw::SyncsEntriesOnly => {
                let hard_state = self.synced.hard_state;
                self.synced = Disk { hard_state, ..self.now.clone() };
            }
            _ if write.must_sync => self.synced = self.now.clone(),
            _ => {}
        }
        Ok(())
    }

    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        if index <= self.now.boundary.index && !self.is(Flaw::CompactsBackwards) {
            return Err(StorageError::Compacted);
        }
        let known = self.now.entries.get(&index).map_or(0, Entry::term);
        let kept = index + u64::from(self.is(Flaw::CompactsOneTooMany));
        self.now.boundary = EntryId::new(known, kept);
        self.now.entries.retain(|at, _| *at > kept);
        if !self.is(Flaw::SendsStaleSnapshot) {
            self.now.snapshot =
                Snapshot { id: self.now.boundary, conf_state: self.now.members.clone(), data: "made".into() };
        }
        if self.is(Flaw::ForgetsEndWhenAllCompacted) && self.now.entries.is_empty() {
            self.now.last = 0;
        }
        self.synced = self.now.clone();
        Ok(())
    }

    fn reopen(&mut self, how: Reopen) -> Result<bool, StorageError> {
        if how == Reopen::Crashed {
            self.now = self.synced.clone();
            if self.is(Flaw::CrashTearsHardState) {
                self.now.hard_state.commit = 0;
            }
            return Ok(true);
        }
        let now = &mut self.now;
        match self.flaw {
            Flaw::ReopenLosesLastEntry => {
                now.entries.pop_last();
                now.last = now.entries.keys().next_back().copied().unwrap_or(now.boundary.index);
            }
            Flaw::ReopenForgetsHardState => now.hard_state = HardState::default(),
            Flaw::ReopenBringsTailBack => {
                let last = now.last;
                now.entries.extend(now.replaced.clone().into_iter().filter(|(index, _)| *index > last));
                now.last = now.entries.keys().next_back().copied().unwrap_or(last);
            }
            Flaw::ReopenForgetsBoundaryTerm if !now.entries.is_empty() => now.boundary.term = 0,
            Flaw::ReopenForgetsMembers => now.members = ConfState::default(),
            _ => {}
        }
        Ok(true)
    }

    fn set_failing(&mut self, failing: bool) -> bool {
        self.failing = failing;
        true
    }
}

#[test]
fn the_storage_in_memory_keeps_every_rule_that_can_be_tried() {
    let report = check::run(&mut MemoryStorage::new());
    assert!(report.is_kept(), "{report}");
    let unchecked: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::NotChecked(_)))
        .map(|finding| finding.rule.split('_').next().unwrap())
        .collect();
    assert!(unchecked.iter().all(|rule| ["reopen", "crash", "failure"].contains(rule)), "{report}");
}

#[test]
fn a_storage_without_a_flaw_keeps_every_rule() {
    for member in [false, true] {
        let report = check::run(&mut Host::new(Flaw::None, member));
        assert_eq!(report.findings.len(), check::rules().len());
        assert!(report.findings.iter().all(|finding| finding.outcome == Outcome::Kept), "{report}");
    }
}

#[test]
fn each_flaw_is_found_by_its_rule() {
    for member in [false, true] {
        for &(flaw, rule) in BROKEN {
            let report = check::run(&mut Host::new(flaw, member));
            let first = report.broken().next().map(|finding| finding.rule);
            assert_eq!(first, Some(rule), "{flaw:?}, member: {member}\n{report}");
        }
    }
}

#[test]
fn a_finding_says_what_was_expected_and_what_came() {
    let report = check::run(&mut Host::new(Flaw::LastIsStale, false));
    let text = report.broken().next().unwrap().to_string();
    let expected = "BROKEN       overwrite_last_index: the log ends with the last entry that replaced others\n  \
                    expected after replacing the third and fourth of five entries: last_index() = 4\n  \
                    got      last_index() = 5";
    assert_eq!(text, expected);
}

/// Every rule but those that only build on others is broken by some flaw of its own.
#[test]
fn every_rule_finds_something() {
    let found: Vec<_> = BROKEN.iter().map(|(_, rule)| *rule).collect();
    let idle: Vec<_> = check::rules().map(|(rule, _)| rule).filter(|rule| !found.contains(rule)).collect();
    assert_eq!(idle, ["append_in_parts", "snapshot_then_entries"]);
}
