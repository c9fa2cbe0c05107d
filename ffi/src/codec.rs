//! Messages taken apart and put together, without a node.

use std::ptr;

use raftcore::{
    Append, AppendReject, AppendReply, Body, Entries, EntryId, Heartbeat, HeartbeatReply, Message, Propose,
    ReadIndex, ReadIndexReply, Snapshot, TransferLeader, Vote, VoteReply, wire,
};

use crate::args;
use crate::message::*;
use crate::object::{self, Mark, object};
use crate::sized::{self, SizedStruct};
use crate::status::{Failure, Within, raft_status};
use crate::types::{self, raft_entry, raft_slice, raft_snapshot};

/// All that a message says, whatever its type. What a type does not use is zero. Everything that it
/// points to is borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_message_fields {
    /// sizeof(raft_message_fields).
    pub struct_size: usize,
    /// A RAFT_MESSAGE_ constant.
    pub r#type: i32,
    /// RAFT_MESSAGE_APPEND_REPLY, VOTE_REPLY, PRE_VOTE_REPLY: whether it is a no.
    pub reject: bool,
    /// RAFT_MESSAGE_VOTE, PRE_VOTE: whether a leader asked for this election.
    pub transfer: bool,
    /// Who sends it.
    pub from: u64,
    /// Who shall get it.
    pub to: u64,
    /// The sender's term; 0 in messages that are independent of terms; in a vote request, the term that
    /// is campaigned for.
    pub term: u64,
    /// RAFT_MESSAGE_APPEND: term of the entry before the first. VOTE, PRE_VOTE: term of the
    /// candidate's last entry. APPEND_REPLY with reject: term of the hint. VOTE_REPLY, PRE_VOTE_REPLY:
    /// term of the entry at `commit`.
    pub log_term: u64,
    /// RAFT_MESSAGE_APPEND: index of the entry before the first. VOTE, PRE_VOTE: index of the
    /// candidate's last entry. APPEND_REPLY: the log matches up to here, or what was rejected.
    /// READ_INDEX_REPLY: the read index.
    pub index: u64,
    /// RAFT_MESSAGE_APPEND_REPLY with reject: where the log might match.
    pub reject_hint: u64,
    /// RAFT_MESSAGE_APPEND, HEARTBEAT: the leader's commit index. VOTE, PRE_VOTE, and VOTE_REPLY,
    /// PRE_VOTE_REPLY with reject, of a node that does not vote any more: the last entry that the sender
    /// knows to be committed.
    pub commit: u64,
    /// RAFT_MESSAGE_VOTE, PRE_VOTE: the candidate's priority.
    pub priority: i64,
    /// RAFT_MESSAGE_APPEND, PROPOSE: the entries.
    pub entries: *const raft_entry,
    /// How many there are.
    pub entries_len: usize,
    /// RAFT_MESSAGE_HEARTBEAT, HEARTBEAT_REPLY, READ_INDEX, READ_INDEX_REPLY: a token.
    pub context: raft_slice,
    /// RAFT_MESSAGE_SNAPSHOT: the snapshot; NULL otherwise.
    pub snapshot: *const raft_snapshot,
    /// RAFT_MESSAGE_VOTE, PRE_VOTE: term of the entry at `commit`. Since ABI 0.4.
    pub commit_term: u64,
}

// SAFETY: repr(C), the size comes first, and these are all its bools.
unsafe impl SizedStruct for raft_message_fields {
    const MIN_SIZE: usize = std::mem::offset_of!(Self, commit_term);
    const BOOLS: &'static [usize] =
        &[std::mem::offset_of!(Self, reject), std::mem::offset_of!(Self, transfer)];
}

const NO_FIELDS: raft_message_fields = raft_message_fields {
    struct_size: size_of::<raft_message_fields>(),
    r#type: 0,
    reject: false,
    transfer: false,
    from: 0,
    to: 0,
    term: 0,
    log_term: 0,
    index: 0,
    reject_hint: 0,
    commit: 0,
    priority: 0,
    entries: ptr::null(),
    entries_len: 0,
    context: raft_slice::EMPTY,
    snapshot: ptr::null(),
    commit_term: 0,
};

/// A decoded message. Does not change; any thread may read it.
pub struct raft_message_buffer {
    mark: Mark,
    message: Message,
    entries: Vec<raft_entry>,
    /// None or one.
    snapshot: Vec<raft_snapshot>,
}

// SAFETY: the pointers in it point to what its message owns, wherever that is; nothing in it changes.
unsafe impl Send for raft_message_buffer {}
// SAFETY: the same.
unsafe impl Sync for raft_message_buffer {}

object!(raft_message_buffer, 0x4e55_a6e2, "message");

/// Decodes a message. `encoded` is borrowed during the call. `out` is not NULL; on success `*out` is to
/// be freed with raft_message_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_message_decode(
    encoded: raft_slice,
    out: *mut *mut raft_message_buffer,
) -> raft_status {
    // SAFETY: the header demands bytes as long as they say, and room for the result.
    unsafe {
        object::give(out, || {
            let message = wire::decode(&args::copy(encoded, "encoded")?)?;
            Ok(raft_message_buffer::new(message))
        })
    }
}

impl raft_message_buffer {
    fn new(message: Message) -> Self {
        let (entries, snapshot) = match &message.body {
            Body::Append(Append { entries, .. }) | Body::Propose(Propose { entries }) => {
                (entries.iter().map(raft_entry::from).collect(), Vec::new())
            }
            Body::Snapshot(snapshot) => (Vec::new(), vec![(&**snapshot).into()]),
            _ => (Vec::new(), Vec::new()),
        };
        Self { mark: Mark::owned::<Self>(), message, entries, snapshot }
    }

    fn fields(&self) -> raft_message_fields {
        let Message { from, to, term, body } = &self.message;
        let all = raft_message_fields {
            r#type: type_number(body),
            from: *from,
            to: *to,
            term: *term,
            entries: self.entries.as_ptr(),
            entries_len: self.entries.len(),
            snapshot: self.snapshot.first().map_or(ptr::null(), ptr::from_ref),
            ..NO_FIELDS
        };
        let at = |id: EntryId| raft_message_fields { log_term: id.term, index: id.index, ..all };
        match body {
            Body::Append(append) => raft_message_fields { commit: append.commit, ..at(append.prev) },
            Body::AppendReply(AppendReply { index, reject }) => {
                let AppendReject { hint } = reject.unwrap_or_default();
                let (log_term, reject_hint) = (hint.term, hint.index);
                raft_message_fields { index: *index, reject: reject.is_some(), log_term, reject_hint, ..all }
            }
            Body::Vote(vote) => {
                let (transfer, priority) = (vote.transfer, vote.priority);
                let EntryId { term: commit_term, index: commit } = vote.commit;
                raft_message_fields { transfer, priority, commit, commit_term, ..at(vote.last) }
            }
            Body::VoteReply(VoteReply { granted, commit, .. }) => {
                raft_message_fields { reject: !granted, commit: commit.index, log_term: commit.term, ..all }
            }
            Body::Heartbeat(Heartbeat { commit, context }) => {
                raft_message_fields { commit: *commit, context: raft_slice::of(context), ..all }
            }
            Body::HeartbeatReply(HeartbeatReply { context }) | Body::ReadIndex(ReadIndex { context }) => {
                raft_message_fields { context: raft_slice::of(context), ..all }
            }
            Body::ReadIndexReply(ReadIndexReply { index, context }) => {
                raft_message_fields { index: *index, context: raft_slice::of(context), ..all }
            }
            Body::Propose(_) | Body::Snapshot(_) | Body::TransferLeader(_) | Body::TimeoutNow => all,
        }
    }
}

/// Shows a message. `buffer` is not NULL, nor is `out`, whose struct_size is set by the caller; what
/// `*out` points to lives as long as the buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_message_buffer_view(
    buffer: *const raft_message_buffer,
    out: *mut raft_message_fields,
) -> raft_status {
    // SAFETY: the header demands NULL or a live buffer, and a result with its size.
    unsafe { object::show_sized(buffer, out, raft_message_buffer::fields) }
}

/// Frees a message. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_message_buffer_free(buffer: *mut raft_message_buffer) {
    // SAFETY: the header demands NULL or a buffer that nobody uses any more.
    unsafe { object::free(buffer) }
}

/// Encodes a message: for tests, and for hosts that pass on messages of their own making. A node
/// encodes its own.
///
/// `fields` is not NULL, and fields->struct_size is set; what the type does not use is ignored.
/// `buffer` has room for `capacity` bytes, and may be NULL if that is 0. `needed` may be NULL; it is
/// set to the size of the encoding also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_message_encode(
    fields: *const raft_message_fields,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands fields of the size that they state, whose arrays are as long as they
    // say, and room for the results.
    unsafe {
        object::encode(buffer, capacity, needed, || {
            let fields = sized::read(fields, NO_FIELDS, "fields")?;
            let raft_message_fields { from, to, term, .. } = fields;
            let message = Message { from, to, term, body: fields.body()? };
            let mut bytes = Vec::with_capacity(wire::encoded_len(&message));
            wire::encode(&message, &mut bytes);
            Ok(bytes)
        })
    }
}

impl raft_message_fields {
    /// # Safety
    /// What the fields point to is as long as they say.
    unsafe fn body(&self) -> Result<Body, Failure> {
        let at = EntryId::new(self.log_term, self.index);
        // SAFETY: the same contract.
        let context = || unsafe { args::copy(self.context, "fields.context") };
        // SAFETY: the same contract.
        let entries = || unsafe { self.entries() };
        Ok(match self.r#type {
            RAFT_MESSAGE_PROPOSE => Body::Propose(Propose { entries: entries()? }),
            RAFT_MESSAGE_APPEND => {
                Body::Append(Append { prev: at, commit: self.commit, entries: entries()? })
            }
            RAFT_MESSAGE_APPEND_REPLY => {
                let hint = EntryId::new(self.log_term, self.reject_hint);
                let reject = self.reject.then_some(AppendReject { hint });
                Body::AppendReply(AppendReply { index: self.index, reject })
            }
            RAFT_MESSAGE_VOTE | RAFT_MESSAGE_PRE_VOTE => Body::Vote(Vote {
                pre: self.r#type == RAFT_MESSAGE_PRE_VOTE,
                last: at,
                transfer: self.transfer,
                priority: self.priority,
                commit: EntryId::new(self.commit_term, self.commit),
            }),
            RAFT_MESSAGE_VOTE_REPLY | RAFT_MESSAGE_PRE_VOTE_REPLY => Body::VoteReply(VoteReply {
                pre: self.r#type == RAFT_MESSAGE_PRE_VOTE_REPLY,
                granted: !self.reject,
                commit: EntryId::new(self.log_term, self.commit),
            }),
            // SAFETY: the same contract.
            RAFT_MESSAGE_SNAPSHOT => Body::Snapshot(Box::new(unsafe { self.snapshot() }?)),
            RAFT_MESSAGE_HEARTBEAT => Body::Heartbeat(Heartbeat { commit: self.commit, context: context()? }),
            RAFT_MESSAGE_HEARTBEAT_REPLY => Body::HeartbeatReply(HeartbeatReply { context: context()? }),
            RAFT_MESSAGE_TRANSFER_LEADER => Body::TransferLeader(TransferLeader),
            RAFT_MESSAGE_TIMEOUT_NOW => Body::TimeoutNow,
            RAFT_MESSAGE_READ_INDEX => Body::ReadIndex(ReadIndex { context: context()? }),
            RAFT_MESSAGE_READ_INDEX_REPLY => {
                Body::ReadIndexReply(ReadIndexReply { index: self.index, context: context()? })
            }
            other => return Err(Failure::argument("fields.type", format!("is unknown: {other}"))),
        })
    }

    /// # Safety
    /// As [`Self::body`].
    unsafe fn entries(&self) -> Result<Entries, Failure> {
        // SAFETY: the same contract.
        unsafe {
            let entries = args::array(self.entries, self.entries_len, "fields.entries")?;
            Ok(types::entries(entries).within("fields")?.into())
        }
    }

    /// # Safety
    /// As [`Self::body`].
    unsafe fn snapshot(&self) -> Result<Snapshot, Failure> {
        // SAFETY: the same contract.
        unsafe { types::snapshot(self.snapshot) }.within("fields.snapshot")
    }
}
