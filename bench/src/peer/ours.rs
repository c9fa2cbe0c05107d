//! raftcore.

use bytes::Bytes;
use raftcore::wire;
use raftcore::{
    ConfState, Config, Entry, EntryId, EntryKind, HardState, MemoryStorage, Message, RawNode, RoleKind,
};

use crate::Failure;
use crate::payload::Sequence;
use crate::peer::{Node, Settings};

/// A node with its storage.
pub(crate) struct Ours {
    node: RawNode<MemoryStorage>,
    copy_payloads: bool,
}

/// The configuration that the settings stand for.
pub(crate) fn config(id: u64, settings: Settings) -> Config {
    Config {
        election_ticks: settings.election_ticks,
        max_message_bytes: Settings::MAX_MESSAGE_BYTES,
        max_inflight_messages: Settings::MAX_INFLIGHT_MESSAGES as u32,
        ..Config::new(id)
    }
}

/// The storage of a member of a new group.
pub(crate) fn storage(settings: Settings) -> MemoryStorage {
    MemoryStorage::with_conf_state(ConfState::new(settings.members(), []))
}

/// The storage of a member that has `payloads` in its log, from term 2, all committed.
pub(crate) fn storage_with_log(settings: Settings, payloads: &[Bytes]) -> Result<MemoryStorage, Failure> {
    let mut storage = storage(settings);
    let entries: Vec<_> = (Settings::FIRST_INDEX + 1..)
        .zip(payloads)
        .map(|(index, data)| Entry::new(EntryId::new(2, index), EntryKind::Normal, data.clone()))
        .collect();
    storage.append(&entries)?;
    let commit = Settings::FIRST_INDEX + payloads.len() as u64;
    storage.set_hard_state(HardState { term: 2, vote: 0, commit });
    Ok(storage)
}

impl Node for Ours {
    type Message = Message;

    fn new(id: u64, settings: Settings) -> Result<Self, Failure> {
        let node = RawNode::new(config(id, settings), storage(settings))?;
        Ok(Self { node, copy_payloads: settings.copy_payloads })
    }

    fn with_log(id: u64, settings: Settings, payloads: &[Bytes]) -> Result<Self, Failure> {
        let applied = Settings::FIRST_INDEX + payloads.len() as u64;
        let config = Config { applied, ..config(id, settings) };
        let node = RawNode::new(config, storage_with_log(settings, payloads)?)?;
        Ok(Self { node, copy_payloads: settings.copy_payloads })
    }

    fn campaign(&mut self) -> Result<(), Failure> {
        Ok(self.node.campaign()?)
    }

    fn is_leader(&self) -> bool {
        self.node.soft_state().role == RoleKind::Leader
    }

    fn tick(&mut self) -> Result<(), Failure> {
        Ok(self.node.tick()?)
    }

    fn propose(&mut self, payload: Bytes) -> Result<(), Failure> {
        let payload = if self.copy_payloads { Bytes::copy_from_slice(&payload) } else { payload };
        self.node.propose(payload)?;
        Ok(())
    }

    fn propose_all(&mut self, payloads: &[Bytes]) -> Result<(), Failure> {
        self.node.propose_batch(payloads.iter().cloned())?;
        Ok(())
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
        let mut ready = self.node.ready()?;
        if ready.snapshot.is_some() {
            return Err("a snapshot was sent, but none is needed here".into());
        }
        let storage = self.node.storage_mut();
        storage.append(std::mem::take(&mut ready.entries))?;
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
        out.append(&mut ready.messages);
        for entry in ready.committed_entries.iter() {
            applied.apply(entry.index(), &entry.data)?;
        }
        self.node.advance(ready)?;
        Ok(true)
    }

    fn compact(&mut self, index: u64) -> Result<(), Failure> {
        Ok(self.node.storage_mut().compact(index)?)
    }

    fn receiver(message: &Message) -> u64 {
        message.to
    }

    fn encode(message: &Message) -> Result<Bytes, Failure> {
        let mut bytes = Vec::with_capacity(wire::encoded_len(message));
        wire::encode(message, &mut bytes);
        Ok(bytes.into())
    }

    fn decode(bytes: &Bytes) -> Result<Message, Failure> {
        Ok(wire::decode(bytes)?)
    }
}
