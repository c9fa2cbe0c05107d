//! The log: the host's storage with a window of recent entries in front of it, and the pointers
//!
//! ```text
//! snapshot < first .. applied .. applying .. committed
//!                                  stabled .. handed .. last
//! ```
//!
//! `stabled` and `committed` may be in either order: an entry can be committed by others before this
//! node has stored it, and stored before it is committed.

mod recent;
mod slice;

pub(crate) use slice::{Fit, LogSlice};

use recent::Recent;

use crate::entry::{Entries, Entry, EntryRuns, SHARED_RUN};
use crate::error::{Error, StorageError};
use crate::message::Snapshot;
use crate::storage::Storage;
use crate::types::{EntryId, Index, MAX_INDEX, MAX_TERM, NodeId, Term};

/// At most so much is read from the host's storage at a time, however much is to be applied.
const PAGE_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub(crate) struct RaftLog<S> {
    storage: S,
    recent: Recent,
    /// A snapshot received and not yet stored.
    snapshot: Option<Box<Snapshot>>,
    snapshot_handed: bool,
    last: EntryId,
    /// Handed out for storing up to here.
    handed: Index,
    /// Known to be stored up to here, and not to be overwritten by a write under way.
    stabled: Index,
    committed: Index,
    /// Handed out for applying up to here.
    applying: Index,
    applied: Index,
    /// Encoded bytes handed out and not yet applied.
    applying_bytes: u64,
    applying_paused: bool,
}

impl<S: Storage> RaftLog<S> {
    pub(crate) fn new(storage: S) -> Result<Self, Error> {
        let first = storage.first_index()?;
        let last = storage.last_index()?;
        if first == 0 || last.checked_add(1).is_none_or(|next| next < first) {
            let text = format!("first index {first}, last index {last}");
            return Err(Error::InconsistentStorage(text));
        }
        let last = EntryId::new(storage.term(last)?, last);
        if last.term > MAX_TERM || last.index > MAX_INDEX {
            let text = format!("the log ends at index {} of term {}, which cannot be", last.index, last.term);
            return Err(Error::InconsistentStorage(text));
        }
        Ok(Self {
            recent: Recent::new(last.index + 1),
            snapshot: None,
            snapshot_handed: false,
            last,
            handed: last.index,
            stabled: last.index,
            committed: first - 1,
            applying: first - 1,
            applied: first - 1,
            applying_bytes: 0,
            applying_paused: false,
            storage,
        })
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    pub(crate) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Whether a log that was just opened holds more than its compacted prefix.
    pub(crate) fn has_entries(&self) -> bool {
        self.last.index > self.committed
    }

    /// Lets memory go that holds no entries.
    pub(crate) fn shrink(&mut self) {
        self.recent.shrink();
    }

    /// The last entry.
    pub(crate) fn last(&self) -> EntryId {
        self.last
    }

    pub(crate) fn committed(&self) -> Index {
        self.committed
    }

    pub(crate) fn applying(&self) -> Index {
        self.applying
    }

    pub(crate) fn applied(&self) -> Index {
        self.applied
    }

    pub(crate) fn handed(&self) -> Index {
        self.handed
    }

    pub(crate) fn stabled(&self) -> Index {
        self.stabled
    }

    /// Takes over the pointers that the host found after a restart. A commit index alone need not be
    /// durable: what is compacted or applied was committed, whatever the saved one says.
    pub(crate) fn restart_at(&mut self, committed: Index, applied: Index) -> Result<(), Error> {
        let (compacted, last) = (self.committed, self.last.index);
        if committed > last {
            let text = format!("commit index {committed} is beyond the last index {last}");
            return Err(Error::InconsistentStorage(text));
        }
        if applied != 0 && !(compacted..=last).contains(&applied) {
            let text = format!("applied index {applied} is outside of {compacted}..={last}");
            return Err(Error::InconsistentStorage(text));
        }
        self.applied = applied.max(compacted);
        self.committed = committed.max(self.applied);
        self.applying = self.applied;
        Ok(())
    }

    pub(crate) fn first_index(&self) -> Result<Index, StorageError> {
        match &self.snapshot {
            Some(snapshot) => Ok(snapshot.id.index + 1),
            None => self.storage.first_index(),
        }
    }

    /// Term of the entry at `index`; None if it is compacted or beyond the end.
    pub(crate) fn term(&self, index: Index) -> Result<Option<Term>, StorageError> {
        if index == self.last.index {
            return Ok(Some(self.last.term));
        }
        if index > self.last.index {
            return Ok(None);
        }
        if let Some(snapshot) = &self.snapshot {
            if index <= snapshot.id.index {
                return Ok((index == snapshot.id.index).then_some(snapshot.id.term));
            }
        }
        // Nothing above the applied index can have been compacted.
        if index < self.applied && index + 1 < self.first_index()? {
            return Ok(None);
        }
        if let Some(term) = self.recent.term(index) {
            return Ok(Some(term));
        }
        match self.storage.term(index) {
            Ok(term) => Ok(Some(term)),
            Err(StorageError::Compacted | StorageError::Unavailable) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same, as far as it is in memory.
    fn term_in_memory(&self, index: Index) -> Option<Term> {
        if index == self.last.index {
            return Some(self.last.term);
        }
        match &self.snapshot {
            Some(snapshot) if snapshot.id.index == index => Some(snapshot.id.term),
            _ => self.recent.term(index),
        }
    }

    /// An error if a log that contains `id` lacks what is committed here, as far as that can be seen
    /// without asking the storage: terms never fall along a log.
    pub(crate) fn check_against_committed(&self, id: EntryId) -> Result<(), Error> {
        let index = id.index.min(self.committed);
        let contradicts = match self.term_in_memory(index) {
            Some(term) if index == id.index => term != id.term,
            Some(term) => term > id.term,
            None => self.term_in_memory(self.committed).is_some_and(|term| term < id.term),
        };
        if contradicts { Err(Error::CommittedConflict { index, committed: self.committed }) } else { Ok(()) }
    }

    pub(crate) fn matches(&self, id: EntryId) -> Result<bool, StorageError> {
        Ok(self.term(id.index)? == Some(id.term))
    }

    /// Entries from `low` to the end of the log, as far as they fit; None if they are compacted.
    pub(crate) fn tail(&mut self, low: Index, max_bytes: u64) -> Result<Option<Entries>, StorageError> {
        if low > self.last.index {
            return Ok(Some(Entries::new()));
        }
        self.slice(low, self.last.index + 1, max_bytes)
    }

    /// Entries `low..high` of the log, as far as they fit and at least one; None if compacted.
    pub(crate) fn slice(
        &mut self,
        low: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Option<Entries>, StorageError> {
        if low <= self.applied && low < self.first_index()? {
            return Ok(None);
        }
        let cut = high.min(self.recent.first());
        if low >= cut {
            return Ok(Some(self.recent.slice(low, high, max_bytes)));
        }
        self.slice_from_storage(low, cut, high, max_bytes)
    }

    /// The same, what is before `cut` from the storage.
    fn slice_from_storage(
        &mut self,
        low: Index,
        cut: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Option<Entries>, StorageError> {
        let stored = match self.storage.entries(low, cut, max_bytes.min(PAGE_BYTES)) {
            Ok(stored) => stored,
            Err(StorageError::Compacted) => return Ok(None),
            Err(error) => return Err(error),
        };
        check_answer(&stored, low, cut)?;
        let size = stored.encoded_len();
        let is_long = stored.len() >= SHARED_RUN;
        if (stored.len() as u64) < cut - low || cut == high || is_long || size >= max_bytes {
            return Ok(Some(stored));
        }
        let more = self.recent.slice(cut, high, max_bytes - size);
        if more.encoded_len() > max_bytes - size {
            return Ok(Some(stored));
        }
        let mut all = stored.into_vec();
        all.extend_from_slice(&more);
        Ok(Some(all.into()))
    }

    /// Adds entries that continue the log or replace its end. The caller has made sure that they
    /// are consecutive and touch nothing committed.
    pub(crate) fn append(&mut self, entries: Entries) {
        let Some((first, last)) = entries.first().zip(entries.last()) else { return };
        debug_assert!(first.index() > self.committed, "overwrites what is committed");
        let (kept, last) = (first.index() - 1, last.id);
        if kept < self.last.index {
            self.recent.truncate(first.index());
            self.handed = self.handed.min(kept);
            self.stabled = self.stabled.min(kept);
        }
        self.recent.append(entries);
        self.last = last;
    }

    /// Adds one entry of the leader's own at the end.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.last = entry.id;
        self.recent.push(entry);
    }

    /// Commits up to `index`, which the log reaches.
    pub(crate) fn commit_to(&mut self, index: Index) {
        debug_assert!(index <= self.last.index, "commits what the log does not have");
        self.committed = self.committed.max(index);
    }

    /// The best guess where another log, of which one entry is known, may match this one: the
    /// highest index up to the entry's whose term is not newer. The guess has term 0 if unknown.
    pub(crate) fn conflict_hint(&self, their: EntryId) -> Result<EntryId, StorageError> {
        let mut index = their.index.min(self.last.index);
        while index > 0 {
            match self.term(index)? {
                None => return Ok(EntryId::new(0, index)),
                Some(term) if term <= their.term => return Ok(EntryId::new(term, index)),
                Some(_) => index -= 1,
            }
        }
        Ok(EntryId::default())
    }

    /// Whether part of the log is not known to be stored.
    pub(crate) fn has_unstable(&self) -> bool {
        self.stabled < self.last.index
    }

    pub(crate) fn has_entries_to_store(&self) -> bool {
        self.handed < self.last.index
    }

    /// Entries to be stored that were not handed out yet.
    pub(crate) fn entries_to_store(&mut self) -> EntryRuns {
        self.recent.tail(self.handed + 1)
    }

    /// A snapshot to be stored that was not handed out yet.
    pub(crate) fn snapshot_to_store(&self) -> Option<&Snapshot> {
        self.snapshot.as_deref().filter(|_| !self.snapshot_handed)
    }

    /// All that is to be stored has been handed out.
    pub(crate) fn handed_out(&mut self) {
        self.handed = self.last.index;
        self.snapshot_handed = self.snapshot.is_some();
    }

    /// What was handed out and is neither stored nor applied is to be handed out again; `bytes` of it are to
    /// be applied.
    pub(crate) fn put_back(&mut self, bytes: u64) {
        self.handed = self.stabled;
        self.snapshot_handed = false;
        self.applying = self.applied;
        self.applying_bytes = self.applying_bytes.saturating_sub(bytes);
        self.applying_paused = false;
    }

    /// The log is stored up to `id`, unless that part of it has been replaced since. Of what is stored,
    /// only the end stays in memory, up to `cache_bytes`.
    pub(crate) fn stored(&mut self, id: EntryId, cache_bytes: u64) {
        let is_in_log = id == self.last || self.recent.term(id.index) == Some(id.term);
        if id.index <= self.stabled || !is_in_log {
            return;
        }
        self.stabled = id.index;
        self.handed = self.handed.max(id.index);
        self.recent.evict(self.stabled, cache_bytes);
    }

    /// Whether what is stored takes no more memory than it may; what is not stored has to be here.
    pub(crate) fn cache_is_within(&self, cache_bytes: u64) -> bool {
        self.recent.bytes_up_to(self.stabled) <= cache_bytes
    }

    pub(crate) fn snapshot_stored(&mut self, index: Index) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.id.index == index) {
            self.snapshot = None;
            self.snapshot_handed = false;
        }
    }

    /// Whether a received snapshot is waiting or being stored.
    pub(crate) fn has_pending_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// The snapshot to send to a peer.
    pub(crate) fn snapshot_to_send(&self, peer: NodeId) -> Result<Snapshot, StorageError> {
        match &self.snapshot {
            Some(snapshot) => Ok((**snapshot).clone()),
            None => self.storage.snapshot_for(peer),
        }
    }

    /// The snapshot replaces the log.
    pub(crate) fn restore(&mut self, snapshot: Box<Snapshot>) {
        let id = snapshot.id;
        self.recent = Recent::new(id.index + 1);
        self.last = id;
        self.handed = id.index;
        self.stabled = id.index;
        self.committed = id.index;
        self.snapshot = Some(snapshot);
        self.snapshot_handed = false;
    }

    fn appliable(&self, allow_unstable: bool) -> Index {
        if allow_unstable { self.committed } else { self.committed.min(self.stabled) }
    }

    pub(crate) fn has_entries_to_apply(&self, allow_unstable: bool) -> bool {
        !self.applying_paused && self.snapshot.is_none() && self.applying < self.appliable(allow_unstable)
    }

    /// Committed entries that were not handed out yet, of which `max_bytes` may be under way.
    pub(crate) fn entries_to_apply(
        &mut self,
        allow_unstable: bool,
        max_bytes: u64,
    ) -> Result<Option<Entries>, StorageError> {
        if !self.has_entries_to_apply(allow_unstable) {
            return Ok(None);
        }
        let budget = max_bytes.saturating_sub(self.applying_bytes);
        let high = self.appliable(allow_unstable) + 1;
        match self.slice(self.applying + 1, high, budget)? {
            Some(entries) => Ok(Some(entries)),
            None => Err(StorageError::Contract("an entry was compacted before it was applied".into())),
        }
    }

    /// Entries up to `index` have been handed out for applying.
    pub(crate) fn handed_out_to_apply(
        &mut self,
        index: Index,
        bytes: u64,
        allow_unstable: bool,
        max_bytes: u64,
    ) {
        self.applying = index;
        self.applying_bytes = self.applying_bytes.saturating_add(bytes);
        self.applying_paused = self.applying_bytes >= max_bytes || index < self.appliable(allow_unstable);
    }

    pub(crate) fn applied_to(&mut self, index: Index, bytes: u64, max_bytes: u64) {
        debug_assert!(index <= self.committed, "applied what is not committed");
        self.applied = self.applied.max(index);
        self.applying = self.applying.max(self.applied);
        self.applying_bytes = self.applying_bytes.saturating_sub(bytes);
        self.applying_paused = self.applying_bytes >= max_bytes;
    }

    /// Whether a membership change up to `committed` waits to be applied. Looks at `page_bytes` at a time.
    pub(crate) fn has_unapplied_conf_change(
        &mut self,
        committed: Index,
        page_bytes: u64,
    ) -> Result<bool, StorageError> {
        // A host may compact what it has applied before it says so.
        let mut low = (self.applied + 1).max(self.first_index()?);
        while low <= committed {
            let page = self.slice(low, committed + 1, page_bytes)?.unwrap_or_default();
            if page.is_empty() {
                return Err(StorageError::Contract(format!("entry {low} is missing")));
            }
            if page.iter().any(Entry::is_conf_change) {
                return Ok(true);
            }
            low += page.len() as u64;
        }
        Ok(false)
    }
}

/// Whether a storage answered what it was asked for.
fn check_answer(entries: &[Entry], low: Index, high: Index) -> Result<(), StorageError> {
    let asked = high - low;
    let in_order = entries.iter().zip(low..high).all(|(entry, index)| entry.index() == index);
    if entries.is_empty() || entries.len() as u64 > asked || !in_order {
        return Err(StorageError::Contract(format!("asked for entries {low}..{high}, got others")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
