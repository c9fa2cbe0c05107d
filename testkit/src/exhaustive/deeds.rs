//! What becomes of a node that does something.
//!
//! A node's behaviour follows from its state alone, and the same node in the same state meets the same
//! inputs in many states of the group. So each deed is done once and remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use raftcore::{Bytes, Config, Entry, EntryId, Error, HardState, Index, MemoryStorage, RawNode, Storage};

use super::Planted;
use super::fingerprint::fingerprint;
use super::packet::Packet;

/// A node between two of its deeds: everything is stored, sent and applied.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) node: RawNode<MemoryStorage>,
    pub(super) log: Vec<Entry>,
    pub(super) fingerprint: u64,
}

/// What a node can be made to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Input {
    Campaign,
    /// Each proposal has a number of its own.
    Propose(u8),
    Heartbeat,
    Deliver(Packet),
}

/// What can happen to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    Input(Input),
    Crash,
    /// A crash in the middle of what the input asks for, before anything is stored.
    CrashDuring(Input),
}

/// What comes of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) after: Arc<Replica>,
    pub(super) sent: Vec<Packet>,
}

/// The outcomes of a node's deeds by its fingerprint; None: an error that should not be.
type Known = Mutex<HashMap<(u64, Deed), Option<Arc<Outcome>>>>;

/// The hosts of all nodes, and what they have done.
#[derive(Debug)]
pub(super) struct Deeds {
    planted: Option<Planted>,
    known: [Known; super::NODES as usize],
}

impl Replica {
    pub(super) fn new(config: Config, storage: MemoryStorage) -> Result<Self, Error> {
        RawNode::new(config, storage).map(Self::of)
    }

    fn of(node: RawNode<MemoryStorage>) -> Self {
        let log = entries(node.storage());
        let fingerprint = fingerprint(&node, &log);
        Self { node, log, fingerprint }
    }

    pub(super) fn first_index(&self) -> Index {
        self.node.storage().first_index().unwrap_or_default()
    }

    /// Whether the log has this entry.
    pub(super) fn has(&self, id: EntryId, data: &[u8]) -> bool {
        self.log.iter().any(|entry| entry.id == id && entry.data[..] == *data)
    }
}

impl Deeds {
    pub(super) fn new(planted: Option<Planted>) -> Self {
        Self { planted, known: Default::default() }
    }

    /// What comes of a deed; None if the library reports an error that it should not.
    pub(super) fn outcome(&self, before: &Replica, deed: &Deed) -> Option<Arc<Outcome>> {
        let known = &self.known[before.node.id() as usize - 1];
        let key = (before.fingerprint, deed.clone());
        if let Some(outcome) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return outcome.clone();
        }
        let outcome = self.act(before, deed).ok().map(Arc::new);
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, outcome.clone());
        outcome
    }

    fn act(&self, before: &Replica, deed: &Deed) -> Result<Outcome, Error> {
        let mut sent = Vec::new();
        let after = match deed {
            Deed::Input(input) => self.work(before, input, true, &mut sent)?,
            Deed::Crash => self.restart(&before.node)?,
            Deed::CrashDuring(input) => {
                self.work(before, input, false, &mut sent)?;
                self.restart(&before.node)?
            }
        };
        Ok(Outcome { after: Arc::new(Replica::of(after)), sent })
    }

    /// A clone of the node does what an input asks for. If it does not `store`, it sends only what may
    /// leave before anything is stored.
    fn work(
        &self,
        before: &Replica,
        input: &Input,
        store: bool,
        sent: &mut Vec<Packet>,
    ) -> Result<RawNode<MemoryStorage>, Error> {
        let mut node = before.node.clone();
        let result = match input {
            Input::Campaign => node.campaign(),
            Input::Propose(number) => node.propose(Bytes::from(vec![node.id() as u8, *number])).map(drop),
            Input::Heartbeat => node.tick(),
            Input::Deliver(packet) => node.step(packet.message()),
        };
        match result {
            Ok(()) | Err(Error::ProposalDropped(_) | Error::PeerNotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let sends_all = store || self.planted == Some(Planted::SendsBeforeStoring);
        while node.has_ready() {
            let ready = node.ready()?;
            let leaving =
                ready.messages.iter().filter(|message| sends_all || !message.requires_persistence());
            sent.extend(leaving.map(Packet::new));
            if !store {
                break;
            }
            if let Some(snapshot) = &ready.snapshot {
                node.storage_mut().apply_snapshot((**snapshot).clone())?;
            }
            node.storage_mut().append(&ready.entries)?;
            if let Some(hard_state) = ready.hard_state {
                node.storage_mut().set_hard_state(hard_state);
            }
            node.advance(ready)?;
        }
        Ok(node)
    }

    /// What is left of a node after a crash, running again.
    fn restart(&self, node: &RawNode<MemoryStorage>) -> Result<RawNode<MemoryStorage>, Error> {
        let mut storage = node.storage().clone();
        match self.planted {
            Some(Planted::ForgetsVote) => {
                let hard_state = HardState { vote: 0, ..storage.hard_state() };
                storage.set_hard_state(hard_state);
            }
            Some(Planted::ForgetsEntry) => storage = without_last_entry(&storage)?,
            Some(Planted::SendsBeforeStoring) | None => {}
        }
        RawNode::new(node.config().clone(), storage)
    }
}

fn entries(storage: &MemoryStorage) -> Vec<Entry> {
    let (first, last) = (storage.first_index().unwrap_or(1), storage.last_index().unwrap_or(0));
    if first > last {
        return Vec::new();
    }
    storage.entries(first, last + 1, u64::MAX).expect("it has what it says it has").to_vec()
}

fn without_last_entry(storage: &MemoryStorage) -> Result<MemoryStorage, Error> {
    let snapshot = storage.snapshot()?;
    let mut kept = entries(storage);
    kept.pop();
    let last = kept.last().map_or(snapshot.id.index, Entry::index);
    let hard_state = HardState { commit: storage.hard_state().commit.min(last), ..storage.hard_state() };
    let mut shorter = MemoryStorage::with_snapshot(snapshot);
    shorter.append(&kept)?;
    shorter.set_hard_state(hard_state);
    Ok(shorter)
}
