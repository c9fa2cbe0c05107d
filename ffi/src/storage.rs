//! The storage that a node reads: the host's callbacks, or memory.

use std::ffi::c_void;
use std::mem::offset_of;

use raftcore::{ConfState, Entries, HardState, Index, NodeId, Snapshot, Storage, StorageError, Term};

use crate::memory::Memory;
use crate::sink::{Refusal, raft_conf_state_sink, raft_entry_sink, raft_snapshot_sink};
use crate::sized::{self, SizedStruct};
use crate::status::{
    self, Failure, RAFT_ERR_COMPACTED, RAFT_ERR_SNAPSHOT_UNAVAILABLE, RAFT_ERR_TOO_LARGE,
    RAFT_ERR_UNAVAILABLE, RAFT_OK, raft_status,
};
use crate::types::raft_hard_state;
/// The host's durable log, as the node reads it. The node never writes: what must be stored is in a
/// ready view (or is given to raft_host.persist), and the host stores it.
///
/// The log holds consecutive entries first_index..last_index, preceded by a compacted prefix that a
/// snapshot covers. An empty log has last_index = first_index - 1.
///
/// A group starts from a snapshot: the storages of its first members hold the membership, and a log
/// that is compacted up to index 1 of term 1 (hard state {1, 0, 1}, first_index 2, last_index 1,
/// term of 1 is 1, a snapshot of the empty state at 1). A node that joins later starts with an empty
/// storage and is sent a snapshot, from which it learns who the members are. It must find itself
/// there: a host makes a new snapshot when it applies a change that adds a member.
///
/// The snapshot may have any index and any term; the hard state's term is at least the snapshot's. A log
/// and no hard state, or one of an earlier term, is a storage that lost what the node promised: the node
/// does not start from it (RAFT_ERR_INCONSISTENT_STORAGE). Only a snapshot of term 1, with nothing behind
/// it, needs no hard state. What else a group may start from, as etcd does it or from a backup, is in
/// docs/operations.md.
///
/// The contract:
/// - What was handed out for storing is visible here from the moment the host advances (or its
///   persist callback returns RAFT_OK), and is not lost by a restart.
/// - Entries stored at an index replace what was stored there and everything after it.
/// - The answers change only by what the host stores, by compaction, and by installing a snapshot.
/// - A snapshot that is older than the one that is there is refused: installing it would take back what
///   this node has acknowledged. The same one once more changes nothing.
/// - Compaction forgets entries only that a snapshot of this storage covers, and that were applied in a
///   cycle that has ended: the raft_drive or raft_advance that they belonged to has returned. Until then
///   the node may still read them. So a host compacts between two cycles, or in a callback of raft_host
///   what earlier cycles have applied; never in a callback of raft_storage.
///
/// examples-c/storage has one in C that is durable.
///
/// Every callback answers RAFT_OK or an error, which whoever called the node gets as
/// RAFT_ERR_STORAGE; the node stays usable and asks again later. (Where the failure only means that
/// nothing is sent to one peer for now, the call succeeds, and raft_node_last_error has the failure.)
/// Callbacks are called by the thread
/// that called the node, never two at a time, with the node locked: any call on the same node in
/// them answers RAFT_ERR_REENTRANT. They must not throw, and not longjmp.
///
/// All callbacks but release and snapshot_for are required. Set unused bytes to zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_storage {
    /// sizeof(raft_storage).
    pub struct_size: usize,
    /// Handed to every callback; may be NULL. Not used otherwise. It may be used from any thread
    /// that calls the node.
    pub context: *mut c_void,
    /// What was saved: the hard state, and the membership as it was after entry
    /// raft_config.applied (after first_index - 1 if that is 0), given with raft_conf_state_sink_set
    /// or _set_encoded. Neither is set for a node that has yet to join a group.
    /// Called once, by raft_node_new.
    pub initial_state: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            hard_state: *mut raft_hard_state,
            conf_state: *mut raft_conf_state_sink,
        ) -> raft_status,
    >,
    /// Entries low to high - 1 (low < high), pushed in order with raft_entry_sink_push: all of them,
    /// or as many as the sink takes within max_bytes of encoded size, and at least one.
    /// RAFT_ERR_COMPACTED if low is below first_index, RAFT_ERR_UNAVAILABLE if high - 1 is beyond
    /// last_index.
    pub entries: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            low: u64,
            high: u64,
            max_bytes: u64,
            out: *mut raft_entry_sink,
        ) -> raft_status,
    >,
    /// Term of the entry at index. Must be known for first_index - 1 too, the last compacted one (0
    /// for index 0). RAFT_ERR_COMPACTED below it, RAFT_ERR_UNAVAILABLE beyond last_index.
    pub term: Option<unsafe extern "C" fn(context: *mut c_void, index: u64, term: *mut u64) -> raft_status>,
    /// Index of the first entry that is there; 1 for an empty storage.
    pub first_index: Option<unsafe extern "C" fn(context: *mut c_void, index: *mut u64) -> raft_status>,
    /// Index of the last entry; 0 for an empty storage.
    pub last_index: Option<unsafe extern "C" fn(context: *mut c_void, index: *mut u64) -> raft_status>,
    /// The latest snapshot, to be sent to a peer that needs compacted entries, given with
    /// raft_snapshot_sink_set or _set_encoded. Its index is at least first_index - 1, and its membership
    /// lists the peer. RAFT_ERR_SNAPSHOT_UNAVAILABLE to be asked again later. (A snapshot that does not
    /// help the peer is not sent, and the observer hears why: RAFT_LOG_WARN.)
    pub snapshot:
        Option<unsafe extern "C" fn(context: *mut c_void, out: *mut raft_snapshot_sink) -> raft_status>,
    /// Called once, when the node needs the context no more: in raft_node_free, or in raft_node_new
    /// if that fails. NULL: nothing is called.
    pub release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    /// As `snapshot`, for this peer: for hosts that make snapshots on demand. The snapshot's membership
    /// lists the peer, as the host's own does by then. Its data may be made when it is sent, together with
    /// an index and a membership that are newer: the leader goes on from the index that the peer reports.
    /// NULL: `snapshot` is called.
    pub snapshot_for: Option<
        unsafe extern "C" fn(context: *mut c_void, peer: u64, out: *mut raft_snapshot_sink) -> raft_status,
    >,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_storage {
    const MIN_SIZE: usize = offset_of!(Self, snapshot_for);
}

const NO_STORAGE: raft_storage = raft_storage {
    struct_size: size_of::<raft_storage>(),
    context: std::ptr::null_mut(),
    initial_state: None,
    entries: None,
    term: None,
    first_index: None,
    last_index: None,
    snapshot: None,
    release: None,
    snapshot_for: None,
};

/// Where a node's log is.
pub(crate) enum NodeStorage {
    Memory(Box<Memory>),
    Host(HostStorage),
}

/// What a complete table has. Small, because a node may be one of many thousands: without the size, and with
/// callbacks that are there.
pub(crate) struct HostStorage {
    context: Context,
    entries: unsafe extern "C" fn(*mut c_void, u64, u64, u64, *mut raft_entry_sink) -> raft_status,
    term: unsafe extern "C" fn(*mut c_void, u64, *mut u64) -> raft_status,
    first_index: unsafe extern "C" fn(*mut c_void, *mut u64) -> raft_status,
    snapshot: unsafe extern "C" fn(*mut c_void, *mut raft_snapshot_sink) -> raft_status,
    /// None once a node has started from the storage, if the host has nothing of it that is called later.
    rare: Option<Box<Rare>>,
}

/// What few hosts have, or few calls need.
struct Rare {
    snapshot_for: Option<unsafe extern "C" fn(*mut c_void, u64, *mut raft_snapshot_sink) -> raft_status>,
    start: Option<Box<Start>>,
}

/// What a node reads when it starts, and never again.
struct Start {
    initial_state:
        unsafe extern "C" fn(*mut c_void, *mut raft_hard_state, *mut raft_conf_state_sink) -> raft_status,
    last_index: unsafe extern "C" fn(*mut c_void, *mut u64) -> raft_status,
}

/// The host's context, released once.
struct Context {
    pointer: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: the header allows the callbacks and the context to be used by any thread, one at a time,
// and the node's lock sees to the latter.
unsafe impl Send for HostStorage {}

impl HostStorage {
    /// Takes over the table. From here on `release` is called, also if something is missing.
    ///
    /// # Safety
    /// `storage` is NULL or points to a `raft_storage` of the size that it states, whose callbacks
    /// keep the contract in the header.
    pub(crate) unsafe fn read(storage: *const raft_storage) -> Result<Self, Failure> {
        // SAFETY: the same contract.
        let table = unsafe { sized::read(storage, NO_STORAGE, "storage") }?;
        let context = Context { pointer: table.context, release: table.release };
        Ok(Self {
            context,
            rare: Some(Box::new(Rare {
                snapshot_for: table.snapshot_for,
                start: Some(Box::new(Start {
                    initial_state: required(table.initial_state, "storage.initial_state")?,
                    last_index: required(table.last_index, "storage.last_index")?,
                })),
            })),
            entries: required(table.entries, "storage.entries")?,
            term: required(table.term, "storage.term")?,
            first_index: required(table.first_index, "storage.first_index")?,
            snapshot: required(table.snapshot, "storage.snapshot")?,
        })
    }

    /// A node has started: from now on it is asked for neither its initial state nor its last index.
    fn forget_start(&mut self) {
        match &mut self.rare {
            Some(rare) if rare.snapshot_for.is_some() => rare.start = None,
            rare => *rare = None,
        }
    }

    fn start(&self) -> Result<&Start, StorageError> {
        let start = self.rare.as_ref().and_then(|rare| rare.start.as_deref());
        start.ok_or_else(|| StorageError::Contract("the node has started from this storage".to_owned()))
    }

    /// The table, of which `release` is not called.
    ///
    /// # Safety
    /// As `read`.
    pub(crate) unsafe fn lent(storage: *const raft_storage, name: &'static str) -> Result<Self, Failure> {
        // SAFETY: the same contract.
        let mut table = unsafe { sized::read(storage, NO_STORAGE, name) }?;
        table.release = None;
        // SAFETY: it was just read.
        unsafe { Self::read(&raw const table) }
    }

    fn snapshot_from(
        &self,
        callback: impl FnOnce(*mut raft_snapshot_sink) -> raft_status,
    ) -> Result<Snapshot, StorageError> {
        let mut sink = raft_snapshot_sink::default();
        answer_of(callback(&raw mut sink), &sink.refusal)?;
        let refusal = sink.refusal;
        sink.snapshot.ok_or_else(|| refusal.explain("no snapshot set, and no error returned".to_owned()))
    }

    fn number(
        &self,
        callback: unsafe extern "C" fn(*mut c_void, *mut u64) -> raft_status,
    ) -> Result<u64, StorageError> {
        let mut number = 0;
        // SAFETY: the host's callback with the host's context, and a number on this stack.
        answer(unsafe { callback(self.context.pointer, &raw mut number) })?;
        Ok(number)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the host's callback with the host's context, once: it is not cloned.
            unsafe { release(self.pointer) }
        }
    }
}

fn required<F>(callback: Option<F>, name: &'static str) -> Result<F, Failure> {
    callback.ok_or_else(|| Failure::argument(name, "is NULL"))
}

impl Storage for HostStorage {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        let mut hard_state = raft_hard_state::default();
        let mut sink = raft_conf_state_sink::default();
        let initial_state = self.start()?.initial_state;
        // SAFETY: the host's callback with the host's context; the outputs are on this stack.
        let status = unsafe { initial_state(self.context.pointer, &raw mut hard_state, &raw mut sink) };
        answer_of(status, &sink.refusal)?;
        if sink.refusal.is_some() {
            return Err(sink.refusal.explain("no membership set, and no error returned".to_owned()));
        }
        Ok((hard_state.into(), sink.state))
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        let mut sink = raft_entry_sink::new(low, high, max_bytes);
        // SAFETY: the host's callback with the host's context; the sink is on this stack.
        let status = unsafe { (self.entries)(self.context.pointer, low, high, max_bytes, &raw mut sink) };
        // A host that passes on what the full sink said means well.
        if !(sink.full && status == RAFT_ERR_TOO_LARGE) {
            answer_of(status, &sink.refusal)?;
        }
        let is_complete = sink.entries.len() as u64 == high - low;
        if sink.entries.is_empty() || (sink.refusal.is_some() && !is_complete) {
            let count = sink.entries.len();
            let problem = format!("{count} entries pushed of {low} to {high}, and no error returned");
            return Err(sink.refusal.explain(problem));
        }
        Ok(sink.entries.into())
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        let mut term = 0;
        // SAFETY: the host's callback with the host's context, and a number on this stack.
        answer(unsafe { (self.term)(self.context.pointer, index, &raw mut term) })?;
        Ok(term)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.number(self.first_index)
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.number(self.start()?.last_index)
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        // SAFETY: the host's callback with the host's context; the sink is valid for the call.
        self.snapshot_from(|sink| unsafe { (self.snapshot)(self.context.pointer, sink) })
    }

    fn snapshot_for(&self, peer: NodeId) -> Result<Snapshot, StorageError> {
        let Some(callback) = self.rare.as_ref().and_then(|rare| rare.snapshot_for) else {
            return self.snapshot();
        };
        // SAFETY: the host's callback with the host's context; the sink is valid for the call.
        self.snapshot_from(|sink| unsafe { callback(self.context.pointer, peer, sink) })
    }
}

/// A table that was read is complete; this says so without a panic.
pub(crate) fn present<F>(callback: Option<F>) -> Result<F, StorageError> {
    callback.ok_or_else(|| StorageError::Contract("a callback is missing".to_owned()))
}

/// The answer of a callback that had a sink. What the sink refused is part of the host's error: the host
/// only passes a status on.
fn answer_of(status: raft_status, refusal: &Refusal) -> Result<(), StorageError> {
    answer(status).map_err(|error| match error {
        StorageError::Host { code, message } => {
            StorageError::Host { code, message: refusal.appended_to(message) }
        }
        other => other,
    })
}

pub(crate) fn answer(status: raft_status) -> Result<(), StorageError> {
    match status {
        RAFT_OK => Ok(()),
        RAFT_ERR_COMPACTED => Err(StorageError::Compacted),
        RAFT_ERR_UNAVAILABLE => Err(StorageError::Unavailable),
        RAFT_ERR_SNAPSHOT_UNAVAILABLE => Err(StorageError::SnapshotUnavailable),
        code => {
            let message = status::message(code).to_string_lossy().into_owned();
            Err(StorageError::Host { code, message })
        }
    }
}

impl NodeStorage {
    /// A node has started from it.
    pub(crate) fn forget_start(&mut self) {
        if let Self::Host(storage) = self {
            storage.forget_start();
        }
    }
}

macro_rules! delegate {
    ($self:ident, $storage:ident => $call:expr) => {
        match $self {
            NodeStorage::Memory(memory) => {
                let $storage = &memory.log;
                $call
            }
            NodeStorage::Host($storage) => $call,
        }
    };
}

impl Storage for NodeStorage {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        delegate!(self, storage => storage.initial_state())
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        delegate!(self, storage => storage.entries(low, high, max_bytes))
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        delegate!(self, storage => storage.term(index))
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        delegate!(self, storage => storage.first_index())
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        delegate!(self, storage => storage.last_index())
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        delegate!(self, storage => storage.snapshot())
    }

    fn snapshot_for(&self, peer: NodeId) -> Result<Snapshot, StorageError> {
        delegate!(self, storage => storage.snapshot_for(peer))
    }
}
