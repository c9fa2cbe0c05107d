//! The plain structs that cross the boundary, and their conversions.

use std::ptr;

use bytes::Bytes;
use raftcore::{
    ConfChangeKind, ConfChangeOp, ConfState, Entry, EntryId, EntryKind, HardState, Proposed, RoleKind,
    Snapshot, SoftState,
};

use crate::args;
use crate::lend::Release;
use crate::status::{Failure, Within};

/// Borrowed bytes. `data` may be NULL if `len` is 0. Says nothing about ownership: each function
/// and struct tells how long the bytes live.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_slice {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl raft_slice {
    pub(crate) const EMPTY: Self = Self { data: ptr::null(), len: 0 };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }
}

/// The place of a log entry. Term and index together identify an entry and all before it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct raft_entry_id {
    /// Term in which the entry was created.
    pub term: u64,
    /// Position in the log; the first entry has 1.
    pub index: u64,
}

impl From<EntryId> for raft_entry_id {
    fn from(id: EntryId) -> Self {
        Self { term: id.term, index: id.index }
    }
}

impl From<Proposed> for raft_entry_id {
    fn from(proposed: Proposed) -> Self {
        match proposed {
            Proposed::Appended(id) => id.into(),
            Proposed::Forwarded(_) => EntryId::default().into(),
        }
    }
}

/// Entry kind: the payload is the host's. It is empty at the start of each term.
pub const RAFT_ENTRY_NORMAL: i32 = 0;
/// Entry kind: a membership change of the first version (one operation).
pub const RAFT_ENTRY_CONF_CHANGE: i32 = 1;
/// Entry kind: a membership change of the second version (several operations, joint consensus).
pub const RAFT_ENTRY_CONF_CHANGE_V2: i32 = 2;

/// Entry flag: the encoding states the kind although it is the default. Store flags with the entry
/// and give them back unchanged: peers of the etcd family count encoded bytes. The flag says how the bytes
/// were, and nothing about the entry. Peers of the TiKV family (proto3) never state a default kind: an
/// entry that went through one of them comes without the flag, and is the same entry.
pub const RAFT_ENTRY_KIND_STATED: u32 = 1;

/// A log entry. `data` is borrowed: for how long, says who hands it out.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_entry {
    /// Term in which the entry was created.
    pub term: u64,
    /// Position in the log.
    pub index: u64,
    /// RAFT_ENTRY_NORMAL, RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2.
    pub kind: i32,
    /// RAFT_ENTRY_KIND_STATED or 0.
    pub flags: u32,
    /// The payload.
    pub data: raft_slice,
}

impl From<&Entry> for raft_entry {
    fn from(entry: &Entry) -> Self {
        Self {
            term: entry.id.term,
            index: entry.id.index,
            kind: match entry.kind {
                EntryKind::Normal => RAFT_ENTRY_NORMAL,
                EntryKind::ConfChange => RAFT_ENTRY_CONF_CHANGE,
                EntryKind::ConfChangeV2 => RAFT_ENTRY_CONF_CHANGE_V2,
            },
            flags: if entry.kind_stated() { RAFT_ENTRY_KIND_STATED } else { 0 },
            data: raft_slice::of(&entry.data),
        }
    }
}

impl raft_entry {
    /// The entry, its payload copied.
    ///
    /// # Safety
    /// `data` holds what `raft_slice` promises.
    pub(crate) unsafe fn to_entry(self) -> Result<Entry, Failure> {
        let kind = entry_kind(self.kind)?;
        if self.flags & !RAFT_ENTRY_KIND_STATED != 0 {
            return Err(Failure::argument("flags", "has unknown bits"));
        }
        // SAFETY: the same contract.
        let data = unsafe { args::copy(self.data, "data") }?;
        let id = EntryId::new(self.term, self.index);
        let entry = Entry::new(id, kind, data);
        let stated = entry.kind_stated() || self.flags & RAFT_ENTRY_KIND_STATED != 0;
        Ok(entry.with_kind_stated(stated))
    }
}

/// The kind that a number stands for.
pub(crate) fn entry_kind(kind: i32) -> Result<EntryKind, Failure> {
    match kind {
        RAFT_ENTRY_NORMAL => Ok(EntryKind::Normal),
        RAFT_ENTRY_CONF_CHANGE => Ok(EntryKind::ConfChange),
        RAFT_ENTRY_CONF_CHANGE_V2 => Ok(EntryKind::ConfChangeV2),
        other => Err(Failure::argument("kind", format!("is unknown: {other}"))),
    }
}

/// Entries of an array argument or field `entries`, their payloads copied.
///
/// # Safety
/// Payloads are as long as they say.
pub(crate) unsafe fn entries(entries: &[raft_entry]) -> Result<Vec<Entry>, Failure> {
    let copies = entries.iter().enumerate().map(|(at, entry)| {
        // SAFETY: the same contract.
        unsafe { entry.to_entry() }.within(format_args!("entries[{at}]"))
    });
    copies.collect()
}

/// What a node must find again after a restart, besides its log.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct raft_hard_state {
    /// Latest term the node has seen.
    pub term: u64,
    /// Candidate that got the node's vote in `term`; 0: none.
    pub vote: u64,
    /// Highest index known to be committed.
    pub commit: u64,
}

impl From<HardState> for raft_hard_state {
    fn from(state: HardState) -> Self {
        Self { term: state.term, vote: state.vote, commit: state.commit }
    }
}

impl From<raft_hard_state> for HardState {
    fn from(state: raft_hard_state) -> Self {
        Self { term: state.term, vote: state.vote, commit: state.commit }
    }
}

/// Role: answers leaders and candidates.
pub const RAFT_ROLE_FOLLOWER: i32 = 0;
/// Role: asks whether it could win an election, without disturbing anybody (PreVote).
pub const RAFT_ROLE_PRE_CANDIDATE: i32 = 1;
/// Role: asks for votes.
pub const RAFT_ROLE_CANDIDATE: i32 = 2;
/// Role: orders the log.
pub const RAFT_ROLE_LEADER: i32 = 3;

/// What a node knows of the group right now. Not to be stored.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct raft_soft_state {
    /// Leader of the current term; 0: not known.
    pub leader: u64,
    /// The node's own role: a RAFT_ROLE_ constant.
    pub role: i32,
}

pub(crate) fn role_number(role: RoleKind) -> i32 {
    match role {
        RoleKind::Follower => RAFT_ROLE_FOLLOWER,
        RoleKind::PreCandidate => RAFT_ROLE_PRE_CANDIDATE,
        RoleKind::Candidate => RAFT_ROLE_CANDIDATE,
        RoleKind::Leader => RAFT_ROLE_LEADER,
    }
}

impl From<SoftState> for raft_soft_state {
    fn from(state: SoftState) -> Self {
        Self { leader: state.leader, role: role_number(state.role) }
    }
}

/// A group's membership: borrowed arrays of node ids, each of which may be NULL if its length is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_conf_state {
    /// Voters; while joint, those of the incoming half.
    pub voters: *const u64,
    /// How many there are.
    pub voters_len: usize,
    /// Members that get the log and do not count.
    pub learners: *const u64,
    /// How many there are.
    pub learners_len: usize,
    /// Voters of the outgoing half; none unless the configuration is joint.
    pub voters_outgoing: *const u64,
    /// How many there are.
    pub voters_outgoing_len: usize,
    /// Voters of the outgoing half that become learners when it is left.
    pub learners_next: *const u64,
    /// How many there are.
    pub learners_next_len: usize,
    /// Whether the leader leaves the joint configuration by itself.
    pub auto_leave: bool,
}

impl From<&ConfState> for raft_conf_state {
    fn from(state: &ConfState) -> Self {
        Self {
            voters: state.voters.as_ptr(),
            voters_len: state.voters.len(),
            learners: state.learners.as_ptr(),
            learners_len: state.learners.len(),
            voters_outgoing: state.voters_outgoing.as_ptr(),
            voters_outgoing_len: state.voters_outgoing.len(),
            learners_next: state.learners_next.as_ptr(),
            learners_next_len: state.learners_next.len(),
            auto_leave: state.auto_leave,
        }
    }
}

/// The membership that `state` points to, copied.
///
/// # Safety
/// `state` is NULL or points to a `raft_conf_state` whose arrays are as long as it says.
pub(crate) unsafe fn conf_state(state: *const raft_conf_state) -> Result<ConfState, Failure> {
    // SAFETY: the same contract.
    unsafe {
        check_auto_leave(state)?;
        let state = args::reference(state, "")?;
        let ids = |ids, len, name| args::array(ids, len, name).map(<[u64]>::to_vec);
        Ok(ConfState {
            voters: ids(state.voters, state.voters_len, "voters")?,
            learners: ids(state.learners, state.learners_len, "learners")?,
            voters_outgoing: ids(state.voters_outgoing, state.voters_outgoing_len, "voters_outgoing")?,
            learners_next: ids(state.learners_next, state.learners_next_len, "learners_next")?,
            auto_leave: state.auto_leave,
        })
    }
}

/// Makes sure that the membership's bool is one, before Rust looks at it.
///
/// # Safety
/// `state` is NULL or points to a whole `raft_conf_state`.
unsafe fn check_auto_leave(state: *const raft_conf_state) -> Result<(), Failure> {
    if state.is_null() {
        return Err(Failure::argument("", "is NULL"));
    }
    // SAFETY: not NULL, and the same contract; a byte may have any value.
    if unsafe { (&raw const (*state).auto_leave).cast::<u8>().read() } > 1 {
        return Err(Failure::argument("auto_leave", "is neither 0 nor 1"));
    }
    Ok(())
}

/// State of the replicated state machine at a point of the log. All of it is borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_snapshot {
    /// Term of the last entry it covers.
    pub term: u64,
    /// Index of the last entry it covers.
    pub index: u64,
    /// The membership at that point.
    pub conf_state: raft_conf_state,
    /// The host's data.
    pub data: raft_slice,
}

impl From<&Snapshot> for raft_snapshot {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            term: snapshot.id.term,
            index: snapshot.id.index,
            conf_state: (&snapshot.conf_state).into(),
            data: raft_slice::of(&snapshot.data),
        }
    }
}

/// The snapshot that an argument points to, copied.
///
/// # Safety
/// `snapshot` is NULL or points to a `raft_snapshot` whose arrays are as long as it says.
pub(crate) unsafe fn snapshot(snapshot: *const raft_snapshot) -> Result<Snapshot, Failure> {
    // SAFETY: the same contract.
    unsafe {
        let (mut read, data) = snapshot_and_data(snapshot)?;
        read.data = args::copy(data, "data")?;
        Ok(read)
    }
}

/// The snapshot that an argument points to, its data lent.
///
/// # Safety
/// As [`snapshot`]; and the data stays as it is until the release.
pub(crate) unsafe fn snapshot_owned(
    snapshot: *const raft_snapshot,
    release: Release,
) -> Result<Snapshot, Failure> {
    // SAFETY: the same contract.
    unsafe {
        let (mut read, data) = snapshot_and_data(snapshot)?;
        read.data = release.lend(data, "data")?;
        Ok(read)
    }
}

/// The snapshot that an argument points to, and apart from it the data.
///
/// # Safety
/// As [`snapshot`].
unsafe fn snapshot_and_data(snapshot: *const raft_snapshot) -> Result<(Snapshot, raft_slice), Failure> {
    if snapshot.is_null() {
        return Err(Failure::argument("", "is NULL"));
    }
    // SAFETY: not NULL, and the same contract. The membership goes first: it checks the bool.
    unsafe {
        let conf_state = conf_state(&raw const (*snapshot).conf_state).within("conf_state")?;
        let snapshot = args::reference(snapshot, "")?;
        let id = EntryId::new(snapshot.term, snapshot.index);
        Ok((Snapshot { id, conf_state, data: Bytes::new() }, snapshot.data))
    }
}

/// A read that is linearizable once the state machine has applied `index`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_read_state {
    /// Serve the read when this index is applied.
    pub index: u64,
    /// The context that raft_read_index was called with.
    pub context: raft_slice,
}

/// Membership operation: make the node a voter.
pub const RAFT_CONF_ADD_VOTER: i32 = 0;
/// Membership operation: remove the node.
pub const RAFT_CONF_REMOVE: i32 = 1;
/// Membership operation: change nothing; the host may attach a meaning (a new address, say).
pub const RAFT_CONF_UPDATE: i32 = 2;
/// Membership operation: make the node a learner.
pub const RAFT_CONF_ADD_LEARNER: i32 = 3;

/// One operation of a membership change.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_conf_change_op {
    /// RAFT_CONF_ADD_VOTER, RAFT_CONF_REMOVE, RAFT_CONF_UPDATE or RAFT_CONF_ADD_LEARNER.
    pub kind: i32,
    /// The node it is about.
    pub node: u64,
}

impl raft_conf_change_op {
    pub(crate) fn to_op(self) -> Result<ConfChangeOp, Failure> {
        let kind = match self.kind {
            RAFT_CONF_ADD_VOTER => ConfChangeKind::AddVoter,
            RAFT_CONF_REMOVE => ConfChangeKind::Remove,
            RAFT_CONF_UPDATE => ConfChangeKind::Update,
            RAFT_CONF_ADD_LEARNER => ConfChangeKind::AddLearner,
            other => return Err(Failure::argument("kind", format!("is unknown: {other}"))),
        };
        Ok(ConfChangeOp { kind, node: self.node })
    }
}
