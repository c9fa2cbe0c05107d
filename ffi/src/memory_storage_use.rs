//! What a host does with a log in memory: stores what its node wants stored, compacts, looks.

use std::ffi::c_void;

use bytes::Bytes;
use raftcore::{
    ConfState, Entry, EntryId, Error, HardState, Index, MemoryStorage, Snapshot, Storage, StorageError,
};

use crate::args;
use crate::door::without_node;
use crate::drive::raft_persist;
use crate::lend::Release;
use crate::membership::raft_conf_state_buffer;
use crate::memory_storage::raft_memory_storage;
use crate::object;
use crate::ready::raft_ready_view;
use crate::sized::{self, SizedStruct};
use crate::snapshot::raft_snapshot_buffer;
use crate::status::{Failure, Within, raft_status};
use crate::types::{self, raft_conf_state, raft_entry, raft_hard_state, raft_slice, raft_snapshot};

/// What a raft_memory_storage holds.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_memory_storage_info {
    /// sizeof(raft_memory_storage_info), set by the caller.
    pub struct_size: usize,
    /// The hard state stored last.
    pub hard_state: raft_hard_state,
    /// Index of the first entry that is there, or would be: the log is compacted up to the one before.
    pub first_index: u64,
    /// Index of the last entry; first_index - 1 if there is none.
    pub last_index: u64,
    /// Its term.
    pub last_term: u64,
    /// Last entry that the snapshot covers; 0: there is no snapshot.
    pub snapshot_index: u64,
    /// Its term.
    pub snapshot_term: u64,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_memory_storage_info {
    const MIN_SIZE: usize = size_of::<Self>();
}

/// Works on a live storage.
///
/// # Safety
/// `storage` is NULL or live.
unsafe fn with(
    storage: *const raft_memory_storage,
    work: impl FnOnce(&mut MemoryStorage) -> Result<(), Failure>,
) -> raft_status {
    // SAFETY: the same contract.
    without_node(|| work(&mut *unsafe { object::live(storage, "storage") }?.log.lock()?))
}

/// What a node wants stored.
#[derive(Default)]
struct Batch {
    snapshot: Option<Snapshot>,
    entries: Vec<Entry>,
    hard_state: Option<HardState>,
}

impl Batch {
    /// All of it, or nothing. Storing the same again changes nothing.
    fn store(self, log: &mut MemoryStorage) -> Result<(), Failure> {
        let before = match &self.snapshot {
            Some(Snapshot { id: EntryId { index: 0 | Index::MAX, .. }, .. }) => {
                return Err(Failure::argument("snapshot.index", "is that of no entry"));
            }
            Some(snapshot) => snapshot.id.index,
            None => log.last_index().map_err(Error::Storage)?,
        };
        check_run(&self.entries, before)?;
        if let Some(snapshot) = self.snapshot.filter(|it| log.snapshot().is_ok_and(|own| own.id != it.id)) {
            log.apply_snapshot(snapshot).map_err(Error::Storage)?;
        }
        log.append(self.entries).map_err(Error::Storage)?;
        if let Some(hard_state) = self.hard_state {
            log.set_hard_state(hard_state);
        }
        Ok(())
    }
}

/// Entries that follow each other, and a log that ends at `before`, without a gap.
fn check_run(entries: &[Entry], before: Index) -> Result<(), Failure> {
    let Some(first) = entries.first() else { return Ok(()) };
    if first.id.index == 0 || first.id.index > before.saturating_add(1) {
        let problem = format!("begin at {}, and the log ends at {before}", first.id.index);
        return Err(Failure::argument("entries", problem));
    }
    match entries.windows(2).all(|pair| matches!(pair, [a, b] if b.id.index == a.id.index.wrapping_add(1))) {
        true if entries.last().is_none_or(|last| last.id.index < Index::MAX) => Ok(()),
        _ => Err(Failure::argument("entries", "do not follow each other")),
    }
}

/// # Safety
/// `entries` points to `len` entries with payloads as long as they say.
unsafe fn copy_entries(entries: *const raft_entry, len: usize) -> Result<Vec<Entry>, Failure> {
    // SAFETY: the same contract.
    unsafe { types::entries(args::array(entries, len, "entries")?) }
}

/// The snapshot of a view or of what is to be persisted, its data shared.
///
/// # Safety
/// `buffer` is NULL or live.
unsafe fn shared(buffer: *const raft_snapshot_buffer) -> Result<Option<Snapshot>, Failure> {
    match buffer.is_null() {
        true => Ok(None),
        // SAFETY: the same contract.
        false => Ok(Some(unsafe { object::live(buffer, "snapshot_buffer") }?.snapshot.clone())),
    }
}

/// Stores what raft_host.persist (or raft_checked_storage.persist) was given, and only that: a host does
/// not make a raft_persist itself. All of it, or nothing on an error; the payloads of entries are copied.
///
/// Neither argument is NULL. Any thread. Errors: RAFT_ERR_STORAGE (the snapshot is older than the one that
/// is there), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_persist(
    storage: *mut raft_memory_storage,
    what: *const raft_persist,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and what the library gave its caller.
    unsafe {
        with(storage, |log| {
            let what = args::reference(what, "what")?;
            let batch = Batch {
                snapshot: shared(what.snapshot_buffer)?,
                entries: copy_entries(what.entries, what.entries_len)?,
                hard_state: what.hard_state.as_ref().map(|state| HardState::from(*state)),
            };
            batch.store(log)
        })
    }
}

/// Stores what a ready view wants stored: step 2 of raft_ready_view. Otherwise as
/// raft_memory_storage_persist.
///
/// Neither argument is NULL; `view` is one that raft_ready gave, not a copy of it. Any thread. Errors: as
/// raft_memory_storage_persist.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_store(
    storage: *mut raft_memory_storage,
    view: *const raft_ready_view,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and a view that is out.
    unsafe {
        with(storage, |log| {
            let view = args::reference(view, "view")?;
            let batch = Batch {
                snapshot: shared(view.snapshot_buffer)?,
                entries: copy_entries(view.entries, view.entries_len)?,
                hard_state: view.has_hard_state.then(|| view.hard_state.into()),
            };
            batch.store(log)
        })
    }
}

/// Stores entries: they replace what is stored at their indexes and everything after; those already
/// compacted are passed over. `entries` points to `len` of them, one index after the other; they are copied.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT (also if they leave a gap).
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_append(
    storage: *mut raft_memory_storage,
    entries: *const raft_entry,
    len: usize,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and `len` entries as long as they say.
    unsafe {
        with(storage, |log| Batch { entries: copy_entries(entries, len)?, ..Batch::default() }.store(log))
    }
}

/// Stores the hard state. Neither argument is NULL.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_set_hard_state(
    storage: *mut raft_memory_storage,
    hard_state: *const raft_hard_state,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and NULL or a hard state.
    unsafe {
        with(storage, |log| {
            log.set_hard_state((*args::reference(hard_state, "hard_state")?).into());
            Ok(())
        })
    }
}

/// Stores the membership that a change has led to: what raft_host.apply_conf_change was given, or
/// raft_apply_conf_change gave. A node that is made from the storage starts with it; such a node's
/// raft_config.applied is at least that change's index. Neither argument is NULL; `state` is copied.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_set_conf_state(
    storage: *mut raft_memory_storage,
    state: *const raft_conf_state,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and NULL or a membership as long as it says.
    unsafe {
        with(storage, |log| {
            log.set_conf_state(types::conf_state(state).within("state")?);
            Ok(())
        })
    }
}

/// Stores a snapshot from elsewhere: it replaces the log. The one that is there already changes nothing.
/// Neither argument is NULL; `snapshot` is copied.
///
/// Any thread. Errors: RAFT_ERR_STORAGE (a newer one is there), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_apply_snapshot(
    storage: *mut raft_memory_storage,
    snapshot: *const raft_snapshot,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and NULL or a snapshot as long as it says.
    unsafe {
        with(storage, |log| {
            Batch { snapshot: Some(types::snapshot(snapshot).within("snapshot")?), ..Batch::default() }
                .store(log)
        })
    }
}

/// Makes a snapshot of the host's state after it has applied entry `index`. Peers that need compacted
/// entries get it; see raft_memory_storage_compact.
///
/// `storage` is not NULL. `state` is the membership after that entry; NULL: the one that was stored last.
/// It is copied, and so is `data`. Any thread. Errors: RAFT_ERR_STORAGE (the entry is not there, or an
/// equal or newer snapshot is), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_create_snapshot(
    storage: *mut raft_memory_storage,
    index: u64,
    state: *const raft_conf_state,
    data: raft_slice,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and a membership and data as long as they say.
    unsafe { with(storage, |log| create(log, index, state, args::copy(data, "data")?)) }
}

/// Makes a snapshot as raft_memory_storage_create_snapshot does, without copying `data`: it must stay as
/// it is until `release(context)` is called, exactly once, by any thread, whatever this function answers.
/// `release` is not NULL, and must not call the library.
///
/// Any thread. Errors: as raft_memory_storage_create_snapshot.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_create_snapshot_owned(
    storage: *mut raft_memory_storage,
    index: u64,
    state: *const raft_conf_state,
    data: raft_slice,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
) -> raft_status {
    let release = Release::new(release, context);
    // SAFETY: as above, and the data stays as it is until the release.
    unsafe { with(storage, |log| create(log, index, state, release?.lend(data, "data")?)) }
}

/// # Safety
/// `state` is NULL or points to a membership as long as it says.
unsafe fn create(
    log: &mut MemoryStorage,
    index: Index,
    state: *const raft_conf_state,
    data: Bytes,
) -> Result<(), Failure> {
    let state: ConfState = match state.is_null() {
        true => log.initial_state().map_err(Error::Storage)?.1,
        // SAFETY: the same contract.
        false => unsafe { types::conf_state(state) }.within("state")?,
    };
    log.create_snapshot(index, state, data).map_err(Error::Storage)?;
    Ok(())
}

/// Forgets the log up to and including `index`. The snapshot must cover it.
///
/// `storage` is not NULL. Any thread. Errors: RAFT_ERR_STORAGE (it is gone already, or was never there),
/// RAFT_ERR_INVALID_ARGUMENT (also if the snapshot does not cover it).
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_compact(
    storage: *mut raft_memory_storage,
    index: u64,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage.
    unsafe {
        with(storage, |log| {
            if index > log.snapshot().map_err(Error::Storage)?.id.index {
                return Err(Failure::argument("index", "is not covered by a snapshot"));
            }
            Ok(log.compact(index).map_err(Error::Storage)?)
        })
    }
}

/// Tells what a storage holds. Neither argument is NULL; out->struct_size is set by the caller.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_status(
    storage: *const raft_memory_storage,
    out: *mut raft_memory_storage_info,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and a result with its size.
    unsafe {
        with(storage, |log| {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            sized::write(out, size, info(log).map_err(Error::Storage)?, "out")
        })
    }
}

fn info(log: &MemoryStorage) -> Result<raft_memory_storage_info, StorageError> {
    let (last_index, snapshot) = (log.last_index()?, log.snapshot()?.id);
    Ok(raft_memory_storage_info {
        struct_size: size_of::<raft_memory_storage_info>(),
        hard_state: log.hard_state().into(),
        first_index: log.first_index()?,
        last_index,
        last_term: log.term(last_index)?,
        snapshot_index: snapshot.index,
        snapshot_term: snapshot.term,
    })
}

/// Tells the membership that was stored last. Neither argument is NULL; on success `*out` is to be freed
/// with raft_conf_state_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_conf_state(
    storage: *const raft_memory_storage,
    out: *mut *mut raft_conf_state_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and room for the result.
    unsafe {
        object::give(out, || {
            let storage = object::live(storage, "storage")?;
            let (_, members) = storage.log.lock()?.initial_state().map_err(Error::Storage)?;
            Ok(raft_conf_state_buffer::new(members))
        })
    }
}

/// Gives the latest snapshot, without copying its data: a host that starts again has its state machine's
/// state there. Neither argument is NULL; on success `*out` is to be freed with raft_snapshot_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_snapshot(
    storage: *const raft_memory_storage,
    out: *mut *mut raft_snapshot_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or a live storage, and room for the result.
    unsafe {
        object::give(out, || {
            let storage = object::live(storage, "storage")?;
            let snapshot = storage.log.lock()?.snapshot().map_err(Error::Storage)?;
            Ok(raft_snapshot_buffer::owned(snapshot))
        })
    }
}
