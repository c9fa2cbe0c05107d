//! How the membership changes.

use bytes::Bytes;
use raftcore::wire::Dialect;
use raftcore::{
    ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Entry, EntryKind, Index, Transition,
    wire,
};

use crate::args::{self, Output};
use crate::config;
use crate::handle::{State, call, raft_node};
use crate::membership::raft_conf_state_buffer;
use crate::object::{self, Mark, object};
use crate::sized::{self, SizedStruct};
use crate::status::{Failure, Within, raft_status};
use crate::storage::NodeStorage;
use crate::types::{
    RAFT_CONF_ADD_LEARNER, RAFT_CONF_ADD_VOTER, RAFT_CONF_REMOVE, RAFT_CONF_UPDATE, RAFT_ENTRY_CONF_CHANGE,
    RAFT_ENTRY_CONF_CHANGE_V2, raft_conf_change_op, raft_entry, raft_entry_id, raft_slice,
};

/// Joint consensus only if there is more than one operation, and left automatically.
pub const RAFT_TRANSITION_AUTO: i32 = 0;
/// Joint consensus, left automatically.
pub const RAFT_TRANSITION_IMPLICIT: i32 = 1;
/// Joint consensus, left by a further change without operations that the host proposes.
pub const RAFT_TRANSITION_EXPLICIT: i32 = 2;

/// A membership change. All that it points to is borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_conf_change {
    /// sizeof(raft_conf_change).
    pub struct_size: usize,
    /// The operations, carried out in this order; NULL if there are none.
    pub ops: *const raft_conf_change_op,
    /// How many there are.
    pub ops_len: usize,
    /// A RAFT_TRANSITION_ constant. Without operations, RAFT_TRANSITION_AUTO leaves a joint
    /// configuration.
    pub transition: i32,
    /// The host's own data.
    pub context: raft_slice,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_conf_change {
    const MIN_SIZE: usize = size_of::<Self>();
}

const NO_CHANGE: raft_conf_change = raft_conf_change {
    struct_size: size_of::<raft_conf_change>(),
    ops: std::ptr::null(),
    ops_len: 0,
    transition: RAFT_TRANSITION_AUTO,
    context: raft_slice::EMPTY,
};

/// A membership change that the library owns. Does not change; any thread may read it.
pub struct raft_conf_change_buffer {
    mark: Mark,
    ops: Vec<raft_conf_change_op>,
    transition: i32,
    context: Bytes,
}

object!(raft_conf_change_buffer, 0x6c0f_c4a2, "membership change");

/// Proposes a change of the group's membership. It takes effect when it is applied:
/// raft_apply_conf_change, or raft_drive.
///
/// `ops` points to `len` operations, carried out in this order; no operation with
/// RAFT_TRANSITION_AUTO leaves a joint configuration. `transition` is a RAFT_TRANSITION_ constant.
/// `context` is data of the host's own for the entry; it is copied. `placed` may be NULL, and is as
/// in raft_propose.
///
/// A leader tries the change first and answers RAFT_ERR_CONF_CHANGE if it would come to nothing: another
/// change may be pending, no voter would remain, the configuration is or is not joint, an operation names
/// node 0, or no member would change. raft_node_last_error has the reason. Such a change gets no place
/// and never enters the log. One that was passed on to the leader and refused there is lost without
/// notice, as any proposal that is passed on may be. (With raft_config.etcd_compat an empty
/// RAFT_ENTRY_NORMAL entry takes its place, as in etcd/raft; without raft_config.validate_conf_changes
/// every change is taken.)
///
/// Any thread. Errors: RAFT_ERR_CONF_CHANGE, RAFT_ERR_PROPOSAL_DROPPED, RAFT_ERR_LIMIT,
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_STORAGE, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
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
            let context = args::copy(context, "context")?;
            let change = to_change(args::array(ops, len, "ops")?, transition, context)?;
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
    // SAFETY: the same contract.
    unsafe { raft_propose_conf_change_v1_with_id(node, 0, op, context, placed) }
}

/// The same with the host's own number for the change, which travels in the entry (etcd/raft's
/// ConfChange.ID, by which its hosts know a committed change); 0: none.
///
/// Neither `node` nor `op` is NULL. Any thread. Errors: as raft_propose_conf_change.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_conf_change_v1_with_id(
    node: *mut raft_node,
    id: u64,
    op: *const raft_conf_change_op,
    context: raft_slice,
    placed: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, NULL or an operation, a context as long as it
    // says, and NULL or room for the result.
    unsafe {
        call(node, |node| {
            let placed = Output::optional(placed, "placed")?;
            let op = args::reference(op, "op")?.to_op().within("op")?;
            let context = args::copy(context, "context")?;
            let change = ConfChange { id, op, context };
            let proposed = node.lock(|state| Ok(state.raw.propose_conf_change_v1(&change)?))?;
            placed.set(proposed.into());
            Ok(())
        })
    }
}

fn to_change(ops: &[raft_conf_change_op], transition: i32, context: Bytes) -> Result<ConfChangeV2, Failure> {
    let transition = match transition {
        RAFT_TRANSITION_AUTO => Transition::Auto,
        RAFT_TRANSITION_IMPLICIT => Transition::Implicit,
        RAFT_TRANSITION_EXPLICIT => Transition::Explicit,
        other => return Err(Failure::argument("transition", format!("is unknown: {other}"))),
    };
    let ops = ops.iter().enumerate().map(|(at, op)| op.to_op().within(format_args!("ops[{at}]")));
    let ops = ops.collect::<Result<_, _>>()?;
    Ok(ConfChangeV2 { transition, ops, context })
}

/// Applies a committed membership change: call it at each committed entry whose kind is not
/// RAFT_ENTRY_NORMAL, in order, once. Not with raft_drive, which does it itself.
///
/// At any time from when the entry is handed out until it counts as applied: that is until raft_advance, or
/// (asynchronous writes) until the view's apply_ack goes back. The node may be ticked and stepped in between,
/// by the old membership. The library cannot see whether it comes later, and then it would be too late: with
/// two changes that count as applied and are not in force, majorities need not overlap any more.
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
    unsafe { apply(node, entry, out, |entry, dialect| Ok(wire::decode_conf_change(entry, dialect)?)) }
}

/// Applies a committed membership change in place of the one that `entry` carries, for hosts that
/// change a change: all nodes of the group must come to the same. Operations on node 0 do nothing;
/// a change of nothing but those is withdrawn. Otherwise as raft_apply_conf_change.
///
/// None of `node`, `entry` and `change` is NULL; change->struct_size is set. Any thread. Errors: as
/// raft_apply_conf_change.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_apply_conf_change_as(
    node: *mut raft_node,
    entry: *const raft_entry,
    change: *const raft_conf_change,
    out: *mut *mut raft_conf_state_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, an entry, a change of the size that it states
    // whose arrays are as long as it says, and NULL or room for the result.
    unsafe { apply(node, entry, out, |_, _| read_change(change)) }
}

/// Applies what `change` makes of an entry.
///
/// # Safety
/// `node` is NULL or live, `entry` NULL or an entry with a payload as long as it says, `out` NULL or room
/// for the result.
unsafe fn apply(
    node: *mut raft_node,
    entry: *const raft_entry,
    out: *mut *mut raft_conf_state_buffer,
    change: impl FnOnce(&Entry, Dialect) -> Result<ConfChangeV2, Failure>,
) -> raft_status {
    // SAFETY: the same contract.
    unsafe {
        call(node, |node| {
            let wanted = !out.is_null();
            let out = Output::optional(out, "out")?;
            let entry = args::reference(entry, "entry")?.to_entry().within("entry")?;
            if entry.kind == EntryKind::Normal {
                return Err(Failure::argument("entry.kind", "is not that of a membership change"));
            }
            let state = node.lock(|state| {
                let change = change(&entry, state.raw.config().dialect)?;
                state.apply_conf_change(&change, entry.id.index)
            })?;
            if wanted {
                out.set(object::into_raw(raft_conf_state_buffer::new(state)));
            }
            Ok(())
        })
    }
}

/// A caller's change.
///
/// # Safety
/// `change` is NULL or points to a `raft_conf_change` of the size that it states, whose arrays are as
/// long as it says.
unsafe fn read_change(change: *const raft_conf_change) -> Result<ConfChangeV2, Failure> {
    // SAFETY: the same contract.
    unsafe {
        let change = sized::read(change, NO_CHANGE, "change")?;
        let ops = args::array(change.ops, change.ops_len, "change.ops")?;
        to_change(ops, change.transition, args::copy(change.context, "change.context")?).within("change")
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

/// Reads the membership change that an entry carries, of either version: to look at its context, or to
/// change it (raft_apply_conf_change_as).
///
/// `entry` is not NULL; `dialect` is that of the group (raft_config.dialect). `out` is not NULL; on
/// success `*out` is to be freed with raft_conf_change_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE (also for entries of kind RAFT_ENTRY_NORMAL),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_change_decode(
    entry: *const raft_entry,
    dialect: i32,
    out: *mut *mut raft_conf_change_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or an entry with a payload as long as it says, and room for the
    // result.
    unsafe {
        object::give(out, || {
            let entry = args::reference(entry, "entry")?.to_entry().within("entry")?;
            let change = wire::decode_conf_change(&entry, config::dialect(dialect, "dialect")?)?;
            Ok(change.into())
        })
    }
}

impl From<ConfChangeV2> for raft_conf_change_buffer {
    fn from(change: ConfChangeV2) -> Self {
        let transition = match change.transition {
            Transition::Auto => RAFT_TRANSITION_AUTO,
            Transition::Implicit => RAFT_TRANSITION_IMPLICIT,
            Transition::Explicit => RAFT_TRANSITION_EXPLICIT,
        };
        let ops = change.ops.iter().map(|op| raft_conf_change_op::from(*op)).collect();
        Self { mark: Mark::owned::<Self>(), ops, transition, context: change.context }
    }
}

/// Shows a membership change. `buffer` is not NULL, nor is `out`, whose struct_size is set by the
/// caller; what `*out` points to lives as long as the buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_change_buffer_view(
    buffer: *const raft_conf_change_buffer,
    out: *mut raft_conf_change,
) -> raft_status {
    let view = |buffer: &raft_conf_change_buffer| raft_conf_change {
        ops: buffer.ops.as_ptr(),
        ops_len: buffer.ops.len(),
        transition: buffer.transition,
        context: raft_slice::of(&buffer.context),
        ..NO_CHANGE
    };
    // SAFETY: the header demands NULL or a live buffer, and a result with its size.
    unsafe { object::show_sized(buffer, out, view) }
}

/// Frees a membership change. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_conf_change_buffer_free(buffer: *mut raft_conf_change_buffer) {
    // SAFETY: the header demands NULL or a buffer that nobody uses any more.
    unsafe { object::free(buffer) }
}

/// Encodes a membership change as the payload of an entry of the given kind. For hosts that make
/// entries themselves; raft_propose_conf_change does it for all others.
///
/// `change` is not NULL, and change->struct_size is set. `kind` is RAFT_ENTRY_CONF_CHANGE (exactly one
/// operation, RAFT_TRANSITION_AUTO) or RAFT_ENTRY_CONF_CHANGE_V2; `dialect` is that of the group.
/// `buffer` has room for `capacity` bytes, and may be NULL if that is 0. `needed` may be NULL; it is
/// set to the size of the encoding also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_change_encode(
    change: *const raft_conf_change,
    kind: i32,
    dialect: i32,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands a change of the size that it states, whose arrays are as long as it
    // says, and room for the results.
    unsafe {
        object::encode(buffer, capacity, needed, || {
            let change = read_change(change)?;
            let dialect = config::dialect(dialect, "dialect")?;
            match kind {
                RAFT_ENTRY_CONF_CHANGE => Ok(wire::encode_conf_change_v1(&first_version(change)?, dialect)),
                RAFT_ENTRY_CONF_CHANGE_V2 => Ok(wire::encode_conf_change(&change, dialect)),
                other => Err(Failure::argument("kind", format!("is unknown: {other}"))),
            }
        })
    }
}

fn first_version(change: ConfChangeV2) -> Result<ConfChange, Failure> {
    match (change.ops.as_slice(), change.transition) {
        ([op], Transition::Auto) => Ok(ConfChange { id: 0, op: *op, context: change.context }),
        _ => Err(Failure::argument("change", "does not fit the first version: one operation, no transition")),
    }
}

impl From<ConfChangeOp> for raft_conf_change_op {
    fn from(op: ConfChangeOp) -> Self {
        let kind = match op.kind {
            ConfChangeKind::AddVoter => RAFT_CONF_ADD_VOTER,
            ConfChangeKind::Remove => RAFT_CONF_REMOVE,
            ConfChangeKind::Update => RAFT_CONF_UPDATE,
            ConfChangeKind::AddLearner => RAFT_CONF_ADD_LEARNER,
        };
        Self { kind, node: op.node }
    }
}
