//! A node of either library, behind one trait.

use std::fmt::Display;

use raft::eraftpb;
use raftcore::wire::{self, Dialect};
use raftcore::{
    Bytes, ConfChangeV2, ConfState, Entry, EntryKind, MemoryStorage, NodeId, ReadState, Snapshot, Storage,
};

use crate::convert;
use ours::Ours;

mod ours;

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// raftcore.
    Ours,
    /// raft-rs.
    Theirs,
}

/// What all nodes of a group are set to.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Ask before campaigning.
    pub pre_vote: bool,
    /// Leases.
    pub check_quorum: bool,
    /// Bytes of entries in a message.
    pub max_message_bytes: u64,
    /// Messages on their way to a peer.
    pub max_inflight_messages: u32,
    /// Whether our nodes go on while their disks write. raft-rs has nothing like it.
    pub async_storage_writes: bool,
}

/// What is looked at from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whether the node leads.
    pub leads: bool,
    /// The leader that it knows, or 0.
    pub leader: NodeId,
    /// Its term.
    pub term: u64,
    /// Its commit index.
    pub commit: u64,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who shall get it.
    pub to: NodeId,
    /// What travels.
    pub bytes: Bytes,
    /// Whether its fate has to be reported.
    pub is_snapshot: bool,
    /// Whether it would be a second proposal if it came twice.
    pub is_proposal: bool,
}

/// Work that a node has stored already and that is to be sent and applied.
#[derive(Debug, Default)]
pub struct Work {
    /// To send.
    pub messages: Vec<Envelope>,
    /// To restore the state machine from.
    pub snapshot: Option<Snapshot>,
    /// To apply.
    pub committed: Vec<Entry>,
    /// To answer.
    pub reads: Vec<ReadState>,
}

/// What went wrong. Refusals that a host would log and forget are none.
pub type Outcome<T = ()> = Result<T, String>;

/// A node with its disk.
pub trait Peer {
    /// Time passes.
    fn tick(&mut self) -> Outcome;
    /// A message came.
    fn step(&mut self, bytes: &Bytes) -> Outcome;
    /// Proposes data.
    fn propose(&mut self, data: Vec<u8>) -> Outcome;
    /// Proposes a change of the membership.
    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Outcome;
    /// Carries out a committed change.
    fn apply_conf_change(&mut self, entry: &Entry) -> Outcome<ConfState>;
    /// Starts an election.
    fn campaign(&mut self) -> Outcome;
    /// Asks for another leader.
    fn transfer_leader(&mut self, to: NodeId) -> Outcome;
    /// Asks for a read index.
    fn read_index(&mut self, context: Vec<u8>) -> Outcome;
    /// What became of a snapshot message.
    fn report_snapshot(&mut self, to: NodeId, delivered: bool);
    /// Takes work and stores what is to be stored, if there is any.
    fn take_work(&mut self) -> Outcome<Option<Work>>;
    /// The work is done, up to entry `applied`.
    fn finish_work(&mut self, applied: u64) -> Outcome;
    /// The state of the node.
    fn view(&self) -> View;
    /// What survives a restart.
    fn disk(&mut self) -> &mut MemoryStorage;
}

/// Makes a node that starts from its disk, which has applied the entries up to `applied`.
pub fn start(
    side: Side,
    id: NodeId,
    disk: MemoryStorage,
    applied: u64,
    set: Settings,
    seed: u64,
) -> Outcome<Box<dyn Peer>> {
    Ok(match side {
        Side::Ours => Box::new(Ours::new(id, disk, applied, set, seed)?),
        Side::Theirs => Box::new(Theirs::new(id, disk, applied, set, seed)?),
    })
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// A node of raft-rs.
struct Theirs {
    node: raft::RawNode<TheirDisk>,
    random: u64,
    /// Term and role for which the election timeout was drawn, and the timeout.
    drawn: (u64, raft::StateRole, usize),
}

/// The same disk, as raft-rs reads it.
struct TheirDisk(MemoryStorage);

const ELECTION_TICKS: usize = 10;

impl Theirs {
    fn new(id: NodeId, disk: MemoryStorage, applied: u64, set: Settings, seed: u64) -> Outcome<Self> {
        let config = raft::Config {
            id,
            election_tick: ELECTION_TICKS,
            heartbeat_tick: 1,
            applied,
            max_size_per_msg: set.max_message_bytes,
            max_inflight_msgs: set.max_inflight_messages as usize,
            pre_vote: set.pre_vote,
            check_quorum: set.check_quorum,
            ..raft::Config::default()
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = raft::RawNode::new(&config, TheirDisk(disk), &logger).map_err(text)?;
        let mut peer = Self { node, random: seed | 1, drawn: (0, raft::StateRole::Follower, ELECTION_TICKS) };
        peer.draw_timeout();
        Ok(peer)
    }

    /// raft-rs draws timeouts from the system; a seed could not be run again.
    fn draw_timeout(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let timeout = ELECTION_TICKS + (self.random % ELECTION_TICKS as u64) as usize;
        self.drawn = (self.node.raft.term, self.node.raft.state, timeout);
    }

    fn messages(work: &mut Work, messages: Vec<eraftpb::Message>) -> Outcome {
        for message in messages {
            work.messages.push(Envelope {
                to: message.to,
                bytes: convert::encode(&message)?,
                is_snapshot: message.get_msg_type() == eraftpb::MessageType::MsgSnapshot,
                is_proposal: message.get_msg_type() == eraftpb::MessageType::MsgPropose,
            });
        }
        Ok(())
    }

    fn tolerate(result: raft::Result<()>) -> Outcome {
        match result {
            Ok(()) | Err(raft::Error::StepPeerNotFound | raft::Error::ProposalDropped) => Ok(()),
            Err(error) => Err(text(error)),
        }
    }
}

impl Peer for Theirs {
    fn tick(&mut self) -> Outcome {
        if (self.drawn.0, self.drawn.1) != (self.node.raft.term, self.node.raft.state) {
            self.draw_timeout();
        }
        self.node.raft.set_randomized_election_timeout(self.drawn.2);
        self.node.tick();
        Ok(())
    }

    fn step(&mut self, bytes: &Bytes) -> Outcome {
        Self::tolerate(self.node.step(convert::decode(bytes)?))
    }

    fn propose(&mut self, data: Vec<u8>) -> Outcome {
        Self::tolerate(self.node.propose(Vec::new(), data))
    }

    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Outcome {
        let change =
            convert::decode::<eraftpb::ConfChangeV2>(&wire::encode_conf_change(change, Dialect::Tikv))?;
        Self::tolerate(self.node.propose_conf_change(Vec::new(), change))
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Outcome<ConfState> {
        let state = match entry.kind {
            EntryKind::ConfChange => {
                self.node.apply_conf_change(&convert::decode::<eraftpb::ConfChange>(&entry.data)?)
            }
            _ => self.node.apply_conf_change(&convert::decode::<eraftpb::ConfChangeV2>(&entry.data)?),
        };
        state.map(|state| convert::conf_state_to_ours(&state)).map_err(text)
    }

    fn campaign(&mut self) -> Outcome {
        if !self.node.raft.promotable() {
            return Ok(()); // raft-rs would panic: it leaves this to its host
        }
        Self::tolerate(self.node.campaign())
    }

    fn transfer_leader(&mut self, to: NodeId) -> Outcome {
        self.node.transfer_leader(to);
        Ok(())
    }

    fn read_index(&mut self, context: Vec<u8>) -> Outcome {
        self.node.read_index(context);
        Ok(())
    }

    fn report_snapshot(&mut self, to: NodeId, delivered: bool) {
        let status = if delivered { raft::SnapshotStatus::Finish } else { raft::SnapshotStatus::Failure };
        self.node.report_snapshot(to, status);
    }

    fn take_work(&mut self) -> Outcome<Option<Work>> {
        if !self.node.has_ready() {
            return Ok(None);
        }
        let mut work = Work::default();
        let mut ready = self.node.ready();
        let disk = &mut self.node.mut_store().0;
        if ready.snapshot().get_metadata().index > 0 {
            let snapshot = convert::snapshot_to_ours(ready.snapshot());
            disk.apply_snapshot(snapshot.clone()).map_err(text)?;
            work.snapshot = Some(snapshot);
        }
        let entries: Vec<Entry> = ready.take_entries().iter().map(convert::entry_to_ours).collect();
        disk.append(&entries).map_err(text)?;
        if let Some(hard_state) = ready.hs() {
            disk.set_hard_state(convert::hard_state_to_ours(hard_state));
        }
        for state in ready.take_read_states() {
            work.reads.push(ReadState { index: state.index, context: state.request_ctx.into() });
        }
        Self::messages(&mut work, ready.take_messages())?;
        Self::messages(&mut work, ready.take_persisted_messages())?;
        work.committed.extend(ready.take_committed_entries().iter().map(convert::entry_to_ours));
        let mut light = self.node.advance_append(ready);
        if let Some(commit) = light.commit_index() {
            let disk = &mut self.node.mut_store().0;
            let hard_state = raftcore::HardState { commit, ..disk.hard_state() };
            disk.set_hard_state(hard_state);
        }
        Self::messages(&mut work, light.take_messages())?;
        work.committed.extend(light.take_committed_entries().iter().map(convert::entry_to_ours));
        Ok(Some(work))
    }

    fn finish_work(&mut self, applied: u64) -> Outcome {
        self.node.advance_apply_to(applied);
        let raft = &mut self.node.raft;
        if raft.state == raft::StateRole::Leader && !raft.promotable() {
            // A leader that was removed panics at its next commit: its host has to end its rule.
            raft.become_follower(raft.term, raft::INVALID_ID);
        }
        Ok(())
    }

    fn view(&self) -> View {
        let raft = &self.node.raft;
        View {
            leads: raft.state == raft::StateRole::Leader,
            leader: raft.leader_id,
            term: raft.term,
            commit: raft.raft_log.committed,
        }
    }

    fn disk(&mut self) -> &mut MemoryStorage {
        &mut self.node.mut_store().0
    }
}

impl raft::Storage for TheirDisk {
    fn initial_state(&self) -> raft::Result<raft::RaftState> {
        let (hard, members) = self.0.initial_state().map_err(storage_error)?;
        Ok(raft::RaftState::new(convert::hard_state_to_theirs(hard), convert::conf_state_to_theirs(&members)))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: raft::GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        let max_bytes = max_size.into().unwrap_or(raftcore::NO_LIMIT);
        let entries = self.0.entries(low, high, max_bytes).map_err(storage_error)?;
        Ok(entries.iter().map(convert::entry_to_theirs).collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.0.term(index).map_err(storage_error)
    }

    fn first_index(&self) -> raft::Result<u64> {
        self.0.first_index().map_err(storage_error)
    }

    fn last_index(&self) -> raft::Result<u64> {
        self.0.last_index().map_err(storage_error)
    }

    fn snapshot(&self, _: u64, _: u64) -> raft::Result<eraftpb::Snapshot> {
        Ok(convert::snapshot_to_theirs(&self.0.snapshot().map_err(storage_error)?))
    }
}

fn storage_error(error: raftcore::StorageError) -> raft::Error {
    raft::Error::Store(match error {
        raftcore::StorageError::Compacted => raft::StorageError::Compacted,
        raftcore::StorageError::Unavailable => raft::StorageError::Unavailable,
        raftcore::StorageError::SnapshotUnavailable => raft::StorageError::SnapshotTemporarilyUnavailable,
        other => raft::StorageError::Other(Box::new(other)),
    })
}
