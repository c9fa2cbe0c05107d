//! Heartbeats: they keep followers from campaigning, confirm reads, and wake up lagging members.

use bytes::Bytes;

use crate::error::Error;
use crate::message::{Body, Heartbeat, HeartbeatReply};
use crate::raft::role::Leader;
use crate::raft::{Shared, read_index, replication, transfer};
use crate::storage::Storage;
use crate::types::NodeId;

/// Sends a heartbeat to all other members.
pub(crate) fn broadcast<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    let context = leader.reads.round_context(leader.ticks, shared.config.lease_ticks());
    let (own, committed) = (shared.config.id, shared.log.committed());
    for (id, progress) in leader.progress.iter_mut().filter(|(id, _)| *id != own) {
        // The receiver may lack committed entries; it must not be told of more than it has.
        let commit = progress.matched.min(committed);
        progress.sent_commit(commit);
        shared.send(*id, Body::Heartbeat(Heartbeat { commit, context: context.clone() }));
    }
}

/// An error if a heartbeat's commit index is beyond the log. Changes nothing.
pub(crate) fn check<S: Storage>(shared: &Shared<S>, from: NodeId, beat: &Heartbeat) -> Result<(), Error> {
    let last = shared.log.last().index;
    if beat.commit <= last {
        return Ok(());
    }
    Err(shared.contradiction(from, Error::CommitBeyondLog { commit: beat.commit, last }))
}

/// A follower's answer to what [`check`] has accepted.
pub(crate) fn answer<S: Storage>(shared: &mut Shared<S>, from: NodeId, beat: Heartbeat) {
    shared.log.commit_to(beat.commit);
    let context = read_index::grant(beat.context, shared.config.lease_ticks());
    shared.send(from, Body::HeartbeatReply(HeartbeatReply { context }));
}

/// A follower has answered.
pub(crate) fn answered<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    context: &Bytes,
) {
    replication::wake(shared, leader, from);
    transfer::ask_again(shared, leader, from);
    read_index::confirm(shared, leader, from, context);
}
