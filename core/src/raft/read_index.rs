//! Linearizable reads without a log entry (thesis section 6.4).
//!
//! A read may be served at the commit index that the leader had when it was asked, provided that it
//! was still the leader then. That is confirmed by a heartbeat sent after the request and answered
//! by a quorum, or taken for granted while a lease holds. Heartbeats carry the number of the last
//! read they confirm: a number only this leader counts, and never twice in a term, so that answers
//! that are late or repeated cannot confirm what came after them.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::ReadMode;
use crate::error::Error;
use crate::message::{Body, ReadIndexReply};
use crate::raft::role::Leader;
use crate::raft::{Shared, heartbeat, replication};
use crate::ready::ReadState;
use crate::storage::Storage;
use crate::types::{Index, NodeId};

#[derive(Debug)]
struct Request {
    from: NodeId,
    context: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Requests that came before the term's first commit.
    early: Vec<Request>,
    /// Requests waiting for confirmation, each with the commit index at its time.
    waiting: VecDeque<(Index, Request)>,
    /// Number of requests confirmed so far; the first one waiting has the next number.
    confirmed: u64,
    /// The highest number that each member has confirmed.
    acks: Vec<(NodeId, u64)>,
    round_due: bool,
}

impl Reads {
    /// Number of the last request waiting.
    fn last_number(&self) -> u64 {
        self.confirmed + self.waiting.len() as u64
    }

    /// What heartbeats carry: nothing if no request is waiting.
    pub(crate) fn round_context(&self) -> Bytes {
        if self.waiting.is_empty() {
            return Bytes::new();
        }
        Bytes::copy_from_slice(&self.last_number().to_le_bytes())
    }

    pub(crate) fn is_round_due(&self) -> bool {
        self.round_due
    }

    fn acknowledged(&mut self, from: NodeId, number: u64) {
        // A number that was never given is not an answer of an honest member.
        if number > self.last_number() {
            return;
        }
        match self.acks.iter_mut().find(|(id, _)| *id == from) {
            Some((_, highest)) => *highest = number.max(*highest),
            None => self.acks.push((from, number)),
        }
    }
}

/// A read is requested, by this host or by a follower's.
pub(crate) fn request<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    context: Bytes,
) -> Result<(), Error> {
    let request = Request { from, context };
    if replication::has_committed_in_term(shared)? {
        admit(shared, leader, request);
    } else {
        leader.reads.early.push(request);
    }
    Ok(())
}

/// The term's first entry is committed: requests that waited for it go on.
pub(crate) fn release<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    for request in std::mem::take(&mut leader.reads.early) {
        admit(shared, leader, request);
    }
}

fn admit<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, request: Request) {
    let (own, index) = (shared.config.id, shared.log.committed());
    if shared.config.read_mode == ReadMode::Lease && !leader.lease_given_up {
        respond(shared, index, request);
        return;
    }
    leader.reads.waiting.push_back((index, request));
    let number = leader.reads.last_number();
    leader.reads.acknowledged(own, number);
    // A leader that is a quorum by itself has confirmed it.
    respond_to_confirmed(shared, &mut leader.reads);
    leader.reads.round_due = !leader.reads.waiting.is_empty();
    if shared.config.eager_append {
        begin_round(shared, leader);
    }
}

/// Sends the heartbeats that confirm all requests waiting: one round, however many there are.
pub(crate) fn begin_round<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    if std::mem::take(&mut leader.reads.round_due) {
        heartbeat::broadcast(shared, leader);
    }
}

/// A member has answered a heartbeat.
pub(crate) fn confirm<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    context: &Bytes,
) {
    let Ok(number) = <[u8; 8]>::try_from(context.as_ref()) else { return };
    leader.reads.acknowledged(from, u64::from_le_bytes(number));
    respond_to_confirmed(shared, &mut leader.reads);
}

fn respond_to_confirmed<S: Storage>(shared: &mut Shared<S>, reads: &mut Reads) {
    let acknowledged = |id| reads.acks.iter().find(|(member, _)| *member == id).map_or(0, |ack| ack.1);
    let confirmed = shared.configuration.voters().committed(acknowledged).min(reads.last_number());
    while reads.confirmed < confirmed {
        let Some((index, request)) = reads.waiting.pop_front() else { break };
        reads.confirmed += 1;
        respond(shared, index, request);
    }
}

fn respond<S: Storage>(shared: &mut Shared<S>, index: Index, request: Request) {
    let Request { from, context } = request;
    if from == shared.config.id {
        shared.read_states.push(ReadState { index, context });
    } else {
        shared.send(from, Body::ReadIndexReply(ReadIndexReply { index, context }));
    }
}
