//! The roles. Each owns what only it needs, so that nothing of a former role can linger.

mod candidate;
mod follower;
mod leader;
mod members;

pub(crate) use candidate::Candidate;
pub(crate) use follower::Follower;
pub(crate) use leader::Leader;
pub(crate) use members::Members;

use bytes::Bytes;

use crate::error::{DropReason, Error};
use crate::input::Proposed;
use crate::message::{Body, Propose, ReadIndex};
use crate::raft::replication::{self, Proposals};
use crate::raft::{Shared, dropped, read_index};
use crate::storage::Storage;
use crate::types::{NO_NODE, NodeId, RoleKind};

#[derive(Clone, Debug)]
pub(crate) enum Role {
    Follower(Follower),
    PreCandidate(Box<Candidate>),
    Candidate(Box<Candidate>),
    Leader(Box<Leader>),
}

impl Role {
    pub(crate) fn kind(&self) -> RoleKind {
        match self {
            Role::Follower(_) => RoleKind::Follower,
            Role::PreCandidate(_) => RoleKind::PreCandidate,
            Role::Candidate(_) => RoleKind::Candidate,
            Role::Leader(_) => RoleKind::Leader,
        }
    }

    /// The leader that the node knows, if it knows one. `own` is the node itself.
    pub(crate) fn leader(&self, own: NodeId) -> NodeId {
        match self {
            Role::Follower(follower) => follower.leader,
            Role::PreCandidate(_) | Role::Candidate(_) => NO_NODE,
            Role::Leader(_) => own,
        }
    }

    /// A leader takes proposals, a follower may pass them on.
    pub(crate) fn propose<S: Storage>(
        &mut self,
        shared: &mut Shared<S>,
        from: NodeId,
        mut entries: impl Proposals,
    ) -> Result<Proposed, Error> {
        if entries.as_mut().is_empty() {
            return dropped(DropReason::Empty);
        }
        match self {
            Role::Leader(leader) => {
                let uncommitted = shared.log.last().index - shared.log.committed();
                let entries_len = entries.as_mut().len() as u64;
                if uncommitted + entries_len > u64::from(shared.config.max_uncommitted_entries) {
                    return dropped(DropReason::TooManyUncommittedEntries);
                }
                replication::propose(shared, leader, entries).map(Proposed::Appended)
            }
            Role::Follower(Follower { leader, .. }) if *leader != NO_NODE => {
                if !shared.config.forward_proposals {
                    return dropped(DropReason::NotLeader);
                }
                shared.check_waiting()?;
                let body = Body::Propose(Propose { entries: entries.into_iter().collect() });
                shared.forward(from, *leader, 0, body);
                Ok(Proposed::Forwarded(*leader))
            }
            _ => dropped(DropReason::NoLeader),
        }
    }

    /// A leader confirms reads, a follower passes the request on.
    pub(crate) fn read_index<S: Storage>(
        &mut self,
        shared: &mut Shared<S>,
        from: NodeId,
        context: Bytes,
    ) -> Result<(), Error> {
        match self {
            Role::Leader(leader) => read_index::request(shared, leader, from, context),
            Role::Follower(Follower { leader, .. }) if *leader != NO_NODE => {
                shared.check_waiting()?;
                shared.forward(from, *leader, 0, Body::ReadIndex(ReadIndex { context }));
                Ok(())
            }
            _ => Err(Error::NoLeader),
        }
    }
}
