//! `idle`: what a follower costs that has nothing to do.

use raftcore::{Body, ConfState, Entries, HardState, Heartbeat, MemoryStorage, Message, RawNode, Storage};
use raftcore::{Index, Snapshot, StorageError, Term};

use crate::clock::Clock;
use crate::peer::Settings;
use crate::peer::{ours, raft_rs};
use crate::{Failure, Impl, alloc};

/// Cost of one follower.
pub(crate) struct Cost {
    /// Bytes asked of the allocator, and of the place that the node itself takes. Its storage is shared by all
    /// groups and not counted.
    pub(crate) bytes: f64,
    pub(crate) tick_ns: f64,
}

/// Nobody campaigns during the measurement.
const SETTINGS: Settings = Settings::new(3, 1 << 20);

/// Ticks of every group in a round.
const TICKS: usize = 50;

/// Keeps `groups` followers in memory that have heard of their leader, and ticks them in turn.
pub(crate) fn measure(implementation: Impl, groups: usize, clock: Clock) -> Result<Cost, Failure> {
    match implementation {
        Impl::Core => {
            let storage = ours::storage(SETTINGS);
            let made = || {
                let mut node = RawNode::new(ours::config(2, SETTINGS), Shared(&storage))?;
                let beat = Heartbeat { commit: Settings::FIRST_INDEX, ..Heartbeat::default() };
                node.step(Message { from: 1, to: 2, term: 2, body: Body::Heartbeat(beat) })?;
                while node.has_ready() {
                    let ready = node.ready()?;
                    node.advance(ready)?;
                }
                Ok(node)
            };
            measure_nodes(clock, groups, size_of::<Shared<'_>>(), made, |nodes| {
                nodes.iter_mut().try_for_each(|node| Ok(node.tick()?))
            })
        }
        Impl::RaftRs => {
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
    // An idle node hears nothing but its clock.
    tick_all(&mut nodes)?;
    tick_all(&mut nodes)?;
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
