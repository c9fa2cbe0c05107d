//! A log in memory that the host holds: a storage ready made, behind the callbacks of `raft_storage`.

use std::ffi::c_void;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use raftcore::{Error, MemoryStorage, Storage, StorageError};

use crate::args::{self, Output};
use crate::door::{guarded, without_node};
use crate::fork::Origin;
use crate::object::{self, Mark, object};
use crate::sink::{raft_conf_state_sink, raft_entry_sink, raft_snapshot_sink};
use crate::sized;
use crate::status::{self, Failure, RAFT_OK, Within, raft_status};
use crate::storage::raft_storage;
use crate::types::{self, raft_conf_state, raft_hard_state};

/// A log in memory that the host holds: for first programs, tests, and hosts that begin with a storage
/// of the library's and put their own in its place later. It does what raft_storage demands, and the
/// host stores into it what its node wants stored. It outlives its node: a node made anew from it goes
/// on where the one before stopped. (raft_node_new_in_memory needs none of this, and loses its log with
/// the node.)
///
/// Any thread may call any function on it, in callbacks of its node too; a lock inside makes the calls
/// happen one after the other. As a node, it belongs to the process that made it: in a child made by fork()
/// every function answers RAFT_ERR_FORKED, but raft_memory_storage_free, which does nothing.
pub struct raft_memory_storage {
    mark: Mark,
    pub(crate) log: Arc<Log>,
}

object!(raft_memory_storage, 0x3e30_1064, "memory storage");

/// What the handle and the tables made from it share.
pub(crate) struct Log {
    origin: Origin,
    storage: Mutex<MemoryStorage>,
}

impl Log {
    /// The log, locked; an error in a process that has inherited it.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, MemoryStorage>, Failure> {
        self.origin.check()?;
        Ok(self.storage.lock())
    }
}

/// Makes a storage.
///
/// `members` is the membership that the group starts with, the same on all of its first nodes; it is
/// copied; NULL for a node that joins later. The log of a first member starts behind index 1, a snapshot
/// of the empty state. `out` is not NULL; on success `*out` is to be freed with raft_memory_storage_free.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_new(
    members: *const raft_conf_state,
    out: *mut *mut raft_memory_storage,
) -> raft_status {
    // SAFETY: the header demands NULL or a membership as long as it says, and room for the result.
    unsafe {
        object::give(out, || {
            let log = match members.is_null() {
                true => MemoryStorage::new(),
                false => MemoryStorage::with_conf_state(types::conf_state(members).within("members")?),
            };
            Ok(raft_memory_storage {
                mark: Mark::owned::<raft_memory_storage>(),
                log: Arc::new(Log { origin: Origin::here()?, storage: Mutex::new(log) }),
            })
        })
    }
}

/// Frees a storage. NULL is allowed. What raft_memory_storage_table gave out still works: the log itself
/// goes when the last table is released.
///
/// No other thread may be using this handle, now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_memory_storage_free(storage: *mut raft_memory_storage) {
    // SAFETY: the header demands NULL or a storage whose handle nobody uses any more.
    unsafe {
        if object::live(storage, "storage").is_ok_and(|it| it.log.origin.is_here()) {
            object::free(storage);
        }
    }
}

/// Gives the table by which a node reads the storage: for raft_node_new, or raft_checked_storage.
///
/// Neither argument is NULL; out->struct_size is set by the caller. The table keeps the log until its
/// release is called: by raft_node_new and raft_node_free; a host that uses it otherwise calls
/// out->release(out->context), once. Until then a host may also call the other callbacks in it, to read
/// (out->term, out->last_index and so on; what takes a sink, only the library can call).
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_memory_storage_table(
    storage: *const raft_memory_storage,
    out: *mut raft_storage,
) -> raft_status {
    without_node(|| {
        // SAFETY: the header demands NULL or a live storage, and a result with its size.
        unsafe {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            let log = &object::live(storage, "storage")?.log;
            log.origin.check()?;
            let share = Arc::into_raw(Arc::clone(log));
            // SAFETY: as above; if nobody got the share, it is given back.
            sized::write(out, size, table(share), "out").inspect_err(|_| drop(Arc::from_raw(share)))
        }
    })
}

fn table(share: *const Log) -> raft_storage {
    raft_storage {
        struct_size: size_of::<raft_storage>(),
        context: share.cast_mut().cast(),
        initial_state: Some(initial_state),
        entries: Some(entries),
        term: Some(term),
        first_index: Some(first_index),
        last_index: Some(last_index),
        snapshot: Some(snapshot),
        release: Some(release),
        snapshot_for: None,
    }
}

/// Answers a callback of a table.
///
/// # Safety
/// `context` is that of a table that was not released.
unsafe fn answer(
    context: *mut c_void,
    read: impl FnOnce(&MemoryStorage) -> Result<(), Failure>,
) -> raft_status {
    let answer = guarded(|| {
        // SAFETY: it came from `Arc::into_raw` in `raft_memory_storage_table`, and the share is not given
        // back before the release.
        let log = unsafe { args::reference(context.cast::<Log>(), "context") }?;
        read(&*log.lock()?)
    });
    match answer {
        Ok(()) => RAFT_OK,
        Err(Failure::Core(Error::Storage(error))) => status::status_of_storage(&error),
        Err(failure) => failure.status(),
    }
}

/// # Safety
/// As [`answer`]; `out` is NULL or may be written to.
unsafe fn number(
    context: *mut c_void,
    out: *mut u64,
    read: impl FnOnce(&MemoryStorage) -> Result<u64, StorageError>,
) -> raft_status {
    // SAFETY: the same contract.
    unsafe {
        answer(context, |log| {
            let out = Output::required(out, "out")?;
            out.set(read(log).map_err(Error::Storage)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn initial_state(
    context: *mut c_void,
    hard_state: *mut raft_hard_state,
    conf_state: *mut raft_conf_state_sink,
) -> raft_status {
    // SAFETY: the header demands the table's context, room for the result, and the caller's own sink.
    unsafe {
        answer(context, |log| {
            let out = Output::required(hard_state, "hard_state")?;
            let sink = conf_state.as_mut().ok_or_else(|| Failure::argument("conf_state", "is NULL"))?;
            let (stored, members) = log.initial_state().map_err(Error::Storage)?;
            sink.state = members;
            out.set(stored.into());
            Ok(())
        })
    }
}

unsafe extern "C" fn entries(
    context: *mut c_void,
    low: u64,
    high: u64,
    max_bytes: u64,
    out: *mut raft_entry_sink,
) -> raft_status {
    // SAFETY: the header demands the table's context, and the caller's own sink.
    unsafe {
        answer(context, |log| {
            let sink = out.as_mut().ok_or_else(|| Failure::argument("out", "is NULL"))?;
            // Not copied: the payloads are shared. A full sink is no failure.
            let found = log.entries(low, high, max_bytes).map_err(Error::Storage)?;
            let _ = found.iter().try_for_each(|entry| sink.push(entry.clone()));
            Ok(())
        })
    }
}

unsafe extern "C" fn term(context: *mut c_void, index: u64, out: *mut u64) -> raft_status {
    // SAFETY: the header demands the table's context, and room for the result.
    unsafe { number(context, out, |log| log.term(index)) }
}

unsafe extern "C" fn first_index(context: *mut c_void, out: *mut u64) -> raft_status {
    // SAFETY: as above.
    unsafe { number(context, out, MemoryStorage::first_index) }
}

unsafe extern "C" fn last_index(context: *mut c_void, out: *mut u64) -> raft_status {
    // SAFETY: as above.
    unsafe { number(context, out, MemoryStorage::last_index) }
}

unsafe extern "C" fn snapshot(context: *mut c_void, out: *mut raft_snapshot_sink) -> raft_status {
    // SAFETY: the header demands the table's context, and the caller's own sink.
    unsafe {
        answer(context, |log| {
            let sink = out.as_mut().ok_or_else(|| Failure::argument("out", "is NULL"))?;
            sink.snapshot = Some(log.snapshot().map_err(Error::Storage)?);
            Ok(())
        })
    }
}

unsafe extern "C" fn release(context: *mut c_void) {
    // SAFETY: it came from `Arc::into_raw` in `raft_memory_storage_table`, and the header demands that it
    // is released once.
    let _ = guarded(|| unsafe {
        let log = Arc::from_raw(context.cast::<Log>().cast_const());
        if !log.origin.is_here() {
            std::mem::forget(log);
        }
        Ok(())
    });
}
