//! What crosses the wire: one struct per RPC of the protocol.
//!
//! Local events (an elapsed timer, a host's report) are not here but in [`crate::input`]: no bytes
//! from a peer can be decoded into one.

use bytes::Bytes;

use crate::entry::Entries;
use crate::membership::ConfState;
use crate::types::{EntryId, Index, NodeId, Term};

/// A message between two nodes of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sends it.
    pub from: NodeId,
    /// Who shall get it.
    pub to: NodeId,
    /// The sender's term; 0 in messages that are independent of terms (forwarded proposals and
    /// reads); in a vote request, the term that is campaigned for.
    pub term: Term,
    /// The RPC.
    pub body: Body,
}

/// The RPCs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A follower passes proposals on to its leader.
    Propose(Propose),
    /// AppendEntries (thesis section 3.5).
    Append(Append),
    /// Its answer.
    AppendReply(AppendReply),
    /// RequestVote (section 3.6) or PreVote (section 9.6).
    Vote(Vote),
    /// Its answer.
    VoteReply(VoteReply),
    /// InstallSnapshot (section 5).
    Snapshot(Box<Snapshot>),
    /// "I am the leader."
    Heartbeat(Heartbeat),
    /// Its answer.
    HeartbeatReply(HeartbeatReply),
    /// A follower passes a request for a leadership transfer on to its leader.
    TransferLeader(TransferLeader),
    /// "Campaign now": ends a leadership transfer (section 3.10).
    TimeoutNow,
    /// A follower asks its leader for a read index (section 6.4).
    ReadIndex(ReadIndex),
    /// Its answer.
    ReadIndexReply(ReadIndexReply),
}

/// Proposals on their way to the leader; their ids are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Propose {
    /// What is proposed.
    pub entries: Entries,
}

/// AppendEntries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Append {
    /// The entry just before the first of `entries`.
    pub prev: EntryId,
    /// The leader's commit index.
    pub commit: Index,
    /// Consecutive entries from `prev.index + 1` on; may be empty.
    pub entries: Entries,
}

impl Append {
    /// Index of the last entry, or of the one before them.
    pub(crate) fn last_index(&self) -> Index {
        self.prev.index.saturating_add(self.entries.len() as u64)
    }
}

/// Answer to [`Append`] and [`Body::Snapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendReply {
    /// If accepted: the log matches the leader's up to here. If rejected: `prev.index` of the
    /// rejected request.
    pub index: Index,
    /// Why not, if it was rejected.
    pub reject: Option<AppendReject>,
}

/// Where a rejecting follower's log might match the leader's: the highest entry that is not newer
/// than the request's `prev`. With it a diverged follower is found in one round trip per term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendReject {
    /// The entry; its term is 0 where the follower does not know it.
    pub hint: EntryId,
}

/// RequestVote or PreVote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vote {
    /// Whether it only asks "would you?".
    pub pre: bool,
    /// Last entry of the candidate's log.
    pub last: EntryId,
    /// Whether a leader asked for this election: then its lease does not protect it.
    pub transfer: bool,
    /// The candidate's priority ([`crate::Config::priority`]).
    pub priority: i64,
    /// The last entry that the candidate knows to be committed; a zero id if it does not say. What the
    /// voter learns so may be that it votes.
    pub commit: EntryId,
}

/// Answer to [`Vote`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoteReply {
    /// Whether it answers a PreVote.
    pub pre: bool,
    /// Whether the vote is given.
    pub granted: bool,
    /// If it is refused by a node that does not vote any more: the last entry that this node knows to be
    /// committed. Else a zero id. What the candidate learns so may be that the node does not vote.
    pub commit: EntryId,
}

/// State of the replicated state machine at a point of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry it covers.
    pub id: EntryId,
    /// The membership at that point.
    pub conf_state: ConfState,
    /// The host's data, shared.
    pub data: Bytes,
}

/// "I am the leader."
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// min(leader's commit, what the receiver is known to match): never beyond its log.
    pub commit: Index,
    /// To be repeated in the reply; tells the leader which reads it confirms.
    pub context: Bytes,
}

/// Answer to [`Heartbeat`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// The heartbeat's context.
    pub context: Bytes,
}

/// A request for a leadership transfer. The message's sender is the *transferee*, as etcd has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferLeader;

/// A request for a read index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadIndex {
    /// The reader's own token.
    pub context: Bytes,
}

/// A read index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadIndexReply {
    /// Reads at or above this applied index are linearizable.
    pub index: Index,
    /// The reader's own token.
    pub context: Bytes,
}

impl Message {
    /// Whether the message promises something that must be on disk before it is sent: a vote, an
    /// acknowledgement, or a candidacy (whose last log entry voters rely on).
    pub fn requires_persistence(&self) -> bool {
        match &self.body {
            Body::AppendReply(_) | Body::VoteReply(_) => true,
            Body::Vote(vote) => !vote.pre,
            _ => false,
        }
    }

    /// Whether the message answers another one, so that only a member may send it.
    pub fn is_reply(&self) -> bool {
        matches!(self.body, Body::AppendReply(_) | Body::VoteReply(_) | Body::HeartbeatReply(_))
    }
}
