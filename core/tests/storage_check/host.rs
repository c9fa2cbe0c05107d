//! A host's storage that is durable, may fail, and has a flaw.

use std::collections::BTreeMap;

use raftcore::storage::check::{CheckedStorage, Reopen, Write};
use raftcore::{
    ConfState, Entries, Entry, EntryId, EntryKind, HardState, Index, NodeId, Snapshot, Storage, StorageError,
    Term,
};

/// What can be wrong with a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    FreshHasATerm,
    SkipsFirstOfRange,
    DropsPayload,
    DropsKind,
    DropsStatedKind,
    SevenBits,
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
    ForgetsOwnSnapshot,
    OpensTwice,
    VotesWithASign,
    MembersWithASign,
    IndexesWithASign,
    SendsStaleSnapshot,
    SnapshotForForgetsPeer,
    Terms32,
    HardStateNotStored,
    KeepsVote,
    CompactionForgetsHardState,
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

/// What a disk holds.
#[derive(Clone, Debug, Default)]
struct Disk {
    entries: BTreeMap<Index, Entry>,
    boundary: EntryId,
    last: Index,
    hard_state: HardState,
    members: ConfState,
    snapshot: Snapshot,
    /// The index of the last snapshot that came.
    received: Index,
    /// What was ever replaced: for a storage that does not delete it.
    replaced: BTreeMap<Index, Entry>,
}

/// A storage with a disk and a cache, and at most one flaw.
pub(crate) struct Host {
    flaw: Flaw,
    /// Starts as a first member's storage, at index 1 of term 1.
    member: bool,
    now: Disk,
    synced: Disk,
    failing: bool,
}

impl Host {
    pub(crate) fn new(flaw: Flaw, member: bool) -> Self {
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
        let received = match self.flaw {
            Flaw::OlderSnapshotAccepted => 0,
            // It knows only of those that came.
            Flaw::ForgetsOwnSnapshot if self.now.snapshot.data == "made" => self.now.received,
            _ => self.now.boundary.index,
        };
        if index < received {
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
        if self.is(Flaw::MembersWithASign) {
            self.now.members.voters.retain(|id| id >> 63 == 0);
        }
        self.now.received = index;
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
                Flaw::SevenBits => {
                    let data: Vec<u8> = entry.data.iter().map(|byte| byte & 0x7f).collect();
                    Entry::new(entry.id, entry.kind, data.into()).with_kind_stated(entry.kind_stated())
                }
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
            Flaw::VotesWithASign if hard_state.vote >> 63 == 1 => hard_state.vote = 0,
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
        if self.is(Flaw::IndexesWithASign) && self.now.last >> 63 == 1 {
            let last = self.now.entries.keys().rfind(|index| **index >> 63 == 0);
            return Ok(last.copied().unwrap_or(self.now.boundary.index));
        }
        Ok(self.now.last)
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.check_reads()?;
        Ok(self.now.snapshot.clone())
    }

    fn snapshot_for(&self, _: NodeId) -> Result<Snapshot, StorageError> {
        let mut snapshot = self.snapshot()?;
        if self.is(Flaw::SnapshotForForgetsPeer) {
            snapshot.conf_state = ConfState::default();
        }
        Ok(snapshot)
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
        if self.is(Flaw::CompactionForgetsHardState) {
            self.now.hard_state = HardState::default();
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

    fn open_twice(&mut self) -> Option<Result<(), StorageError>> {
        let refusal = StorageError::Host { code: 16, message: "it is open".into() };
        Some(if self.is(Flaw::OpensTwice) { Ok(()) } else { Err(refusal) })
    }

    fn set_failing(&mut self, failing: bool) -> bool {
        self.failing = failing;
        true
    }
}
