//! Local events: what the host and the node itself tell the state machine.
//!
//! Nothing here has an encoding, so no peer can send it.

use crate::types::{EntryId, Index, NodeId, Term};

/// How a proposal went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// This node leads. The proposal has this place in the log; it is committed once an entry with
    /// this very id is handed out as committed, and lost once another one is at its index.
    Appended(EntryId),
    /// The proposal is on its way to this leader. Its fate is not reported.
    Forwarded(NodeId),
}

/// What became of a snapshot that the host delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotStatus {
    /// The receiver's host has handed it to its node, or the transport knows of no failure.
    Delivered,
    /// It did not arrive, or was refused there.
    Failed,
}

/// Notice of finished storage work. With synchronous writes `advance` gives these notices itself;
/// with asynchronous writes the host hands back those that came with the work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ack {
    /// The node's own log is durable up to `index`, appended by itself as leader of `term`.
    OwnAppend {
        /// Term at the time of the append.
        term: Term,
        /// Last index of the append.
        index: Index,
    },
    /// The node's vote for itself is durable.
    OwnVote {
        /// Term campaigned for.
        term: Term,
        /// Whether it was a PreVote.
        pre: bool,
    },
    /// Entries or a snapshot are durable.
    Stored {
        /// Term at the time they were handed out; a later one invalidates `last`
        /// (the log may have been overwritten twice since).
        term: Term,
        /// Last entry of the log at that time, if part of the log was not stored yet.
        last: Option<EntryId>,
        /// Index of the snapshot, if there was one.
        snapshot: Option<Index>,
    },
    /// Committed entries have been applied.
    Applied {
        /// The last of them.
        index: Index,
        /// Their encoded size.
        bytes: u64,
        /// Their payloads' size.
        payload_bytes: u64,
    },
}
