//! Where an Append fits into the log: validated first, decided without changing anything.

use crate::entry::Entries;
use crate::error::{Error, StorageError};
use crate::log::RaftLog;
use crate::message::Append;
use crate::storage::Storage;
use crate::types::{EntryId, MAX_INDEX, Term};

/// A part of a leader's log: consecutive entries after `prev`, their terms not falling and not
/// beyond the leader's. Made only by validation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSlice<'a> {
    prev: EntryId,
    entries: &'a Entries,
}

impl<'a> LogSlice<'a> {
    /// The log slice that an Append of the leader of `term` carries.
    #[inline]
    pub(crate) fn new(append: &'a Append, term: Term) -> Result<Self, Error> {
        let mut before = append.prev;
        if append.prev.index > MAX_INDEX.saturating_sub(append.entries.len() as u64) {
            return Err(Error::InvalidMessage("the Append reaches beyond the last possible index"));
        }
        if append.prev.term > term {
            return Err(Error::InvalidMessage("the Append comes after an entry of a later term"));
        }
        for entry in append.entries.iter() {
            if entry.id.index != before.index + 1 {
                return Err(Error::InvalidMessage("the Append's entries are not consecutive"));
            }
            if entry.id.term < before.term || entry.id.term == 0 || entry.id.term > term {
                return Err(Error::InvalidMessage("the Append's entries have impossible terms"));
            }
            before = entry.id;
        }
        Ok(Self { prev: append.prev, entries: &append.entries })
    }
}

/// How a slice fits a log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It begins in the committed part, which does not differ, as far as that is in memory.
    BelowCommitted,
    /// The log has another entry, or none, where the slice begins. It may match at the hint.
    Mismatch { hint: EntryId },
    /// The log already has all of it.
    Known,
    /// The entries from this place in the slice on are new, or replace others.
    New { from: usize },
}

impl<S: Storage> RaftLog<S> {
    /// How `slice` fits. An error if it contradicts what is committed.
    pub(crate) fn fit(&self, slice: LogSlice<'_>) -> Result<Fit, Error> {
        // Nearly always.
        if slice.prev == self.last() {
            return Ok(if slice.entries.is_empty() { Fit::Known } else { Fit::New { from: 0 } });
        }
        if slice.prev.index < self.committed() {
            return self.below_committed(slice);
        }
        if !self.matches(slice.prev)? {
            return self.mismatch(slice.prev);
        }
        match self.first_unknown(slice)? {
            None => Ok(Fit::Known),
            Some(from) => {
                let index = slice.prev.index + 1 + from as u64;
                if index <= self.committed() {
                    return Err(Error::CommittedConflict { index, committed: self.committed() });
                }
                Ok(Fit::New { from })
            }
        }
    }

    /// A late Append, or a leader that does not know yet how much this log has.
    fn below_committed(&self, slice: LogSlice<'_>) -> Result<Fit, Error> {
        self.check_against_committed(slice.prev)?;
        let below = slice.entries.iter().take_while(|entry| entry.id.index <= self.committed());
        below.map(|entry| entry.id).try_for_each(|id| self.check_against_committed(id))?;
        Ok(Fit::BelowCommitted)
    }

    /// The log has another entry than `prev`, or none. The last committed one was just compared.
    fn mismatch(&self, prev: EntryId) -> Result<Fit, Error> {
        let committed = self.committed();
        if prev.index == committed {
            return Err(Error::CommittedConflict { index: prev.index, committed });
        }
        self.check_against_committed(prev)?;
        Ok(Fit::Mismatch { hint: self.conflict_hint(prev)? })
    }

    /// Place of the first entry of `slice` that the log does not have.
    fn first_unknown(&self, slice: LogSlice<'_>) -> Result<Option<usize>, StorageError> {
        for (place, entry) in slice.entries.iter().enumerate() {
            if entry.id.index > self.last().index || !self.matches(entry.id)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}
