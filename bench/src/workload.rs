//! What all implementations do: take proposals in batches until every node has applied them.

use bytes::Bytes;

use crate::Failure;
use crate::clock::Clock;
use crate::group::{Group, Transport};
use crate::payload::{Look, Sequence};
use crate::peer::{Node, Settings};

/// The workload of `replicate`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) nodes: u64,
    /// Proposals between two turns of the host's loop.
    pub(crate) batch: usize,
    pub(crate) payload: usize,
    pub(crate) proposals: u64,
    pub(crate) transport: Transport,
    /// Whether a batch is proposed in one call.
    pub(crate) at_once: bool,
    pub(crate) clock: Clock,
}

/// Something that replicates payloads.
pub(crate) trait Replicator {
    /// Replicates a batch; all nodes have applied it afterwards.
    fn replicate(&mut self, batch: &[Bytes], at_once: bool) -> Result<(), Failure>;

    /// Lets go of what is not needed any more.
    fn compact(&mut self) -> Result<(), Failure>;

    /// Messages sent so far.
    fn messages(&self) -> u64;

    /// What each node has applied.
    fn applied(&self) -> &[Sequence];
}

/// Entries that stay in a node's storage when it is compacted.
const KEPT: u64 = 1024;

impl<N: Node> Replicator for Group<N> {
    fn replicate(&mut self, batch: &[Bytes], at_once: bool) -> Result<(), Failure> {
        let Some(leader) = self.nodes.first_mut() else { return Ok(()) };
        if at_once {
            leader.propose_all(batch)?;
        } else {
            for payload in batch {
                leader.propose(payload.clone())?;
            }
        }
        self.settle()
    }

    fn compact(&mut self) -> Result<(), Failure> {
        for (node, applied) in self.nodes.iter_mut().zip(&self.applied) {
            let index = applied.index.saturating_sub(KEPT);
            if index > Settings::FIRST_INDEX {
                node.compact(index)?;
            }
        }
        Ok(())
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn applied(&self) -> &[Sequence] {
        &self.applied
    }
}

/// The least that replication could cost: per node, one copy of the payload (into its log) and one reference
/// (for whom it applies it). No protocol, no messages.
pub(crate) struct Limit {
    logs: Vec<Vec<u8>>,
    held: Vec<Vec<Bytes>>,
    applied: Vec<Sequence>,
}

impl Limit {
    pub(crate) fn new(nodes: u64, look: Look) -> Self {
        let nodes = nodes as usize;
        Self {
            logs: vec![Vec::new(); nodes],
            held: vec![Vec::new(); nodes],
            applied: vec![Sequence::new(look, Settings::FIRST_INDEX); nodes],
        }
    }
}

impl Replicator for Limit {
    fn replicate(&mut self, batch: &[Bytes], _: bool) -> Result<(), Failure> {
        for ((log, held), applied) in self.logs.iter_mut().zip(&mut self.held).zip(&mut self.applied) {
            for payload in batch {
                log.extend_from_slice(payload);
                held.push(payload.clone());
                applied.apply(applied.index + 1, payload)?;
            }
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), Failure> {
        self.logs.iter_mut().for_each(Vec::clear);
        self.held.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    fn messages(&self) -> u64 {
        0
    }

    fn applied(&self) -> &[Sequence] {
        &self.applied
    }
}
