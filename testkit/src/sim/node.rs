//! What the simulator needs of a node, whoever embeds it.

use std::fmt::Debug;

use raftcore::wire::{self, Dialect};
use raftcore::{
    Ack, Bytes, ConfChange, ConfChangeV2, ConfState, Config, Entry, Error, HardState, Message, NodeId,
    Proposed, RawNode, Ready, Response, SnapshotStatus, SoftState, Status, StorageAppend,
};

use super::disk::Disk;

/// A node of a group. The calls are those of [`RawNode`]; errors count by their kind.
pub(super) trait Node: Debug {
    fn tick(&mut self) -> Result<(), Error>;
    fn step(&mut self, message: Message) -> Result<(), Error>;
    /// Proposes entries, all or none; the answer is the place of the first.
    fn propose_batch(&mut self, payloads: Vec<Bytes>) -> Result<Proposed, Error>;
    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Proposed, Error>;
    fn propose_conf_change_v1(&mut self, change: &ConfChange) -> Result<Proposed, Error>;
    /// Puts the membership change in a committed entry into force.
    fn apply_conf_change(&mut self, entry: &Entry) -> Result<ConfState, Error>;
    fn campaign(&mut self) -> Result<(), Error>;
    fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error>;
    fn forget_leader(&mut self) -> Result<(), Error>;
    fn read_index(&mut self, context: Bytes) -> Result<(), Error>;
    fn report_unreachable(&mut self, id: NodeId) -> Result<(), Error>;
    fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<(), Error>;
    fn has_ready(&self) -> bool;
    fn ready(&mut self) -> Result<Box<Ready>, Error>;
    /// The work of a Ready is done (synchronous writes).
    fn advance(&mut self, ready: Box<Ready>) -> Result<(), Error>;
    /// What a Ready gave to store is stored (asynchronous writes); `outbox` gets the messages that
    /// waited for it.
    fn appended(&mut self, done: StorageAppend, outbox: &mut Vec<Message>) -> Result<(), Error>;
    /// What a Ready gave to apply is applied (asynchronous writes).
    fn applied(&mut self, done: Ack) -> Result<(), Error>;
    fn hard_state(&self) -> HardState;
    fn soft_state(&self) -> SoftState;
    fn status(&self) -> Status;
    /// The name of an invariant within the node that does not hold. Only where the embedding lets one
    /// look inside.
    fn check_invariants(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Brings the messages into the order in which every interface can show them: those that wait for
/// the storage last.
pub(super) fn sort_messages(ready: &mut Ready) {
    ready.messages.sort_by_key(Message::requires_persistence);
}

/// Starts nodes: in this process, or elsewhere.
pub(super) trait Driver: Debug {
    fn start(&mut self, config: Config, disk: Disk) -> Result<Box<dyn Node>, Error>;
}

/// The library as a Rust program uses it.
#[derive(Debug)]
pub(super) struct Native;

impl Driver for Native {
    fn start(&mut self, config: Config, disk: Disk) -> Result<Box<dyn Node>, Error> {
        Ok(Box::new(RawNode::new(config, disk)?))
    }
}

impl Node for RawNode<Disk> {
    fn tick(&mut self) -> Result<(), Error> {
        self.tick()
    }

    fn step(&mut self, message: Message) -> Result<(), Error> {
        self.step(message)
    }

    fn propose_batch(&mut self, payloads: Vec<Bytes>) -> Result<Proposed, Error> {
        self.propose_batch(payloads)
    }

    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Proposed, Error> {
        self.propose_conf_change(change)
    }

    fn propose_conf_change_v1(&mut self, change: &ConfChange) -> Result<Proposed, Error> {
        self.propose_conf_change_v1(change)
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Result<ConfState, Error> {
        self.apply_conf_change(&wire::decode_conf_change(entry, Dialect::Etcd)?)
    }

    fn campaign(&mut self) -> Result<(), Error> {
        self.campaign()
    }

    fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error> {
        self.transfer_leader(to)
    }

    fn forget_leader(&mut self) -> Result<(), Error> {
        self.forget_leader();
        Ok(())
    }

    fn read_index(&mut self, context: Bytes) -> Result<(), Error> {
        self.read_index(context)
    }

    fn report_unreachable(&mut self, id: NodeId) -> Result<(), Error> {
        self.report_unreachable(id);
        Ok(())
    }

    fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<(), Error> {
        self.report_snapshot(id, status);
        Ok(())
    }

    fn has_ready(&self) -> bool {
        self.has_ready()
    }

    fn ready(&mut self) -> Result<Box<Ready>, Error> {
        let mut ready = self.ready()?;
        sort_messages(&mut ready);
        Ok(ready)
    }

    fn advance(&mut self, ready: Box<Ready>) -> Result<(), Error> {
        self.advance(ready)
    }

    fn appended(&mut self, done: StorageAppend, outbox: &mut Vec<Message>) -> Result<(), Error> {
        let mut first_error = None;
        for response in done.responses {
            match response {
                Response::Send(message) => outbox.push(message),
                // Each notice is a fact of its own, whatever became of those before it.
                Response::Acknowledge(ack) => match self.acknowledge(ack) {
                    // A removed node's messages to itself are refused like anybody else's.
                    Ok(()) | Err(Error::PeerNotFound(_)) => {}
                    Err(error) => first_error = first_error.or(Some(error)),
                },
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    fn applied(&mut self, done: Ack) -> Result<(), Error> {
        self.acknowledge(done)
    }

    fn hard_state(&self) -> HardState {
        self.hard_state()
    }

    fn soft_state(&self) -> SoftState {
        self.soft_state()
    }

    fn status(&self) -> Status {
        self.status()
    }

    fn check_invariants(&self) -> Result<(), &'static str> {
        self.check_invariants()
    }
}
