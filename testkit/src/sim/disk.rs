//! A node's disk: what was written, and what of it would survive a power failure.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use raftcore::{
    Bytes, ConfState, Entries, EntryId, EntryRuns, HardState, Index, MemoryStorage, Snapshot, Storage,
    StorageError, Term,
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
    /// Of a thousand reads, how many fail or answer no more than they must, and who decides which.
    failing_reads: u32,
    chance: Rng,
    /// The snapshot before the newest.
    older_snapshot: Option<Snapshot>,
    /// Whether syncing does nothing: a planted bug.
    never_syncs: bool,
    /// How often the library has read, and how many of these reads failed.
    reads: u64,
    failed_reads: u64,
}

/// What a crash did to a disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Damage {
    /// Some writes are gone.
    pub(super) lost: bool,
    /// Of one write a part is there.
    pub(super) torn: bool,
}

/// An atomic write to the log store.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// What a Ready asks to store.
    Log { hard_state: Option<HardState>, snapshot: Option<Box<Snapshot>>, entries: EntryRuns },
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

impl Write {
    /// What a crash may leave of it, given the commit index that is there: the first of its entries.
    /// Term and vote come before them, the commit index after them: it may mean the last of them, where
    /// the log still has others.
    fn torn(&self, commit: Index, rng: &mut Rng) -> Option<Self> {
        match self {
            Self::Log { hard_state, snapshot: None, entries } if !entries.is_empty() => {
                let kept = rng.below(entries.len() as u64) as usize;
                let entries = entries.clone().into_entries().slice(0..kept).into();
                let cut = |state: HardState| HardState { commit, ..state };
                Some(Self::Log { hard_state: hard_state.map(cut), snapshot: None, entries })
            }
            _ => None,
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
            older_snapshot: None,
            never_syncs: false,
            failed_reads: 0,
        })))
    }

    /// Another disk with what is visible on this one.
    pub(super) fn copy(&self) -> Self {
        let contents = self.0.borrow();
        let copy = Self::new(Snapshot::default(), 0);
        {
            let mut copied = copy.0.borrow_mut();
            copied.visible = contents.visible.clone();
            copied.durable = contents.visible.clone();
            copied.machine = contents.machine.clone();
        }
        copy
    }

    /// Plants a bug: what is synced is not.
    pub(super) fn never_sync(&self) {
        self.0.borrow_mut().never_syncs = true;
    }

    /// How many reads have failed.
    pub(super) fn failed_reads(&self) -> u64 {
        self.0.borrow().failed_reads
    }

    /// Writes, so that reads see it; it is durable after the next sync.
    pub(super) fn write(&self, write: Write) -> Result<(), StorageError> {
        let mut contents = self.0.borrow_mut();
        let replaces_snapshot = matches!(write, Write::Snapshot { .. });
        let older = if replaces_snapshot { contents.visible.snapshot().ok() } else { None };
        write.apply_to(&mut contents.visible)?;
        contents.older_snapshot = older.or(contents.older_snapshot.take());
        contents.unsynced.push(write);
        Ok(())
    }

    /// Makes durable what was written to the log store.
    pub(super) fn sync(&self) {
        let mut contents = self.0.borrow_mut();
        if !contents.never_syncs {
            let all = contents.unsynced.len();
            contents.make_durable(all);
        }
    }

    /// Saves a state of the state machine in its own store; durable some time later.
    pub(super) fn save_machine(&self, checkpoint: Checkpoint, sync: bool) {
        let mut contents = self.0.borrow_mut();
        contents.unsynced_machine = Some(checkpoint);
        if sync {
            contents.sync_machine();
        }
    }

    /// Loses a random part of what was not durable: the log store's writes from some point on (if it
    /// `tears`, a part of the last write), and perhaps the state machine's newest state.
    pub(super) fn crash(&self, rng: &mut Rng, tears: bool) -> Damage {
        let mut contents = self.0.borrow_mut();
        let most = contents.unsynced.len() as u64;
        let kept = if tears { most.saturating_sub(1) } else { rng.between(0, most) };
        contents.make_durable(kept as usize);
        let lost = !contents.unsynced.is_empty();
        let commit = contents.durable.hard_state().commit;
        let rest = contents.unsynced.first().filter(|_| tears).and_then(|write| write.torn(commit, rng));
        if let Some(rest) = &rest {
            rest.apply_to(&mut contents.durable).expect("the whole write succeeded on the visible log");
        }
        contents.unsynced.clear();
        contents.older_snapshot = None;
        contents.visible = contents.durable.clone();
        if rng.chance(500) {
            contents.sync_machine();
        }
        contents.unsynced_machine = None;
        Damage { lost, torn: rest.is_some() }
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
            if contents.is_bad_read() {
                contents.failed_reads += 1;
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
    /// Whether the simulator spoils this read.
    fn is_bad_read(&mut self) -> bool {
        self.failing_reads > 0 && self.chance.chance(self.failing_reads)
    }

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
        let mut entries = self.read()?.entries(low, high, max_bytes)?;
        let contents = &mut *self.0.borrow_mut();
        if contents.is_bad_read() {
            let kept = contents.chance.between(1, entries.len() as u64);
            entries = entries.slice(0..kept as usize);
        }
        Ok(entries)
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
        let newest = self.read()?.snapshot()?;
        let contents = &mut *self.0.borrow_mut();
        let is_stale = contents.is_bad_read();
        let first = contents.visible.first_index()?;
        let older = contents.older_snapshot.clone().filter(|older| is_stale && older.id.index + 1 >= first);
        Ok(older.unwrap_or(newest))
    }
}
