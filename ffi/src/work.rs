//! What a ready view owns: a `Ready`, the arrays that show it to C, and the encoded messages.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use raftcore::{Entry, Ready, wire};

use crate::message::{self, raft_message};
use crate::ready::raft_ready_view;
use crate::types::{
    raft_entry, raft_hard_state, raft_read_state, raft_slice, raft_snapshot, raft_soft_state,
};

/// Where a view goes that is given up: the node looks here before it takes new work.
#[derive(Default)]
pub(crate) struct Home {
    pub(crate) returned: Mutex<Option<WorkBox>>,
}

/// A `Ready` with the arrays that show it to C. The arrays' memory is used again and again.
#[repr(C)]
pub(crate) struct Work {
    /// First, so that a pointer to it is a pointer to the whole.
    view: raft_ready_view,
    pub(crate) home: Weak<Home>,
    /// What the core gave, and gets back: it owns the payloads.
    pub(crate) ready: Ready,
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
    pub(crate) stored: bool,
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
    pub(crate) fn empty(home: &Arc<Home>) -> Self {
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
    pub(crate) fn into_view(mut self) -> *mut raft_ready_view {
        self.is_out = true;
        ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// Takes the work back; nothing if the host does not have it.
    ///
    /// # Safety
    /// `view` came from `into_view`, and its work was not dropped since.
    pub(crate) unsafe fn from_view(view: *mut raft_ready_view) -> Option<Self> {
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
    pub(crate) fn show(&mut self, ready: Ready, term: u64) {
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

    /// The committed entry at a position, with its payload.
    pub(crate) fn committed_entry(&self, at: usize) -> Option<&Entry> {
        self.ready.committed_entries.get(at)
    }

    pub(crate) fn clear(&mut self) {
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
