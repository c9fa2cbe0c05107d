//! The numbers that identify things in Raft, and the two kinds of state.

/// Identifies a node within its group. 0 is never a node; see [`NO_NODE`].
pub type NodeId = u64;

/// A leadership term. 0 is the term before the first election.
pub type Term = u64;

/// The highest term that a node takes over, from a message or from its storage. Terms above it are never
/// reached by counting; one that was taken over would leave no term for a next election.
pub const MAX_TERM: Term = u64::MAX - (1 << 32);

/// How far the term of a message may be above the receiver's own. An honest group gets there in no
/// lifetime, and one message of a stranger uses up no more than this.
pub const MAX_TERM_LEAD: Term = 1 << 32;

/// The highest index of a log: none beyond it is taken from a message or from a storage, and a log that
/// ends here takes no proposal and no leader any more. So counting on from an index never overflows.
pub const MAX_INDEX: Index = u64::MAX - (1 << 32);

/// A position in the log. The first entry has index 1.
pub type Index = u64;

/// The [`NodeId`] that stands for "nobody".
pub const NO_NODE: NodeId = 0;

/// Term and index of a log entry: by Log Matching (thesis section 3.5) they identify its content
/// and everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// Term in which the entry was created. Declared first: ordering compares logs as elections do.
    pub term: Term,
    /// Position in the log.
    pub index: Index,
}

impl EntryId {
    /// The entry at `index`, created in `term`.
    pub const fn new(term: Term, index: Index) -> Self {
        Self { term, index }
    }

    /// Whether a log that ends here is at least as up-to-date as one that ends at `other`
    /// (thesis section 3.6.1).
    pub fn is_up_to_date(self, other: EntryId) -> bool {
        self >= other
    }
}

/// What a node must find again after a restart, besides its log (thesis section 3.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HardState {
    /// Latest term the node has seen.
    pub term: Term,
    /// Candidate that got the node's vote in `term`, or [`NO_NODE`].
    pub vote: NodeId,
    /// Highest index known to be committed. Saved so that a restart need not learn it anew.
    pub commit: Index,
}

impl HardState {
    /// Whether nothing has ever been saved.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a node knows of the group right now; not persisted, good for logs and routing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SoftState {
    /// Leader of the current term, or [`NO_NODE`] while unknown.
    pub leader: NodeId,
    /// The node's own role.
    pub role: RoleKind,
}

/// The four roles of thesis section 3.3, PreVote (section 9.6) included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RoleKind {
    /// Answers leaders and candidates.
    #[default]
    Follower,
    /// Asks whether it could win an election, without disturbing anybody.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Orders the log.
    Leader,
}
