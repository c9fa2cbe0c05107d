//! Messages on their way to peers, and a look at one without a node.

use std::mem::offset_of;

use bytes::Bytes;
use raftcore::{Body, Message, payload_len, wire};

use crate::args;
use crate::config;
use crate::door;
use crate::lend::Release;
use crate::sized::{self, SizedStruct};
use crate::status::{Failure, raft_status};
use crate::types::raft_slice;

/// Message type: a follower passes proposals on to its leader.
pub const RAFT_MESSAGE_PROPOSE: i32 = 2;
/// Message type: the leader replicates entries (AppendEntries).
pub const RAFT_MESSAGE_APPEND: i32 = 3;
/// Message type: the answer to RAFT_MESSAGE_APPEND and RAFT_MESSAGE_SNAPSHOT.
pub const RAFT_MESSAGE_APPEND_REPLY: i32 = 4;
/// Message type: a candidate asks for a vote (RequestVote).
pub const RAFT_MESSAGE_VOTE: i32 = 5;
/// Message type: the answer to RAFT_MESSAGE_VOTE.
pub const RAFT_MESSAGE_VOTE_REPLY: i32 = 6;
/// Message type: the leader sends a snapshot (InstallSnapshot). Report its fate with
/// raft_report_snapshot.
pub const RAFT_MESSAGE_SNAPSHOT: i32 = 7;
/// Message type: the leader is there.
pub const RAFT_MESSAGE_HEARTBEAT: i32 = 8;
/// Message type: the answer to RAFT_MESSAGE_HEARTBEAT.
pub const RAFT_MESSAGE_HEARTBEAT_REPLY: i32 = 9;
/// Message type: a follower passes a request for a leadership transfer on to its leader.
pub const RAFT_MESSAGE_TRANSFER_LEADER: i32 = 13;
/// Message type: the leader asks the receiver to campaign now.
pub const RAFT_MESSAGE_TIMEOUT_NOW: i32 = 14;
/// Message type: a follower asks its leader for a read index.
pub const RAFT_MESSAGE_READ_INDEX: i32 = 15;
/// Message type: the answer to RAFT_MESSAGE_READ_INDEX.
pub const RAFT_MESSAGE_READ_INDEX_REPLY: i32 = 16;
/// Message type: a node asks whether it could win an election.
pub const RAFT_MESSAGE_PRE_VOTE: i32 = 17;
/// Message type: the answer to RAFT_MESSAGE_PRE_VOTE.
pub const RAFT_MESSAGE_PRE_VOTE_REPLY: i32 = 18;

/// A message to a peer. Losing, repeating and reordering messages is allowed; changing them is not.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_message {
    /// The node that shall get it.
    pub to: u64,
    /// A RAFT_MESSAGE_ constant.
    pub r#type: i32,
    /// Whether it promises what must be stored first: do not send it before that.
    pub requires_persistence: bool,
    /// The message as it goes over the wire, for the peer's raft_step. Borrowed from whoever hands
    /// out the struct.
    pub bytes: raft_slice,
}

/// What raft_message_inspect tells of a message.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_message_info {
    /// sizeof(raft_message_info), set by the caller.
    pub struct_size: usize,
    /// A RAFT_MESSAGE_ constant.
    pub r#type: i32,
    /// Who sent it.
    pub from: u64,
    /// Who shall get it.
    pub to: u64,
    /// The sender's term; 0 in messages that are independent of terms.
    pub term: u64,
    /// How many entries it carries, as on the wire: there, RAFT_MESSAGE_READ_INDEX and its reply have
    /// one, with the read's context in it.
    pub entries: u64,
    /// Bytes of the host's data in it: payloads of entries, a snapshot's data, contexts.
    pub payload_bytes: u64,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_message_info {
    const MIN_SIZE: usize = offset_of!(Self, payload_bytes);
}

/// Looks into an encoded message without a node: for routing and for logs. raft_message_decode shows
/// all of it.
///
/// `message` is borrowed during the call; `dialect` is RAFT_DIALECT_ETCD or RAFT_DIALECT_TIKV. `out`
/// is not NULL, and out->struct_size is set by the caller.
///
/// Any thread. Errors (detail: raft_node_last_error(NULL, ..)): RAFT_ERR_DECODE,
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_message_inspect(
    message: raft_slice,
    dialect: i32,
    out: *mut raft_message_info,
) -> raft_status {
    door::without_node(|| {
        // SAFETY: the header demands a message as long as it says, and a result with its size. The
        // message is lent for this call only.
        unsafe {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            config::dialect(dialect, "dialect")?;
            let info = inspect(&Release::none().lend(message, "message")?)?;
            sized::write(out, size, info, "out")
        }
    })
}

fn inspect(bytes: &Bytes) -> Result<raft_message_info, Failure> {
    let message = wire::decode(bytes)?;
    let (entries, payload_bytes) = match &message.body {
        Body::Append(append) => (append.entries.len(), payload_len(&append.entries)),
        Body::Propose(propose) => (propose.entries.len(), payload_len(&propose.entries)),
        Body::ReadIndex(read) => (1, read.context.len() as u64),
        Body::ReadIndexReply(read) => (1, read.context.len() as u64),
        Body::Heartbeat(heartbeat) => (0, heartbeat.context.len() as u64),
        Body::HeartbeatReply(reply) => (0, reply.context.len() as u64),
        Body::Snapshot(snapshot) => (0, snapshot.data.len() as u64),
        _ => (0, 0),
    };
    Ok(raft_message_info {
        struct_size: size_of::<raft_message_info>(),
        r#type: type_number(&message.body),
        from: message.from,
        to: message.to,
        term: message.term,
        entries: entries as u64,
        payload_bytes,
    })
}

pub(crate) fn type_number(body: &Body) -> i32 {
    match body {
        Body::Propose(_) => RAFT_MESSAGE_PROPOSE,
        Body::Append(_) => RAFT_MESSAGE_APPEND,
        Body::AppendReply(_) => RAFT_MESSAGE_APPEND_REPLY,
        Body::Vote(vote) if vote.pre => RAFT_MESSAGE_PRE_VOTE,
        Body::Vote(_) => RAFT_MESSAGE_VOTE,
        Body::VoteReply(reply) if reply.pre => RAFT_MESSAGE_PRE_VOTE_REPLY,
        Body::VoteReply(_) => RAFT_MESSAGE_VOTE_REPLY,
        Body::Snapshot(_) => RAFT_MESSAGE_SNAPSHOT,
        Body::Heartbeat(_) => RAFT_MESSAGE_HEARTBEAT,
        Body::HeartbeatReply(_) => RAFT_MESSAGE_HEARTBEAT_REPLY,
        Body::TransferLeader(_) => RAFT_MESSAGE_TRANSFER_LEADER,
        Body::TimeoutNow => RAFT_MESSAGE_TIMEOUT_NOW,
        Body::ReadIndex(_) => RAFT_MESSAGE_READ_INDEX,
        Body::ReadIndexReply(_) => RAFT_MESSAGE_READ_INDEX_REPLY,
    }
}

/// About as many bytes as a message takes encoded, without a look at each entry.
fn room(message: &Message) -> usize {
    const HEAD: u64 = 64;
    const HEAD_OF_ENTRY: u64 = 4;
    match &message.body {
        Body::Append(append) => {
            let entries = append.entries.encoded_len() + HEAD_OF_ENTRY * append.entries.len() as u64;
            usize::try_from(HEAD + entries).unwrap_or(0)
        }
        Body::Snapshot(_) | Body::Propose(_) => wire::encoded_len(message),
        _ => HEAD as usize,
    }
}

/// Encodes messages into one buffer and describes them in `out`: first those that may be sent before
/// anything is stored, whose number is returned.
pub(crate) fn encode_all<'a>(
    now: impl Iterator<Item = &'a Message> + Clone,
    late: impl Iterator<Item = &'a Message> + Clone,
    buffer: &mut Vec<u8>,
    out: &mut Vec<raft_message>,
) -> usize {
    buffer.reserve(now.clone().chain(late.clone()).map(room).sum());
    let mut encode = |message: &Message, requires_persistence| {
        let start = buffer.len();
        wire::encode(message, buffer);
        // The buffer may still move: only the length is known now.
        let bytes = raft_slice { len: buffer.len() - start, ..raft_slice::EMPTY };
        let (to, r#type) = (message.to, type_number(&message.body));
        out.push(raft_message { to, r#type, requires_persistence, bytes });
        out.len()
    };
    let send_now = now.fold(0, |_, message| encode(message, false));
    late.for_each(|message| _ = encode(message, true));
    let mut rest = buffer.as_slice();
    for message in out {
        let (bytes, after) = rest.split_at(message.bytes.len);
        message.bytes = raft_slice::of(bytes);
        rest = after;
    }
    send_now
}
