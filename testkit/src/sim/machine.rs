//! The replicated state machine: a hash over everything applied.

use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{Bytes, ConfState, Entry, EntryId, Index, Snapshot};

/// Extends a hash over a sequence of entries by one more.
pub(super) fn chain(before: u64, entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    (before, entry.id, entry.kind, &entry.data[..]).hash(&mut hasher);
    hasher.finish()
}

/// The state machine after some entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) applied: EntryId,
    /// Hash over all entries up to this one.
    pub(super) chain: u64,
    pub(super) conf_state: ConfState,
}

impl Checkpoint {
    /// The state that a snapshot holds.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let bytes = <[u8; 8]>::try_from(&snapshot.data[..]).unwrap_or_default();
        Self {
            applied: snapshot.id,
            chain: u64::from_le_bytes(bytes),
            conf_state: snapshot.conf_state.clone(),
        }
    }

    /// A snapshot's data.
    pub(super) fn data(&self) -> Bytes {
        Bytes::copy_from_slice(&self.chain.to_le_bytes())
    }

    pub(super) fn index(&self) -> Index {
        self.applied.index
    }
}
