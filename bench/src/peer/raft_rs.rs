//! raft-rs 0.7; its logger discards everything before it is formatted.

mod storage;

use bytes::Bytes;
use protobuf::Message as _;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::{Config, RawNode, StateRole};

use crate::Failure;
use crate::payload::Sequence;
use crate::peer::{Node, Settings};

pub(crate) use storage::{Disk, first_snapshot};

/// A node with its storage.
pub(crate) struct RaftRs {
    id: u64,
    node: RawNode<Disk>,
}

/// The configuration that the settings stand for.
pub(crate) fn config(id: u64, settings: Settings, applied: u64) -> Config {
    Config {
        id,
        applied,
        election_tick: settings.election_ticks as usize,
        heartbeat_tick: 1,
        max_size_per_msg: Settings::MAX_MESSAGE_BYTES,
        max_inflight_msgs: Settings::MAX_INFLIGHT_MESSAGES,
        pre_vote: true,
        check_quorum: true,
        batch_append: settings.merge_appends,
        ..Config::default()
    }
}

/// A logger that drops everything.
pub(crate) fn silence() -> slog::Logger {
    slog::Logger::root(slog::Discard, slog::o!())
}

#[allow(clippy::useless_conversion, reason = "with the prost codec, data is a Vec")]
fn entry(payload: &Bytes) -> Entry {
    let mut entry = Entry::default();
    entry.set_data(payload.clone().into());
    entry
}

impl RaftRs {
    /// What `RawNode::propose` does, but with a shared payload instead of a `Vec`.
    fn propose_entries(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.id;
        message.set_entries(entries.into());
        Ok(self.node.raft.step(message)?)
    }
}

fn apply(entries: &[Entry], applied: &mut Sequence) -> Result<(), Failure> {
    entries.iter().try_for_each(|entry| applied.apply(entry.index, &entry.data))
}

impl Node for RaftRs {
    type Message = Message;

    fn new(id: u64, settings: Settings) -> Result<Self, Failure> {
        let config = config(id, settings, Settings::FIRST_INDEX);
        Ok(Self { id, node: RawNode::new(&config, Disk::new(settings), &silence())? })
    }

    fn with_log(id: u64, settings: Settings, payloads: &[Bytes]) -> Result<Self, Failure> {
        let applied = Settings::FIRST_INDEX + payloads.len() as u64;
        let config = config(id, settings, applied);
        Ok(Self { id, node: RawNode::new(&config, Disk::with_log(settings, payloads)?, &silence())? })
    }

    fn campaign(&mut self) -> Result<(), Failure> {
        Ok(self.node.campaign()?)
    }

    fn is_leader(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    fn tick(&mut self) -> Result<(), Failure> {
        self.node.tick();
        Ok(())
    }

    fn propose(&mut self, payload: Bytes) -> Result<(), Failure> {
        self.propose_entries(vec![entry(&payload)])
    }

    fn propose_all(&mut self, payloads: &[Bytes]) -> Result<(), Failure> {
        self.propose_entries(payloads.iter().map(entry).collect())
    }

    fn report_unreachable(&mut self, id: u64) {
        self.node.report_unreachable(id);
    }

    fn step(&mut self, message: Message) -> Result<(), Failure> {
        Ok(self.node.step(message)?)
    }

    #[inline]
    fn work(&mut self, out: &mut Vec<Message>, applied: &mut Sequence) -> Result<bool, Failure> {
        if !self.node.has_ready() {
            return Ok(false);
        }
        let mut ready = self.node.ready();
        if ready.snapshot().get_metadata().index > 0 {
            return Err("a snapshot was sent, but none is needed here".into());
        }
        out.extend(ready.take_messages());
        let disk = self.node.mut_store();
        disk.append(ready.take_entries());
        if let Some(hard_state) = ready.hs() {
            disk.state.hard_state = hard_state.clone();
        }
        out.extend(ready.take_persisted_messages());
        apply(&ready.take_committed_entries(), applied)?;
        let mut light = self.node.advance(ready);
        if let Some(commit) = light.commit_index() {
            self.node.mut_store().state.hard_state.commit = commit;
        }
        out.extend(light.take_messages());
        apply(&light.take_committed_entries(), applied)?;
        self.node.advance_apply();
        Ok(true)
    }

    fn compact(&mut self, index: u64) -> Result<(), Failure> {
        self.node.mut_store().compact(index)
    }

    fn receiver(message: &Message) -> u64 {
        message.to
    }

    fn encode(message: &Message) -> Result<Bytes, Failure> {
        Ok(message.write_to_bytes()?.into())
    }

    #[cfg(feature = "raft-rs-protobuf")]
    fn decode(bytes: &Bytes) -> Result<Message, Failure> {
        // Payloads share the buffer.
        Ok(Message::parse_from_carllerche_bytes(bytes)?)
    }

    #[cfg(not(feature = "raft-rs-protobuf"))]
    fn decode(bytes: &Bytes) -> Result<Message, Failure> {
        let mut message = Message::default();
        message.merge_from_bytes(bytes)?;
        Ok(message)
    }
}
