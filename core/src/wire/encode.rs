//! Encoding of messages and entries, fields in order of their numbers, zeros left out.

use crate::entry::{Entry, EntryKind, varint_len};
use crate::message::{Body, Message, Snapshot};
use crate::wire::rare::encode_snapshot_metadata;
use crate::wire::{TRANSFER_CONTEXT, entry_field, field, kind, snapshot_field};

/// Appends the encoding of `message` to `out`.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    write(message, out);
}

/// Bytes that [`encode`] appends.
pub fn encoded_len(message: &Message) -> usize {
    let mut count = Count(0);
    write(message, &mut count);
    count.0
}

/// Appends the encoding of `entry` to `out`: [`Entry::encoded_len`] bytes.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    write_entry(entry, out);
}

/// The encoding of a snapshot (raftpb `Snapshot`), its data included.
pub fn encode_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let metadata = encode_snapshot_metadata(snapshot);
    let mut len = Count(0);
    write_snapshot(snapshot, &metadata, &mut len);
    let mut out = Vec::with_capacity(len.0);
    write_snapshot(snapshot, &metadata, &mut out);
    out
}

/// Where encoded bytes go.
trait Sink {
    fn raw(&mut self, bytes: &[u8]);

    fn varint(&mut self, mut value: u64) {
        let mut buffer = [0u8; 10];
        let mut len = 0;
        for byte in &mut buffer {
            len += 1;
            *byte = value as u8 & 0x7f;
            value >>= 7;
            if value == 0 {
                break;
            }
            *byte |= 0x80;
        }
        self.raw(buffer.get(..len).unwrap_or(&[]));
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field);
        self.varint(value);
    }

    fn number_if_set(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.number(field, value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.number(field, bytes.len() as u64);
        self.raw(bytes);
    }

    fn bytes_if_set(&mut self, field: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes(field, bytes);
        }
    }
}

impl Sink for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }
}

struct Count(usize);

impl Sink for Count {
    fn raw(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn varint(&mut self, value: u64) {
        self.0 += varint_len(value) as usize;
    }
}

/// The fields of raftpb `Message` that a body fills, apart from entries and snapshot.
#[derive(Default)]
struct Fields<'a> {
    log_term: u64,
    index: u64,
    entries: &'a [Entry],
    commit: u64,
    reject: bool,
    reject_hint: u64,
    context: &'a [u8],
    commit_term: u64,
    priority: i64,
}

fn write(message: &Message, out: &mut impl Sink) {
    // A read's context travels as the payload of an entry.
    let read;
    let mut fields = Fields::default();
    let kind = match &message.body {
        Body::Propose(propose) => {
            fields.entries = &propose.entries;
            kind::PROPOSE
        }
        Body::Append(append) => {
            fields.log_term = append.prev.term;
            fields.index = append.prev.index;
            fields.entries = &append.entries;
            fields.commit = append.commit;
            kind::APPEND
        }
        Body::AppendReply(reply) => {
            fields.index = reply.index;
            if let Some(reject) = reply.reject {
                fields.reject = true;
                fields.log_term = reject.hint.term;
                fields.reject_hint = reject.hint.index;
            }
            kind::APPEND_REPLY
        }
        Body::Vote(vote) => {
            fields.log_term = vote.last.term;
            fields.index = vote.last.index;
            fields.priority = vote.priority;
            fields.commit = vote.commit.index;
            fields.commit_term = vote.commit.term;
            fields.context = if vote.transfer { TRANSFER_CONTEXT } else { &[] };
            if vote.pre { kind::PRE_VOTE } else { kind::VOTE }
        }
        Body::VoteReply(reply) => {
            fields.reject = !reply.granted;
            fields.commit = reply.commit.index;
            fields.commit_term = reply.commit.term;
            if reply.pre { kind::PRE_VOTE_REPLY } else { kind::VOTE_REPLY }
        }
        Body::Snapshot(_) => kind::SNAPSHOT,
        Body::Heartbeat(beat) => {
            fields.commit = beat.commit;
            fields.context = &beat.context;
            kind::HEARTBEAT
        }
        Body::HeartbeatReply(reply) => {
            fields.context = &reply.context;
            kind::HEARTBEAT_REPLY
        }
        Body::TransferLeader(_) => kind::TRANSFER_LEADER,
        Body::TimeoutNow => kind::TIMEOUT_NOW,
        Body::ReadIndex(request) => {
            read = [Entry::normal(request.context.clone())];
            fields.entries = &read;
            kind::READ_INDEX
        }
        Body::ReadIndexReply(reply) => {
            read = [Entry::normal(reply.context.clone())];
            fields.entries = &read;
            fields.index = reply.index;
            kind::READ_INDEX_REPLY
        }
    };
    write_fields(message, kind, &fields, out);
}

fn write_fields(message: &Message, kind: u64, fields: &Fields<'_>, out: &mut impl Sink) {
    out.number(field::KIND, kind);
    out.number_if_set(field::TO, message.to);
    out.number_if_set(field::FROM, message.from);
    out.number_if_set(field::TERM, message.term);
    out.number_if_set(field::LOG_TERM, fields.log_term);
    out.number_if_set(field::INDEX, fields.index);
    for entry in fields.entries {
        out.number(field::ENTRIES, entry.encoded_len());
        write_entry(entry, out);
    }
    out.number_if_set(field::COMMIT, fields.commit);
    if let Body::Snapshot(snapshot) = &message.body {
        let metadata = encode_snapshot_metadata(snapshot);
        let mut len = Count(0);
        write_snapshot(snapshot, &metadata, &mut len);
        out.number(field::SNAPSHOT, len.0 as u64);
        write_snapshot(snapshot, &metadata, out);
    }
    out.number_if_set(field::REJECT, u64::from(fields.reject));
    out.number_if_set(field::REJECT_HINT, fields.reject_hint);
    out.bytes_if_set(field::CONTEXT, fields.context);
    out.number_if_set(field::COMMIT_TERM, fields.commit_term);
    out.number_if_set(field::PRIORITY, fields.priority as u64);
}

fn write_snapshot(snapshot: &Snapshot, metadata: &[u8], out: &mut impl Sink) {
    out.bytes_if_set(snapshot_field::DATA, &snapshot.data);
    out.bytes(snapshot_field::METADATA, metadata);
}

fn write_entry(entry: &Entry, out: &mut impl Sink) {
    if entry.kind_stated() {
        let kind = match entry.kind {
            EntryKind::Normal => 0,
            EntryKind::ConfChange => 1,
            EntryKind::ConfChangeV2 => 2,
        };
        out.number(entry_field::KIND, kind);
    }
    out.number(entry_field::TERM, entry.id.term);
    out.number(entry_field::INDEX, entry.id.index);
    out.bytes_if_set(entry_field::DATA, &entry.data);
}
