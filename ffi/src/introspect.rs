//! Looking at a node: its state, its peers, its last error.

use std::ffi::c_char;

use raftcore::{NO_NODE, ProgressState, ProgressStatus, Storage};

use crate::args::{self, Buffer, Output};
use crate::config::{self, raft_config};
use crate::door;
use crate::handle::{self, State, call, raft_node};
use crate::json;
use crate::membership::raft_conf_state_buffer;
use crate::object;
use crate::sized::{self, SizedStruct};
use crate::status::{self, Failure, RAFT_OK, raft_status};
use crate::types::{raft_hard_state, raft_soft_state, role_number};

/// A node's state.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_node_status_info {
    /// sizeof(raft_node_status_info), set by the caller.
    pub struct_size: usize,
    /// The node.
    pub id: u64,
    /// Its term, perhaps not stored yet.
    pub term: u64,
    /// Candidate that got its vote in the term; 0: none.
    pub vote: u64,
    /// Highest index known to be committed.
    pub commit: u64,
    /// Last entry known to be applied.
    pub applied: u64,
    /// Last entry known to be stored.
    pub persisted: u64,
    /// First entry that the storage has; 0: not asked (raft_node_basic_status).
    pub first_index: u64,
    /// Last entry of the log.
    pub last_index: u64,
    /// Its term.
    pub last_term: u64,
    /// Leader of the term; 0: not known.
    pub leader: u64,
    /// Target of a pending leadership transfer; 0: there is none.
    pub transferee: u64,
    /// A RAFT_ROLE_ constant.
    pub role: i32,
    /// Whether the node itself votes.
    pub is_voter: bool,
}

// SAFETY: repr(C), the size comes first. It only goes out: its bool is never read.
unsafe impl SizedStruct for raft_node_status_info {
    const MIN_SIZE: usize = size_of::<Self>();
}

/// Progress state: where the member's log ends is unknown; one message at a time until it accepts.
pub const RAFT_PROGRESS_PROBE: i32 = 0;
/// Progress state: messages are pipelined.
pub const RAFT_PROGRESS_REPLICATE: i32 = 1;
/// Progress state: the member needs a snapshot; nothing is sent until it has one.
pub const RAFT_PROGRESS_SNAPSHOT: i32 = 2;

/// What a leader knows of a member of its group.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_progress {
    /// The member.
    pub id: u64,
    /// Highest index known to be in its log.
    pub matched: u64,
    /// Next index to send.
    pub next: u64,
    /// Index of a snapshot on its way; 0 if there is none.
    pub pending_snapshot: u64,
    /// RAFT_PROGRESS_PROBE, RAFT_PROGRESS_REPLICATE or RAFT_PROGRESS_SNAPSHOT.
    pub state: i32,
    /// Whether it is a learner.
    pub is_learner: bool,
    /// Whether nothing is sent until it answers.
    pub is_paused: bool,
    /// Whether it was heard from since the last quorum check.
    pub is_active: bool,
    /// Whether as many Appends are on their way as are allowed.
    pub is_inflight_full: bool,
    /// Appends on their way.
    pub inflight_messages: u64,
    /// Payload bytes on their way.
    pub inflight_bytes: u64,
}

impl From<&ProgressStatus> for raft_progress {
    fn from(progress: &ProgressStatus) -> Self {
        Self {
            id: progress.id,
            matched: progress.matched,
            next: progress.next,
            pending_snapshot: progress.pending_snapshot,
            state: match progress.state {
                ProgressState::Probe => RAFT_PROGRESS_PROBE,
                ProgressState::Replicate => RAFT_PROGRESS_REPLICATE,
                ProgressState::Snapshot => RAFT_PROGRESS_SNAPSHOT,
            },
            is_learner: progress.is_learner,
            is_paused: progress.is_paused,
            is_active: progress.is_active,
            is_inflight_full: progress.is_inflight_full,
            inflight_messages: progress.inflight_messages as u64,
            inflight_bytes: progress.inflight_bytes,
        }
    }
}

/// Detail of the last error on this node, in English. With `node` = NULL: of this thread's last
/// failed call that had no node (raft_node_new, raft_config_init, sinks, encoding and decoding).
///
/// `buffer` has room for `capacity` bytes, and may be NULL if that is 0. It gets as much of the text
/// as fits, and always a NUL. `needed` may be NULL; it is set to the size that would have been
/// enough. The text is empty if there was no error; it is not cleared by success. Where several
/// threads use the node, the error may be another thread's.
///
/// Any thread, also in callbacks and on a poisoned node. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_node_last_error(
    node: *mut raft_node,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the results.
    let show = || unsafe {
        let text = match node.is_null() {
            true => door::thread_error(),
            false => handle::live(node)?.last_error(),
        };
        Buffer::new(buffer.cast(), capacity, needed)?.fill_text(&text);
        Ok(())
    };
    // Not remembered: the text that is asked for must not be replaced.
    door::guarded(show).map_or_else(|failure: Failure| failure.status(), |()| RAFT_OK)
}

/// The node's id, as configured. 0 for NULL, a poisoned node, and in a callback of this node.
///
/// Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_id(node: *mut raft_node) -> u64 {
    let mut id = NO_NODE;
    let look = |node: &raft_node| {
        id = node.lock(|state| Ok(state.raw.id()))?;
        Ok(())
    };
    // SAFETY: the header demands NULL or a live node. What goes wrong is told by 0.
    let _ = unsafe { call(node, look) };
    id
}

/// Tells the configuration that the node was made with. `out` is not NULL, and out->struct_size is set
/// by the caller.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_config(node: *mut raft_node, out: *mut raft_config) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a result with its size.
    unsafe {
        call(node, |node| {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            let config = node.lock(|state| Ok(config::describe(state.raw.config(), node.lends_snapshots)))?;
            sized::write(out, size, config, "out")
        })
    }
}

/// Tells term, vote and commit index as they are now, perhaps not stored yet: a cheaper look than
/// raft_node_status. `out` is not NULL.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_hard_state(
    node: *mut raft_node,
    out: *mut raft_hard_state,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the result.
    unsafe {
        call(node, |node| {
            let out = Output::required(out, "out")?;
            out.set(node.lock(|state| Ok(state.raw.hard_state().into()))?);
            Ok(())
        })
    }
}

/// Tells leader and role as they are now: a cheaper look than raft_node_status. `out` is not NULL.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_soft_state(
    node: *mut raft_node,
    out: *mut raft_soft_state,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the result.
    unsafe {
        call(node, |node| {
            let out = Output::required(out, "out")?;
            out.set(node.lock(|state| Ok(state.raw.soft_state().into()))?);
            Ok(())
        })
    }
}

/// Takes the last failure of the storage that made no call fail, once: it only kept the leader from
/// sending a member what it needs, and is tried again by itself.
///
/// `out` is not NULL. On success `*out` is RAFT_OK if there was none; otherwise what the storage
/// callback answered (RAFT_ERR_STORAGE if the answer broke the contract), and raft_node_last_error has
/// the detail.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_take_storage_error(
    node: *mut raft_node,
    out: *mut raft_status,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the result.
    unsafe {
        call(node, |node| {
            let out = Output::required(out, "out")?;
            let error = node.lock(|state| {
                state.keep_storage_error();
                Ok(state.busy.as_mut().and_then(|busy| busy.storage_error.take()))
            })?;
            out.set(error.as_deref().map_or(RAFT_OK, status::status_of_storage));
            if let Some(error) = error {
                node.note(&Failure::Core((*error).into()));
            }
            Ok(())
        })
    }
}

impl State {
    /// Keeps for `raft_node_take_storage_error` what made no call fail.
    pub(crate) fn keep_storage_error(&mut self) -> bool {
        let Some(error) = self.raw.take_storage_error() else { return false };
        self.busy().storage_error = Some(Box::new(error));
        true
    }
}

/// Tells a node's state. `out` is not NULL, and out->struct_size is set by the caller.
///
/// Any thread. Errors: RAFT_ERR_STORAGE (raft_storage.first_index failed),
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_status(
    node: *mut raft_node,
    out: *mut raft_node_status_info,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a result with its size.
    unsafe {
        call(node, |node| {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            sized::write(out, size, node.lock(|state| state.info())?, "out")
        })
    }
}

/// Tells a node's state as far as it knows it by itself: as raft_node_status, but no storage callback is
/// called, and out->first_index is 0. `out` is not NULL, and out->struct_size is set by the caller.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_basic_status(
    node: *mut raft_node,
    out: *mut raft_node_status_info,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a result with its size.
    unsafe {
        call(node, |node| {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            sized::write(out, size, node.lock(|state| Ok(state.basic_info()))?, "out")
        })
    }
}

impl State {
    fn info(&self) -> Result<raft_node_status_info, Failure> {
        let first_index = self.raw.storage().first_index().map_err(raftcore::Error::Storage)?;
        Ok(raft_node_status_info { first_index, ..self.basic_info() })
    }

    fn basic_info(&self) -> raft_node_status_info {
        let status = self.raw.basic_status();
        raft_node_status_info {
            struct_size: size_of::<raft_node_status_info>(),
            id: status.id,
            term: status.hard_state.term,
            vote: status.hard_state.vote,
            commit: status.hard_state.commit,
            applied: status.applied,
            persisted: status.stabled,
            first_index: 0,
            last_index: status.last.index,
            last_term: status.last.term,
            leader: status.soft_state.leader,
            transferee: status.transferee.unwrap_or(NO_NODE),
            role: role_number(status.soft_state.role),
            is_voter: status.is_voter,
        }
    }
}

/// Tells a node's state, membership and (on a leader) progress as one JSON object, for people and
/// for metrics. Members may be added in later versions.
///
/// `buffer` has room for `capacity` bytes, and may be NULL if that is 0. On success it holds the
/// text and a NUL. `needed` may be NULL; it is set to the size of both, also if that exceeds
/// `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_status_json(
    node: *mut raft_node,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the results.
    unsafe {
        call(node, |node| {
            let buffer = Buffer::new(buffer.cast(), capacity, needed)?;
            let mut text = json::status(&node.lock(|state| Ok(state.raw.status()))?);
            text.push('\0');
            buffer.fill(text.as_bytes())
        })
    }
}

/// Tells what a leader knows of each member, itself included, in the order of their ids. On other
/// nodes `*len` becomes 0.
///
/// `out` has room for `capacity` members, and may be NULL if that is 0. `len` is not NULL; it is set
/// to the number of members also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*len` was written),
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_progress(
    node: *mut raft_node,
    out: *mut raft_progress,
    capacity: usize,
    len: *mut usize,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, room for `capacity` members, and for `len`.
    unsafe {
        call(node, |node| {
            let len = Output::required(len, "len")?;
            let first = match capacity {
                0 => Output::optional(out, "out")?,
                _ => Output::required(out, "out")?,
            };
            let progress = node.lock(|state| Ok(state.raw.status().progress))?;
            len.set(progress.len());
            if progress.len() > capacity {
                return Err(Failure::TooLarge { needed: progress.len() });
            }
            first.set_all(progress.iter().map(raft_progress::from));
            Ok(())
        })
    }
}

/// Checks everything that must hold within a node, whatever peers and hosts do; for tests, and for
/// hosts that would rather stop than go on with a defect. Takes time in proportion to the number of
/// members.
///
/// Any thread. Errors: RAFT_ERR_INVARIANT (raft_node_last_error names the condition),
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_check_invariants(node: *mut raft_node) -> raft_status {
    let check = |state: &mut State| state.raw.check_invariants().map_err(Failure::Invariant);
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, |node| node.lock(check)) }
}

/// Tells the membership in force. `out` is not NULL; on success `*out` is to be freed with
/// raft_conf_state_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_conf_state(
    node: *mut raft_node,
    out: *mut *mut raft_conf_state_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the result.
    unsafe {
        call(node, |node| {
            let out = Output::required(out, "out")?;
            let state = node.lock(|state| Ok(state.raw.status().conf_state))?;
            out.set(object::into_raw(raft_conf_state_buffer::new(state)));
            Ok(())
        })
    }
}
