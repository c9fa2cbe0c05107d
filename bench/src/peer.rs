//! What is compared: a node of each library, behind one trait.

pub(crate) mod ours;
pub(crate) mod raft_rs;

use bytes::Bytes;

use crate::Failure;
use crate::payload::Sequence;

pub(crate) use ours::Ours;
pub(crate) use raft_rs::RaftRs;

/// What all nodes are set to, in both libraries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Members of the group: 1, 2, ...
    pub(crate) nodes: u64,
    /// Ticks without a leader before a follower campaigns.
    pub(crate) election_ticks: u32,
    /// raft-rs: appends to one peer are merged while they wait in the same `Ready`.
    pub(crate) merge_appends: bool,
    /// raftcore: payloads are copied when they are proposed, as from a caller who only lends them.
    pub(crate) copy_payloads: bool,
}

impl Settings {
    pub(crate) const MAX_MESSAGE_BYTES: u64 = 1 << 20;
    pub(crate) const MAX_INFLIGHT_MESSAGES: usize = 256;
    /// A group starts from a snapshot here.
    pub(crate) const FIRST_INDEX: u64 = 1;

    /// What is usual.
    pub(crate) const fn new(nodes: u64, election_ticks: u32) -> Self {
        Self { nodes, election_ticks, merge_appends: false, copy_payloads: false }
    }

    pub(crate) fn members(&self) -> Vec<u64> {
        (1..=self.nodes).collect()
    }
}

/// A node, driven as its library's documentation tells.
pub(crate) trait Node: Sized {
    /// A message as it is handed over in memory.
    type Message;

    /// A new member of a new group.
    fn new(id: u64, settings: Settings) -> Result<Self, Failure>;

    /// A member whose storage holds `payloads`, all of them committed and applied.
    fn with_log(id: u64, settings: Settings, payloads: &[Bytes]) -> Result<Self, Failure>;

    fn campaign(&mut self) -> Result<(), Failure>;

    fn is_leader(&self) -> bool;

    fn tick(&mut self) -> Result<(), Failure>;

    fn propose(&mut self, payload: Bytes) -> Result<(), Failure>;

    /// Proposes many at once, by whatever way the library has for it.
    fn propose_all(&mut self, payloads: &[Bytes]) -> Result<(), Failure>;

    /// A message to a peer was lost.
    fn report_unreachable(&mut self, id: u64);

    fn step(&mut self, message: Self::Message) -> Result<(), Failure>;

    /// One round of the host's loop: store, send to `out`, apply to `applied`. False if there was nothing.
    fn work(&mut self, out: &mut Vec<Self::Message>, applied: &mut Sequence) -> Result<bool, Failure>;

    /// Entries up to `index` will not be needed any more.
    fn compact(&mut self, index: u64) -> Result<(), Failure>;

    fn receiver(message: &Self::Message) -> u64;

    fn encode(message: &Self::Message) -> Result<Bytes, Failure>;

    fn decode(bytes: &Bytes) -> Result<Self::Message, Failure>;
}
