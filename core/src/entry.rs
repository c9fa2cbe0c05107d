//! Log entries.

mod entries;
mod entry_runs;
mod runs;

pub use entries::Entries;
pub use entry_runs::{EntryRuns, EntryRunsIter};
pub(crate) use runs::{Runs, SHARED_RUN};

use std::fmt;

use bytes::Bytes;

use crate::types::{EntryId, Index, Term};

/// What an entry's payload means to Raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// The payload belongs to the host. Empty at the start of each term.
    #[default]
    Normal,
    /// A membership change of the first version: one operation.
    ConfChange,
    /// A membership change of the second version: many operations, joint consensus.
    ConfChangeV2,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place. Zero until a leader has accepted it.
    pub id: EntryId,
    /// What the payload is.
    pub kind: EntryKind,
    /// The payload: shared, never copied inside the process.
    pub data: Bytes,
    /// See [`Entry::kind_stated`].
    kind_stated: bool,
}

impl Entry {
    /// An entry of the given place, kind and payload.
    pub fn new(id: EntryId, kind: EntryKind, data: Bytes) -> Self {
        Self { id, kind, data, kind_stated: kind != EntryKind::Normal }
    }

    /// A host's proposal, not yet in any log.
    pub fn normal(data: impl Into<Bytes>) -> Self {
        Self::new(EntryId::default(), EntryKind::Normal, data.into())
    }

    /// What a leader appends in place of a membership change that it refuses: the proposer learns
    /// from it that the change did not take place.
    pub fn refused() -> Self {
        Self::new(EntryId::default(), EntryKind::Normal, Bytes::new()).with_kind_stated(true)
    }

    /// The same entry, its encoding stating the default kind or not; any other kind is always stated, or it
    /// would be lost. For codecs.
    pub fn with_kind_stated(mut self, stated: bool) -> Self {
        self.kind_stated = stated || self.kind != EntryKind::Normal;
        self
    }

    /// The same entry at a place in the log.
    pub fn at(mut self, id: EntryId) -> Self {
        self.id = id;
        self
    }

    /// Whether the encoding states the kind even where it is the default. For codecs and storages: peers of
    /// the etcd family count encoded bytes, so what was stated stays stated.
    ///
    /// It says how the bytes were, and nothing about the entry. Peers of the TiKV family (proto3) never
    /// state a default kind: an entry that went through one of them comes without it, and is the same entry.
    pub fn kind_stated(&self) -> bool {
        self.kind_stated
    }

    /// Term of the entry.
    pub fn term(&self) -> Term {
        self.id.term
    }

    /// Index of the entry.
    pub fn index(&self) -> Index {
        self.id.index
    }

    /// Whether the entry changes the membership.
    pub fn is_conf_change(&self) -> bool {
        self.kind != EntryKind::Normal
    }

    /// Bytes of the entry's protobuf encoding, the unit of all limits on log data.
    pub fn encoded_len(&self) -> u64 {
        let kind = if self.kind_stated { 2 } else { 0 };
        let data = match self.data.len() as u64 {
            0 => 0,
            len => 1 + varint_len(len) + len,
        };
        kind + 1 + varint_len(self.id.term) + 1 + varint_len(self.id.index) + data
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {:?} {} bytes", self.id.term, self.id.index, self.kind, self.data.len())
    }
}

/// Bytes that `value` takes as a protobuf varint.
pub(crate) const fn varint_len(value: u64) -> u64 {
    (((value | 1).ilog2() as u64) * 9 + 73) / 64
}

/// What entries come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Sum of the encoded sizes.
    pub(crate) encoded: u64,
    /// Sum of the payloads' sizes.
    pub(crate) payload: u64,
}

impl Sizes {
    /// In one pass: there may be a million of them, none in the cache.
    fn of(entries: &[Entry]) -> Self {
        entries.iter().fold(Self::default(), |sizes, entry| Self {
            encoded: sizes.encoded + entry.encoded_len(),
            payload: sizes.payload + entry.data.len() as u64,
        })
    }
}

/// Sum of the encoded sizes.
pub fn encoded_len(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::encoded_len).sum()
}

/// Sum of the payloads' sizes.
pub fn payload_len(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.data.len() as u64).sum()
}

/// How many of the first `entries` fit `max_bytes`; at least one if there is one.
pub fn fitting(entries: &[Entry], max_bytes: u64) -> usize {
    let mut size = 0u64;
    for (count, entry) in entries.iter().enumerate() {
        size = size.saturating_add(entry.encoded_len());
        if size > max_bytes {
            return count.max(1);
        }
    }
    entries.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_len_matches_the_definition() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1u64 << bits) - 1, (1u64 << bits) + 1, u64::MAX] {
                let mut rest = value >> 7;
                let mut len = 1;
                while rest > 0 {
                    rest >>= 7;
                    len += 1;
                }
                assert_eq!(varint_len(value), len, "{value}");
            }
        }
    }

    #[test]
    fn a_refused_change_states_its_kind() {
        let id = EntryId::new(1, 12);
        assert_eq!(Entry::new(id, EntryKind::Normal, Bytes::new()).encoded_len(), 4);
        assert_eq!(Entry::refused().at(id).encoded_len(), 6);
    }

    #[test]
    fn fitting_takes_at_least_one_and_never_too_many() {
        let entries: Vec<_> = (1..=3)
            .map(|i| Entry::new(EntryId::new(1, i), EntryKind::Normal, Bytes::from_static(b"12345")))
            .collect();
        let one = entries[0].encoded_len();
        assert_eq!(fitting(&entries, 0), 1);
        assert_eq!(fitting(&entries, 2 * one - 1), 1);
        assert_eq!(fitting(&entries, 2 * one), 2);
        assert_eq!(fitting(&entries, u64::MAX), 3);
        assert_eq!(fitting(&[], 10), 0);
    }
}
