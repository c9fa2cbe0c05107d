//! A leader orders the log and replicates it.

use bytes::Bytes;

use crate::config::Config;
use crate::entry::{Entry, EntryKind};
use crate::error::Error;
use crate::message::Body;
use crate::progress::Due;
use crate::quorum::VoteResult;
use crate::raft::read_index::Reads;
use crate::raft::role::Members;
use crate::raft::{Next, Shared, heartbeat, membership, replication, transfer};
use crate::status::TransferResult;
use crate::storage::Storage;
use crate::types::{EntryId, Index, NO_NODE, NodeId};

#[derive(Clone, Debug)]
pub(crate) struct Leader {
    pub(crate) progress: Members,
    /// What shall be sent to all other members when the next `Ready` is taken, whatever each is due.
    pub(crate) due: Due,
    pub(crate) heartbeat_elapsed: u32,
    /// Ticks in this leadership, from 1 on.
    pub(crate) ticks: u64,
    /// Target of a leadership transfer; no proposals are taken meanwhile.
    pub(crate) transferee: Option<NodeId>,
    /// Ticks since the transfer began.
    pub(crate) transfer_elapsed: u32,
    /// Whether a transfer was tried in this term: its target may campaign at any time from then on,
    /// and leases do not stop it.
    pub(crate) lease_given_up: bool,
    pub(crate) reads: Reads,
    /// No further membership change until this entry is applied: it may be one.
    pub(crate) pending_conf_index: Index,
    /// Payload bytes in the log that are not applied here; an estimate, never too high.
    pub(crate) uncommitted_bytes: u64,
}

impl Leader {
    /// The leader of the term that begins. Its first entry is empty: with it everything before is
    /// committed (thesis section 3.6.2).
    pub(crate) fn elected<S: Storage>(shared: &mut Shared<S>) -> Self {
        shared.leaderless_ticks = 0;
        let last = shared.log.last();
        let mut progress = Members::new(&shared.configuration, last.index + 1, &shared.config);
        if let Some(own) = progress.get_mut(shared.config.id) {
            own.matched = last.index;
            own.become_replicate();
            own.is_active = true;
        }
        let mut leader = Self {
            progress,
            due: Due::Nothing,
            heartbeat_elapsed: 0,
            ticks: 1,
            transferee: None,
            transfer_elapsed: 0,
            lease_given_up: false,
            reads: Reads::default(),
            // There may be a membership change among the entries of former terms: do not search.
            pending_conf_index: last.index,
            uncommitted_bytes: 0,
        };
        let id = EntryId::new(shared.term, last.index + 1);
        shared.log.push(Entry::new(id, EntryKind::Normal, Bytes::new()));
        shared.outbox.own_append(id.term, id.index, !shared.config.eager_append);
        replication::broadcast(shared, &mut leader, Due::Append);
        leader
    }

    /// An error changes nothing.
    pub(crate) fn step<S: Storage>(
        &mut self,
        shared: &mut Shared<S>,
        from: NodeId,
        body: Body,
    ) -> Result<(), Error> {
        match body {
            Body::AppendReply(reply) => match reply.reject {
                None => replication::accepted(shared, self, from, reply.index)?,
                Some(reject) => replication::rejected(shared, self, from, reply.index, reject.hint)?,
            },
            Body::HeartbeatReply(reply) => heartbeat::answered(shared, self, from, &reply.context),
            Body::TransferLeader(_) => {
                // There is nobody to tell that the wish cannot be granted.
                let _ = transfer::start(shared, self, from);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn tick<S: Storage>(&mut self, shared: &mut Shared<S>) -> Result<Next, Error> {
        shared.leaderless_ticks = 0;
        self.heartbeat_elapsed += 1;
        self.ticks += 1;
        if shared.election_elapsed >= shared.config.election_ticks {
            shared.election_elapsed = 0;
            if shared.config.check_quorum {
                let successor = self.successor(shared);
                let follow = Next::Follow { term: shared.term, leader: NO_NODE };
                if !self.has_active_quorum(shared) {
                    return Ok(follow);
                }
                if let Some(successor) = successor {
                    transfer::ask(shared, successor);
                    return Ok(follow);
                }
            }
            if shared.config.eager_append {
                transfer::end(shared, self, TransferResult::TimedOut);
            }
        }
        transfer::tick(shared, self);
        if !shared.config.eager_append {
            membership::leave_joint_if_due(shared, self);
        }
        if self.heartbeat_elapsed >= shared.config.heartbeat_ticks {
            self.heartbeat_elapsed = 0;
            if shared.check_waiting().is_ok() {
                heartbeat::broadcast(shared, self);
            }
        }
        Ok(Next::Stay)
    }

    /// Whether a quorum was heard from since the last time this was asked (thesis section 6.2).
    fn has_active_quorum<S: Storage>(&mut self, shared: &Shared<S>) -> bool {
        let voters = shared.configuration.voters();
        let own = shared.config.id;
        let is_active = |id| self.progress.get(id).is_some_and(|progress| id == own || progress.is_active);
        let result = voters.vote_result(|id| Some(is_active(id)));
        let last = shared.log.last().index;
        for (id, progress) in self.progress.iter_mut() {
            progress.is_active = *id == own && (progress.matched >= last || !may_hang(&shared.config));
        }
        result == VoteResult::Won
    }

    /// Who is to lead instead of this node, whose own writes are outstanding and did not come forward since
    /// the last quorum check: its disk hangs. It would lead on, for what others store is committed, and apply
    /// nothing itself. Nobody, unless the other voters are a quorum that was heard from. This node cannot win
    /// before its disk goes on: its own vote waits for it.
    fn successor<S: Storage>(&self, shared: &Shared<S>) -> Option<NodeId> {
        let own = self.progress.get(shared.config.id)?;
        if own.is_active || own.matched >= shared.log.last().index || !may_hang(&shared.config) {
            return None;
        }
        let voters = shared.configuration.voters();
        let others =
            |id| self.progress.get(id).filter(|progress| id != shared.config.id && progress.is_active);
        if voters.vote_result(|id| Some(others(id).is_some())) != VoteResult::Won {
            return None;
        }
        let candidates = voters.ids().into_iter().filter_map(|id| Some((others(id)?.matched, id)));
        candidates.max().map(|(_, id)| id)
    }
}

/// Whether this node goes on while its writes are outstanding. With synchronous writes its host waits for
/// them, and with it the node. The reference does not look at its own writes.
fn may_hang(config: &Config) -> bool {
    config.async_storage_writes && !config.eager_append
}
