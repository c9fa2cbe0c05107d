//! A node's disk: what was written, and what of it would survive a power failure.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use raftcore::{
    Bytes, ConfState, Entries, EntryId, HardState, Index, MemoryStorage, Snapshot, Storage, StorageError,
    Term,
};

use super::machine::Checkpoint;
use crate::rng::Rng;

/// A disk, shared by the node that runs on it and the simulator that looks at it.
#[derive(Clone, Debug)]
pub(super) struct Disk(Rc<RefCell<Contents>>);

#[derive(Debug)]
struct Contents {
    /// What reads see.
    visible: MemoryStorage,
    /// What is left after a power failure, whatever happens.
    durable: MemoryStorage,
    /// What of the visible is not durable yet, in order.
    unsynced: Vec<Write>,
    /// The state machine has a store of its own, which syncs when it likes.
    machine: Checkpoint,
    unsynced_machine: Option<Checkpoint>,
    /// Whether a snapshot is being made, so that none can be read.
    snapshot_busy: bool,
    /// Of a thousand reads, how many fail, and who decides which.
    failing_reads: u32,
    chance: Rng,
    /// How often the library has read.
    reads: u64,
}

/// An atomic write to the log store.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// What a Ready asks to store.
    Log { hard_state: Option<HardState>, snapshot: Option<Box<Snapshot>>, entries: Entries },
    /// A snapshot made by the node itself.
    Snapshot { index: Index, conf_state: ConfState, data: Bytes },
    /// Removal of all entries up to this one.
    Compact(Index),
}

impl Write {
    fn apply_to(&self, log: &mut MemoryStorage) -> Result<(), StorageError> {
        match self {
            Self::Log { hard_state, snapshot, entries } => {
                if let Some(snapshot) = snapshot.as_deref() {
                    log.apply_snapshot(snapshot.clone())?;
                }
                log.append(entries)?;
                if let Some(hard_state) = hard_state {
                    log.set_hard_state(*hard_state);
                }
                Ok(())
            }
            Self::Snapshot { index, conf_state, data } => {
                log.create_snapshot(*index, conf_state.clone(), data.clone()).map(drop)
            }
            Self::Compact(index) => log.compact(*index),
        }
    }
}

impl Disk {
    /// A disk with nothing but a snapshot; an empty one leaves it blank.
    pub(super) fn new(snapshot: Snapshot, seed: u64) -> Self {
        let machine = Checkpoint::of(&snapshot);
        let log = MemoryStorage::with_snapshot(snapshot);
        Self(Rc::new(RefCell::new(Contents {
            visible: log.clone(),
            durable: log,
            unsynced: Vec::new(),
            machine,
            unsynced_machine: None,
            snapshot_busy: false,
            failing_reads: 0,
            chance: Rng::new(seed),
            reads: 0,
        })))
    }

    /// Writes, so that reads see it; it is durable after the next sync.
    pub(super) fn write(&self, write: Write) -> Result<(), StorageError> {
        let mut contents = self.0.borrow_mut();
        write.apply_to(&mut contents.visible)?;
        contents.unsynced.push(write);
        Ok(())
    }

    /// Makes durable what was written to the log store.
    pub(super) fn sync(&self) {
        let mut contents = self.0.borrow_mut();
        let all = contents.unsynced.len();
        contents.make_durable(all);
    }

    /// Saves a state of the state machine in its own store; durable some time later.
    pub(super) fn save_machine(&self, checkpoint: Checkpoint, sync: bool) {
        let mut contents = self.0.borrow_mut();
        contents.unsynced_machine = Some(checkpoint);
        if sync {
            contents.sync_machine();
        }
    }

    /// Loses a random part of what was not durable: the log store's writes from some point on, and
    /// perhaps the state machine's newest state.
    pub(super) fn crash(&self, rng: &mut Rng) {
        let mut contents = self.0.borrow_mut();
        let kept = rng.between(0, contents.unsynced.len() as u64);
        contents.make_durable(kept as usize);
        contents.unsynced.clear();
        contents.visible = contents.durable.clone();
        if rng.chance(500) {
            contents.sync_machine();
        }
        contents.unsynced_machine = None;
    }

    /// The state that a restarted state machine begins with: the newer of its own and the log
    /// store's snapshot.
    pub(super) fn recover_machine(&self) -> Checkpoint {
        let contents = self.0.borrow();
        let snapshot = Checkpoint::of(&contents.visible.snapshot().unwrap_or_default());
        if contents.machine.applied > snapshot.applied { contents.machine.clone() } else { snapshot }
    }

    pub(super) fn snapshot_index(&self) -> Index {
        self.0.borrow().visible.snapshot().map(|snapshot| snapshot.id.index).unwrap_or_default()
    }

    /// Lets reads fail: so many of a thousand.
    pub(super) fn set_failing_reads(&self, permille: u32) {
        self.0.borrow_mut().failing_reads = permille;
    }

    /// How often the library has read the log.
    pub(super) fn reads(&self) -> u64 {
        self.0.borrow().reads
    }

    /// The log, for a read that the library wants.
    fn read(&self) -> Result<Ref<'_, MemoryStorage>, StorageError> {
        {
            let contents = &mut *self.0.borrow_mut();
            contents.reads += 1;
            if contents.failing_reads > 0 && contents.chance.chance(contents.failing_reads) {
                return Err(StorageError::Host { code: 5, message: "a simulated fault".into() });
            }
        }
        Ok(Ref::map(self.0.borrow(), |contents| &contents.visible))
    }

    /// The log that reads see, looked at from outside: never fails.
    pub(super) fn visible(&self) -> Ref<'_, MemoryStorage> {
        Ref::map(self.0.borrow(), |contents| &contents.visible)
    }

    pub(super) fn set_snapshot_busy(&self, busy: bool) {
        self.0.borrow_mut().snapshot_busy = busy;
    }

    pub(super) fn durable_hard_state(&self) -> HardState {
        self.0.borrow().durable.hard_state()
    }

    /// The term of a durable entry; None if it is not there, or compacted.
    pub(super) fn durable_term(&self, index: Index) -> Option<Term> {
        self.0.borrow().durable.term(index).ok()
    }

    /// Whether an entry is durable here, or part of a durable snapshot.
    pub(super) fn holds(&self, id: EntryId) -> bool {
        let durable = &self.0.borrow().durable;
        let compacted = durable.first_index().is_ok_and(|first| id.index < first);
        compacted || durable.term(id.index) == Ok(id.term)
    }

    /// The last durable entry.
    pub(super) fn durable_last(&self) -> EntryId {
        let durable = &self.0.borrow().durable;
        let index = durable.last_index().unwrap_or_default();
        EntryId::new(durable.term(index).unwrap_or_default(), index)
    }

    /// All entries that reads see.
    pub(super) fn all_entries(&self) -> Entries {
        let log = &self.0.borrow().visible;
        let (first, last) = (log.first_index().unwrap_or(1), log.last_index().unwrap_or(0));
        if first > last {
            return Entries::new();
        }
        log.entries(first, last + 1, u64::MAX).expect("a MemoryStorage has what it says it has")
    }
}

impl Contents {
    fn make_durable(&mut self, count: usize) {
        for write in self.unsynced.drain(..count) {
            write.apply_to(&mut self.durable).expect("it succeeded on the visible log");
        }
    }

    fn sync_machine(&mut self) {
        if let Some(checkpoint) = self.unsynced_machine.take() {
            self.machine = checkpoint;
        }
    }
}

impl Storage for Disk {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        let hard_state = self.read()?.hard_state();
        Ok((hard_state, self.recover_machine().conf_state))
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.read()?.entries(low, high, max_bytes)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.read()?.term(index)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.read()?.first_index()
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.read()?.last_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        if self.0.borrow().snapshot_busy {
            return Err(StorageError::SnapshotUnavailable);
        }
        self.read()?.snapshot()
    }
}
