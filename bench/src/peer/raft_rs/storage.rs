//! A storage in memory for raft-rs, the counterpart of raftcore's.
//!
//! raft-rs brings one of its own for tests, behind a lock, which copies the whole rest of the log before it
//! cuts it to the size that was asked for: a follower far behind takes quadratic time with it. That would say
//! nothing about raft-rs.

use std::collections::VecDeque;

use bytes::Bytes;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use crate::Failure;
use crate::peer::Settings;

/// A log that starts after a snapshot without data.
pub(crate) struct Disk {
    pub(crate) state: RaftState,
    /// Index and term of the entry before the first.
    offset: (u64, u64),
    entries: VecDeque<Entry>,
}

/// What a group starts from.
pub(crate) fn first_snapshot(settings: Settings) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    (metadata.index, metadata.term) = (Settings::FIRST_INDEX, 1);
    *metadata.mut_conf_state() = ConfState::from((settings.members(), vec![]));
    snapshot
}

impl Disk {
    /// The storage of a member of a new group: a snapshot at the same place as raftcore's.
    pub(crate) fn new(settings: Settings) -> Self {
        let snapshot = first_snapshot(settings);
        let metadata = snapshot.get_metadata();
        let mut hard_state = HardState::default();
        (hard_state.term, hard_state.commit) = (metadata.term, metadata.index);
        Self {
            state: RaftState::new(hard_state, metadata.get_conf_state().clone()),
            offset: (metadata.index, metadata.term),
            entries: VecDeque::new(),
        }
    }

    /// The storage of a member that has `payloads` in its log, from term 2, all committed.
    pub(crate) fn with_log(settings: Settings, payloads: &[Bytes]) -> Result<Self, Failure> {
        let mut disk = Self::new(settings);
        disk.append((Settings::FIRST_INDEX + 1..).zip(payloads).map(|(index, payload)| {
            let mut entry = super::entry(payload);
            (entry.term, entry.index) = (2, index);
            entry
        }));
        let hard_state = &mut disk.state.hard_state;
        (hard_state.term, hard_state.commit) = (2, Settings::FIRST_INDEX + payloads.len() as u64);
        Ok(disk)
    }

    /// Stores entries; they replace what is stored at their indexes and after.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let mut entries = entries.into_iter().peekable();
        let Some(first) = entries.peek() else { return };
        self.entries.truncate((first.index - self.offset.0 - 1) as usize);
        self.entries.extend(entries);
    }

    /// Forgets the entries up to `index`.
    pub(crate) fn compact(&mut self, index: u64) -> Result<(), Failure> {
        let term = self.term(index)?;
        self.entries.drain(..(index - self.offset.0) as usize);
        self.offset = (index, term);
        Ok(())
    }

    fn place(&self, index: u64) -> raft::Result<usize> {
        let place = index.checked_sub(self.offset.0 + 1).ok_or(Error::Store(StorageError::Compacted))?;
        Ok(place as usize)
    }
}

impl Storage for Disk {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(self.state.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let (low, high) = (self.place(low)?, self.place(high)?);
        if high > self.entries.len() {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let mut found = Vec::with_capacity((high - low).min(1024));
        let mut size = 0;
        for entry in self.entries.range(low..high) {
            size += u64::from(protobuf::Message::compute_size(entry));
            if size > max_size && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.offset.0 {
            return Ok(self.offset.1);
        }
        let entry = self.entries.get(self.place(index)?);
        entry.map(|entry| entry.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.offset.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.offset.0 + self.entries.len() as u64)
    }

    fn snapshot(&self, _: u64, _: u64) -> raft::Result<Snapshot> {
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
