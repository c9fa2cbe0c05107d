//! Everything that can go wrong, as values. Nothing that a peer sends, a storage answers or a
//! caller passes makes the library panic.

use thiserror::Error;

use crate::types::{Index, NodeId};

/// Why a call on a node failed. Unless said otherwise the node is as it was before the call.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is not usable.
    #[error("invalid configuration: {0}")]
    Config(#[from] ConfigError),
    /// The storage could not answer.
    #[error("storage: {0}")]
    Storage(#[from] StorageError),
    /// What the storage holds does not fit together; the node cannot start from it.
    #[error("inconsistent storage: {0}")]
    InconsistentStorage(String),
    /// The proposal was not taken and will not take effect.
    #[error("proposal dropped: {0}")]
    ProposalDropped(#[from] DropReason),
    /// A reply came from a node that is not a member.
    #[error("message from node {0}, which is not a member of the group")]
    PeerNotFound(NodeId),
    /// A message breaks the protocol, is of a term or an index that no honest group reaches
    /// ([`crate::MAX_TERM`], [`crate::MAX_TERM_LEAD`], [`crate::MAX_INDEX`]), or comes from a node that is no
    /// member and contradicts what is committed here. It was refused; nothing changed.
    #[error("invalid message: {0}")]
    InvalidMessage(&'static str),
    /// A member that leads says that an entry is committed that this node acknowledged and no longer has:
    /// its storage lost data. Nothing changed. The host should stop the node, keep its storage for
    /// inspection, and replace it by a new member with another id. A node that is no member never
    /// causes this.
    #[error("commit index {commit} is beyond the last index {last}: the log lost entries")]
    CommitBeyondLog {
        /// What the leader says.
        commit: Index,
        /// The end of this node's log.
        last: Index,
    },
    /// A member that leads has a log that lacks an entry which is committed here: two groups with the same
    /// ids were mixed up, or a storage lost data. Nothing changed. The host should stop the node and look
    /// for the cause before any node of the group goes on: which log is right cannot be known here. A node
    /// that is no member never causes this.
    #[error("entry {index} contradicts a committed one (committed: {committed})")]
    CommittedConflict {
        /// The entry that the leader's log lacks; the first one, as far as it is known.
        index: Index,
        /// This node's commit index.
        committed: Index,
    },
    /// A membership change cannot be carried out. Proposed, it was not taken; committed, it changes nothing,
    /// here and on every other node.
    #[error("membership change: {0}")]
    ConfChange(#[from] ConfChangeError),
    /// Bytes could not be decoded.
    #[error("cannot decode: {0}")]
    Decode(#[from] DecodeError),
    /// The last `Ready` has not been advanced yet.
    #[error("a Ready is outstanding: advance it first")]
    ReadyOutstanding,
    /// The `Ready` is not the node's outstanding one.
    #[error("this Ready is not the outstanding one of this node")]
    ForeignReady,
    /// The call is for the other mode of storage writes.
    #[error("not in this mode of storage writes")]
    WrongWriteMode,
    /// An acknowledgement of work that was never handed out.
    #[error("acknowledgement of work that was not handed out")]
    UnknownAck,
    /// Leadership cannot go to this node: it is not a voter of the group.
    #[error("node {0} is not a voter and cannot lead")]
    InvalidTransferee(NodeId),
    /// The node knows no leader to pass the request to.
    #[error("no leader known")]
    NoLeader,
    /// A recovery would be unsafe or make no sense; nothing was planned.
    #[error("recovery refused: {0}")]
    Recovery(#[from] RecoveryError),
    /// A limit of the configuration is reached: the message or request was not taken. Try again later.
    #[error("{0}")]
    LimitReached(#[from] Limit),
}

/// A limit on what a node keeps in memory for others, by its field of the configuration.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`crate::Config::max_pending_reads`]
    #[error("too many reads are pending (max_pending_reads)")]
    PendingReads,
    /// [`crate::Config::max_waiting_messages`]: the host has to take a `Ready` first.
    #[error("too many messages wait for the next Ready (max_waiting_messages)")]
    WaitingMessages,
    /// [`crate::Config::max_waiting_bytes`]: the host has to take a `Ready` first.
    #[error("too many bytes wait for the next Ready (max_waiting_bytes)")]
    WaitingBytes,
}

/// Why a group is not recovered from a survivor's storage, or restored.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryError {
    /// Another survivor's log has more: recover from that one.
    #[error("node {0} survived with a log that has more: recover from that one")]
    BetterSurvivor(NodeId),
    /// The survivor is no member of the group, by its own log.
    #[error("node {0} is no member of the group, by its own log")]
    NotMember(NodeId),
    /// The survivor is no voter of the new membership.
    #[error("node {0} is no voter of the new membership")]
    NotVoter(NodeId),
    /// A lost member is in the new membership: its disk is gone, and it may have voted. It may join later
    /// under a new id.
    #[error("node {0} is lost, and may come back only under a new id")]
    LostMember(NodeId),
    /// The new membership is joint.
    #[error("the new membership is joint")]
    JointMembership,
    /// The log ends with this very membership.
    #[error("the log ends with this membership: there is nothing to change")]
    NothingToChange,
    /// There is no later term to go on in.
    #[error("there is no later term than {0} to go on in")]
    TermTooHigh(u64),
    /// The log has no further index.
    #[error("the log is full")]
    LogFull,
}

/// Why a proposal was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// No leader is known; try again later.
    #[error("no leader known")]
    NoLeader,
    /// The node follows and is configured not to forward.
    #[error("not the leader, and forwarding is off")]
    NotLeader,
    /// The leader is no longer a member of the group.
    #[error("the leader is not a member any more")]
    Removed,
    /// Leadership is being transferred; try again soon, at the new leader.
    #[error("leadership is being transferred")]
    Transferring,
    /// Too many bytes are waiting to be committed; try again later.
    #[error("too many uncommitted bytes")]
    TooManyUncommittedBytes,
    /// Too many entries are waiting to be committed; try again later.
    #[error("too many uncommitted entries")]
    TooManyUncommittedEntries,
    /// A proposal without entries.
    #[error("nothing proposed")]
    Empty,
    /// A membership change that cannot be decoded.
    #[error("the membership change cannot be decoded")]
    MalformedConfChange,
    /// The log has no further index.
    #[error("the log is full")]
    LogFull,
}

/// Why a storage could not answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// The entry is covered by a snapshot and gone.
    #[error("the entry was compacted")]
    Compacted,
    /// The entry is beyond the end of the log.
    #[error("the entry is not there")]
    Unavailable,
    /// A snapshot is being made; ask again.
    #[error("the snapshot is not available right now")]
    SnapshotUnavailable,
    /// The snapshot is older than the one the storage has.
    #[error("the snapshot is older than the storage's own")]
    SnapshotOutOfDate,
    /// What the storage answered breaks its contract.
    #[error("the storage broke its contract: {0}")]
    Contract(String),
    /// The host's storage failed.
    #[error("the host's storage failed with code {code}: {message}")]
    Host {
        /// The host's own code.
        code: i32,
        /// The host's own words.
        message: String,
    },
}

impl StorageError {
    /// Whether both have one cause: their numbers, which may be indexes, may differ.
    pub(crate) fn has_same_cause(&self, other: &Self) -> bool {
        let is_alike = |a: &str, b: &str| {
            let words =
                |text: &str| text.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
            words(a) == words(b)
        };
        match (self, other) {
            (Self::Contract(a), Self::Contract(b)) => is_alike(a, b),
            (Self::Host { code, message }, Self::Host { code: other, message: words }) => {
                code == other && is_alike(message, words)
            }
            _ => self == other,
        }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{field} {problem}")]
pub struct ConfigError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Why a membership change is not taken by the leader, or cannot be applied.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfChangeError {
    /// The configuration is joint; it must be left first.
    #[error("the configuration is joint")]
    AlreadyJoint,
    /// The configuration is not joint and cannot be left.
    #[error("the configuration is not joint")]
    NotJoint,
    /// No voter would remain.
    #[error("no voter would remain")]
    NoVoters,
    /// More than one voter changes without joint consensus.
    #[error("more than one voter changes without joint consensus")]
    TooManyVotersChanged,
    /// More members than a group may have: [`crate::MAX_MEMBERS`].
    #[error("more members than a group may have")]
    TooManyMembers,
    /// Another change may be in the log that the leader has not applied. A new leader has to apply all
    /// entries of former terms first. Try again later.
    #[error("another change may be pending: entries in the log are not applied yet")]
    Pending,
    /// No member would be added, removed, promoted, demoted or updated.
    #[error("it would change no member")]
    NoEffect,
    /// An operation on node 0.
    #[error("0 is not a node id")]
    NoNode,
    /// A stored membership contradicts itself.
    #[error("the membership contradicts itself: {0}")]
    InvalidState(&'static str),
}

/// Why bytes are not what they should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the encoding of a message.
    #[error("malformed bytes: {0}")]
    Malformed(&'static str),
    /// A kind of message that no peer may send, or none at all.
    #[error("message type {0} may not come from a peer")]
    NotFromPeer(u64),
    /// A field that the message needs is missing or makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
}
