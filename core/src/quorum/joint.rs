//! Decisions of a joint configuration: both halves must agree (thesis section 4.3).

use crate::quorum::{Majority, VoteResult};
use crate::types::{Index, NodeId};

/// Two sets of voters. Outside a membership change the outgoing half is empty and agrees with
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JointQuorum {
    /// The voters that remain.
    pub(crate) incoming: Majority,
    /// The voters of before, while joint.
    pub(crate) outgoing: Majority,
}

impl JointQuorum {
    /// Whether `id` votes in either half.
    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.incoming.contains(id) || self.outgoing.contains(id)
    }

    /// The voters of both halves, ascending.
    pub(crate) fn ids(&self) -> Vec<NodeId> {
        let mut ids = [self.incoming.ids(), self.outgoing.ids()].concat();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The highest index that a majority of each half has reached.
    pub(crate) fn committed(&self, mut reached: impl FnMut(NodeId) -> Index) -> Index {
        self.incoming.committed(&mut reached).min(self.outgoing.committed(&mut reached))
    }

    /// How a vote stands: lost if lost in one half, won if won in both.
    pub(crate) fn vote_result(&self, mut said: impl FnMut(NodeId) -> Option<bool>) -> VoteResult {
        match (self.incoming.vote_result(&mut said), self.outgoing.vote_result(&mut said)) {
            (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
            (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
            _ => VoteResult::Pending,
        }
    }
}
