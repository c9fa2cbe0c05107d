//! A node's life, and what is told to it: ticks, requests, reports.

use std::ffi::c_char;

use raftcore::{RawNode, SnapshotStatus};

use crate::args::{self, Output};
use crate::config::{self, Settings, raft_config};
use crate::door;
use crate::handle::{self, call, raft_node};
use crate::lend;
use crate::memory::Memory;
use crate::object;
use crate::status::{Failure, Within, raft_status};
use crate::storage::{HostStorage, NodeStorage, raft_storage};
use crate::types::{self, raft_conf_state, raft_slice};

/// Version of this interface that the header describes, major part: it changes when programs must
/// be compiled anew.
pub const RAFT_ABI_MAJOR: u32 = 0;
/// Version of this interface that the header describes, minor part: it changes when something is
/// added.
pub const RAFT_ABI_MINOR: u32 = 5;

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
    door::without_node(|| {
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
    door::without_node(|| {
        // SAFETY: the header demands that each is NULL or points to what its type says.
        unsafe {
            let out = Output::required(out, "out")?;
            let config = config::read(config)?;
            let members = match members.is_null() {
                true => None,
                false => Some(types::conf_state(members).within("members")?),
            };
            make(config, NodeStorage::Memory(Box::new(Memory::new(members))), &out)
        }
    })
}

fn make(settings: Settings, storage: NodeStorage, out: &Output<*mut raft_node>) -> Result<(), Failure> {
    let mut raw = RawNode::new(settings.core, storage)?;
    raw.storage_mut().forget_start();
    out.set(object::into_raw(raft_node::new(raw, settings.lend_snapshots)?));
    Ok(())
}

/// Frees a node. NULL is allowed. A ready view of it that is still out stays readable and must be
/// freed with raft_ready_free.
///
/// No other thread may be using the node, now or later. Called from a callback of the node itself, or
/// from a release callback, it does nothing: the node lives on. Nor does it in a process that has inherited
/// the node by fork().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_node_free(node: *mut raft_node) {
    // SAFETY: the header demands NULL or a node that has not been freed.
    if lend::is_releasing() || unsafe { handle::live(node) }.map_or(true, raft_node::is_inside) {
        return;
    }
    // SAFETY: it came from `object::into_raw` in `make`, and the header demands that nobody uses it.
    // Only drops run here, and those of the core do not panic; if one did, it must not reach C.
    let _ = door::guarded(|| unsafe {
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
    unsafe { call(node, |node| node.lock(|state| Ok(state.tick()?))) }
}

/// So many ticks at once are an error in the caller's arithmetic, and would take very long.
const MAX_TICKS: u32 = 1 << 20;

/// Tells the node that `count` ticks have passed: for a host that was late. All of them count, also
/// if one of them answers an error; the first one is the answer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT (more than 1048576, and none was counted), and as
/// raft_tick.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_tick_n(node: *mut raft_node, count: u32) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe {
        call(node, |node| {
            if count > MAX_TICKS {
                return Err(Failure::argument("count", format!("is {count}, at most {MAX_TICKS}")));
            }
            node.lock(|state| {
                let mut first_error = Ok(());
                for _ in 0..count {
                    let result = state.tick();
                    first_error = first_error.and(result);
                }
                Ok(first_error?)
            })
        })
    }
}

/// Campaigns now, without waiting for the election timeout. Does nothing on a leader, on a node that
/// does not vote, and while a snapshot or a membership change waits to be applied; with
/// RAFT_READ_LEASE also while a lease may run that this node has granted.
///
/// Any thread. Errors: RAFT_ERR_STORAGE, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_campaign(node: *mut raft_node) -> raft_status {
    // SAFETY: the header demands NULL or a live node.
    unsafe { call(node, |node| node.lock(|state| Ok(state.raw.campaign()?))) }
}

/// Asks that node `to` become leader. A follower passes the request on to the leader.
///
/// While a transfer is pending the leader drops proposals, and asks the target again each time that it
/// hears from it; it gives up after an election timeout. The same target once more gets no more time;
/// another one replaces it; the leader itself ends a pending transfer. raft_node_take_transfer_outcome of
/// the node that led has the outcome. A follower that passed the request on sees the new leader, or none.
///
/// Any thread. Errors: RAFT_ERR_NO_LEADER, RAFT_ERR_INVALID_TRANSFEREE, RAFT_ERR_LIMIT, RAFT_ERR_STORAGE,
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
/// `context` tells this node's reads apart; it is copied. A later life of the node needs contexts that no
/// earlier one has used: an answer to an earlier life may still arrive. Put a random number of this start
/// into it. Any thread. Errors: RAFT_ERR_NO_LEADER, RAFT_ERR_LIMIT (too many reads are pending),
/// RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_STORAGE, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_read_index(node: *mut raft_node, context: raft_slice) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and a context as long as it says.
    unsafe {
        call(node, |node| {
            let context = args::copy(context, "context")?;
            node.lock(|state| Ok(state.raw.read_index(context)?))
        })
    }
}

/// Reports that a message to node `id` was lost, as far as the host knows.
///
/// Call it on every node for every loss, whatever the message was, as soon as the loss is known: a
/// connection that broke, a queue that was full, a peer that cannot be reached. Without reports
/// what was lost is sent again only after a heartbeat's answer. A leader sends again at once what
/// `id` has not acknowledged, and the commit index. A follower that reports its leader makes it ask
/// for the acknowledgements that may be lost. Both only a few times until they hear from `id`: a
/// dead peer may be reported at each message. A snapshot that was lost is reported by
/// raft_report_snapshot. Unknown ids are ignored.
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
/// delivered, that is whether the receiver's host has handed it to its node (raft_step answered RAFT_OK
/// there). Bytes that were only written to a socket are not delivered; a transport that cannot know more
/// reports true, and false for every failure that it sees. Required after each of them: the leader sends
/// nothing more to the node until it hears from it or from this function. A report that is wrong or lost
/// costs time only. Unknown ids are ignored.
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
