//! Letting the library drive: one whole cycle of work in the only right order, through a table of
//! callbacks.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use raftcore::{Error, wire};

use crate::args::Output;
use crate::cycle::{Membership, Reached, Stage};
use crate::handle::{State, call, raft_node};
use crate::message::raft_message;
use crate::sized::{self, SizedStruct};
use crate::snapshot::{raft_snapshot_buffer, raft_snapshot_message};
use crate::status::{Failure, RAFT_OK, raft_status};
use crate::types::{
    RAFT_ENTRY_NORMAL, raft_conf_state, raft_entry, raft_hard_state, raft_read_state, raft_slice,
    raft_snapshot, raft_soft_state,
};
use crate::work::{Work, WorkBox};

/// What raft_host.persist has to store. Borrowed during that callback.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_persist {
    /// Entries to store. They replace stored ones at their indexes and everything after.
    pub entries: *const raft_entry,
    /// How many there are; perhaps none.
    pub entries_len: usize,
    /// Term, vote and commit index to store; NULL if they have not changed.
    pub hard_state: *const raft_hard_state,
    /// A snapshot that replaces the whole log; NULL if there is none. Entries, if any, follow it.
    pub snapshot: *const raft_snapshot,
    /// The whole snapshot encoded, for hosts that store one blob. Empty if there is none. With
    /// raft_config.lend_snapshots it is the snapshot without its data.
    pub snapshot_encoded: raft_slice,
    /// Whether it must be durable before the callback returns. A commit index alone may be lost.
    pub must_sync: bool,
    /// The same snapshot, for hosts that need it beyond this callback (raft_snapshot_buffer_share).
    /// NULL if there is none.
    pub snapshot_buffer: *const raft_snapshot_buffer,
}

/// What a host does for a node that raft_drive drives.
///
/// Callbacks are called by the thread that called raft_drive, one at a time, in the order that its
/// comment tells. What their arguments point to is borrowed until they return.
///
/// What may be called inside: everything but raft_drive, raft_ready, raft_advance and raft_node_free of
/// the same node. The node is not locked meanwhile: callbacks, and other threads, may propose, step and
/// tick. raft_drive answers RAFT_ERR_REENTRANT, raft_ready RAFT_ERR_READY_OUTSTANDING; raft_node_free
/// does nothing.
///
/// What happens when one fails, that is answers anything but RAFT_OK: the raft_drive ends with
/// RAFT_ERR_CALLBACK. Nothing is forgotten and nothing was promised too early.
///
/// When it is called again: the next raft_drive calls the callback that failed with the same arguments,
/// and not those before it. So each must do all of its work or none, or not mind doing it again (sending
/// twice is harmless, storing the same entries too; applying twice is not). They must not throw, and not
/// longjmp.
///
/// The order within a cycle: send (what promises nothing), persist, send (the rest), apply_snapshot, then
/// apply and apply_conf_change in turns, in the order of the log. Put on the wire at once what send gets:
/// a leader's disk then writes while its entries travel. What must wait for persist comes after it.
///
/// send and apply are required, persist too unless the node is in memory. Set unused bytes to zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_host {
    /// sizeof(raft_host).
    pub struct_size: usize,
    /// Handed to every callback; may be NULL. Not used otherwise.
    pub context: *mut c_void,
    /// Stores all of `what` in one batch. After RAFT_OK the raft_storage callbacks must show it.
    pub persist: Option<unsafe extern "C" fn(context: *mut c_void, what: *const raft_persist) -> raft_status>,
    /// Sends messages. Losing some is allowed: a peer that cannot be reached is no error.
    pub send: Option<
        unsafe extern "C" fn(context: *mut c_void, messages: *const raft_message, len: usize) -> raft_status,
    >,
    /// Applies committed entries to the state machine: all, in this order, or none if it fails.
    /// Their kind is RAFT_ENTRY_NORMAL; one without data marks the start of a term. Called several
    /// times in a cycle if membership changes lie between: each of those goes to apply_conf_change
    /// when all before it were applied.
    pub apply: Option<
        unsafe extern "C" fn(context: *mut c_void, entries: *const raft_entry, len: usize) -> raft_status,
    >,
    /// Replaces the state machine by a snapshot. NULL: persist has done it.
    pub apply_snapshot:
        Option<unsafe extern "C" fn(context: *mut c_void, snapshot: *const raft_snapshot) -> raft_status>,
    /// Stores the membership `state` that entry, a committed membership change, has led to; `encoded`
    /// is its encoding. The node has it already. A change that cannot be carried out comes with the
    /// membership as it was. NULL: the host does not care, its members never change.
    pub apply_conf_change: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            entry: *const raft_entry,
            state: *const raft_conf_state,
            encoded: raft_slice,
        ) -> raft_status,
    >,
    /// Reads that may be served once their index is applied; the entries of this cycle are. NULL:
    /// the host does not use raft_read_index.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, states: *const raft_read_state, len: usize) -> raft_status,
    >,
    /// Leader or role changed; `term` is the node's term at that time. NULL: the host does not care.
    pub state_changed: Option<
        unsafe extern "C" fn(context: *mut c_void, state: *const raft_soft_state, term: u64) -> raft_status,
    >,
    /// Sends a snapshot, or begins to: see raft_snapshot_message. Required with
    /// raft_config.lend_snapshots, and not called otherwise.
    pub send_snapshot: Option<
        unsafe extern "C" fn(context: *mut c_void, message: *const raft_snapshot_message) -> raft_status,
    >,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_host {
    const MIN_SIZE: usize = offset_of!(Self, send_snapshot);
}

const NO_HOST: raft_host = raft_host {
    struct_size: size_of::<raft_host>(),
    context: ptr::null_mut(),
    persist: None,
    send: None,
    apply: None,
    apply_snapshot: None,
    apply_conf_change: None,
    read: None,
    state_changed: None,
    send_snapshot: None,
};

/// Does one cycle of work: takes what has piled up, and calls the host to send what may be sent at
/// once, to store, to send the rest, to apply the snapshot, entries and membership changes, to serve
/// reads, and to note a change of role. Call it until `*worked` is false.
///
/// If a callback fails, the answer is RAFT_ERR_CALLBACK and the node stays consistent: nothing was
/// sent before it was stored, and the next raft_drive takes up the same cycle at the callback that
/// failed. So nothing is applied twice, unless the host did a part of it and failed afterwards.
/// Until the cycle is finished raft_ready answers RAFT_ERR_READY_OUTSTANDING.
///
/// `host` is not NULL; it may be another one each time. `worked` may be NULL.
///
/// Any thread, one at a time. Errors: RAFT_ERR_CALLBACK, RAFT_ERR_BUSY (another thread is in here),
/// RAFT_ERR_READY_OUTSTANDING (a view of raft_ready is not finished), RAFT_ERR_STORAGE,
/// RAFT_ERR_COMMITTED_CONFLICT (as raft_advance), RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT,
/// RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_drive(
    node: *mut raft_node,
    host: *const raft_host,
    worked: *mut bool,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, a host of the size that it states, and NULL or
    // room for the result.
    unsafe {
        call(node, |node| {
            let worked = Output::optional(worked, "worked")?;
            let host = Host::new(host)?;
            worked.set(node.as_driver(|drive| drive.run(node, &host))?);
            Ok(())
        })
    }
}

/// A cycle that `raft_drive` has begun. It is kept with the node, so that it can be taken up again.
#[derive(Default)]
pub(crate) struct Drive {
    cycle: Option<Cycle>,
}

/// The work, which says how far it is done: so a node at rest has a pointer here, and no more.
struct Cycle(WorkBox);

impl Drive {
    /// Runs a cycle to its end; whether there was one.
    fn run(&mut self, node: &raft_node, host: &Host) -> Result<bool, Failure> {
        let is_begun = self.cycle.is_some();
        let work = node.lock(|state| {
            host.check(state, node)?;
            if is_begun { Ok(None) } else { state.take_for_drive(node) }
        })?;
        if let Some(work) = work {
            self.cycle = Some(Cycle::new(work));
        }
        let Some(cycle) = &mut self.cycle else { return Ok(false) };
        cycle.run(node, host)?;
        if let Some(Cycle(work)) = self.cycle.take() {
            node.lock(|state| state.finish(node, work))?;
        }
        Ok(true)
    }
}

impl Cycle {
    fn new(mut work: WorkBox) -> Self {
        work.reached = Reached::default();
        Self(work)
    }

    fn run(&mut self, node: &raft_node, host: &Host) -> Result<(), Failure> {
        loop {
            self.run_stage(node, host)?;
            match self.0.reached.stage.next() {
                Some(stage) => self.0.reached.stage = stage,
                None => return Ok(()),
            }
        }
    }

    fn run_stage(&mut self, node: &raft_node, host: &Host) -> Result<(), Failure> {
        let (now, rest) = self.0.messages.split_at(self.0.send_now);
        match self.0.reached.stage {
            Stage::SendNow => host.send(now),
            Stage::SendSnapshots => {
                while let Some(message) = self.0.snapshot_messages.get(self.0.reached.snapshots_sent) {
                    host.send_snapshot(message)?;
                    self.0.reached.snapshots_sent += 1;
                }
                Ok(())
            }
            Stage::Persist => {
                host.persist(&self.0)?;
                node.lock(|state| state.store(&mut self.0))
            }
            Stage::SendRest => host.send(rest),
            Stage::ApplySnapshot => host.apply_snapshot(&self.0.snapshot),
            Stage::ApplyEntries => self.apply(node, host),
            Stage::Read => host.read(&self.0.reads),
            Stage::StateChanged => host.state_changed(&self.0),
        }
    }

    /// Applies runs of ordinary entries, and membership changes one by one.
    fn apply(&mut self, node: &raft_node, host: &Host) -> Result<(), Failure> {
        while let Some(rest @ [first, ..]) = self.0.committed.get(self.0.reached.applied..) {
            let run = rest.iter().take_while(|entry| entry.kind == RAFT_ENTRY_NORMAL).count();
            if run > 0 {
                host.apply(&rest[..run])?;
                self.0.reached.applied += run;
                continue;
            }
            let first = *first;
            // Kept until the host has taken it: the node must not apply the change again.
            let membership = match self.0.reached.membership.take() {
                Some(membership) => membership,
                None => {
                    Box::new(node.lock(|state| state.change_membership(&self.0, self.0.reached.applied))?)
                }
            };
            let told = host.apply_conf_change(&first, &membership);
            if told.is_err() {
                self.0.reached.membership = Some(membership);
            }
            told?;
            self.0.reached.applied += 1;
        }
        Ok(())
    }
}

impl State {
    /// Applies the committed membership change at a position of the work. One that cannot be
    /// carried out changes nothing, on this node as on every other.
    fn change_membership(&mut self, work: &Work, at: usize) -> Result<Membership, Failure> {
        let change = work.committed_entry(at).map(|entry| {
            let change = wire::decode_conf_change(entry, self.raw.config().dialect)?;
            self.apply_conf_change(&change, entry.id.index)
        });
        let state = match change {
            Some(Ok(state)) => state,
            Some(Err(Failure::Core(Error::ConfChange(_) | Error::Decode(_)))) | None => {
                self.raw.status().conf_state
            }
            Some(Err(failure)) => return Err(failure),
        };
        Ok(Membership { encoded: wire::encode_conf_state(&state), state })
    }
}

/// The host's table, complete except for what may be missing.
struct Host(raft_host);

impl Host {
    /// # Safety
    /// `host` is NULL or points to a `raft_host` of the size that it states, whose callbacks keep
    /// the contract in the header.
    unsafe fn new(host: *const raft_host) -> Result<Self, Failure> {
        // SAFETY: the same contract.
        let host = unsafe { sized::read(host, NO_HOST, "host") }?;
        if host.send.is_none() {
            return Err(Failure::argument("host.send", "is NULL"));
        }
        if host.apply.is_none() {
            return Err(Failure::argument("host.apply", "is NULL"));
        }
        Ok(Self(host))
    }

    /// Whether the table is complete for this node.
    fn check(&self, state: &State, node: &raft_node) -> Result<(), Failure> {
        if self.0.persist.is_none() && !state.is_in_memory() {
            return Err(Failure::argument("host.persist", "is NULL"));
        }
        if self.0.send_snapshot.is_none() && node.lends_snapshots {
            return Err(Failure::argument("host.send_snapshot", "is NULL"));
        }
        Ok(())
    }

    fn persist(&self, work: &Work) -> Result<(), Failure> {
        let view = work.view();
        let hard_state = Some(&view.hard_state).filter(|_| view.has_hard_state);
        let what = raft_persist {
            entries: work.entries.as_ptr(),
            entries_len: work.entries.len(),
            hard_state: hard_state.map_or(ptr::null(), ptr::from_ref),
            snapshot: work.snapshot.first().map_or(ptr::null(), ptr::from_ref),
            snapshot_encoded: raft_slice::of(&work.snapshot_encoded),
            must_sync: view.must_sync,
            snapshot_buffer: work.snapshot_buffer.first().map_or(ptr::null(), ptr::from_ref),
        };
        let nothing = what.entries_len == 0 && hard_state.is_none() && what.snapshot.is_null();
        let Some(persist) = self.0.persist.filter(|_| !nothing) else { return Ok(()) };
        // SAFETY: the host's callback with the host's context; `what` outlives the call.
        check("persist", unsafe { persist(self.0.context, &raw const what) })
    }

    fn send(&self, messages: &[raft_message]) -> Result<(), Failure> {
        let Some(send) = self.0.send.filter(|_| !messages.is_empty()) else { return Ok(()) };
        // SAFETY: the host's callback with the host's context; the messages outlive the call.
        check("send", unsafe { send(self.0.context, messages.as_ptr(), messages.len()) })
    }

    fn send_snapshot(&self, message: &raft_snapshot_message) -> Result<(), Failure> {
        let Some(send) = self.0.send_snapshot else { return Ok(()) };
        // SAFETY: the host's callback with the host's context; the message outlives the call.
        check("send_snapshot", unsafe { send(self.0.context, message) })
    }

    fn apply(&self, entries: &[raft_entry]) -> Result<(), Failure> {
        let Some(apply) = self.0.apply else { return Ok(()) };
        // SAFETY: the host's callback with the host's context; the entries outlive the call.
        check("apply", unsafe { apply(self.0.context, entries.as_ptr(), entries.len()) })
    }

    fn apply_snapshot(&self, snapshot: &[raft_snapshot]) -> Result<(), Failure> {
        let (Some(apply), Some(snapshot)) = (self.0.apply_snapshot, snapshot.first()) else {
            return Ok(());
        };
        // SAFETY: the host's callback with the host's context; the snapshot outlives the call.
        check("apply_snapshot", unsafe { apply(self.0.context, snapshot) })
    }

    fn apply_conf_change(&self, entry: &raft_entry, new: &Membership) -> Result<(), Failure> {
        let Some(apply) = self.0.apply_conf_change else { return Ok(()) };
        let state = raft_conf_state::from(&new.state);
        let encoded = raft_slice::of(&new.encoded);
        // SAFETY: the host's callback with the host's context; entry and membership outlive the
        // call.
        let status = unsafe { apply(self.0.context, entry, &raw const state, encoded) };
        check("apply_conf_change", status)
    }

    fn read(&self, reads: &[raft_read_state]) -> Result<(), Failure> {
        let Some(read) = self.0.read.filter(|_| !reads.is_empty()) else { return Ok(()) };
        // SAFETY: the host's callback with the host's context; the reads outlive the call.
        check("read", unsafe { read(self.0.context, reads.as_ptr(), reads.len()) })
    }

    fn state_changed(&self, work: &Work) -> Result<(), Failure> {
        let view = work.view();
        let Some(changed) = self.0.state_changed.filter(|_| view.has_soft_state) else { return Ok(()) };
        // SAFETY: the host's callback with the host's context; the state outlives the call.
        let status = unsafe { changed(self.0.context, &raw const view.soft_state, work.term) };
        check("state_changed", status)
    }
}

fn check(name: &'static str, status: raft_status) -> Result<(), Failure> {
    match status {
        RAFT_OK => Ok(()),
        status => Err(Failure::Callback { name, status }),
    }
}
