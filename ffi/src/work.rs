//! What a ready view owns: a `Ready`, the arrays that show it to C, and the encoded messages.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use raftcore::{Ack, Body, Entry, Message, Ready, Response, wire};

use crate::ack::raft_ack;
use crate::cycle::Reached;
use crate::fork::Origin;
use crate::message::{self, raft_message};
use crate::ready::raft_ready_view;
use crate::snapshot::{bare_message, raft_snapshot_buffer, raft_snapshot_message};
use crate::status::Failure;
use crate::types::{
    raft_entry, raft_hard_state, raft_read_state, raft_slice, raft_snapshot, raft_soft_state,
};

/// Where views go that are freed.
pub(crate) struct Home {
    /// A view that another process has inherited goes nowhere.
    origin: Origin,
    /// One that was given up: the node looks here before it takes new work.
    pub(crate) returned: Mutex<Option<WorkBox>>,
    /// Asynchronous writes: those that are done, for the next time.
    spare: Mutex<Vec<WorkBox>>,
    /// Asynchronous writes: how many the host has.
    out: AtomicUsize,
}

/// So many finished views are kept, and recognised if they are freed again.
const KEPT_VIEWS: usize = 16;

impl Home {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            origin: Origin::here()?,
            returned: Mutex::default(),
            spare: Mutex::default(),
            out: AtomicUsize::new(0),
        })
    }

    /// Asynchronous writes: a work box to fill.
    pub(crate) fn take_spare(self: &Arc<Self>) -> WorkBox {
        let mut spare = self.spare.lock();
        match spare.len() {
            0 | 1 => WorkBox::empty(self),
            _ => spare.remove(0),
        }
    }

    /// Whether the host has views that it is to free (asynchronous writes).
    pub(crate) fn has_views_out(&self) -> bool {
        self.out.load(Relaxed) > 0
    }

    pub(crate) fn note_view_out(&self) {
        self.out.fetch_add(1, Relaxed);
    }

    /// Takes back a view that the host frees.
    pub(crate) fn take_back(&self, mut work: WorkBox) {
        if !self.origin.is_here() {
            std::mem::forget(work);
            return;
        }
        if !work.is_async {
            *self.returned.lock() = Some(work);
            return;
        }
        work.ready = None;
        work.clear();
        self.out.fetch_sub(1, Relaxed);
        let mut spare = self.spare.lock();
        if spare.len() < KEPT_VIEWS {
            spare.push(work);
        }
    }
}

/// A `Ready` with the arrays that show it to C. The arrays' memory is used again and again.
#[repr(C)]
pub(crate) struct Work {
    /// First, so that a pointer to it is a pointer to the whole.
    view: raft_ready_view,
    pub(crate) home: Weak<Home>,
    /// What the core gave, and gets back: it owns the payloads. None while nothing is shown.
    pub(crate) ready: Option<Box<Ready>>,
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
    /// Of the same snapshot.
    pub(crate) snapshot_buffer: Vec<raft_snapshot_buffer>,
    pub(crate) snapshot_encoded: Vec<u8>,
    /// Snapshots to send, if their data is lent.
    pub(crate) snapshot_messages: Vec<raft_snapshot_message>,
    /// What those refer to.
    snapshots_sent: Vec<raft_snapshot_buffer>,
    snapshot_bytes: Vec<Vec<u8>>,
    /// The encoded messages.
    bytes: Vec<u8>,
    /// Whether it is in the node's own memory storage already.
    pub(crate) stored: bool,
    /// Asynchronous writes: it is acknowledged piece by piece, and not advanced.
    pub(crate) is_async: bool,
    /// Asynchronous writes: the notices to give back when it is stored.
    storage_acks: Vec<raft_ack>,
    /// Asynchronous writes: the notice to give back when it is applied; none or one.
    apply_ack: Vec<raft_ack>,
    /// How far `raft_drive` is with it.
    pub(crate) reached: Reached,
    /// Whether the host has it, as a view.
    is_out: AtomicBool,
}

// SAFETY: the pointers in it point to what it owns itself, which does not change while it is out.
unsafe impl Send for Work {}

/// Owns a [`Work`] as a `Box` does, but makes no claim to be its only pointer: the host has another,
/// and may hold it longer than it should.
pub(crate) struct WorkBox(NonNull<Work>);

// SAFETY: it owns what it points to, which is `Send`.
unsafe impl Send for WorkBox {}

impl WorkBox {
    pub(crate) fn empty(home: &Arc<Home>) -> Self {
        let work = Work {
            view: EMPTY_VIEW,
            home: Arc::downgrade(home),
            ready: None,
            term: 0,
            entries: Vec::new(),
            committed: Vec::new(),
            messages: Vec::new(),
            send_now: 0,
            reads: Vec::new(),
            snapshot: Vec::new(),
            snapshot_buffer: Vec::new(),
            snapshot_encoded: Vec::new(),
            snapshot_messages: Vec::new(),
            snapshots_sent: Vec::new(),
            snapshot_bytes: Vec::new(),
            bytes: Vec::new(),
            stored: false,
            is_async: false,
            storage_acks: Vec::new(),
            apply_ack: Vec::new(),
            reached: Reached::default(),
            is_out: AtomicBool::new(false),
        };
        Self(NonNull::from(Box::leak(Box::new(work))))
    }

    /// Hands the work to the host.
    pub(crate) fn into_view(self) -> *mut raft_ready_view {
        self.is_out.store(true, Relaxed);
        ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// Takes the work back; nothing if the host does not have it.
    ///
    /// # Safety
    /// `view` came from `into_view`, and its work was not dropped since.
    pub(crate) unsafe fn from_view(view: *mut raft_ready_view) -> Option<Self> {
        let work = NonNull::new(view.cast::<Work>())?;
        // SAFETY: the same contract.
        let was_out = unsafe { &(*work.as_ptr()).is_out }.swap(false, Relaxed);
        was_out.then(|| Self(work))
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
    pub(crate) fn show(&mut self, ready: Box<Ready>, term: u64, is_async: bool, lend_snapshots: bool) {
        self.is_async = is_async;
        self.term = term;
        self.stored = false;
        self.entries.extend(ready.entries.iter().map(raft_entry::from));
        self.committed.extend(ready.committed_entries.iter().map(raft_entry::from));
        let reads = ready.read_states.iter();
        self.reads.extend(
            reads.map(|read| raft_read_state { index: read.index, context: raft_slice::of(&read.context) }),
        );
        if let Some(snapshot) = ready.snapshot.as_deref() {
            self.snapshot.push(snapshot.into());
            self.snapshot_buffer.push(raft_snapshot_buffer::lent(snapshot.clone()));
            self.snapshot_encoded = match lend_snapshots {
                true => wire::encode_snapshot(&raft_snapshot_buffer::without_data(snapshot)),
                false => wire::encode_snapshot(snapshot),
            };
        }
        self.show_messages(&ready, lend_snapshots);
        self.view = self.make_view(&ready);
        self.ready = Some(ready);
    }

    /// First the messages that may leave at once, then those that wait for the storage.
    fn show_messages(&mut self, ready: &Ready, lend_snapshots: bool) {
        let is_async = self.is_async;
        let is_lent = |message: &&Message| lend_snapshots && matches!(message.body, Body::Snapshot(_));
        let is_late = |message: &&Message| !is_async && message.requires_persistence();
        let responses = ready.storage_append.iter().flat_map(|append| &append.responses);
        let sent_later = responses.clone().filter_map(|response| match response {
            Response::Send(message) => Some(message),
            Response::Acknowledge(_) => None,
        });
        let now = ready.messages.iter().filter(|message| !is_late(message) && !is_lent(message));
        let late = ready.messages.iter().filter(is_late).chain(sent_later);
        self.send_now = message::encode_all(now, late, &mut self.bytes, &mut self.messages);
        if lend_snapshots {
            self.show_snapshot_messages(&ready.messages);
        }
        let responses = ready.storage_append.iter().flat_map(|append| &append.responses);
        self.storage_acks.extend(responses.filter_map(|response| match response {
            Response::Acknowledge(ack) => Some(raft_ack::from(ack)),
            Response::Send(_) => None,
        }));
        self.apply_ack.extend(ready.storage_apply.iter().map(|apply| raft_ack::from(&apply.ack)));
    }

    /// They promise nothing, and may leave at once.
    fn show_snapshot_messages(&mut self, messages: &[Message]) {
        let mut receivers = Vec::new();
        for message in messages {
            let Body::Snapshot(snapshot) = &message.body else { continue };
            let mut bytes = Vec::new();
            wire::encode(&bare_message(message, snapshot), &mut bytes);
            receivers.push(message.to);
            self.snapshot_bytes.push(bytes);
            self.snapshots_sent.push(raft_snapshot_buffer::lent((**snapshot).clone()));
        }
        let shown = receivers.into_iter().zip(&self.snapshot_bytes).zip(&self.snapshots_sent);
        self.snapshot_messages.extend(shown.map(|((to, bytes), snapshot)| raft_snapshot_message {
            to,
            message: raft_slice::of(bytes),
            snapshot,
        }));
    }

    /// Asynchronous writes: all notices, for who does all the work himself.
    pub(crate) fn take_acks(&mut self) -> Vec<Ack> {
        let Some(ready) = &mut self.ready else { return Vec::new() };
        let responses = ready.storage_append.take().unwrap_or_default().responses;
        let stored = responses.into_iter().filter_map(|response| match response {
            Response::Acknowledge(ack) => Some(ack),
            Response::Send(_) => None,
        });
        stored.chain(ready.storage_apply.take().map(|apply| apply.ack)).collect()
    }

    /// As the host sees it.
    pub(crate) fn view(&self) -> &raft_ready_view {
        &self.view
    }

    fn make_view(&self, ready: &Ready) -> raft_ready_view {
        raft_ready_view {
            must_sync: ready.must_sync,
            has_soft_state: ready.soft_state.is_some(),
            has_hard_state: ready.hard_state.is_some(),
            has_snapshot: ready.snapshot.is_some(),
            has_storage_append: ready.storage_append.is_some(),
            soft_state: ready.soft_state.unwrap_or_default().into(),
            hard_state: ready.hard_state.unwrap_or_default().into(),
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
            storage_acks: self.storage_acks.as_ptr(),
            storage_acks_len: self.storage_acks.len(),
            apply_ack: self.apply_ack.first().map_or(ptr::null(), ptr::from_ref),
            snapshot_buffer: self.snapshot_buffer.first().map_or(ptr::null(), ptr::from_ref),
            snapshot_messages: self.snapshot_messages.as_ptr(),
            snapshot_messages_len: self.snapshot_messages.len(),
            ..EMPTY_VIEW
        }
    }

    /// The committed entry at a position, with its payload.
    pub(crate) fn committed_entry(&self, at: usize) -> Option<&Entry> {
        self.ready.as_ref()?.committed_entries.get(at)
    }

    pub(crate) fn clear(&mut self) {
        self.view = EMPTY_VIEW;
        recycle(&mut self.entries, KEPT_ITEMS);
        recycle(&mut self.committed, KEPT_ITEMS);
        recycle(&mut self.messages, KEPT_ITEMS);
        recycle(&mut self.reads, KEPT_ITEMS);
        recycle(&mut self.bytes, KEPT_BYTES);
        self.storage_acks.clear();
        self.apply_ack.clear();
        self.snapshot.clear();
        self.snapshot_buffer.clear();
        self.snapshot_messages.clear();
        self.snapshots_sent.clear();
        self.snapshot_bytes.clear();
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
    has_storage_append: false,
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
    storage_acks: ptr::null(),
    storage_acks_len: 0,
    apply_ack: ptr::null(),
    snapshot_buffer: ptr::null(),
    snapshot_messages: ptr::null(),
    snapshot_messages_len: 0,
};
