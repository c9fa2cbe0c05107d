//! Decoding of messages and entries.

use bytes::Bytes;

use crate::entry::{Entry, EntryKind};
use crate::error::DecodeError;
use crate::message::{
    Append, AppendReject, AppendReply, Body, Heartbeat, HeartbeatReply, Message, Propose, ReadIndex,
    ReadIndexReply, TransferLeader, Vote, VoteReply,
};
use crate::types::EntryId;
use crate::wire::{TRANSFER_CONTEXT, decode_snapshot, entry_field, field, kind, wire_type};

/// The message that `bytes` encode; its payloads share their memory. [`DecodeError::NotFromPeer`] for
/// types that are no peer's business.
pub fn decode(bytes: &Bytes) -> Result<Message, DecodeError> {
    decode_with(bytes, |part| bytes.slice_ref(part))
}

/// The same for bytes that are only borrowed: `keep` is given each part of them that the message refers
/// to (payloads, contexts, a snapshot), and answers what shall stand in its place, a copy for example.
/// Most messages have no such part.
pub fn decode_with(bytes: &[u8], mut keep: impl FnMut(&[u8]) -> Bytes) -> Result<Message, DecodeError> {
    Fields::read(bytes, &mut keep)?.into_message()
}

/// The entry that `bytes` encode; its payload shares their memory.
pub fn decode_entry(bytes: &Bytes) -> Result<Entry, DecodeError> {
    read_entry(bytes, &mut |part| bytes.slice_ref(part))
}

/// What is wrong with bytes, in a form that fits a register: numbers are read often.
#[derive(Clone, Copy)]
enum Flaw {
    EndsEarly,
    LongNumber,
    Length,
}

impl From<Flaw> for DecodeError {
    #[cold]
    fn from(flaw: Flaw) -> Self {
        DecodeError::Malformed(match flaw {
            Flaw::EndsEarly => "it ends too early",
            Flaw::LongNumber => "a number is too long",
            Flaw::Length => "a length reaches beyond the end",
        })
    }
}

/// Reads fields; what is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Flaw> {
        let (value, rest) = match *self.0 {
            [a, ref rest @ ..] if a < 0x80 => (u64::from(a), rest),
            [a, b, ref rest @ ..] if b < 0x80 => (u64::from(a & 0x7f) | u64::from(b) << 7, rest),
            _ => return self.long_varint(),
        };
        self.0 = rest;
        Ok(value)
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Flaw> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte, rest @ ..] = self.0 else { return Err(Flaw::EndsEarly) };
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                // The tenth byte has room for one bit.
                if shift == 63 && *byte > 1 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(Flaw::LongNumber)
    }

    #[inline(always)]
    fn take(&mut self, len: u64) -> Result<&'a [u8], Flaw> {
        let len = usize::try_from(len).map_err(|_| Flaw::Length)?;
        let (part, rest) = self.0.split_at_checked(len).ok_or(Flaw::Length)?;
        self.0 = rest;
        Ok(part)
    }

    /// The value of a field that has a length.
    #[inline(always)]
    fn bytes(&mut self) -> Result<&'a [u8], Flaw> {
        let len = self.varint()?;
        self.take(len)
    }

    /// Whether this tag of one byte is next; if so, it is read.
    #[inline(always)]
    fn skip_tag(&mut self, tag: u64) -> bool {
        match self.0 {
            [byte, rest @ ..] if u64::from(*byte) == tag => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes over a field whose tag is not an expected one: its number is not known, else its type is
    /// wrong.
    #[cold]
    fn pass_over(&mut self, tag: u64, is_known: impl Fn(u64) -> bool) -> Result<(), DecodeError> {
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(DecodeError::Malformed("a field number is out of range"));
        }
        match tag & 7 {
            wire_type::VARINT => drop(self.varint()?),
            wire_type::FIXED64 => drop(self.take(8)?),
            wire_type::BYTES => drop(self.bytes()?),
            wire_type::FIXED32 => drop(self.take(4)?),
            _ => return Err(DecodeError::Malformed("an unknown wire type")),
        }
        match is_known(number) {
            true => Err(DecodeError::Malformed("a field has the wrong type")),
            false => Ok(()),
        }
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
    fn read(bytes: &[u8], keep: &mut impl FnMut(&[u8]) -> Bytes) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            match reader.varint()? {
                field::KIND => fields.kind = reader.varint()?,
                field::TO => fields.to = reader.varint()?,
                field::FROM => fields.from = reader.varint()?,
                field::TERM => fields.term = reader.varint()?,
                field::LOG_TERM => fields.log_term = reader.varint()?,
                field::INDEX => fields.index = reader.varint()?,
                field::ENTRIES => {
                    let entry = reader.bytes()?;
                    if fields.entries.capacity() == 0 {
                        // Entries of one message are often alike: guess how many there are.
                        let left = (entry.len() + reader.0.len()) / (entry.len() + 2);
                        fields.entries.reserve_exact((left + 1).min(4096));
                    }
                    fields.entries.push(read_entry(entry, keep)?);
                }
                field::COMMIT => fields.commit = reader.varint()?,
                field::SNAPSHOT => fields.snapshot = Some(keep(reader.bytes()?)),
                field::REJECT => fields.reject = reader.varint()? != 0,
                field::REJECT_HINT => fields.reject_hint = reader.varint()?,
                field::CONTEXT => fields.context = keep(reader.bytes()?),
                field::COMMIT_TERM => fields.commit_term = reader.varint()?,
                field::PRIORITY => fields.priority = reader.varint()? as i64,
                other => reader.pass_over(other, field::is_known)?,
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
                    commit: EntryId::new(self.commit_term, self.commit),
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

#[inline(always)]
fn read_entry(bytes: &[u8], keep: &mut impl FnMut(&[u8]) -> Bytes) -> Result<Entry, DecodeError> {
    let (mut id, mut kind, mut kind_stated, mut data) =
        (EntryId::default(), EntryKind::Normal, false, &[][..]);
    let mut reader = Reader(bytes);
    // As nearly all are: these three, in this order.
    if reader.skip_tag(entry_field::TERM) {
        id.term = reader.varint()?;
    }
    if reader.skip_tag(entry_field::INDEX) {
        id.index = reader.varint()?;
    }
    if reader.skip_tag(entry_field::DATA) {
        data = reader.bytes()?;
    }
    while !reader.0.is_empty() {
        match reader.varint()? {
            entry_field::KIND => {
                kind_stated = true;
                kind = match reader.varint()? {
                    0 => EntryKind::Normal,
                    1 => EntryKind::ConfChange,
                    2 => EntryKind::ConfChangeV2,
                    _ => return Err(DecodeError::Invalid("an entry of unknown kind")),
                };
            }
            entry_field::TERM => id.term = reader.varint()?,
            entry_field::INDEX => id.index = reader.varint()?,
            entry_field::DATA => data = reader.bytes()?,
            other => reader.pass_over(other, entry_field::is_known)?,
        }
    }
    let data = if data.is_empty() { Bytes::new() } else { keep(data) };
    Ok(Entry::new(id, kind, data).with_kind_stated(kind_stated))
}
