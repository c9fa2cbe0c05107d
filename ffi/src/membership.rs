//! Who belongs to the group, how that changes, and membership and snapshots as bytes.

use bytes::Bytes;
use raftcore::{ConfChange, ConfChangeV2, ConfState, EntryKind, Index, Snapshot, Transition, wire};

use crate::args::{self, Buffer, Output};
use crate::handle::{self, State, call, raft_node};
use crate::status::{Failure, raft_status};
use crate::storage::NodeStorage;
use crate::types::{
    self, raft_conf_change_op, raft_conf_state, raft_entry, raft_entry_id, raft_slice, raft_snapshot,
};

/// Joint consensus only if there is more than one operation, and left automatically.
pub const RAFT_TRANSITION_AUTO: i32 = 0;
/// Joint consensus, left automatically.
pub const RAFT_TRANSITION_IMPLICIT: i32 = 1;
/// Joint consensus, left by a further change without operations that the host proposes.
pub const RAFT_TRANSITION_EXPLICIT: i32 = 2;

/// A membership that the library owns. Does not change; any thread may read it.
pub struct raft_conf_state_buffer {
    state: ConfState,
    encoded: Vec<u8>,
}

/// A snapshot that the library owns. Does not change; any thread may read it.
pub struct raft_snapshot_buffer {
    snapshot: Snapshot,
}

/// Proposes a change of the group's membership. It takes effect when it is applied:
/// raft_apply_conf_change, or raft_drive.
///
/// `ops` points to `len` operations, carried out in this order; no operation with
/// RAFT_TRANSITION_AUTO leaves a joint configuration. `transition` is a RAFT_TRANSITION_ constant.
/// `context` is data of the host's own for the entry; it is copied. `placed` may be NULL, and is as
/// in raft_propose. A change that is refused because another one is pending appears in the log as an
/// empty RAFT_ENTRY_NORMAL entry.
///
/// Any thread. Errors: RAFT_ERR_PROPOSAL_DROPPED, RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_STORAGE,
/// RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_conf_change(
    node: *mut raft_node,
    ops: *const raft_conf_change_op,
    len: usize,
    transition: i32,
    context: raft_slice,
    placed: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, `len` operations, a context as long as it
    // says, and NULL or room for the result.
    unsafe {
        call(node, |node| {
            let placed = Output::optional(placed, "placed")?;
            let context = args::bytes(context, "context")?;
            let change = conf_change(args::array(ops, len, "ops")?, transition, context)?;
            let proposed = node.lock(|state| Ok(state.raw.propose_conf_change(&change)?))?;
            placed.set(proposed.into());
            Ok(())
        })
    }
}

/// Proposes a membership change of the first version (one operation, RAFT_ENTRY_CONF_CHANGE), for
/// groups with members that know no other. Otherwise as raft_propose_conf_change.
///
/// Neither `node` nor `op` is NULL. Any thread. Errors: as raft_propose_conf_change.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_conf_change_v1(
    node: *mut raft_node,
    op: *const raft_conf_change_op,
    context: raft_slice,
    placed: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, NULL or an operation, a context as long as it
    // says, and NULL or room for the result.
    unsafe {
        call(node, |node| {
            let placed = Output::optional(placed, "placed")?;
            let op = args::reference(op, "op")?.to_op()?;
            let context = Bytes::copy_from_slice(args::bytes(context, "context")?);
            let change = ConfChange { op, context };
            let proposed = node.lock(|state| Ok(state.raw.propose_conf_change_v1(&change)?))?;
            placed.set(proposed.into());
            Ok(())
        })
    }
}

fn conf_change(
    ops: &[raft_conf_change_op],
    transition: i32,
    context: &[u8],
) -> Result<ConfChangeV2, Failure> {
    let transition = match transition {
        RAFT_TRANSITION_AUTO => Transition::Auto,
        RAFT_TRANSITION_IMPLICIT => Transition::Implicit,
        RAFT_TRANSITION_EXPLICIT => Transition::Explicit,
        other => return Err(Failure::argument("transition", format!("is unknown: {other}"))),
    };
    let ops = ops.iter().map(|op| op.to_op()).collect::<Result<_, _>>()?;
    Ok(ConfChangeV2 { transition, ops, context: Bytes::copy_from_slice(context) })
}

/// Applies a committed membership change: call it at each committed entry whose kind is not
/// RAFT_ENTRY_NORMAL, in order, once. Not with raft_drive, which does it itself.
///
/// Neither `node` nor `entry` is NULL. `out` may be NULL; otherwise on success `*out` is the new
/// membership, to be stored with the applied index and freed with raft_conf_state_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_CONF_CHANGE and RAFT_ERR_DECODE (the entry cannot be carried out: it
/// changes nothing, here and on every other node; go on with the next entry), RAFT_ERR_STORAGE,
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_apply_conf_change(
    node: *mut raft_node,
    entry: *const raft_entry,
    out: *mut *mut raft_conf_state_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, an entry with a payload as long as it says,
    // and NULL or room for the result.
    unsafe {
        call(node, |node| {
            let wanted = !out.is_null();
            let out = Output::optional(out, "out")?;
            let entry = args::reference(entry, "entry")?.to_entry()?;
            if entry.kind == EntryKind::Normal {
                return Err(Failure::argument("entry.kind", "is not that of a membership change"));
            }
            let state = node.lock(|state| {
                let change = wire::decode_conf_change(&entry, state.raw.config().dialect)?;
                state.apply_conf_change(&change, entry.id.index)
            })?;
            if wanted {
                out.set(raft_conf_state_buffer::new(state));
            }
            Ok(())
        })
    }
}

impl State {
    /// Applies a change to the node and, if its storage is its own memory, to that.
    pub(crate) fn apply_conf_change(
        &mut self,
        change: &ConfChangeV2,
        index: Index,
    ) -> Result<ConfState, Failure> {
        let conf_state = self.raw.apply_conf_change(change)?;
        if let NodeStorage::Memory(memory) = self.raw.storage_mut() {
            memory.change_membership(&conf_state, index);
        }
        Ok(conf_state)
    }
}

impl raft_conf_state_buffer {
    pub(crate) fn new(state: ConfState) -> *mut Self {
        let encoded = wire::encode_conf_state(&state);
        Box::into_raw(Box::new(Self { state, encoded }))
    }
}

/// Shows a membership. `buffer` and `out` are not NULL; what `*out` points to lives as long as the
/// buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_buffer_view(
    buffer: *const raft_conf_state_buffer,
    out: *mut raft_conf_state,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands NULL or a live buffer, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            out.set((&args::reference(buffer, "buffer")?.state).into());
            Ok(())
        }
    })
}

/// Shows a membership's encoding, the form to store: raft_conf_state_sink_set_encoded and
/// raft_conf_state_decode take it. `buffer` and `out` are not NULL; the bytes live as long as the
/// buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_buffer_encoded(
    buffer: *const raft_conf_state_buffer,
    out: *mut raft_slice,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands NULL or a live buffer, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            out.set(raft_slice::of(&args::reference(buffer, "buffer")?.encoded));
            Ok(())
        }
    })
}

/// Frees a membership. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_conf_state_buffer_free(buffer: *mut raft_conf_state_buffer) {
    if !buffer.is_null() {
        // SAFETY: the header demands a buffer that was not freed; it came from `Box::into_raw`.
        drop(unsafe { Box::from_raw(buffer) });
    }
}

/// Encodes a membership for storing.
///
/// `state` is not NULL. `buffer` has room for `capacity` bytes, and may be NULL if that is 0.
/// `needed` may be NULL; it is set to the size of the encoding also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_encode(
    state: *const raft_conf_state,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands a membership as long as it says, and room for the results.
        unsafe {
            let buffer = Buffer::new(buffer, capacity, needed)?;
            buffer.fill(&wire::encode_conf_state(&types::conf_state(state)?))
        }
    })
}

/// Decodes a membership. `encoded` is borrowed during the call. `out` is not NULL; on success `*out`
/// is to be freed with raft_conf_state_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_decode(
    encoded: raft_slice,
    out: *mut *mut raft_conf_state_buffer,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands bytes as long as they say, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            let state = wire::decode_conf_state(args::bytes(encoded, "encoded")?)?;
            out.set(raft_conf_state_buffer::new(state));
            Ok(())
        }
    })
}

/// Encodes a snapshot with its metadata for storing. As raft_conf_state_encode.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_encode(
    snapshot: *const raft_snapshot,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands a snapshot as long as it says, and room for the results.
        unsafe {
            let buffer = Buffer::new(buffer, capacity, needed)?;
            buffer.fill(&wire::encode_snapshot(&types::snapshot(snapshot)?))
        }
    })
}

/// Decodes a snapshot that raft_snapshot_encode or raft_ready_view.snapshot_encoded gave. `encoded`
/// is borrowed during the call. `out` is not NULL; on success `*out` is to be freed with
/// raft_snapshot_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_decode(
    encoded: raft_slice,
    out: *mut *mut raft_snapshot_buffer,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands bytes as long as they say, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            let bytes = Bytes::copy_from_slice(args::bytes(encoded, "encoded")?);
            let snapshot = wire::decode_snapshot(&bytes)?;
            out.set(Box::into_raw(Box::new(raft_snapshot_buffer { snapshot })));
            Ok(())
        }
    })
}

/// Shows a snapshot. `buffer` and `out` are not NULL; what `*out` points to lives as long as the
/// buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_buffer_view(
    buffer: *const raft_snapshot_buffer,
    out: *mut raft_snapshot,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands NULL or a live buffer, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            out.set((&args::reference(buffer, "buffer")?.snapshot).into());
            Ok(())
        }
    })
}

/// Frees a snapshot. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_snapshot_buffer_free(buffer: *mut raft_snapshot_buffer) {
    if !buffer.is_null() {
        // SAFETY: the header demands a buffer that was not freed; it came from `Box::into_raw`.
        drop(unsafe { Box::from_raw(buffer) });
    }
}
