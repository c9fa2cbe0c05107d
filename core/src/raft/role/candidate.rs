//! A candidate counts votes; a pre-candidate counts promises of votes.

use crate::quorum::VoteResult;
use crate::raft::{Next, Shared};
use crate::storage::Storage;
use crate::types::{NO_NODE, NodeId};

#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Whether it may campaign once more before its timer expires, should its term turn out to be taken.
    pub(crate) may_repeat: bool,
    /// Who has said what; the first word of each counts.
    votes: Vec<(NodeId, bool)>,
}

impl Candidate {
    pub(crate) fn new(may_repeat: bool) -> Self {
        Self { may_repeat, votes: Vec::new() }
    }

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
