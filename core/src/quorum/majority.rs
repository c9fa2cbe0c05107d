//! Decisions by a majority of one set of voters.

use crate::node_set::NodeSet;
use crate::quorum::VoteResult;
use crate::types::{Index, NodeId};

/// Sets up to this size are decided without an allocation.
const ON_STACK: usize = 9;

/// A set of voters, of which more than half decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Majority {
    ids: NodeSet,
}

impl Majority {
    /// The set of the given voters.
    pub(crate) fn new(ids: Vec<NodeId>) -> Self {
        Self { ids: NodeSet::new(ids) }
    }

    /// The voters, ascending.
    pub(crate) fn ids(&self) -> &[NodeId] {
        &self.ids
    }

    /// Whether there are no voters.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether `id` is one of the voters.
    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.ids.contains(id)
    }

    pub(crate) fn insert(&mut self, id: NodeId) {
        self.ids.insert(id);
    }

    pub(crate) fn remove(&mut self, id: NodeId) {
        self.ids.remove(id);
    }

    /// The highest index that a majority has reached, given what each voter has reached. An empty
    /// set has reached everything: a joint quorum is then decided by its other half.
    pub(crate) fn committed(&self, mut reached: impl FnMut(NodeId) -> Index) -> Index {
        let count = self.ids.len();
        if count == 0 {
            return Index::MAX;
        }
        let mut on_stack = [0; ON_STACK];
        let mut on_heap = Vec::new();
        let indexes = match on_stack.get_mut(..count) {
            Some(indexes) => indexes,
            None => {
                on_heap.resize(count, 0);
                on_heap.as_mut_slice()
            }
        };
        for (index, id) in indexes.iter_mut().zip(self.ids()) {
            *index = reached(*id);
        }
        indexes.sort_unstable();
        // All from here up to the end have reached it: count - (count - 1) / 2 of them, a majority.
        indexes.get((count - 1) / 2).copied().unwrap_or(0)
    }

    /// How a vote stands, given what each voter has said. An empty set has agreed.
    pub(crate) fn vote_result(&self, mut said: impl FnMut(NodeId) -> Option<bool>) -> VoteResult {
        let count = self.ids.len();
        let (mut yes, mut silent) = (0, 0);
        for id in self.ids() {
            match said(*id) {
                Some(true) => yes += 1,
                Some(false) => {}
                None => silent += 1,
            }
        }
        let quorum = count / 2 + 1;
        if count == 0 || yes >= quorum {
            VoteResult::Won
        } else if yes + silent >= quorum {
            VoteResult::Pending
        } else {
            VoteResult::Lost
        }
    }
}
