//! A node's state, for people and for metrics.

use std::fmt::{self, Display, Formatter};

use crate::error::StorageError;
use crate::membership::ConfState;
use crate::progress::ProgressState;
use crate::types::{EntryId, HardState, Index, NO_NODE, NodeId, RoleKind, SoftState};

/// A node's state, without its membership and its peers: [`crate::RawNode::basic_status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicStatus {
    /// The node.
    pub id: NodeId,
    /// Term, vote and commit index (perhaps not stored yet).
    pub hard_state: HardState,
    /// Leader and role.
    pub soft_state: SoftState,
    /// Last entry known to be applied.
    pub applied: Index,
    /// Last entry known to be stored.
    pub stabled: Index,
    /// Last entry of the log.
    pub last: EntryId,
    /// Whether the node itself votes.
    pub is_voter: bool,
    /// Target of a pending leadership transfer.
    pub transferee: Option<NodeId>,
}

/// A node's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The node.
    pub id: NodeId,
    /// Term, vote and commit index (perhaps not stored yet).
    pub hard_state: HardState,
    /// Leader and role.
    pub soft_state: SoftState,
    /// Last entry known to be applied.
    pub applied: Index,
    /// Last entry known to be stored.
    pub stabled: Index,
    /// Last entry of the log.
    pub last: EntryId,
    /// The membership in force.
    pub conf_state: ConfState,
    /// Whether the node itself votes.
    pub is_voter: bool,
    /// Target of a pending leadership transfer.
    pub transferee: Option<NodeId>,
    /// On a leader, each member's progress in order of ids, its own included.
    pub progress: Vec<ProgressStatus>,
}

/// How a leadership transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransferOutcome {
    /// The target.
    pub to: NodeId,
    /// What became of it.
    pub result: TransferResult,
}

/// What became of a leadership transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferResult {
    /// The target leads.
    Done,
    /// The target did not take over within an election timeout: it could not be reached or brought up to
    /// date, or did not campaign. This node leads on.
    TimedOut,
    /// Another transfer was requested, or one to this node itself, which leads on.
    Cancelled,
    /// The target is no voter any more. This node leads on.
    NotVoter,
    /// This node lost its leadership, and another than the target leads now, perhaps this node again.
    OtherLeader,
}

impl Status {
    /// Whether the node leads.
    pub fn is_leader(&self) -> bool {
        self.soft_state.role == RoleKind::Leader
    }
}

/// What a leader knows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressStatus {
    /// The member.
    pub id: NodeId,
    /// How it is replicated to.
    pub state: ProgressState,
    /// Highest index known to be in its log.
    pub matched: Index,
    /// Next index to send.
    pub next: Index,
    /// Whether it is a learner.
    pub is_learner: bool,
    /// Whether nothing is sent until it answers.
    pub is_paused: bool,
    /// Whether it was heard from since the last quorum check.
    pub is_active: bool,
    /// Index of a snapshot on its way; 0 if there is none.
    pub pending_snapshot: Index,
    /// Appends on their way.
    pub inflight_messages: usize,
    /// Payload bytes on their way.
    pub inflight_bytes: u64,
    /// Whether the window of Appends is full.
    pub is_inflight_full: bool,
}

/// A member that a leader cannot send what it needs, because the storage does not give it: its snapshot is
/// older than the member's membership, say, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// The member; [`crate::NO_NODE`]: all of them, after a change of the membership.
    pub peer: NodeId,
    /// Why. [`StorageError::SnapshotUnavailable`]: the host says that it comes later.
    pub error: StorageError,
}

impl Display for Unserved {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.peer {
            NO_NODE => write!(f, "members cannot be sent what they need: {}", self.error),
            peer => write!(f, "node {peer} cannot be sent what it needs: {}", self.error),
        }
    }
}
