//! Leadership transfer (thesis section 3.10): bring the target up to date, let it campaign, and report the
//! outcome.

use crate::error::Error;
use crate::message::Body;
use crate::raft::role::Leader;
use crate::raft::{Shared, replication};
use crate::status::{TransferOutcome, TransferResult};
use crate::storage::Storage;
use crate::types::{NO_NODE, NodeId};

/// Begins a transfer to `to`; it replaces a pending one. The target of a pending one is asked once more. To
/// the leader itself it only ends a pending one.
pub(crate) fn start<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    to: NodeId,
) -> Result<(), Error> {
    if leader.progress.get(to).is_none_or(|progress| progress.is_learner) {
        return Err(Error::InvalidTransferee(to));
    }
    if leader.transferee == Some(to) {
        ask_again(shared, leader, to);
        return Ok(());
    }
    end(shared, leader, TransferResult::Cancelled);
    if to == shared.id() {
        return Ok(());
    }
    leader.transferee = Some(to);
    leader.transfer_elapsed = 0;
    leader.lease_given_up = true;
    if shared.config.eager_append {
        // The reference has one clock for transfers and quorum checks.
        shared.election_elapsed = 0;
    }
    if is_up_to_date(shared, leader, to) {
        ask(shared, to);
    } else {
        replication::send_to(shared, leader, to);
    }
    Ok(())
}

/// Asks a target that has the whole log to campaign.
pub(crate) fn ask<S: Storage>(shared: &mut Shared<S>, to: NodeId) {
    shared.send(to, Body::TimeoutNow);
}

/// The target of a pending transfer is still a follower: the request was lost, or the target could not
/// campaign because it had a membership change to apply. It has no more time for that. The reference asks once.
pub(crate) fn ask_again<S: Storage>(shared: &mut Shared<S>, leader: &Leader, from: NodeId) {
    let is_pending = leader.transferee == Some(from) && !shared.config.eager_append;
    if is_pending && is_up_to_date(shared, leader, from) {
        ask(shared, from);
    }
}

fn is_up_to_date<S: Storage>(shared: &Shared<S>, leader: &Leader, id: NodeId) -> bool {
    leader.progress.get(id).is_some_and(|progress| progress.matched == shared.log.last().index)
}

/// One tick of a leader. A transfer has to succeed within an election timeout; the quorum check has a clock
/// of its own, or one transfer after another would put it off.
pub(crate) fn tick<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    if leader.transferee.is_none() || shared.config.eager_append {
        return;
    }
    leader.transfer_elapsed += 1;
    if leader.transfer_elapsed >= shared.config.election_ticks {
        end(shared, leader, TransferResult::TimedOut);
    }
}

/// Ends a pending transfer while the leader leads.
pub(crate) fn end<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, result: TransferResult) {
    if let Some(to) = leader.transferee.take() {
        shared.transfer_outcome = Some(Box::new(TransferOutcome { to, result }));
    }
}

/// The leader that `shared.handed_over_to` was to succeed does not lead any more, and the next one is known.
pub(crate) fn conclude<S: Storage>(shared: &mut Shared<S>, leader: NodeId) {
    if shared.handed_over_to == NO_NODE || leader == NO_NODE {
        return;
    }
    let to = std::mem::take(&mut shared.handed_over_to);
    let result = if leader == to { TransferResult::Done } else { TransferResult::OtherLeader };
    shared.transfer_outcome = Some(Box::new(TransferOutcome { to, result }));
}
