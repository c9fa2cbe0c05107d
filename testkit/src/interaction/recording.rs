//! What a script does to its nodes, for whoever wants to do the same elsewhere.

use raftcore::{Bytes, ConfChangeV2, Config, Message, NodeId, Snapshot};

/// What happened in a script's world, in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The nodes; node `n` is at `n - 1`.
    pub nodes: Vec<Start>,
    /// What happened to them.
    pub events: Vec<Happened>,
}

/// How a node began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The snapshot it began with; an empty one made it blank.
    pub snapshot: Snapshot,
    /// Its configuration.
    pub config: Config,
}

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// The node.
    pub node: NodeId,
    /// What happened.
    pub event: Event,
}

/// What can happen to a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message reached it.
    Message(Message),
    /// Its clock ticked.
    Tick,
    /// It was told to campaign.
    Campaign,
    /// It was given a payload to propose.
    Propose(Bytes),
    /// It was given a membership change to propose; whether in the first version's encoding.
    ProposeConfChange(ConfChangeV2, bool),
    /// It was asked to hand its leadership to a node.
    Transfer(NodeId),
    /// It was asked for a read.
    Read,
    /// It was told that a node cannot be reached.
    Unreachable(NodeId),
    /// It was told to forget its leader.
    ForgetLeader,
    /// Its log was compacted.
    Compact,
    /// Its work, or the oldest part of it, was done.
    Work,
}
