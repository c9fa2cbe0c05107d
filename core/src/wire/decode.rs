//! Decoding of messages and entries. Payloads share the input's memory.

use bytes::Bytes;

use crate::entry::{Entry, EntryKind};
use crate::error::DecodeError;
use crate::message::{
    Append, AppendReject, AppendReply, Body, Heartbeat, HeartbeatReply, Message, Propose, ReadIndex,
    ReadIndexReply, TransferLeader, Vote, VoteReply,
};
use crate::types::EntryId;
use crate::wire::{TRANSFER_CONTEXT, decode_snapshot, entry_field, field, kind};

/// The message that `bytes` encode. [`DecodeError::NotFromPeer`] for types that are no peer's
/// business.
pub fn decode(bytes: &Bytes) -> Result<Message, DecodeError> {
    Fields::read(bytes)?.into_message()
}

/// The entry that `bytes` encode.
pub fn decode_entry(bytes: &Bytes) -> Result<Entry, DecodeError> {
    let mut reader = Reader { all: bytes, at: 0, end: bytes.len() };
    read_entry(&mut reader)
}

/// A field's value.
enum Value {
    Number(u64),
    /// A part of the input.
    Bytes(usize, usize),
    Skipped,
}

/// Reads fields from a part of the input.
struct Reader<'a> {
    all: &'a Bytes,
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        if self.at >= self.end {
            return Err(DecodeError::Malformed("it ends too early"));
        }
        let byte = self.all.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                if shift == 63 && byte > 1 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed("a number is too long"))
    }

    fn skip(&mut self, len: u64) -> Result<(usize, usize), DecodeError> {
        let start = self.at;
        if len > (self.end - start) as u64 {
            return Err(DecodeError::Malformed("a length reaches beyond the end"));
        }
        self.at += len as usize;
        Ok((start, self.at))
    }

    /// The next field's number and value; None at the end.
    fn field(&mut self) -> Result<Option<(u32, Value)>, DecodeError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 || number >= 1 << 29 {
            return Err(DecodeError::Malformed("a field number is out of range"));
        }
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8).map(|_| Value::Skipped)?,
            2 => {
                let len = self.varint()?;
                let (start, end) = self.skip(len)?;
                Value::Bytes(start, end)
            }
            5 => self.skip(4).map(|_| Value::Skipped)?,
            _ => return Err(DecodeError::Malformed("an unknown wire type")),
        };
        Ok(Some((number, value)))
    }
}

/// All fields of raftpb `Message` that matter.
#[derive(Default)]
struct Fields {
    kind: u64,
    to: u64,
    from: u64,
    term: u64,
    log_term: u64,
    index: u64,
    entries: Vec<Entry>,
    commit: u64,
    snapshot: Option<Bytes>,
    reject: bool,
    reject_hint: u64,
    context: Bytes,
    commit_term: u64,
    priority: i64,
}

impl Fields {
    fn read(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        let mut reader = Reader { all: bytes, at: 0, end: bytes.len() };
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (field::KIND, Value::Number(value)) => fields.kind = value,
                (field::TO, Value::Number(value)) => fields.to = value,
                (field::FROM, Value::Number(value)) => fields.from = value,
                (field::TERM, Value::Number(value)) => fields.term = value,
                (field::LOG_TERM, Value::Number(value)) => fields.log_term = value,
                (field::INDEX, Value::Number(value)) => fields.index = value,
                (field::COMMIT, Value::Number(value)) => fields.commit = value,
                (field::REJECT, Value::Number(value)) => fields.reject = value != 0,
                (field::REJECT_HINT, Value::Number(value)) => fields.reject_hint = value,
                (field::COMMIT_TERM, Value::Number(value)) => fields.commit_term = value,
                (field::PRIORITY, Value::Number(value)) => fields.priority = value as i64,
                (field::CONTEXT, Value::Bytes(start, end)) => fields.context = bytes.slice(start..end),
                (field::SNAPSHOT, Value::Bytes(start, end)) => {
                    fields.snapshot = Some(bytes.slice(start..end))
                }
                (field::ENTRIES, Value::Bytes(start, end)) => {
                    if fields.entries.capacity() == 0 {
                        // Entries of one message are often alike: guess how many there are.
                        let left = (bytes.len() - start) / (end - start + 2);
                        fields.entries.reserve_exact((left + 1).min(4096));
                    }
                    fields.entries.push(read_entry(&mut Reader { all: bytes, at: start, end })?);
                }
                (field::KIND..=field::CONTEXT | field::COMMIT_TERM | field::PRIORITY, _) => {
                    return Err(DecodeError::Malformed("a field has the wrong type"));
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    fn into_message(mut self) -> Result<Message, DecodeError> {
        let (from, to, term) = (self.from, self.to, self.term);
        let body = self.body()?;
        Ok(Message { from, to, term, body })
    }

    fn body(&mut self) -> Result<Body, DecodeError> {
        let at = EntryId::new(self.log_term, self.index);
        Ok(match self.kind {
            kind::PROPOSE => Body::Propose(Propose { entries: std::mem::take(&mut self.entries).into() }),
            kind::APPEND => {
                let entries = std::mem::take(&mut self.entries).into();
                Body::Append(Append { prev: at, commit: self.commit, entries })
            }
            kind::APPEND_REPLY => {
                let hint = EntryId::new(self.log_term, self.reject_hint);
                let reject = self.reject.then_some(AppendReject { hint });
                Body::AppendReply(AppendReply { index: self.index, reject })
            }
            kind::VOTE | kind::PRE_VOTE => {
                let transfer = self.context == TRANSFER_CONTEXT;
                Body::Vote(Vote {
                    pre: self.kind == kind::PRE_VOTE,
                    last: at,
                    transfer,
                    priority: self.priority,
                })
            }
            kind::VOTE_REPLY | kind::PRE_VOTE_REPLY => Body::VoteReply(VoteReply {
                pre: self.kind == kind::PRE_VOTE_REPLY,
                granted: !self.reject,
                commit: EntryId::new(self.commit_term, self.commit),
            }),
            kind::SNAPSHOT => {
                let Some(snapshot) = &self.snapshot else {
                    return Err(DecodeError::Invalid("a snapshot message without a snapshot"));
                };
                Body::Snapshot(Box::new(decode_snapshot(snapshot)?))
            }
            kind::HEARTBEAT => {
                Body::Heartbeat(Heartbeat { commit: self.commit, context: std::mem::take(&mut self.context) })
            }
            kind::HEARTBEAT_REPLY => {
                Body::HeartbeatReply(HeartbeatReply { context: std::mem::take(&mut self.context) })
            }
            kind::TRANSFER_LEADER => Body::TransferLeader(TransferLeader),
            kind::TIMEOUT_NOW => Body::TimeoutNow,
            kind::READ_INDEX => Body::ReadIndex(ReadIndex { context: self.read_context()? }),
            kind::READ_INDEX_REPLY => {
                Body::ReadIndexReply(ReadIndexReply { index: self.index, context: self.read_context()? })
            }
            other => return Err(DecodeError::NotFromPeer(other)),
        })
    }

    /// A read's context travels as the payload of the only entry.
    fn read_context(&mut self) -> Result<Bytes, DecodeError> {
        match self.entries.pop() {
            Some(entry) if self.entries.is_empty() => Ok(entry.data),
            _ => Err(DecodeError::Invalid("a read must have one entry, its context")),
        }
    }
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    let (mut id, mut kind, mut kind_stated, mut data) =
        (EntryId::default(), EntryKind::Normal, false, Bytes::new());
    while let Some((number, value)) = reader.field()? {
        match (number, value) {
            (entry_field::KIND, Value::Number(value)) => {
                kind_stated = true;
                kind = match value {
                    0 => EntryKind::Normal,
                    1 => EntryKind::ConfChange,
                    2 => EntryKind::ConfChangeV2,
                    _ => return Err(DecodeError::Invalid("an entry of unknown kind")),
                };
            }
            (entry_field::TERM, Value::Number(value)) => id.term = value,
            (entry_field::INDEX, Value::Number(value)) => id.index = value,
            (entry_field::DATA, Value::Bytes(start, end)) => data = reader.all.slice(start..end),
            (entry_field::KIND..=entry_field::DATA, _) => {
                return Err(DecodeError::Malformed("a field has the wrong type"));
            }
            _ => {}
        }
    }
    Ok(Entry::new(id, kind, data).with_kind_stated(kind_stated))
}
