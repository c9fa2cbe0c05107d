//! Leadership transfer (thesis section 3.10): bring the target up to date, then let it campaign.

use crate::error::Error;
use crate::message::Body;
use crate::raft::role::Leader;
use crate::raft::{Shared, replication};
use crate::storage::Storage;
use crate::types::NodeId;

/// Begins a transfer to `to`; it replaces a pending one. To the leader itself it only ends a
/// pending one.
pub(crate) fn start<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    to: NodeId,
) -> Result<(), Error> {
    let Some(progress) = leader.progress.get(to).filter(|progress| !progress.is_learner) else {
        return Err(Error::InvalidTransferee(to));
    };
    if leader.transferee == Some(to) {
        return Ok(());
    }
    let is_up_to_date = progress.matched == shared.log.last().index;
    leader.transferee = None;
    if to == shared.id() {
        return Ok(());
    }
    leader.transferee = Some(to);
    leader.lease_given_up = true;
    // It has an election timeout from now.
    shared.election_elapsed = 0;
    if is_up_to_date {
        finish(shared, to);
    } else {
        replication::send_to(shared, leader, to);
    }
    Ok(())
}

/// The target has the whole log: it shall campaign.
pub(crate) fn finish<S: Storage>(shared: &mut Shared<S>, to: NodeId) {
    shared.send(to, Body::TimeoutNow);
}
