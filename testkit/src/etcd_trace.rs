//! Runs of small groups as traces for etcd/raft's TLA+ specification, in its NDJSON format.
//!
//! The specification describes a node's deeds as atomic steps: so do the hosts here, which store, send
//! and advance whatever an input leads to before the next one comes. It knows elections, replication,
//! heartbeats, restarts and loss; no PreVote, CheckQuorum, reads, transfers or joint memberships: so
//! none of these happen. Everything is chosen by a seed. `docs/trace.md` says how to run it.

mod observer;

use std::io::{self, Write};

use raftcore::trace::etcd_line;
use raftcore::{Bytes, ConfState, Config, MemoryStorage, Message, NodeId, RawNode, RoleKind};

use crate::rng::Rng;
use observer::Observer;

/// The first line's time; all times have the same number of digits.
const FIRST_TIME: u64 = 1_000_000_000;

/// Nodes of the group.
const NODES: NodeId = 3;

/// Messages on their way; the oldest are lost if there are more.
const MOST_MESSAGES: usize = 40;

/// Writes what happens in the run that belongs to `seed`, until there are about `events` lines; not
/// more than that. The specification's checker wants fewer than 1,000.
pub fn record(seed: u64, events: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut group = Group::new(seed);
    let mut complete = group.lines.len();
    while group.lines.len() <= events {
        complete = group.lines.len();
        group.step();
    }
    for (event, time) in group.lines[..complete.min(events)].iter().zip(FIRST_TIME..) {
        writeln!(out, "{}", etcd_line(event, Some(time)))?;
    }
    out.flush()
}

struct Group {
    rng: Rng,
    nodes: Vec<Observer>,
    network: Vec<Message>,
    proposals: u64,
    /// The events, a line each.
    lines: Vec<String>,
}

impl Group {
    fn new(seed: u64) -> Self {
        let mut lines = Vec::new();
        let nodes = (1..=NODES).map(|id| {
            let storage = MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], []));
            Observer::start(start(id, seed, storage), &mut lines)
        });
        let nodes = nodes.collect();
        Self { rng: Rng::new(seed), nodes, network: Vec::new(), proposals: 0, lines }
    }

    /// Lets one thing happen.
    fn step(&mut self) {
        let place = self.rng.below(NODES) as usize;
        match self.rng.below(100) {
            0..=59 => self.deliver(),
            60..=62 => drop(self.take_message()),
            63..=87 => self.work(place, |node| node.tick()),
            88..=97 => self.propose(),
            98 => self.work(place, |node| node.campaign()),
            _ => self.crash(place),
        }
        let excess = self.network.len().saturating_sub(MOST_MESSAGES);
        self.network.drain(..excess);
    }

    /// The oldest message on a link, as a connection delivers it.
    fn take_message(&mut self) -> Option<Message> {
        let link = |message: &Message| (message.from, message.to);
        let chosen = self.network.get(self.rng.below(self.network.len() as u64) as usize).map(link)?;
        let oldest = self.network.iter().position(|message| link(message) == chosen)?;
        Some(self.network.remove(oldest))
    }

    fn deliver(&mut self) {
        let Some(message) = self.take_message() else { return };
        let place = message.to as usize - 1;
        if self.nodes[place].is_stricter_than_specified(&message) {
            return;
        }
        self.nodes[place].receives(&message, &mut self.lines);
        self.work(place, |node| node.step(message));
    }

    fn propose(&mut self) {
        let leads = |node: &Observer| node.raft.soft_state().role == RoleKind::Leader;
        let leaders: Vec<_> = (0..self.nodes.len()).filter(|place| leads(&self.nodes[*place])).collect();
        let Some(place) = self.rng.pick(&leaders) else { return };
        self.proposals += 1;
        let payload = Bytes::copy_from_slice(&self.proposals.to_le_bytes());
        self.work(place, |node| node.propose(payload).map(drop));
    }

    fn work(
        &mut self,
        place: usize,
        input: impl FnOnce(&mut RawNode<MemoryStorage>) -> Result<(), raftcore::Error>,
    ) {
        self.nodes[place].work(input, &mut self.network, &mut self.lines);
    }

    /// Stops a node between two of its steps, and starts it again.
    fn crash(&mut self, place: usize) {
        let storage = self.nodes[place].raft.storage().clone();
        let node = start(place as NodeId + 1, self.rng.next_u64(), storage);
        self.nodes[place] = Observer::start(node, &mut self.lines);
    }
}

fn start(id: NodeId, seed: u64, storage: MemoryStorage) -> RawNode<MemoryStorage> {
    let config = Config { seed, pre_vote: false, check_quorum: false, ..Config::new(id) };
    RawNode::new(config, storage).expect("a good configuration, and a storage that was written here")
}

#[cfg(test)]
mod tests;
