//! Taking work apart: the ready view, from `raft_ready` to `raft_advance`.

use std::ptr;
use std::sync::Arc;

use raftcore::{Ack, Error, Ready};

use crate::ack::raft_ack;
use crate::args::Output;
use crate::handle::{State, call, raft_node};
use crate::message::raft_message;
use crate::snapshot::{raft_snapshot_buffer, raft_snapshot_message};
use crate::status::{Failure, raft_status};
use crate::storage::NodeStorage;
use crate::types::{
    raft_entry, raft_hard_state, raft_read_state, raft_slice, raft_snapshot, raft_soft_state,
};
use crate::work::{Home, Work, WorkBox};

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
///
/// With raft_config.async_storage_writes, steps 2 and 3 go on independently, each in the order in
/// which the views were handed out, and further views may be taken meanwhile:
/// 1. the messages with requires_persistence = false may be sent at once;
/// 2. store snapshot, entries and hard_state; when they are durable, hand back storage_acks
///    (raft_acknowledge), and send the messages with requires_persistence = true. If nothing is to be
///    stored, this still waits for its turn behind the views before;
/// 3. apply the snapshot, when it is stored, and committed_entries, then hand back apply_ack;
/// 4. when all of that is done with the view, raft_ready_free.
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
    /// With async_storage_writes: whether there is a step 2. Is false otherwise.
    pub has_storage_append: bool,
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
    /// raft_snapshot_sink_set_encoded). Empty if there is none. With raft_config.lend_snapshots it is
    /// the snapshot without its data.
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
    /// With async_storage_writes: what to hand back when snapshot, entries and hard_state are stored.
    pub storage_acks: *const raft_ack,
    /// How many there are.
    pub storage_acks_len: usize,
    /// With async_storage_writes: what to hand back when committed_entries are applied. NULL if there
    /// is nothing to apply.
    pub apply_ack: *const raft_ack,
    /// The same snapshot, for hosts that need it beyond this view (raft_snapshot_buffer_share). NULL
    /// if there is none.
    pub snapshot_buffer: *const raft_snapshot_buffer,
    /// With raft_config.lend_snapshots: snapshots to send, at once. None otherwise.
    pub snapshot_messages: *const raft_snapshot_message,
    /// How many there are.
    pub snapshot_messages_len: usize,
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
        has_ready = node.lock(|state| Ok(state.has_ready()))?;
        Ok(())
    };
    // SAFETY: the header demands NULL or a live node. What goes wrong is told by `false`.
    let _ = unsafe { call(node, look) };
    has_ready
}

/// Takes the work that has piled up.
///
/// `out` is not NULL. On success `*out` is a view, or NULL if there is nothing to do. It is to be
/// finished with raft_advance before the next one is taken; with raft_config.async_storage_writes it
/// is to be freed with raft_ready_free, and others may be taken before.
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
/// RAFT_ERR_FOREIGN_READY (not the outstanding view of this node), RAFT_ERR_WRONG_WRITE_MODE (with
/// raft_config.async_storage_writes: see raft_acknowledge), RAFT_ERR_INVALID_ARGUMENT,
/// RAFT_ERR_INCONSISTENT_STORAGE (nodes in memory only), RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
/// Errors after which the work counts as done and the view is freed: RAFT_ERR_STORAGE (a storage callback
/// failed at what should have followed, an entry to commit, say; that is tried again later),
/// RAFT_ERR_COMMITTED_CONFLICT (a member's snapshot that waited for this contradicts what is committed: stop
/// the node, as after raft_step).
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

/// Takes back the work of a view that was not begun, and frees the view: nothing of it was applied. The work
/// is not lost. The next raft_ready (or raft_drive) has it, with what has come since: so a host that took a
/// view too early takes a larger one. Messages that were sent are sent again, and what was stored is handed
/// out again; both do no harm if the storage passes over a snapshot that it has already.
///
/// Neither argument is NULL. Any thread. Errors after which the view is as it was: RAFT_ERR_FOREIGN_READY
/// (not the outstanding view of this node), RAFT_ERR_WRONG_WRITE_MODE (with
/// raft_config.async_storage_writes), RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_ready_return(node: *mut raft_node, view: *mut raft_ready_view) -> raft_status {
    // SAFETY: the header demands NULL or a live node. The view is only compared until it is known to be
    // this node's own.
    unsafe {
        call(node, |node| {
            if view.is_null() {
                return Err(Failure::argument("view", "is NULL"));
            }
            node.lock(|state| state.return_view(view))
        })
    }
}

/// Gives a view up without having finished it. NULL is allowed.
///
/// The work is not lost: the next raft_ready (or raft_drive) hands the same view out again, without what has
/// come since (raft_ready_return: with it). If the
/// node is gone, this frees the view. Do not use the view afterwards.
///
/// With raft_config.async_storage_writes a view that is freed is gone, and not handed out again: what
/// it asked for has been done, or the node waits for it in vain. Its notices may go back later.
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
        home.take_back(work);
    }
}

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
    /// Where a view goes that is freed without having been advanced.
    home: Option<Arc<Home>>,
    /// How many were taken since the last tick.
    since_tick: u32,
}

impl Readies {
    /// Whether something is out, or the next turn is likely to come soon.
    pub(crate) fn are_needed(&self) -> bool {
        self.holder != Holder::Nobody || self.has_views_out() || self.since_tick > 1
    }

    /// Asynchronous writes: whether the host has views that it is to free.
    fn has_views_out(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.has_views_out())
    }

    fn home(&mut self) -> Result<&Arc<Home>, Failure> {
        match &mut self.home {
            Some(home) => Ok(home),
            none => Ok(none.insert(Arc::new(Home::new()?))),
        }
    }

    /// A view that was given up.
    fn take_returned(&self) -> Option<WorkBox> {
        self.home.as_ref()?.returned.lock().take()
    }

    /// Work to be filled.
    fn blank(&mut self, is_async: bool) -> Result<WorkBox, Failure> {
        self.since_tick = self.since_tick.saturating_add(1);
        if !is_async && self.spare.len() > 1 {
            return Ok(self.spare.remove(0));
        }
        let home = self.home()?;
        Ok(if is_async { home.take_spare() } else { WorkBox::empty(home) })
    }

    fn has_returned(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.returned.lock().is_some())
    }
}

impl State {
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        if let Some(busy) = &mut self.busy {
            busy.readies.since_tick = 0;
        }
        self.raw.tick()
    }

    fn holder(&self) -> Holder {
        self.busy.as_ref().map_or(Holder::Nobody, |busy| busy.readies.holder)
    }

    fn has_ready(&mut self) -> bool {
        match self.holder() {
            Holder::Nobody if self.raw.has_ready() => true,
            Holder::Nobody => {
                self.rest();
                false
            }
            Holder::View(_) => self.busy.as_ref().is_some_and(|busy| busy.readies.has_returned()),
            Holder::Drive => true,
        }
    }

    fn take_view(&mut self, node: &raft_node) -> Result<*mut raft_ready_view, Failure> {
        let Some(mut work) = self.take(node)? else { return Ok(ptr::null_mut()) };
        if work.is_async {
            // Early is well: what the log holds in memory goes before what is stored.
            self.store(&mut work)?;
            self.busy().readies.home()?.note_view_out();
            return Ok(work.into_view());
        }
        let view = work.into_view();
        self.busy().readies.holder = Holder::View(view);
        Ok(view)
    }

    /// Takes work for `raft_drive`, which does it in order: behind everything that is out.
    pub(crate) fn take_for_drive(&mut self, node: &raft_node) -> Result<Option<WorkBox>, Failure> {
        if self.busy().readies.has_views_out() {
            return Err(Failure::ReadyOutstanding);
        }
        let work = self.take(node)?;
        if work.is_some() {
            self.busy().readies.holder = Holder::Drive;
        }
        Ok(work)
    }

    fn take(&mut self, node: &raft_node) -> Result<Option<WorkBox>, Failure> {
        if self.holder() != Holder::Nobody {
            let returned = self.busy().readies.take_returned();
            return returned.map(Some).ok_or(Failure::ReadyOutstanding);
        }
        if !self.raw.has_ready() {
            self.rest();
            return Ok(None);
        }
        self.busy().readies.home()?;
        let ready = self.raw.ready()?;
        self.busy().payloads.end_period();
        if self.keep_storage_error() {
            let error = self.busy().storage_error.clone();
            error.into_iter().for_each(|error| node.note(&Failure::Core((*error).into())));
        }
        if let Some(observer) = node.watcher() {
            self.tell_unserved(&observer);
            self.tell_ready(&observer, &ready);
        }
        let term = self.raw.hard_state().term;
        let is_async = self.raw.config().async_storage_writes;
        let mut work = self.busy().readies.blank(is_async)?;
        work.show(ready, term, is_async, node.lends_snapshots);
        Ok(Some(work))
    }

    /// The outstanding view's work.
    fn own_view(&mut self, view: *mut raft_ready_view) -> Result<WorkBox, Failure> {
        if self.raw.config().async_storage_writes {
            return Err(Failure::Core(Error::WrongWriteMode));
        }
        if self.holder() != Holder::View(view) || self.busy().readies.has_returned() {
            return Err(Failure::ForeignReady);
        }
        // SAFETY: this is the pointer that `take_view` made, and it was not given back since.
        unsafe { WorkBox::from_view(view) }.ok_or(Failure::ForeignReady)
    }

    fn return_view(&mut self, view: *mut raft_ready_view) -> Result<(), Failure> {
        let work = self.own_view(view)?;
        let ready = self.put_away(work).ok_or(Failure::ForeignReady)?;
        Ok(self.raw.give_back(ready)?)
    }

    fn advance_view(&mut self, node: &raft_node, view: *mut raft_ready_view) -> Result<(), Failure> {
        let mut work = self.own_view(view)?;
        if let Err(failure) = self.store(&mut work) {
            work.into_view();
            return Err(failure);
        }
        self.finish(node, work)
    }

    /// Nobody has the work any more; what the core gave for it.
    fn put_away(&mut self, mut work: WorkBox) -> Option<Box<Ready>> {
        let ready = work.ready.take();
        work.clear();
        let readies = &mut self.busy().readies;
        readies.spare.push(work);
        readies.holder = Holder::Nobody;
        ready
    }

    /// Gives the work back to the core.
    pub(crate) fn finish(&mut self, node: &raft_node, mut work: WorkBox) -> Result<(), Failure> {
        if work.is_async {
            let acks = work.take_acks();
            work.clear();
            self.busy().readies.holder = Holder::Nobody;
            return match self.acknowledge(acks) {
                // A node that is no member any more: what it stored does not count.
                Err(Failure::Core(Error::PeerNotFound(_))) => Ok(()),
                result => result,
            };
        }
        self.tell_advance(node);
        let ready = self.put_away(work).ok_or(Failure::ForeignReady)?;
        Ok(self.raw.advance(ready)?)
    }

    /// Each notice is a fact of its own: that one fails must not swallow the next. The first error.
    pub(crate) fn acknowledge(&mut self, acks: Vec<Ack>) -> Result<(), Failure> {
        if !self.raw.config().async_storage_writes {
            return Err(Failure::Core(Error::WrongWriteMode));
        }
        let mut first_error = Ok(());
        for ack in acks {
            let result = self.raw.acknowledge(ack);
            first_error = first_error.and(result);
        }
        Ok(first_error?)
    }

    /// Stores the work if the node's storage is its own memory.
    pub(crate) fn store(&mut self, work: &mut Work) -> Result<(), Failure> {
        let NodeStorage::Memory(memory) = self.raw.storage_mut() else { return Ok(()) };
        if let Some(ready) = work.ready.as_deref().filter(|_| !work.stored) {
            memory
                .store(ready)
                .map_err(|error| Failure::Core(Error::InconsistentStorage(error.to_string())))?;
            work.stored = true;
        }
        Ok(())
    }
}
