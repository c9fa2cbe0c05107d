//! A follower does what its leader says.

use crate::log::Fit;
use crate::message::{Body, HeartbeatReply};
use crate::raft::election::Campaign;
use crate::raft::snapshot::Waiting;
use crate::raft::validate::Finding;
use crate::raft::{Next, Shared, heartbeat, replication, snapshot, transfer};
use crate::ready::ReadState;
use crate::storage::Storage;
use crate::types::{NO_NODE, NodeId, Term};

#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// The leader of the term, or [`NO_NODE`].
    pub(crate) leader: NodeId,
    /// A snapshot of this leader's, to be installed when the host has applied what it was handed out.
    pub(crate) waiting: Option<Box<Waiting>>,
    /// Whether it was told since it was heard from that an answer was lost.
    told_of_loss: bool,
}

impl Follower {
    pub(crate) fn of(leader: NodeId) -> Self {
        Self { leader, waiting: None, told_of_loss: false }
    }

    /// The host says that something sent to `id` was lost: perhaps an acknowledgement, for which the leader
    /// waits. An answer to no heartbeat makes it ask again. Once, until it is heard from: it may be dead.
    pub(crate) fn unreachable<S: Storage>(&mut self, shared: &mut Shared<S>, id: NodeId) {
        if id == NO_NODE || id != self.leader || self.told_of_loss || shared.config.eager_append {
            return;
        }
        self.told_of_loss = true;
        shared.send(id, Body::HeartbeatReply(HeartbeatReply::default()));
    }

    // Inlined: see `Raft::carry_out`.
    #[inline(always)]
    pub(crate) fn step<S: Storage>(
        &mut self,
        shared: &mut Shared<S>,
        from: NodeId,
        term: Term,
        body: Body,
        found: Finding,
    ) -> Next {
        match body {
            Body::Append(append) => {
                let Finding::Append(fit) = found else { return Next::Stay };
                self.hear(shared, from);
                // The leader believes the snapshot to be installed. A refusal would make it send it again.
                if self.waiting.is_none() || !matches!(fit, Fit::Mismatch { .. }) {
                    replication::answer_append(shared, from, term, append, fit);
                }
            }
            Body::Heartbeat(beat) => {
                self.hear(shared, from);
                heartbeat::answer(shared, from, beat);
            }
            Body::Snapshot(snapshot) => {
                let Finding::Snapshot(verdict) = found else { return Next::Stay };
                self.hear(shared, from);
                snapshot::answer(shared, &mut self.waiting, from, snapshot, verdict);
            }
            Body::TimeoutNow if matches!(found, Finding::MayCampaign) && self.may_be_leader(shared, from) => {
                return Next::Campaign(Campaign::Transfer);
            }
            Body::TransferLeader(request) if self.leader != NO_NODE => {
                shared.forward(from, self.leader, shared.term, Body::TransferLeader(request));
            }
            Body::ReadIndexReply(reply) if self.may_be_leader(shared, from) => {
                shared.serve_read(ReadState { index: reply.index, context: reply.context });
            }
            _ => {}
        }
        Next::Stay
    }

    /// Whether the term's leader may have sent what only a leader sends: another one breaks leases, or answers
    /// reads with an index that is too low. While the leader is unknown it may be any member.
    fn may_be_leader<S: Storage>(&self, shared: &Shared<S>, from: NodeId) -> bool {
        match self.leader {
            _ if shared.config.eager_append => true,
            NO_NODE => shared.configuration.contains(from),
            leader => leader == from,
        }
    }

    fn hear<S: Storage>(&mut self, shared: &mut Shared<S>, leader: NodeId) {
        shared.election_elapsed = 0;
        shared.leaderless_ticks = 0;
        shared.lease_ticks = shared.config.lease_ticks();
        self.told_of_loss = false;
        if self.leader != leader {
            self.leader = leader;
            transfer::conclude(shared, leader);
        }
    }
}
