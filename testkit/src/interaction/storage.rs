//! A script node's storage, and the history of its state machine.

use raftcore::{
    Bytes, ConfState, Entries, Entry, EntryId, HardState, Index, Snapshot, Storage, StorageError, Term,
};

/// Log and hard state as a script's node keeps them, with a snapshot for every applied entry.
///
/// Two things differ from any sensible host on purpose, because the reference has them and they
/// show: a leader sends the state after the last entry it applied, not the one where its log was
/// compacted; and the history does not learn about snapshots that the node receives.
#[derive(Debug)]
pub(super) struct ScriptStorage {
    hard_state: HardState,
    conf_state: ConfState,
    /// Index of the last snapshot installed; 0 if there is none.
    installed: Index,
    /// The position before the first entry.
    offset: EntryId,
    entries: Vec<Entry>,
    /// Never empty.
    history: Vec<Snapshot>,
}

/// Why the storage refuses work; the words are the reference's.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refusal {
    #[error("requested index is older than the existing snapshot")]
    SnapshotOutOfDate,
    #[error("requested index is unavailable due to compaction")]
    Compacted,
    #[error("requested index is beyond the last one")]
    BeyondEnd,
    #[error("the entries to append leave a gap")]
    Gap,
}

impl ScriptStorage {
    /// The storage of a node that starts from `snapshot`; an empty one makes it blank.
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self {
            hard_state: HardState::default(),
            conf_state: snapshot.conf_state.clone(),
            installed: snapshot.id.index,
            offset: snapshot.id,
            entries: Vec::new(),
            history: vec![snapshot],
        }
    }

    pub(super) fn stored(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn first(&self) -> Index {
        self.offset.index + 1
    }

    pub(super) fn last(&self) -> Index {
        self.offset.index + self.entries.len() as u64
    }

    pub(super) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), Refusal> {
        let below = entries.iter().take_while(|entry| entry.index() <= self.offset.index).count();
        let Some(first) = entries.get(below) else { return Ok(()) };
        if first.index() > self.last() + 1 {
            return Err(Refusal::Gap);
        }
        self.entries.truncate((first.index() - self.first()) as usize);
        self.entries.extend_from_slice(&entries[below..]);
        Ok(())
    }

    pub(super) fn install(&mut self, snapshot: &Snapshot) -> Result<(), Refusal> {
        if self.installed != 0 && self.installed >= snapshot.id.index {
            return Err(Refusal::SnapshotOutOfDate);
        }
        self.installed = snapshot.id.index;
        self.offset = snapshot.id;
        self.entries.clear();
        self.conf_state = snapshot.conf_state.clone();
        Ok(())
    }

    pub(super) fn compact(&mut self, index: Index) -> Result<(), Refusal> {
        if index <= self.offset.index {
            return Err(Refusal::Compacted);
        }
        if index > self.last() {
            return Err(Refusal::BeyondEnd);
        }
        let removed = (index - self.offset.index) as usize;
        self.offset = self.entries[removed - 1].id;
        self.entries.drain(..removed);
        Ok(())
    }

    /// Appends to the history the state after `entry`, whose effect on the state machine is
    /// `effect` and on the membership, if it is a change, `conf_state`.
    pub(super) fn applied(&mut self, entry: &Entry, effect: &[u8], conf_state: Option<ConfState>) {
        let before = self.latest();
        let data: Bytes = [&before.data[..], effect].concat().into();
        let conf_state = conf_state.unwrap_or_else(|| before.conf_state.clone());
        self.history.push(Snapshot { id: entry.id, conf_state, data });
    }

    /// The newest element of the history.
    pub(super) fn latest(&self) -> &Snapshot {
        self.history.last().expect("the history begins with one element and only grows")
    }
}

impl Storage for ScriptStorage {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        Ok((self.hard_state, self.conf_state.clone()))
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        if low <= self.offset.index {
            return Err(StorageError::Compacted);
        }
        if high > self.last() + 1 {
            return Err(StorageError::Unavailable);
        }
        let range = (low - self.first()) as usize..(high - self.first()) as usize;
        let entries = &self.entries[range];
        Ok(entries[..raftcore::fitting(entries, max_bytes)].into())
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        if index == self.offset.index {
            return Ok(self.offset.term);
        }
        let position = index.checked_sub(self.first()).ok_or(StorageError::Compacted)?;
        self.entries.get(position as usize).map(Entry::term).ok_or(StorageError::Unavailable)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        Ok(self.first())
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        Ok(self.last())
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        Ok(self.latest().clone())
    }
}
