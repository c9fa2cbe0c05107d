//! A follower does what its leader says.

use crate::error::Error;
use crate::message::Body;
use crate::raft::election::{self, Campaign};
use crate::raft::{Next, Shared, heartbeat, replication, snapshot};
use crate::ready::ReadState;
use crate::storage::Storage;
use crate::types::{NO_NODE, NodeId, Term};

#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// The leader of the term, or [`NO_NODE`].
    pub(crate) leader: NodeId,
}

impl Follower {
    pub(crate) fn step<S: Storage>(
        &mut self,
        shared: &mut Shared<S>,
        from: NodeId,
        term: Term,
        body: Body,
    ) -> Result<Next, Error> {
        match body {
            Body::Append(append) => {
                self.hear(shared, from);
                replication::answer_append(shared, from, term, append)?;
            }
            Body::Heartbeat(beat) => {
                self.hear(shared, from);
                heartbeat::answer(shared, from, beat)?;
            }
            Body::Snapshot(snapshot) => {
                self.hear(shared, from);
                snapshot::answer(shared, from, snapshot)?;
            }
            Body::TransferLeader(request) if self.leader != NO_NODE => {
                shared.forward(from, self.leader, shared.term, Body::TransferLeader(request));
            }
            // The leader knows that this log is complete; there is no need to ask first.
            Body::TimeoutNow => return election::start(shared, Campaign::Transfer),
            Body::ReadIndexReply(reply) => {
                shared.serve_read(ReadState { index: reply.index, context: reply.context });
            }
            _ => {}
        }
        Ok(Next::Stay)
    }

    fn hear<S: Storage>(&mut self, shared: &mut Shared<S>, leader: NodeId) {
        shared.election_elapsed = 0;
        shared.leaderless_ticks = 0;
        shared.lease_ticks = shared.config.lease_ticks();
        self.leader = leader;
    }
}
