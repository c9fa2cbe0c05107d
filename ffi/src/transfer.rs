//! How leadership transfers end.

use raftcore::TransferResult;

use crate::args::Output;
use crate::handle::{call, raft_node};
use crate::status::raft_status;

/// Transfer: no outcome to report, or none yet.
pub const RAFT_TRANSFER_NONE: i32 = 0;
/// Transfer: the target leads.
pub const RAFT_TRANSFER_DONE: i32 = 1;
/// Transfer: the target did not take over within an election timeout; this node leads on.
pub const RAFT_TRANSFER_TIMED_OUT: i32 = 2;
/// Transfer: another one was requested, or one to this node itself, which leads on.
pub const RAFT_TRANSFER_CANCELLED: i32 = 3;
/// Transfer: the target is no voter any more; this node leads on.
pub const RAFT_TRANSFER_NOT_VOTER: i32 = 4;
/// Transfer: this node lost its leadership, and another than the target leads now, perhaps this node
/// again.
pub const RAFT_TRANSFER_OTHER_LEADER: i32 = 5;

/// Takes the outcome of the last leadership transfer that this node began as a leader, once. To be asked
/// after a tick or a ready view while a transfer is pending.
///
/// Neither `to` nor `result` is NULL. On success `*to` is the target and `*result` a RAFT_TRANSFER_
/// constant; 0 and RAFT_TRANSFER_NONE if there is no outcome. If the node lost its leadership meanwhile,
/// there is one when it knows the next leader. An older outcome that was not taken gives way.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT, RAFT_ERR_REENTRANT, RAFT_ERR_POISONED.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_take_transfer_outcome(
    node: *mut raft_node,
    to: *mut u64,
    result: *mut i32,
) -> raft_status {
    // SAFETY: the header demands NULL or a live node, and room for the results.
    unsafe {
        call(node, |node| {
            let (to, result) = (Output::required(to, "to")?, Output::required(result, "result")?);
            let outcome = node.lock(|state| Ok(state.raw.take_transfer_outcome()))?;
            to.set(outcome.map_or(0, |outcome| outcome.to));
            result.set(outcome.map_or(RAFT_TRANSFER_NONE, |outcome| code(outcome.result)));
            Ok(())
        })
    }
}

fn code(result: TransferResult) -> i32 {
    match result {
        TransferResult::Done => RAFT_TRANSFER_DONE,
        TransferResult::TimedOut => RAFT_TRANSFER_TIMED_OUT,
        TransferResult::Cancelled => RAFT_TRANSFER_CANCELLED,
        TransferResult::NotVoter => RAFT_TRANSFER_NOT_VOTER,
        TransferResult::OtherLeader => RAFT_TRANSFER_OTHER_LEADER,
    }
}
