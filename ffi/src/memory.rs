//! The log of nodes that live in memory, and how hosts keep it short.

use std::ffi::c_void;

use bytes::Bytes;
use raftcore::{ConfState, Error, Index, MemoryStorage, Ready, StorageError};

use crate::args;
use crate::handle::{State, call, raft_node};
use crate::lend::Release;
use crate::status::{Failure, raft_status};
use crate::storage::NodeStorage;
use crate::types::raft_slice;

/// A log in memory, and the membership that its snapshots shall have.
pub(crate) struct Memory {
    pub(crate) log: MemoryStorage,
    conf_state: ConfState,
    /// Where the membership was changed last: snapshots of earlier states would have another one.
    changed_at: Index,
}

impl Memory {
    /// The storage of a first member, or of one that joins later.
    pub(crate) fn new(members: Option<ConfState>) -> Self {
        let conf_state = members.clone().unwrap_or_default();
        let log = members.map_or_else(MemoryStorage::new, MemoryStorage::with_conf_state);
        Self { log, conf_state, changed_at: 0 }
    }

    pub(crate) fn change_membership(&mut self, conf_state: &ConfState, index: Index) {
        self.log.set_conf_state(conf_state.clone());
        self.conf_state = conf_state.clone();
        self.changed_at = index;
    }

    /// Stores what a `Ready` wants stored.
    pub(crate) fn store(&mut self, ready: &Ready) -> Result<(), StorageError> {
        if let Some(snapshot) = ready.snapshot.as_deref() {
            self.log.apply_snapshot(snapshot.clone())?;
            self.conf_state = snapshot.conf_state.clone();
            self.changed_at = snapshot.id.index;
        }
        self.log.append(&ready.entries)?;
        if let Some(hard_state) = ready.hard_state {
            self.log.set_hard_state(hard_state);
        }
        Ok(())
    }
}

/// Makes a snapshot in a node that was made by raft_node_new_in_memory: the host's state after it
/// has applied entry `index`. Peers that need compacted entries get it; see raft_memory_compact. A
/// host that adds members makes one after each such change: who joins must find itself there.
///
/// `data` is copied. Any thread. Errors: RAFT_ERR_STORAGE (`index` is not stored, or an equal or
/// newer snapshot exists), RAFT_ERR_INVALID_ARGUMENT (not a node in memory; `index` is not
/// committed, or older than the last membership change), RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_snapshot(
    node: *mut raft_node,
    index: u64,
    data: raft_slice,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and data as long as it says.
    unsafe {
        call(node, |node| {
            let data = args::copy(data, "data")?;
            node.lock(|state| state.make_snapshot(index, data))
        })
    }
}

/// Makes a snapshot as raft_memory_snapshot does, without copying `data`: it must stay as it is until
/// `release(context)` is called, exactly once, by any thread, whatever this function answers.
/// `release` is not NULL, and must not call the library.
///
/// Any thread. Errors: as raft_memory_snapshot.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_snapshot_owned(
    node: *mut raft_node,
    index: u64,
    data: raft_slice,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
) -> raft_status {
    let release = Release::new(release, context);
    // SAFETY: the header demands NULL or a live node, and data that stays as it is until the release.
    unsafe {
        call(node, |node| {
            let data = release?.lend(data, "data")?;
            node.lock(|state| state.make_snapshot(index, data))
        })
    }
}

/// Forgets the log up to and including `index` in a node that was made by raft_node_new_in_memory.
/// Its last snapshot must cover them.
///
/// Any thread. Errors: RAFT_ERR_STORAGE (they are gone already, or were never there),
/// RAFT_ERR_INVALID_ARGUMENT (not a node in memory, or no snapshot covers them),
/// RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_compact(node: *mut raft_node, index: u64) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, |node| node.lock(|state| state.compact(index))) }
}

impl State {
    fn make_snapshot(&mut self, index: Index, data: Bytes) -> Result<(), Failure> {
        let commit = self.raw.hard_state().commit;
        let memory = self.memory()?;
        if index > commit {
            return Err(Failure::argument("index", "is not committed"));
        }
        if index < memory.changed_at {
            return Err(Failure::argument("index", "is older than the last membership change"));
        }
        let conf_state = memory.conf_state.clone();
        memory.log.create_snapshot(index, conf_state, data).map_err(Error::Storage)?;
        Ok(())
    }

    fn compact(&mut self, index: Index) -> Result<(), Failure> {
        let memory = self.memory()?;
        if index > raftcore::Storage::snapshot(&memory.log).map_err(Error::Storage)?.id.index {
            return Err(Failure::argument("index", "is not covered by a snapshot"));
        }
        Ok(memory.log.compact(index).map_err(Error::Storage)?)
    }

    fn memory(&mut self) -> Result<&mut Memory, Failure> {
        match self.raw.storage_mut() {
            NodeStorage::Memory(memory) => Ok(memory),
            NodeStorage::Host(_) => Err(Failure::argument("node", "keeps its log in host storage")),
        }
    }
}
