//! `idle`: what a node costs that has nothing to do.

mod c;

use clap::ValueEnum;
use raftcore::{
    AppendReply, Body, ConfState, Config, Entries, EntryId, HardState, Heartbeat, MemoryStorage, Message,
    RawNode, Storage, VoteReply,
};
use raftcore::{Index, NodeId, Snapshot, StorageError, Term};

use crate::clock::Clock;
use crate::peer::Settings;
use crate::peer::{ours, raft_rs};
use crate::{Failure, Impl, alloc};

/// What is at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// It has heard of its leader.
    Follower,
    /// It was elected, its first entry is committed, and both followers have answered its heartbeats.
    Leader,
}

impl Role {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Follower => "follower",
            Role::Leader => "leader",
        }
    }
}

/// Cost of one node.
pub(crate) struct Cost {
    /// Bytes asked of the allocator, and of the place that the node itself takes. Its storage is shared by all
    /// groups and not counted.
    pub(crate) bytes: f64,
    pub(crate) tick_ns: f64,
}

/// Nobody campaigns by itself during the measurement.
const SETTINGS: Settings = Settings::new(3, 1 << 20);

/// After so many ticks a node keeps nothing that only work needs.
const TICKS_TO_REST: usize = 2;

/// Ticks of every group in a round.
const TICKS: usize = 50;

/// Keeps `groups` nodes in memory, and ticks them in turn.
pub(crate) fn measure(
    implementation: Impl,
    role: Role,
    groups: usize,
    clock: Clock,
) -> Result<Cost, Failure> {
    match implementation {
        Impl::Core => {
            let storage = ours::storage(SETTINGS);
            measure_nodes(clock, groups, size_of::<Shared<'_>>(), || made(role, &storage), tick_all)
        }
        Impl::Ffi => c::measure(role, groups, clock),
        Impl::RaftRs if role == Role::Follower => {
            let storage = raft::storage::MemStorage::new();
            storage.wl().apply_snapshot(raft_rs::first_snapshot(SETTINGS))?;
            let config = raft_rs::config(2, SETTINGS, Settings::FIRST_INDEX);
            let made = || {
                let mut node = raft::RawNode::new(&config, storage.clone(), &raft_rs::silence())?;
                let mut beat = raft::eraftpb::Message::default();
                beat.set_msg_type(raft::eraftpb::MessageType::MsgHeartbeat);
                (beat.from, beat.to, beat.term, beat.commit) = (1, 2, 2, Settings::FIRST_INDEX);
                node.step(beat)?;
                while node.has_ready() {
                    let ready = node.ready();
                    node.advance(ready);
                    node.advance_apply();
                }
                Ok(node)
            };
            measure_nodes(clock, groups, size_of::<raft::storage::MemStorage>(), made, |nodes| {
                nodes.iter_mut().for_each(|node| _ = node.tick());
                Ok(())
            })
        }
        other => Err(format!("{} is not measured here", other.name()).into()),
    }
}

fn made(role: Role, storage: &MemoryStorage) -> Result<RawNode<Shared<'_>>, Failure> {
    let mut node = RawNode::new(config(role), Shared(storage))?;
    if role == Role::Leader {
        node.campaign()?;
        drive(&mut node)?;
    }
    for message in heard(role) {
        node.step(message)?;
        drive(&mut node)?;
    }
    Ok(node)
}

fn config(role: Role) -> Config {
    let id = if role == Role::Leader { LEADER } else { FOLLOWER };
    Config { pre_vote: false, ..ours::config(id, SETTINGS) }
}

fn drive(node: &mut RawNode<Shared<'_>>) -> Result<(), Failure> {
    while node.has_ready() {
        let ready = node.ready()?;
        node.advance(ready)?;
    }
    Ok(())
}

/// A leader's heartbeats are lost.
fn tick_all(nodes: &mut [RawNode<Shared<'_>>]) -> Result<(), Failure> {
    nodes.iter_mut().try_for_each(|node| {
        node.tick()?;
        if node.has_ready() { drive(node) } else { Ok(()) }
    })
}

const LEADER: NodeId = 1;
const FOLLOWER: NodeId = 2;

/// What a node hears before it comes to rest; a leader has campaigned before.
fn heard(role: Role) -> Vec<Message> {
    let from = |from, to, body| Message { from, to, term: 2, body };
    match role {
        Role::Follower => {
            let beat = Heartbeat { commit: Settings::FIRST_INDEX, ..Heartbeat::default() };
            vec![from(LEADER, FOLLOWER, Body::Heartbeat(beat))]
        }
        Role::Leader => {
            let vote = VoteReply { pre: false, granted: true, commit: EntryId::default() };
            let stored = AppendReply { index: Settings::FIRST_INDEX + 1, reject: None };
            let others = [FOLLOWER, FOLLOWER + 1];
            let votes = others.map(|other| from(other, LEADER, Body::VoteReply(vote)));
            let stored = others.map(|other| from(other, LEADER, Body::AppendReply(stored)));
            votes.into_iter().chain(stored).collect()
        }
    }
}

fn measure_nodes<N>(
    clock: Clock,
    groups: usize,
    storage_bytes: usize,
    mut make: impl FnMut() -> Result<N, Failure>,
    mut tick_all: impl FnMut(&mut [N]) -> Result<(), Failure>,
) -> Result<Cost, Failure> {
    let before = alloc::live_bytes();
    let mut nodes = Vec::with_capacity(groups);
    for _ in 0..groups {
        nodes.push(make()?);
    }
    // A node at rest hears nothing but its clock.
    for _ in 0..TICKS_TO_REST {
        tick_all(&mut nodes)?;
    }
    let bytes = alloc::live_bytes().wrapping_sub(before) as f64 / groups as f64 - storage_bytes as f64;
    let began = clock.start();
    for _ in 0..TICKS {
        tick_all(&mut nodes)?;
    }
    let tick_ns = began.elapsed().as_nanos() as f64 / (groups * TICKS) as f64;
    Ok(Cost { bytes, tick_ns })
}

/// A storage that all groups share.
struct Shared<'a>(&'a MemoryStorage);

impl Storage for Shared<'_> {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.0.initial_state()
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.0.entries(low, high, max_bytes)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.0.term(index)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.0.first_index()
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.0.last_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.0.snapshot()
    }
}
