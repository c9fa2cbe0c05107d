//! A storage in memory: for tests, and for groups that need not survive their process.

use bytes::Bytes;

use crate::entry::{Entries, EntryRuns, Runs};
use crate::error::StorageError;
use crate::membership::ConfState;
use crate::message::Snapshot;
use crate::storage::Storage;
use crate::types::{EntryId, HardState, Index, Term};

/// A storage in memory.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    hard_state: HardState,
    /// The membership in force, which may be newer than the snapshot's.
    conf_state: ConfState,
    snapshot: Snapshot,
    /// The last compacted entry: at or beyond the snapshot's.
    offset: EntryId,
    entries: Runs,
}

impl MemoryStorage {
    /// An empty storage: a node that has yet to join a group.
    pub fn new() -> Self {
        Self::with_snapshot(Snapshot::default())
    }

    /// The storage of a node that starts a group with the given members: an empty state, snapshotted
    /// at index 1 of term 1. Members that join later get that snapshot, and so learn the membership.
    pub fn with_conf_state(conf_state: ConfState) -> Self {
        Self::with_snapshot(Snapshot { id: EntryId::new(1, 1), conf_state, data: Bytes::new() })
    }

    /// The storage of a node that starts from a snapshot.
    pub fn with_snapshot(snapshot: Snapshot) -> Self {
        Self {
            hard_state: HardState { term: snapshot.id.term, vote: 0, commit: snapshot.id.index },
            conf_state: snapshot.conf_state.clone(),
            offset: snapshot.id,
            entries: Runs::new(snapshot.id.index.saturating_add(1)),
            snapshot,
        }
    }

    /// Saves the hard state.
    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// The hard state saved last.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Saves the membership that applying a change led to.
    pub fn set_conf_state(&mut self, conf_state: ConfState) {
        self.conf_state = conf_state;
    }

    /// Saves entries: they replace what is stored at their indexes and after. Those already
    /// compacted are passed over. [`StorageError::Unavailable`] if they leave a gap.
    pub fn append(&mut self, entries: impl Into<EntryRuns>) -> Result<(), StorageError> {
        let entries = entries.into();
        // As most often: a heartbeat brings none.
        if entries.is_empty() { Ok(()) } else { entries.try_for_each_run(|run| self.append_run(run)) }
    }

    fn append_run(&mut self, entries: Entries) -> Result<(), StorageError> {
        let Some(first) = entries.first() else { return Ok(()) };
        if first.id.index == self.entries.next() {
            self.entries.append(entries);
            return Ok(());
        }
        let compacted = entries.iter().take_while(|entry| entry.id.index <= self.offset.index).count();
        let entries = entries.slice(compacted..entries.len());
        let Some(first) = entries.first() else { return Ok(()) };
        if first.id.index > self.entries.next() {
            return Err(StorageError::Unavailable);
        }
        self.entries.truncate(first.id.index);
        self.entries.append(entries);
        Ok(())
    }

    /// Installs a snapshot received from a leader: it replaces the log.
    /// [`StorageError::SnapshotOutOfDate`] if the storage has one at least as new.
    pub fn apply_snapshot(&mut self, snapshot: Snapshot) -> Result<(), StorageError> {
        if snapshot.id.index <= self.snapshot.id.index && self.snapshot.id.index != 0 {
            return Err(StorageError::SnapshotOutOfDate);
        }
        self.offset = snapshot.id;
        self.entries = Runs::new(snapshot.id.index.saturating_add(1));
        self.conf_state = snapshot.conf_state.clone();
        self.snapshot = snapshot;
        Ok(())
    }

    /// Makes a snapshot of the state after `index`, which must be stored and applied.
    pub fn create_snapshot(
        &mut self,
        index: Index,
        conf_state: ConfState,
        data: impl Into<Bytes>,
    ) -> Result<&Snapshot, StorageError> {
        if index <= self.snapshot.id.index {
            return Err(StorageError::SnapshotOutOfDate);
        }
        let id = EntryId::new(self.term(index)?, index);
        self.snapshot = Snapshot { id, conf_state, data: data.into() };
        Ok(&self.snapshot)
    }

    /// Forgets the entries up to and including `index`. Only entries that a snapshot covers should
    /// go: a peer that needs older ones gets the snapshot.
    pub fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        if index <= self.offset.index {
            return Err(StorageError::Compacted);
        }
        let term = self.term(index)?;
        self.entries.compact(index + 1);
        self.offset = EntryId::new(term, index);
        Ok(())
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage for MemoryStorage {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        Ok((self.hard_state, self.conf_state.clone()))
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        if low <= self.offset.index {
            return Err(StorageError::Compacted);
        }
        if high <= low || high > self.entries.next() {
            return Err(StorageError::Unavailable);
        }
        Ok(self.entries.slice(low, high, max_bytes))
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        if index == self.offset.index {
            return Ok(self.offset.term);
        }
        if index < self.offset.index {
            return Err(StorageError::Compacted);
        }
        self.entries.term(index).ok_or(StorageError::Unavailable)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        Ok(self.entries.first())
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        Ok(self.entries.next() - 1)
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        Ok(self.snapshot.clone())
    }
}

#[cfg(test)]
mod tests;
