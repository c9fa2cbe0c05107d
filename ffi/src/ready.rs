//! Taking work apart: the ready view and what it owns.

use std::mem::{self, ManuallyDrop};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use raftcore::{Entry, Error, Ready, wire};

use crate::args::Output;
use crate::handle::{State, call, raft_node};
use crate::message::{self, raft_message};
use crate::status::{Failure, raft_status};
use crate::storage::NodeStorage;
use crate::types::{
    raft_entry, raft_hard_state, raft_read_state, raft_slice, raft_snapshot, raft_soft_state,
};

/// Work that a node wants done. The library allocates it; read its fields, and finish it with
/// raft_advance. All that it points to lives until then, and does not change: another thread may
/// read it while other threads call the node.
///
/// The order of work:
/// 1. the messages with requires_persistence = false may be sent at once (they come first);
/// 2. store snapshot, entries and hard_state in one batch, durably if must_sync is true;
/// 3. send the other messages, apply the snapshot, then committed_entries; at an entry whose kind is
///    not RAFT_ENTRY_NORMAL call raft_apply_conf_change;
/// 4. raft_advance.
#[repr(C)]
#[derive(Debug)]
pub struct raft_ready_view {
    /// Size of the struct as the library knows it: fields beyond are not there.
    pub struct_size: usize,
    /// Whether what is stored must be durable before going on. A commit index alone may be lost.
    pub must_sync: bool,
    /// Whether soft_state is set: leader or role changed.
    pub has_soft_state: bool,
    /// Whether hard_state is set: it changed and must be stored.
    pub has_hard_state: bool,
    /// Whether snapshot is set.
    pub has_snapshot: bool,
    /// Leader and role, if has_soft_state.
    pub soft_state: raft_soft_state,
    /// Term, vote and commit index to store, if has_hard_state.
    pub hard_state: raft_hard_state,
    /// Entries to store. They replace stored ones at their indexes and everything after.
    pub entries: *const raft_entry,
    /// How many there are.
    pub entries_len: usize,
    /// A snapshot to install in log and state machine: it replaces both. NULL if there is none.
    pub snapshot: *const raft_snapshot,
    /// The whole snapshot encoded, for hosts that store one blob (raft_snapshot_decode,
    /// raft_snapshot_sink_set_encoded). Empty if there is none.
    pub snapshot_encoded: raft_slice,
    /// Entries to apply to the state machine, in this order, once each.
    pub committed_entries: *const raft_entry,
    /// How many there are.
    pub committed_entries_len: usize,
    /// Messages to send.
    pub messages: *const raft_message,
    /// How many there are.
    pub messages_len: usize,
    /// Reads that may be served once their index is applied.
    pub read_states: *const raft_read_state,
    /// How many there are.
    pub read_states_len: usize,
}

/// Whether there is work: raft_ready would give a view, or raft_drive would do something. False
/// also for NULL, a poisoned node, and in a callback of this node.
///
/// Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_has_ready(node: *mut raft_node) -> bool {
    let mut has_ready = false;
    let look = |node: &raft_node| {
        has_ready = node.lock(|state| Ok(state.has_ready(node)))?;
        Ok(())
    };
    // SAFETY: the header demands NULL or a live node. What goes wrong is told by `false`.
    let _ = unsafe { call(node, look) };
    has_ready
}

/// Takes the work that has piled up.
///
/// `out` is not NULL. On success `*out` is a view, to be finished with raft_advance, or NULL if
/// there is nothing to do.
///
/// Any thread. Errors: RAFT_ERR_READY_OUTSTANDING (the last view is not finished, or a raft_drive
/// is not), RAFT_ERR_STORAGE, RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_ready(node: *mut raft_node, out: *mut *mut raft_ready_view) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the result.
    unsafe {
        call(node, |node| {
            let out = Output::required(out, "out")?;
            out.set(node.lock(|state| state.take_view(node))?);
            Ok(())
        })
    }
}

/// Tells the node that the work is done, and frees the view. The node relies on it: what was to be
/// stored must be in the storage, and what was to be applied counts as applied.
///
/// Neither argument is NULL. Any thread. Errors after which the view is as it was:
/// RAFT_ERR_FOREIGN_READY (not the outstanding view of this node), RAFT_ERR_INVALID_ARGUMENT,
/// RAFT_ERR_INCONSISTENT_STORAGE (nodes in memory only), RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
/// RAFT_ERR_STORAGE: the work counts as done and the view is freed, but a storage callback failed at
/// what should have followed (an entry to commit, say); that is tried again later.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_advance(node: *mut raft_node, view: *mut raft_ready_view) -> raft_status {
    // SAFETY: the header demands NULL or a live node. The view is only compared until it is known
    // to be this node's own.
    unsafe {
        call(node, |node| {
            if view.is_null() {
                return Err(Failure::argument("view", "is NULL"));
            }
            node.lock(|state| state.advance_view(node, view))
        })
    }
}

/// Gives a view up without having finished it. NULL is allowed.
///
/// The work is not lost: the next raft_ready (or raft_drive) hands the same view out again. If the
/// node is gone, this frees the view. Do not use the view afterwards.
///
/// Any thread. The view must be one that raft_ready gave and that was not advanced or freed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_ready_free(view: *mut raft_ready_view) {
    if view.is_null() {
        return;
    }
    // SAFETY: the header demands an outstanding view: it came from `take_view`, and while it is out
    // the node does not touch it. One that was advanced is still there as long as its node is.
    let Some(work) = (unsafe { WorkBox::from_view(view) }) else { return };
    if let Some(home) = work.home.upgrade() {
        *home.returned.lock() = Some(work);
    }
}

/// Where a view goes that is given up: the node looks here before it takes new work.
#[derive(Default)]
pub(crate) struct Home {
    returned: Mutex<Option<WorkBox>>,
}

/// A `Ready` with the arrays that show it to C. The arrays' memory is used again and again.
#[repr(C)]
pub(crate) struct Work {
    /// First, so that a pointer to it is a pointer to the whole.
    view: raft_ready_view,
    home: Weak<Home>,
    /// What the core gave, and gets back: it owns the payloads.
    ready: Ready,
    /// Term at the time when the work was taken.
    pub(crate) term: u64,
    pub(crate) entries: Vec<raft_entry>,
    pub(crate) committed: Vec<raft_entry>,
    /// First those that may be sent before anything is stored.
    pub(crate) messages: Vec<raft_message>,
    /// How many those are.
    pub(crate) send_now: usize,
    pub(crate) reads: Vec<raft_read_state>,
    /// None or one.
    pub(crate) snapshot: Vec<raft_snapshot>,
    pub(crate) snapshot_encoded: Vec<u8>,
    /// The encoded messages.
    bytes: Vec<u8>,
    /// Whether it is in the node's own memory storage already.
    stored: bool,
    /// Whether the host has it, as a view.
    is_out: bool,
}

// SAFETY: the pointers in it point to what it owns itself, which does not change while it is out.
unsafe impl Send for Work {}

/// Owns a [`Work`] as a `Box` does, but makes no claim to be its only pointer: the host has another,
/// and may hold it longer than it should.
pub(crate) struct WorkBox(NonNull<Work>);

// SAFETY: it owns what it points to, which is `Send`.
unsafe impl Send for WorkBox {}

impl WorkBox {
    fn empty(home: &Arc<Home>) -> Self {
        let work = Work {
            view: EMPTY_VIEW,
            home: Arc::downgrade(home),
            ready: Ready::default(),
            term: 0,
            entries: Vec::new(),
            committed: Vec::new(),
            messages: Vec::new(),
            send_now: 0,
            reads: Vec::new(),
            snapshot: Vec::new(),
            snapshot_encoded: Vec::new(),
            bytes: Vec::new(),
            stored: false,
            is_out: false,
        };
        Self(NonNull::from(Box::leak(Box::new(work))))
    }

    /// Hands the work to the host.
    fn into_view(mut self) -> *mut raft_ready_view {
        self.is_out = true;
        ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// Takes the work back; nothing if the host does not have it.
    ///
    /// # Safety
    /// `view` came from `into_view`, and its work was not dropped since.
    unsafe fn from_view(view: *mut raft_ready_view) -> Option<Self> {
        let work = NonNull::new(view.cast::<Work>())?;
        // SAFETY: the same contract.
        unsafe {
            if !(*work.as_ptr()).is_out {
                return None;
            }
            (*work.as_ptr()).is_out = false;
        }
        Some(Self(work))
    }
}

impl Deref for WorkBox {
    type Target = Work;

    fn deref(&self) -> &Work {
        // SAFETY: owned, and alive until `drop`.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for WorkBox {
    fn deref_mut(&mut self) -> &mut Work {
        // SAFETY: owned, and alive until `drop`.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for WorkBox {
    fn drop(&mut self) {
        // SAFETY: it came from a box in `empty`, and is dropped once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// More than this is not kept for the next time: an idle node shall be small.
const KEPT_BYTES: usize = 256 << 10;
const KEPT_ITEMS: usize = 1024;

impl Work {
    fn show(&mut self, ready: Ready, term: u64) {
        self.ready = ready;
        self.term = term;
        self.stored = false;
        self.entries.extend(self.ready.entries.iter().map(raft_entry::from));
        self.committed.extend(self.ready.committed_entries.iter().map(raft_entry::from));
        self.reads.extend(
            self.ready
                .read_states
                .iter()
                .map(|read| raft_read_state { index: read.index, context: raft_slice::of(&read.context) }),
        );
        if let Some(snapshot) = &self.ready.snapshot {
            self.snapshot.push(snapshot.into());
            self.snapshot_encoded = wire::encode_snapshot(snapshot);
        }
        let messages = &self.ready.messages;
        self.send_now = message::encode_all(messages, &mut self.bytes, &mut self.messages);
        self.view = self.make_view();
    }

    fn make_view(&self) -> raft_ready_view {
        raft_ready_view {
            must_sync: self.ready.must_sync,
            has_soft_state: self.ready.soft_state.is_some(),
            has_hard_state: self.ready.hard_state.is_some(),
            has_snapshot: self.ready.snapshot.is_some(),
            soft_state: self.ready.soft_state.unwrap_or_default().into(),
            hard_state: self.ready.hard_state.unwrap_or_default().into(),
            entries: self.entries.as_ptr(),
            entries_len: self.entries.len(),
            snapshot: self.snapshot.first().map_or(ptr::null(), ptr::from_ref),
            snapshot_encoded: raft_slice::of(&self.snapshot_encoded),
            committed_entries: self.committed.as_ptr(),
            committed_entries_len: self.committed.len(),
            messages: self.messages.as_ptr(),
            messages_len: self.messages.len(),
            read_states: self.reads.as_ptr(),
            read_states_len: self.reads.len(),
            ..EMPTY_VIEW
        }
    }

    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The committed entry at a position, with its payload.
    pub(crate) fn committed_entry(&self, at: usize) -> Option<&Entry> {
        self.ready.committed_entries.get(at)
    }

    fn clear(&mut self) {
        self.view = EMPTY_VIEW;
        recycle(&mut self.entries, KEPT_ITEMS);
        recycle(&mut self.committed, KEPT_ITEMS);
        recycle(&mut self.messages, KEPT_ITEMS);
        recycle(&mut self.reads, KEPT_ITEMS);
        recycle(&mut self.bytes, KEPT_BYTES);
        self.snapshot.clear();
        self.snapshot_encoded = Vec::new();
    }
}

fn recycle<T>(items: &mut Vec<T>, kept: usize) {
    items.clear();
    if items.capacity() > kept {
        *items = Vec::new();
    }
}

const EMPTY_VIEW: raft_ready_view = raft_ready_view {
    struct_size: size_of::<raft_ready_view>(),
    must_sync: false,
    has_soft_state: false,
    has_hard_state: false,
    has_snapshot: false,
    soft_state: raft_soft_state { leader: 0, role: 0 },
    hard_state: raft_hard_state { term: 0, vote: 0, commit: 0 },
    entries: ptr::null(),
    entries_len: 0,
    snapshot: ptr::null(),
    snapshot_encoded: raft_slice::EMPTY,
    committed_entries: ptr::null(),
    committed_entries_len: 0,
    messages: ptr::null(),
    messages_len: 0,
    read_states: ptr::null(),
    read_states_len: 0,
};

/// Who has the outstanding work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    /// The host, as a view.
    View(*mut raft_ready_view),
    /// An unfinished `raft_drive`.
    Drive,
}

// SAFETY: the pointer is only compared, until `WorkBox::from_view` takes it.
unsafe impl Send for Holder {}

/// A node's work in its various states.
#[derive(Default)]
pub(crate) struct Readies {
    holder: Holder,
    /// Two, used in turn: a view that was advanced is not the next one, and thus recognised.
    spare: Vec<WorkBox>,
}

impl State {
    fn has_ready(&self, node: &raft_node) -> bool {
        match self.readies.holder {
            Holder::Nobody => self.raw.has_ready(),
            Holder::View(_) => node.home.returned.lock().is_some(),
            Holder::Drive => true,
        }
    }

    fn take_view(&mut self, node: &raft_node) -> Result<*mut raft_ready_view, Failure> {
        let Some(work) = self.take(node)? else { return Ok(ptr::null_mut()) };
        let view = work.into_view();
        self.readies.holder = Holder::View(view);
        Ok(view)
    }

    /// Takes work for `raft_drive`.
    pub(crate) fn take_for_drive(&mut self, node: &raft_node) -> Result<Option<WorkBox>, Failure> {
        let work = self.take(node)?;
        if work.is_some() {
            self.readies.holder = Holder::Drive;
        }
        Ok(work)
    }

    fn take(&mut self, node: &raft_node) -> Result<Option<WorkBox>, Failure> {
        if self.readies.holder != Holder::Nobody {
            let returned = node.home.returned.lock().take();
            return returned.map(Some).ok_or(Failure::ReadyOutstanding);
        }
        if !self.raw.has_ready() {
            return Ok(None);
        }
        let ready = self.raw.ready()?;
        if let Some(error) = self.raw.take_storage_error() {
            node.note(&Failure::Core(error.into()));
        }
        let term = self.raw.hard_state().term;
        let mut work = match self.readies.spare.len() {
            0 | 1 => WorkBox::empty(&node.home),
            _ => self.readies.spare.remove(0),
        };
        work.show(ready, term);
        Ok(Some(work))
    }

    fn advance_view(&mut self, node: &raft_node, view: *mut raft_ready_view) -> Result<(), Failure> {
        if self.readies.holder != Holder::View(view) || node.home.returned.lock().is_some() {
            return Err(Failure::ForeignReady);
        }
        // SAFETY: this is the pointer that `take_view` made, and it was not given back since.
        let mut work = unsafe { WorkBox::from_view(view) }.ok_or(Failure::ForeignReady)?;
        if let Err(failure) = self.store(&mut work) {
            work.into_view();
            return Err(failure);
        }
        self.finish(work)
    }

    /// Gives the work back to the core.
    pub(crate) fn finish(&mut self, mut work: WorkBox) -> Result<(), Failure> {
        let ready = mem::take(&mut work.ready);
        work.clear();
        self.readies.spare.push(work);
        self.readies.holder = Holder::Nobody;
        Ok(self.raw.advance(ready)?)
    }

    /// Stores the work if the node's storage is its own memory.
    pub(crate) fn store(&mut self, work: &mut Work) -> Result<(), Failure> {
        let NodeStorage::Memory(memory) = self.raw.storage_mut() else { return Ok(()) };
        if !work.stored {
            memory
                .store(&work.ready)
                .map_err(|error| Failure::Core(Error::InconsistentStorage(error.to_string())))?;
            work.stored = true;
        }
        Ok(())
    }
}
