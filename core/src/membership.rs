//! Who belongs to the group (thesis chapter 4), and how that may change.

pub(crate) mod change;

use bytes::Bytes;

use crate::error::ConfChangeError;
use crate::node_set::NodeSet;
use crate::quorum::{JointQuorum, Majority};
use crate::types::NodeId;

/// Members that a group may have at most, voters of both halves and learners.
pub const MAX_MEMBERS: usize = 4096;

/// A group's membership in the form that snapshots and storages keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfState {
    /// Voters; while joint, those of the incoming half.
    pub voters: Vec<NodeId>,
    /// Members that get the log and do not count.
    pub learners: Vec<NodeId>,
    /// Voters of the outgoing half; empty unless joint.
    pub voters_outgoing: Vec<NodeId>,
    /// Voters of the outgoing half that become learners when it is left.
    pub learners_next: Vec<NodeId>,
    /// Whether the leader leaves the joint configuration by itself.
    pub auto_leave: bool,
}

impl ConfState {
    /// A membership of voters and learners, not joint.
    pub fn new(voters: impl Into<Vec<NodeId>>, learners: impl Into<Vec<NodeId>>) -> Self {
        Self { voters: voters.into(), learners: learners.into(), ..Self::default() }
    }

    /// Whether `id` is a member in any way.
    pub fn contains(&self, id: NodeId) -> bool {
        [&self.voters, &self.learners, &self.voters_outgoing].iter().any(|ids| ids.contains(&id))
    }
}

/// The membership in force: sorted and valid. Made only by [`Configuration::restore`] and by
/// applying a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    pub(crate) voters: JointQuorum,
    pub(crate) learners: NodeSet,
    pub(crate) learners_next: NodeSet,
    pub(crate) auto_leave: bool,
}

impl Configuration {
    /// The configuration that `state` describes, if it describes a valid one.
    pub fn restore(state: &ConfState) -> Result<Self, ConfChangeError> {
        let configuration = Self {
            voters: JointQuorum {
                incoming: Majority::new(state.voters.clone()),
                outgoing: Majority::new(state.voters_outgoing.clone()),
            },
            learners: NodeSet::new(state.learners.clone()),
            learners_next: NodeSet::new(state.learners_next.clone()),
            auto_leave: state.auto_leave,
        };
        configuration.check()?;
        Ok(configuration)
    }

    /// The form to keep, ids ascending.
    pub fn to_conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters.incoming.ids().to_vec(),
            learners: self.learners.to_vec(),
            voters_outgoing: self.voters.outgoing.ids().to_vec(),
            learners_next: self.learners_next.to_vec(),
            auto_leave: self.auto_leave,
        }
    }

    /// The voters, both halves.
    pub(crate) fn voters(&self) -> &JointQuorum {
        &self.voters
    }

    /// Whether two majorities have to agree.
    pub fn is_joint(&self) -> bool {
        !self.voters.outgoing.is_empty()
    }

    /// Whether a joint configuration is left without the host's doing.
    pub fn auto_leave(&self) -> bool {
        self.auto_leave
    }

    /// Whether `id` votes in either half.
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(id)
    }

    /// Whether `id` is a learner now (not: will be one).
    pub fn is_learner(&self, id: NodeId) -> bool {
        self.learners.contains(id)
    }

    /// Whether `id` is a member.
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.is_learner(id)
    }

    /// All members, ascending.
    pub fn members(&self) -> Vec<NodeId> {
        let mut ids = self.voters.ids();
        ids.extend_from_slice(&self.learners);
        ids.sort_unstable();
        ids
    }

    pub(crate) fn check(&self) -> Result<(), ConfChangeError> {
        let (incoming, outgoing) = (self.voters.incoming.ids().len(), self.voters.outgoing.ids().len());
        if incoming + outgoing + self.learners.len().max(self.learners_next.len()) > MAX_MEMBERS {
            return Err(ConfChangeError::TooManyMembers);
        }
        let zero = [self.voters.incoming.ids(), self.voters.outgoing.ids(), &self.learners]
            .iter()
            .any(|ids: &&[NodeId]| ids.contains(&0));
        if zero {
            return Err(ConfChangeError::InvalidState("0 is not a node id"));
        }
        if self.learners.iter().any(|id| self.is_voter(*id)) {
            return Err(ConfChangeError::InvalidState("a learner is also a voter"));
        }
        if self.learners_next.iter().any(|id| !self.voters.outgoing.contains(*id)) {
            return Err(ConfChangeError::InvalidState("a staged learner is no outgoing voter"));
        }
        if self.learners_next.iter().any(|id| self.voters.incoming.contains(*id)) {
            return Err(ConfChangeError::InvalidState("a staged learner is an incoming voter"));
        }
        if self.is_joint() && self.voters.incoming.is_empty() {
            return Err(ConfChangeError::InvalidState("a joint configuration without incoming voters"));
        }
        if !self.is_joint() && self.auto_leave {
            return Err(ConfChangeError::InvalidState("nothing to leave automatically"));
        }
        Ok(())
    }
}

/// One operation of a membership change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfChangeKind {
    /// Make the node a voter.
    AddVoter,
    /// Remove the node.
    Remove,
    /// Change nothing; the host may attach a meaning (a new address, say).
    Update,
    /// Make the node a learner.
    AddLearner,
}

/// An operation on one node. Node 0 makes it void: hosts use that to withdraw a change that was
/// already committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConfChangeOp {
    /// What is done.
    pub kind: ConfChangeKind,
    /// To whom.
    pub node: NodeId,
}

/// A membership change of the first version: one operation, in force when applied
/// (thesis section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfChange {
    /// The host's own number for the change, which travels in the entry; 0: none. (etcd/raft's hosts know a
    /// committed change by it.)
    pub id: u64,
    /// The operation.
    pub op: ConfChangeOp,
    /// The host's own data.
    pub context: Bytes,
}

/// How a change of the second version treats joint consensus (thesis section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transition {
    /// Joint only if there is more than one operation, and left automatically.
    #[default]
    Auto,
    /// Joint, and left automatically.
    Implicit,
    /// Joint, and left by a further, empty change of the host's.
    Explicit,
}

/// A membership change of the second version. Without operations and with [`Transition::Auto`] it
/// leaves a joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfChangeV2 {
    /// How joint consensus is used.
    pub transition: Transition,
    /// The operations, carried out in this order.
    pub ops: Vec<ConfChangeOp>,
    /// The host's own data.
    pub context: Bytes,
}

impl ConfChangeV2 {
    /// One operation, without joint consensus.
    pub fn single(kind: ConfChangeKind, node: NodeId) -> Self {
        Self { ops: vec![ConfChangeOp { kind, node }], ..Self::default() }
    }

    /// Whether it leaves a joint configuration.
    pub fn leaves_joint(&self) -> bool {
        self.transition == Transition::Auto && self.ops.is_empty()
    }

    /// Whether it enters a joint configuration, and if so whether that one is left automatically.
    pub fn enters_joint(&self) -> Option<bool> {
        match self.transition {
            Transition::Auto if self.ops.len() > 1 => Some(true),
            Transition::Auto => None,
            Transition::Implicit => Some(true),
            Transition::Explicit => Some(false),
        }
    }
}

impl From<ConfChange> for ConfChangeV2 {
    fn from(change: ConfChange) -> Self {
        Self { transition: Transition::Auto, ops: vec![change.op], context: change.context }
    }
}
