//! What can happen in a run, as a line of the file and as a line for people.

use raftcore::{ConfState, NodeId};
use serde::Serialize;
use serde_json::Value;

/// An event. The names of the variants, in snake case, are the field `kind` of a line.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(in super::super) enum Happening {
    /// The first line: which run this is. The seed is text because readers may not have 64 bits.
    Run { format: u32, seed: String, tick: u64, voters: u64, plan: String },
    /// A node starts, for the how manieth time.
    Start { node: NodeId, incarnation: u64 },
    /// A node stops, and loses some of what was not synced.
    Crash { node: NodeId },
    /// A node stands still.
    Pause { node: NodeId, until: u64 },
    /// The links that are cut now; none: all were mended.
    Links { cut: Vec<(NodeId, NodeId)> },
    /// Something else went wrong or well with the surroundings.
    Note { text: String },
    /// Faults and clients stop; the group is to recover.
    Calm,
    /// A client or an operator asks a node for something.
    Request { node: NodeId, text: String },
    /// A node's host does a piece of its work.
    Work { node: NodeId, piece: &'static str },
    /// A node sends a message; so many copies of it are under way.
    Send(Told),
    /// A copy of a message is lost on its way.
    Lost { node: NodeId, to: NodeId, id: u64, why: &'static str },
    /// A copy of a message is given to its receiver.
    Deliver { node: NodeId, from: NodeId, id: u64, text: String },
    /// Term, role, leader, vote or commit index of a node are others now.
    State { node: NodeId, term: u64, role: &'static str, leader: NodeId, vote: NodeId, commit: u64 },
    /// The log that a node has written: what came after `keep` is gone, `entries` follow.
    Log { node: NodeId, base: Place, keep: u64, entries: Vec<ToldEntry> },
    /// What of a node's state and log would survive a crash.
    Durable { node: NodeId, term: u64, vote: NodeId, commit: u64, last: u64 },
    /// A node's state machine has applied everything up to here.
    Applied { node: NodeId, index: u64 },
    /// A node's membership, after what it has applied.
    Members { node: NodeId, voters: Vec<NodeId>, outgoing: Vec<NodeId>, learners: Vec<NodeId> },
    /// The run ends because something that must hold does not.
    Violation { invariant: String, detail: String },
    /// The run ends well.
    End { events: u64 },
}

/// A message that is sent.
#[derive(Clone, Debug, Serialize)]
pub(in super::super) struct Told {
    /// Who sends it.
    pub(super) node: NodeId,
    pub(super) to: NodeId,
    /// The same in `Lost` and `Deliver`.
    pub(super) id: u64,
    pub(super) term: u64,
    pub(super) copies: usize,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// What is in it, by name.
    pub(super) body: Value,
    /// The same in a line.
    pub(super) text: String,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct Place {
    pub(super) term: u64,
    pub(super) index: u64,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct ToldEntry {
    pub(super) term: u64,
    pub(super) index: u64,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Bytes of the payload.
    pub(super) size: usize,
    /// The payload's beginning in hexadecimal digits, or the membership change.
    pub(super) text: String,
}

impl Happening {
    pub(super) fn members(node: NodeId, state: &ConfState) -> Self {
        let learners = [&state.learners[..], &state.learners_next[..]].concat();
        let (voters, outgoing) = (state.voters.clone(), state.voters_outgoing.clone());
        Self::Members { node, voters, outgoing, learners }
    }

    /// The line for people; None if the others tell the story without it.
    pub(super) fn story(&self) -> Option<String> {
        Some(match self {
            Self::Run { plan, .. } => plan.clone(),
            Self::Start { node, .. } => format!("{node} starts"),
            Self::Crash { node } => format!("{node} crashes"),
            Self::Pause { node, until } => format!("{node} pauses until {until}"),
            Self::Links { cut } if cut.is_empty() => "all links are mended".to_owned(),
            Self::Links { cut } => format!("links are cut: {cut:?}"),
            Self::Note { text } => text.clone(),
            Self::Calm => "the faults stop".to_owned(),
            Self::Request { node, text } => format!("{node} {text}"),
            Self::Work { node, piece } => format!("{node} {piece}"),
            Self::Send(Told { copies: 0, text, .. }) => format!("sends in vain {text}"),
            Self::Send(told) => format!("sends {}", told.text),
            Self::Deliver { node, text, .. } => format!("{node} receives {text}"),
            _ => return None,
        })
    }
}
