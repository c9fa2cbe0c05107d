//! A candidate counts votes; a pre-candidate counts promises of votes.

use crate::quorum::VoteResult;
use crate::raft::{Next, Shared};
use crate::storage::Storage;
use crate::types::{NO_NODE, NodeId};

#[derive(Clone, Debug, Default)]
pub(crate) struct Candidate {
    /// Who has said what; the first word of each counts.
    votes: Vec<(NodeId, bool)>,
}

impl Candidate {
    /// Counts an answer. `won` is what follows from a quorum of grants; a quorum that can no longer
    /// be reached makes a follower.
    pub(crate) fn count<S: Storage>(
        &mut self,
        shared: &Shared<S>,
        from: NodeId,
        granted: bool,
        won: Next,
    ) -> Next {
        if self.said(from).is_none() {
            self.votes.push((from, granted));
        }
        match shared.configuration.voters().vote_result(|id| self.said(id)) {
            VoteResult::Won => won,
            VoteResult::Lost => Next::Follow { term: shared.term, leader: NO_NODE },
            VoteResult::Pending => Next::Stay,
        }
    }

    fn said(&self, id: NodeId) -> Option<bool> {
        self.votes.iter().find(|(voter, _)| *voter == id).map(|(_, granted)| *granted)
    }
}
