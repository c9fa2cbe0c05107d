//! A node of raftcore.

use std::collections::VecDeque;

use raftcore::wire::{self, Dialect};
use raftcore::{
    Ack, Bytes, ConfChange, ConfChangeV2, ConfState, Config, Entry, Error, MemoryStorage, NodeId, RawNode,
    Ready, Response, RoleKind, SnapshotStatus, Transition,
};

use super::{Envelope, Outcome, Peer, Settings, View, Work, text};

/// A node of raftcore with its disk.
pub(super) struct Ours {
    node: RawNode<MemoryStorage>,
    ready: Option<Box<Ready>>,
    /// With asynchronous writes: what the disk has still to do, oldest first. A restart loses it.
    writes: VecDeque<Box<Ready>>,
    /// With asynchronous writes: what to hand back when the committed entries are applied.
    applying: Option<Ack>,
    random: u64,
}

/// Refusals are part of a node's life.
fn tolerate<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Ok(_)
        | Err(
            Error::PeerNotFound(_)
            | Error::ProposalDropped(_)
            | Error::ConfChange(_)
            | Error::NoLeader
            | Error::InvalidTransferee(_),
        ) => Ok(()),
        Err(error) => Err(text(error)),
    }
}

impl Ours {
    pub(super) fn new(
        id: NodeId,
        disk: MemoryStorage,
        applied: u64,
        set: Settings,
        seed: u64,
    ) -> Outcome<Self> {
        let config = Config {
            seed,
            applied,
            dialect: Dialect::Tikv,
            pre_vote: set.pre_vote,
            check_quorum: set.check_quorum,
            max_message_bytes: set.max_message_bytes,
            max_inflight_messages: set.max_inflight_messages,
            async_storage_writes: set.async_storage_writes,
            ..Config::new(id)
        };
        let node = RawNode::new(config, disk).map_err(text)?;
        Ok(Self { node, ready: None, writes: VecDeque::new(), applying: None, random: seed | 1 })
    }

    fn coin(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 60 & 1 == 1
    }

    fn store(&mut self, ready: &Ready) -> Outcome {
        let disk = self.node.storage_mut();
        if let Some(snapshot) = ready.snapshot.as_deref() {
            disk.apply_snapshot(snapshot.clone()).map_err(text)?;
        }
        disk.append(&ready.entries).map_err(text)?;
        if let Some(hard_state) = ready.hard_state {
            disk.set_hard_state(hard_state);
        }
        Ok(())
    }

    /// The oldest write is done: its answers leave, and the node learns of it.
    fn finish_write(&mut self, ready: Box<Ready>) -> Outcome<Work> {
        self.store(&ready)?;
        let mut work = Work { snapshot: ready.snapshot.as_deref().cloned(), ..Work::default() };
        for response in ready.storage_append.map_or_else(Vec::new, |append| append.responses) {
            match response {
                Response::Send(message) => work.messages.push(envelope(&message)),
                Response::Acknowledge(ack) => tolerate(self.node.acknowledge(ack))?,
            }
        }
        Ok(work)
    }

    fn take_work_async(&mut self) -> Outcome<Option<Work>> {
        if !self.node.has_ready() || self.coin() {
            if let Some(ready) = self.writes.pop_front() {
                return self.finish_write(ready).map(Some);
            }
        }
        if !self.node.has_ready() {
            return Ok(None);
        }
        let mut ready = self.node.ready().map_err(text)?;
        let work = Work {
            messages: ready.messages.iter().map(envelope).collect(),
            snapshot: None,
            committed: ready.committed_entries.to_vec(),
            reads: std::mem::take(&mut ready.read_states),
        };
        self.applying = ready.storage_apply.take().map(|apply| apply.ack);
        if ready.storage_append.is_some() {
            self.writes.push_back(ready);
        }
        Ok(Some(work))
    }
}

impl Peer for Ours {
    fn tick(&mut self) -> Outcome {
        self.node.tick().map_err(text)
    }

    fn step(&mut self, bytes: &Bytes) -> Outcome {
        let message = wire::decode(bytes).map_err(text)?;
        tolerate(self.node.step(message))
    }

    fn propose(&mut self, data: Vec<u8>) -> Outcome {
        tolerate(self.node.propose(data))
    }

    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Outcome {
        match &change.ops[..] {
            &[op] if change.transition == Transition::Auto && self.coin() => {
                let change = ConfChange { id: 0, op, context: change.context.clone() };
                tolerate(self.node.propose_conf_change_v1(&change))
            }
            _ => tolerate(self.node.propose_conf_change(change)),
        }
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Outcome<ConfState> {
        let change = wire::decode_conf_change(entry, Dialect::Tikv).map_err(text)?;
        self.node.apply_conf_change(&change).map_err(text)
    }

    fn campaign(&mut self) -> Outcome {
        self.node.campaign().map_err(text)
    }

    fn transfer_leader(&mut self, to: NodeId) -> Outcome {
        tolerate(self.node.transfer_leader(to))
    }

    fn read_index(&mut self, context: Vec<u8>) -> Outcome {
        tolerate(self.node.read_index(context))
    }

    fn report_snapshot(&mut self, to: NodeId, delivered: bool) {
        let status = if delivered { SnapshotStatus::Delivered } else { SnapshotStatus::Failed };
        self.node.report_snapshot(to, status);
    }

    fn take_work(&mut self) -> Outcome<Option<Work>> {
        if self.node.config().async_storage_writes {
            return self.take_work_async();
        }
        if !self.node.has_ready() {
            return Ok(None);
        }
        let ready = self.node.ready().map_err(text)?;
        self.store(&ready)?;
        let work = Work {
            messages: ready.messages.iter().map(envelope).collect(),
            snapshot: ready.snapshot.as_deref().cloned(),
            committed: ready.committed_entries.to_vec(),
            reads: ready.read_states.clone(),
        };
        self.ready = Some(ready);
        Ok(Some(work))
    }

    fn finish_work(&mut self, _: u64) -> Outcome {
        if let Some(ack) = self.applying.take() {
            tolerate(self.node.acknowledge(ack))?;
        }
        match self.ready.take() {
            Some(ready) => self.node.advance(ready).map_err(text),
            None => Ok(()),
        }
    }

    fn view(&self) -> View {
        let (soft, hard) = (self.node.soft_state(), self.node.hard_state());
        View {
            leads: soft.role == RoleKind::Leader,
            leader: soft.leader,
            term: hard.term,
            commit: hard.commit,
        }
    }

    fn disk(&mut self) -> &mut MemoryStorage {
        self.node.storage_mut()
    }
}

fn envelope(message: &raftcore::Message) -> Envelope {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    Envelope {
        to: message.to,
        bytes: bytes.into(),
        is_snapshot: matches!(message.body, raftcore::Body::Snapshot(_)),
        is_proposal: matches!(message.body, raftcore::Body::Propose(_)),
    }
}
