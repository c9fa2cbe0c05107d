//! What must hold, by name, and how a breach is reported.

use std::fmt;

/// A property of the protocol, of a host's contract with the library, or of the simulation as a
/// whole, that is checked after every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// At most one node ever leads in a term.
    ElectionSafety,
    /// A leader never overwrites its own log.
    LeaderAppendOnly,
    /// Entries with the same index and term are the same, and so is everything before them.
    LogMatching,
    /// Who leads was voted for by a majority of its voters (of both sets, while joint), durably.
    ElectionQuorum,
    /// A vote goes only to a candidate whose log is not older than the voter's.
    VoteUpToDate,
    /// What a leader sends is in its log, and what it calls committed is.
    SentFromLog,
    /// A leader has every entry that was committed before its election or in an older term.
    LeaderCompleteness,
    /// All nodes apply the same entries in the same order, without gaps, in all incarnations, and
    /// have the same membership after each.
    StateMachineSafety,
    /// What a leader commits is of its own term and durable on a quorum (on both, while joint).
    CommitRule,
    /// What a leader believes to be in a member's log is durable there.
    AcknowledgedIsDurable,
    /// Term, commit index and applied index never go back while a node runs, nor does what a leader
    /// knows to match while it leads.
    Monotonicity,
    /// A snapshot is installed only if it is newer than what is applied.
    SnapshotAheadOfApplied,
    /// Messages of older terms, and requests for a PreVote, change neither term nor vote nor log.
    TermDiscipline,
    /// A stranger's message that is refused changes nothing, and says that data was lost only if the stranger
    /// has a member's id.
    StrangersChangeNothing,
    /// Any quorum of a membership meets any quorum of the next one.
    QuorumOverlap,
    /// A leader appends a membership change only when it has applied all that were before it.
    OneChangeAtATime,
    /// What is on its way to a member is what was sent and not answered, and within the limits.
    InflightAccounting,
    /// A node sends and hands out no more at a time than its limits and its inputs allow.
    BoundedWork,
    /// What must hold within a node at any time, by the library's own account.
    WithinNode,
    /// A node votes for at most one candidate in a term, over all its incarnations.
    OneVotePerTerm,
    /// Nothing leaves a node that promises what is not durable there.
    PersistBeforeSend,
    /// What a node takes to be stored is durable there, and no write under way is going to replace it.
    StoredIsDurable,
    /// A node applies only what is durable on its own disk, unless told to be early.
    ApplyOnlyDurable,
    /// A linearizable read sees everything that was committed when it was requested.
    LinearizableReads,
    /// The entry that a proposer was told about is the one it proposed, at this place and at no other,
    /// and what was refused is never applied.
    ProposalIdentity,
    /// What a client is told about its operation is true, and the last it is told: a proposal that was
    /// refused or replaced never takes effect, one that took effect is not said to have failed.
    ProposalOutcome,
    /// What the clients of an object saw can be explained by operations that took effect one at a time,
    /// each between its call and its return.
    LinearizableHistories,
    /// A restarted node is where its disk says.
    RestartEquivalence,
    /// The library reports no error that needs a broken storage or a broken peer to explain it.
    NoUnexpectedErrors,
    /// The library does not panic.
    NoPanics,
    /// Once the faults have stopped, the group elects a leader, commits, brings all members up to
    /// date and answers reads, all within a bounded time.
    Liveness,
}

/// A breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Of what.
    pub invariant: Invariant,
    /// Where and how.
    pub detail: String,
}

/// What every check returns.
pub(super) type Check<T = ()> = Result<T, Violation>;

impl Invariant {
    /// A breach of this invariant.
    pub(super) fn broken<T>(self, detail: impl Into<String>) -> Check<T> {
        Err(Violation { invariant: self, detail: detail.into() })
    }

    /// Breaks unless `holds`.
    pub(super) fn require(self, holds: bool, detail: impl FnOnce() -> String) -> Check {
        if holds { Ok(()) } else { self.broken(detail()) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.detail)
    }
}
