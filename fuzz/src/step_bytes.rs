//! Bytes from a peer.

use prost::Message as _;
use raftcore::{Body, Bytes, Config, Message, RawNode, wire};

use crate::host::Losses;
use crate::source::Source;
use crate::states::STATES;
use crate::{limit, raftpb};

/// Message types that peers may send. The others are local events.
const FROM_PEERS: [u64; 14] = [2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18];

/// What a node may take for one message beyond what decoding takes: room for the answers.
const STEP_LIMIT: usize = 1 << 20;

/// Decodes messages from `data` and steps them into a node.
///
/// The first byte chooses the node's state ([`state_names`]), the second its configuration; then
/// come frames ([`frame`]). What can be decoded is what prost reads, is the same after encoding and
/// decoding again, and is of a type that peers may send. Memory is bounded by the input's length. A message
/// that is answered by an error changes nothing.
pub fn step_bytes(data: &[u8]) {
    let mut source = Source::new(data);
    let (_, make) = STATES[usize::from(source.byte()) % STATES.len()];
    let mut host = make(config(source.byte()));
    while !source.is_empty() {
        let head = u16::from_le_bytes([source.byte(), source.byte()]);
        let bytes = Bytes::copy_from_slice(source.take(usize::from(head & 0x0fff)));
        if let Some(message) = decode(&bytes) {
            let limit = limit::for_decoding(bytes.len()) + STEP_LIMIT;
            // An error is an answer; what matters is how the node looks afterwards.
            let _ = host.step(|node| limit::within(limit, "step", || node.step(message)));
        }
        for _ in 0..(head >> 12 & 3) * 3 {
            let _ = host.call(RawNode::tick);
        }
        if head >> 14 & 1 == 0 {
            host.drive();
        }
        if head >> 15 & 1 == 1 {
            host.restart(Losses { unsynced: true, machine: false }).expect("a restart");
        }
        host.outbox.clear();
    }
}

/// Names of the states, in the order in which the first byte counts them.
pub fn state_names() -> impl Iterator<Item = &'static str> {
    STATES.iter().map(|(name, _)| *name)
}

/// The frame that carries `message`: two bytes, little-endian, then the message. The lower 12 bits
/// are its length, the next 2 tell how many ticks follow, the next one leaves the node's work
/// undone, the highest restarts it.
pub fn frame(message: &[u8], ticks: u8) -> Vec<u8> {
    let message = &message[..message.len().min(0x0fff)];
    let head = message.len() as u16 | u16::from(ticks & 3) << 12;
    [&head.to_le_bytes(), message].concat()
}

/// The first byte that makes a blank node.
#[cfg(feature = "scripts")]
pub(crate) const BLANK: u8 = 0;

/// Turns a frame into one after which the node's work stays undone.
#[cfg(feature = "scripts")]
pub(crate) fn leave_work_undone(frame: &mut [u8]) {
    if let Some(high) = frame.get_mut(1) {
        *high |= 1 << 6;
    }
}

fn config(flags: u8) -> Config {
    Config {
        pre_vote: flags & 1 == 0,
        check_quorum: flags & 2 == 0,
        async_storage_writes: flags & 4 != 0,
        apply_before_persist: flags & 8 != 0,
        max_message_bytes: if flags & 16 == 0 { 1 << 20 } else { 10 },
        log_cache_bytes: if flags & 32 == 0 { 8 << 20 } else { 0 },
        step_down_on_removal: flags & 64 == 0,
        max_inflight_messages: if flags & 128 == 0 { 256 } else { 2 },
        ..Config::new(1)
    }
}

fn decode(bytes: &Bytes) -> Option<Message> {
    let limit = limit::for_decoding(bytes.len());
    let message = limit::within(limit, "decode", || wire::decode(bytes)).ok()?;
    let oracle = raftpb::Message::decode(bytes.clone()).expect("prost reads what we read");
    assert!(FROM_PEERS.contains(&oracle.kind.unwrap_or(0)), "a local event was taken from a peer");
    compare(&message, &oracle);
    if let (Body::Vote(vote), Ok(oracle)) = (&message.body, raftpb::Priority::decode(bytes.clone())) {
        assert_eq!(vote.priority, oracle.priority.unwrap_or(0));
    }
    let mut out = Vec::new();
    wire::encode(&message, &mut out);
    assert_eq!(wire::encoded_len(&message), out.len());
    let again = raftpb::Message::decode(out.as_slice()).expect("prost reads what we write");
    assert_eq!(again.kind, oracle.kind, "the type changed");
    assert_eq!(wire::decode(&out.into()).as_ref(), Ok(&message), "it changed on the way");
    Some(message)
}

/// Whether prost reads the same.
fn compare(message: &Message, oracle: &raftpb::Message) {
    let number = |field: Option<u64>| field.unwrap_or(0);
    assert_eq!(
        (message.to, message.from, message.term),
        (number(oracle.to), number(oracle.from), number(oracle.term))
    );
    let (log_term, index, commit) = (number(oracle.log_term), number(oracle.index), number(oracle.commit));
    let reject = oracle.reject.unwrap_or(false);
    let context = oracle.context.as_deref().unwrap_or_default();
    let entries = |ours: &[raftcore::Entry]| {
        ours.len() == oracle.entries.len()
            && ours.iter().zip(&oracle.entries).all(|(ours, theirs)| theirs.is(ours))
    };
    let only_data = |ours: &Bytes| match &oracle.entries[..] {
        [entry] => entry.data.as_deref().unwrap_or_default() == ours,
        _ => false,
    };
    let is_same = match &message.body {
        Body::Propose(propose) => entries(&propose.entries),
        Body::Append(append) => {
            (append.prev.term, append.prev.index, append.commit) == (log_term, index, commit)
                && entries(&append.entries)
        }
        Body::AppendReply(reply) => {
            let hint = reply.reject.map(|reject| (reject.hint.term, reject.hint.index));
            reply.index == index && hint == reject.then(|| (log_term, number(oracle.reject_hint)))
        }
        Body::Vote(vote) => {
            (vote.last.term, vote.last.index) == (log_term, index)
                && vote.transfer == (context == b"CampaignTransfer")
        }
        Body::VoteReply(reply) => reply.granted != reject,
        Body::Snapshot(_) => oracle.snapshot.is_some(),
        Body::Heartbeat(beat) => beat.commit == commit && beat.context == context,
        Body::HeartbeatReply(reply) => reply.context == context,
        Body::TransferLeader(_) | Body::TimeoutNow => true,
        Body::ReadIndex(request) => only_data(&request.context),
        Body::ReadIndexReply(reply) => reply.index == index && only_data(&reply.context),
    };
    assert!(is_same, "{message:?} is not {oracle:?}");
}
