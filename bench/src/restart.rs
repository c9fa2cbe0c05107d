//! `restart`: a node continues from a long log; what it reads of it.

use std::cell::Cell;

use bytes::Bytes;
use raftcore::{
    ConfState, Config, Entries, HardState, Index, MemoryStorage, RawNode, Snapshot, Storage, StorageError,
    Term,
};

use crate::Failure;
use crate::clock::Clock;
use crate::payload::{self, Look, Sequence};
use crate::peer::{Settings, ours};
use crate::replicate::check;

/// What a node has to do after its restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Its host's state machine has kept what it applied.
    Kept,
    /// The same, and it becomes the leader (of a group of one).
    Leads,
    /// Its host's state machine is empty: all entries are handed out again.
    Replayed,
}

impl Case {
    pub(crate) const ALL: [Case; 3] = [Case::Kept, Case::Leads, Case::Replayed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Case::Kept => "restart",
            Case::Leads => "restart and lead",
            Case::Replayed => "restart and apply all again",
        }
    }
}

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) entries_read: u64,
    /// Calls of the storage, those that read entries included.
    pub(crate) calls: u64,
}

/// Restarts a node with `entries` entries in its log.
pub(crate) fn measure(case: Case, entries: u64, len: usize, clock: Clock) -> Result<Cost, Failure> {
    let settings = Settings::new(1, 10);
    let payloads = payload::lap(0, entries as usize, len);
    let storage = Counting::new(ours::storage_with_log(settings, &payloads)?);
    let full = Settings::FIRST_INDEX + entries;
    let applied = if case == Case::Replayed { Settings::FIRST_INDEX } else { full };
    let mut sequence = Sequence::new(Look::Ends, applied);
    let start = clock.start();
    let mut node = RawNode::new(Config { applied, ..ours::config(1, settings) }, storage)?;
    if case == Case::Leads {
        node.campaign()?;
    }
    drive(&mut node, &mut sequence)?;
    let seconds = start.elapsed().as_secs_f64();
    if case == Case::Replayed {
        check_replay(&payloads, &sequence)?;
    }
    let storage = node.storage();
    Ok(Cost { seconds, entries_read: storage.entries_read.get(), calls: storage.calls.get() })
}

fn check_replay(payloads: &[Bytes], sequence: &Sequence) -> Result<(), Failure> {
    let mut expected = Sequence::new(Look::Ends, 0);
    payloads.iter().for_each(|payload| expected.add(payload));
    check(&[*sequence], &expected)
}

fn drive(node: &mut RawNode<Counting>, applied: &mut Sequence) -> Result<(), Failure> {
    while node.has_ready() {
        let ready = node.ready()?;
        let storage = &mut node.storage_mut().inner;
        storage.append(&ready.entries)?;
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
        for entry in ready.committed_entries.iter() {
            applied.apply(entry.index(), &entry.data)?;
        }
        node.advance(ready)?;
    }
    Ok(())
}

/// A storage that counts what is read.
struct Counting {
    inner: MemoryStorage,
    calls: Cell<u64>,
    entries_read: Cell<u64>,
}

impl Counting {
    fn new(inner: MemoryStorage) -> Self {
        Self { inner, calls: Cell::new(0), entries_read: Cell::new(0) }
    }

    fn count(&self) -> &MemoryStorage {
        self.calls.set(self.calls.get() + 1);
        &self.inner
    }
}

impl Storage for Counting {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.count().initial_state()
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        let found = self.count().entries(low, high, max_bytes)?;
        self.entries_read.set(self.entries_read.get() + found.len() as u64);
        Ok(found)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.count().term(index)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.count().first_index()
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.count().last_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.count().snapshot()
    }
}
