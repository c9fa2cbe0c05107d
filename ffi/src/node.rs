//! A node's life, and what is told to it: ticks, messages, proposals, requests.

use std::ffi::{c_char, c_void};

use bytes::Bytes;
use raftcore::{Config, RawNode, SnapshotStatus, wire};

use crate::args::{self, Output};
use crate::config::{self, raft_config};
use crate::handle::{self, call, raft_node};
use crate::memory::Memory;
use crate::status::{Failure, raft_status};
use crate::storage::{HostStorage, NodeStorage, raft_storage};
use crate::types::{self, raft_conf_state, raft_entry_id, raft_slice};

/// Version of this interface that the header describes, major part: it changes when programs must
/// be compiled anew.
pub const RAFT_ABI_MAJOR: u32 = 0;
/// Version of this interface that the header describes, minor part: it changes when something is
/// added.
pub const RAFT_ABI_MINOR: u32 = 2;

/// Version of the interface that the library was built with: (major << 16) | minor, to be compared
/// with RAFT_ABI_MAJOR and RAFT_ABI_MINOR. Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn raft_abi_version() -> u32 {
    (RAFT_ABI_MAJOR << 16) | RAFT_ABI_MINOR
}

/// Version of the library, "0.1.0" for example. Never NULL; the text is static. Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn raft_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Makes a node that reads its log through the host's callbacks.
///
/// The node starts from what the storage holds: a restart is the same call as the first start.
/// raft_storage tells what the storages of a new group's members hold.
///
/// None of the arguments is NULL. `config` and `storage` are copied; what storage->context points
/// to must live until storage->release is called. On success `*out` is a node, to be freed with
/// raft_node_free. On failure storage->release has been called (unless `storage` itself is NULL or
/// has an unknown struct_size), and raft_node_last_error(NULL, ..) has the detail.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_CONFIG, RAFT_ERR_STORAGE,
/// RAFT_ERR_INCONSISTENT_STORAGE, RAFT_ERR_CONF_CHANGE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_new(
    config: *const raft_config,
    storage: *const raft_storage,
    out: *mut *mut raft_node,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands that each points to what its type says. The storage goes
        // first: it is released whatever happens afterwards.
        unsafe {
            let storage = NodeStorage::Host(HostStorage::read(storage)?);
            let out = Output::required(out, "out")?;
            let config = config::read(config)?;
            make(config, storage, &out)
        }
    })
}

/// Makes a node whose log is in memory: for tests, first steps, and groups that need not survive
/// their processes. raft_advance and raft_drive store into it by themselves.
///
/// `config` and `out` are not NULL. `members` is the membership that the group starts with, the same
/// on all of its first nodes; it is copied; NULL for a node that joins later. The log starts behind
/// index 1, a snapshot of the empty state. On success `*out` is a
/// node, to be freed with raft_node_free. On failure raft_node_last_error(NULL, ..) has the detail.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_CONFIG, RAFT_ERR_INCONSISTENT_STORAGE,
/// RAFT_ERR_CONF_CHANGE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_new_in_memory(
    config: *const raft_config,
    members: *const raft_conf_state,
    out: *mut *mut raft_node,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands that each is NULL or points to what its type says.
        unsafe {
            let out = Output::required(out, "out")?;
            let config = config::read(config)?;
            let members = match members.is_null() {
                true => None,
                false => Some(types::conf_state(members)?),
            };
            make(config, NodeStorage::Memory(Box::new(Memory::new(members))), &out)
        }
    })
}

fn make(config: Config, storage: NodeStorage, out: &Output<*mut raft_node>) -> Result<(), Failure> {
    let raw = RawNode::new(config, storage)?;
    out.set(Box::into_raw(Box::new(raft_node::new(raw))));
    Ok(())
}

/// Frees a node. NULL is allowed. A ready view of it that is still out stays readable and must be
/// freed with raft_ready_free.
///
/// No other thread may be using the node, now or later. Called from a callback of the node itself,
/// it does nothing: the node lives on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_node_free(node: *mut raft_node) {
    // SAFETY: the header demands NULL or a node that has not been freed.
    if unsafe { node.as_ref() }.is_none_or(raft_node::is_inside) {
        return;
    }
    // SAFETY: it came from `Box::into_raw` in `make`, and the header demands that nobody uses it.
    // Only drops run here, and those of the core do not panic; if one did, it must not reach C.
    let _ = handle::guarded(|| unsafe {
        drop(Box::from_raw(node));
        Ok(())
    });
}

/// Tells the node that time has passed: call it at the same interval on all nodes of a group.
///
/// Any thread. Errors: RAFT_ERR_STORAGE (the tick counts all the same), RAFT_ERR_REENTRANT,
/// RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_tick(node: *mut raft_node) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, |node| node.lock(|state| Ok(state.raw.tick()?))) }
}

/// Hands over a message from a peer: the bytes that the peer's raft_message had.
///
/// The bytes may come from anybody: what is not a message of this group, or breaks the protocol, is
/// refused and changes nothing. They are copied.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_MESSAGE, RAFT_ERR_PEER_NOT_FOUND,
/// RAFT_ERR_PROPOSAL_DROPPED (a forwarded proposal), RAFT_ERR_COMMIT_BEYOND_LOG,
/// RAFT_ERR_COMMITTED_CONFLICT, RAFT_ERR_STORAGE, RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT,
/// RAFT_ERR_POISONED. All of them may be logged and forgotten, except RAFT_ERR_COMMIT_BEYOND_LOG and
/// RAFT_ERR_COMMITTED_CONFLICT (data was lost), RAFT_ERR_REENTRANT and RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_step(node: *mut raft_node, message: raft_slice) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a message as long as it says.
    unsafe {
        call(node, |node| {
            let bytes = Bytes::copy_from_slice(args::bytes(message, "message")?);
            let message = wire::decode(&bytes)?;
            node.lock(|state| Ok(state.raw.step(message)?))
        })
    }
}

/// Proposes an entry. A follower passes it on to the leader (unless raft_config.forward_proposals
/// is false).
///
/// `data` is copied. `placed` may be NULL. On success it is where the entry is in this leader's log:
/// it is committed once a committed entry has this very term and index, and lost once another one
/// has its index. It is {0, 0} if the proposal was passed on: then its fate is not reported.
///
/// Any thread. Errors: RAFT_ERR_PROPOSAL_DROPPED, RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_STORAGE,
/// RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose(
    node: *mut raft_node,
    data: raft_slice,
    placed: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, data as long as it says, and NULL or room for
    // the result.
    unsafe {
        call(node, |node| {
            let data = Bytes::copy_from_slice(args::bytes(data, "data")?);
            propose(node, data, Output::optional(placed, "placed")?)
        })
    }
}

fn propose(node: &raft_node, data: Bytes, placed: Output<raft_entry_id>) -> Result<(), Failure> {
    let proposed = node.lock(|state| Ok(state.raw.propose(data)?))?;
    placed.set(proposed.into());
    Ok(())
}

/// Proposes several entries at once: all of them, one after the other, or none.
///
/// `data` points to `len` slices, which are copied into one block of memory that lives as long as
/// the last of them. `first` may be NULL; on success it is the place of the first, as in
/// raft_propose; the others follow at the next indexes, in the same term.
///
/// Any thread. Errors: as raft_propose; RAFT_ERR_PROPOSAL_DROPPED also if `len` is 0.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_batch(
    node: *mut raft_node,
    data: *const raft_slice,
    len: usize,
    first: *mut raft_entry_id,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, `len` slices as long as they say, and NULL or
    // room for the result.
    unsafe {
        call(node, |node| {
            let first = Output::optional(first, "first")?;
            let batch = copy_batch(args::array(data, len, "data")?)?;
            let proposed = node.lock(|state| Ok(state.raw.propose_batch(batch)?))?;
            first.set(proposed.into());
            Ok(())
        })
    }
}

/// Copies payloads with one allocation for all of them.
///
/// # Safety
/// Each slice is as long as it says.
unsafe fn copy_batch(slices: &[raft_slice]) -> Result<impl Iterator<Item = Bytes>, Failure> {
    let mut block =
        Vec::with_capacity(slices.iter().fold(0, |sum, slice| {
            usize::saturating_add(sum, if slice.data.is_null() { 0 } else { slice.len })
        }));
    for slice in slices {
        // SAFETY: the same contract.
        block.extend_from_slice(unsafe { args::bytes(*slice, "data") }?);
    }
    let mut rest = Bytes::from(block);
    Ok(slices.iter().map(move |slice| rest.split_to(slice.len)))
}

/// Proposes an entry without copying it.
///
/// `data` must stay as it is until `release(context)` is called: exactly once, by any thread,
/// whatever this function answers (on an error perhaps before it returns, on success when neither
/// the library nor a ready view needs the bytes any more). `release` is not NULL and must not call
/// the library. `placed` as in raft_propose.
///
/// Any thread. Errors: as raft_propose.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_propose_owned(
    node: *mut raft_node,
    data: raft_slice,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
    placed: *mut raft_entry_id,
) -> raft_status {
    let Some(release) = release else {
        let failure = || Err(Failure::argument("release", "is NULL"));
        // SAFETY: the header demands NULL or a live node.
        return unsafe { call(node, |_| failure()) };
    };
    let owned = Owned { data, release, context };
    // SAFETY: the header demands NULL or a live node, data that stays as it is until the release,
    // and NULL or room for the result.
    unsafe {
        call(node, |node| {
            args::bytes(owned.data, "data")?;
            propose(node, Bytes::from_owner(owned), Output::optional(placed, "placed")?)
        })
    }
}

/// A payload that the host lent.
struct Owned {
    data: raft_slice,
    release: unsafe extern "C" fn(context: *mut c_void),
    context: *mut c_void,
}

// SAFETY: the header says that any thread may call `release`, and that the bytes do not change.
unsafe impl Send for Owned {}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: checked by `raft_propose_owned`, and by its contract valid until the release.
        unsafe { args::bytes(self.data, "data") }.unwrap_or(&[])
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the host's function with the host's context, once: `Owned` is not cloned.
        unsafe { (self.release)(self.context) }
    }
}

/// Campaigns now, without waiting for the election timeout. Does nothing on a leader, on a node that
/// does not vote, and while a snapshot or a membership change waits to be applied.
///
/// Any thread. Errors: RAFT_ERR_STORAGE, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_campaign(node: *mut raft_node) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, |node| node.lock(|state| Ok(state.raw.campaign()?))) }
}

/// Asks that node `to` become leader. A follower passes the request on to the leader. While a
/// transfer is pending the leader drops proposals; it gives up after an election timeout.
///
/// Any thread. Errors: RAFT_ERR_NO_LEADER, RAFT_ERR_INVALID_TRANSFEREE, RAFT_ERR_STORAGE,
/// RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_transfer_leader(node: *mut raft_node, to: u64) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, |node| node.lock(|state| Ok(state.raw.transfer_leader(to)?))) }
}

/// Makes a follower forget its leader, so that it may vote at once. For hosts that know better that
/// the leader is gone. Does nothing on a leader, and not with RAFT_READ_LEASE.
///
/// Any thread. Errors: RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_forget_leader(node: *mut raft_node) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe {
        call(node, |node| {
            node.lock(|state| {
                state.raw.forget_leader();
                Ok(())
            })
        })
    }
}

/// Asks for the index that a linearizable read has to wait for. The answer is a raft_read_state with
/// the same context; it may never come (a message is lost, the leader changes): ask again after a
/// timeout, with a new context.
///
/// `context` tells this node's reads apart; it is copied. Any thread. Errors: RAFT_ERR_NO_LEADER,
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_STORAGE, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_read_index(node: *mut raft_node, context: raft_slice) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a context as long as it says.
    unsafe {
        call(node, |node| {
            let context = Bytes::copy_from_slice(args::bytes(context, "context")?);
            node.lock(|state| Ok(state.raw.read_index(context)?))
        })
    }
}

/// Reports that the last message to node `id` was lost: the leader slows down until it answers.
/// Unknown ids are ignored.
///
/// Any thread. Errors: RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_report_unreachable(node: *mut raft_node, id: u64) -> raft_status {
    let report = |node: &raft_node| {
        node.lock(|state| {
            state.raw.report_unreachable(id);
            Ok(())
        })
    };
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, report) }
}

/// Reports what became of a snapshot message (RAFT_MESSAGE_SNAPSHOT) to node `id`: whether it was
/// delivered. Required after each of them: the leader sends nothing more to the node until it hears
/// from it or from this function. Unknown ids are ignored.
///
/// Any thread. Errors: RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_report_snapshot(node: *mut raft_node, id: u64, delivered: bool) -> raft_status {
    let status = if delivered { SnapshotStatus::Delivered } else { SnapshotStatus::Failed };
    let report = |node: &raft_node| {
        node.lock(|state| {
            state.raw.report_snapshot(id, status);
            Ok(())
        })
    };
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, report) }
}
