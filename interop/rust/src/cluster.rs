//! Groups of both libraries' nodes under faults, and the checks that they agree.

mod faults;
mod history;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use raftcore::{Bytes, ConfState, Entry, EntryKind, MemoryStorage, NodeId, Storage};

use crate::peer::{self, Envelope, Outcome, Peer, Settings, Side, Work};
use history::{History, Machine};

/// What a run has seen; pairs are raftcore's and raft-rs'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rounds of faults that ended in agreement.
    pub rounds: u32,
    /// Entries committed.
    pub entries: u64,
    /// Leaders elected.
    pub leaders: [u32; 2],
    /// Messages stepped that came from the other side.
    pub messages: [u64; 2],
    /// Snapshots installed that came from the other side.
    pub snapshots: [u32; 2],
    /// Reads answered.
    pub reads: [u32; 2],
    /// Membership changes that took effect, and how many of them were joint.
    pub changes: [u32; 2],
    /// Hash of all that was applied.
    pub digest: u64,
}

/// Random numbers (splitmix64): a seed is a run.
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

struct Node {
    side: Side,
    peer: Box<dyn Peer>,
    machine: Machine,
    snapshot_from: Side,
}

struct Packet {
    from: NodeId,
    from_side: Side,
    envelope: Envelope,
}

/// A group and its network.
pub struct Cluster {
    random: Random,
    set: Settings,
    nodes: BTreeMap<NodeId, Node>,
    /// Nodes that are members no more, but might become so again until the group has settled.
    retired: BTreeMap<NodeId, Node>,
    next_id: NodeId,
    net: Vec<Packet>,
    cut: BTreeSet<(NodeId, NodeId)>,
    history: History,
    /// For each read, the index that its answer must not be below.
    reads: HashMap<Bytes, u64>,
    stats: Stats,
}

/// Runs a group of `ours` and `theirs` nodes for some rounds.
pub fn run(seed: u64, ours: usize, theirs: usize, rounds: u32) -> Result<Stats, String> {
    let mut cluster = Cluster::new(seed, ours, theirs)?;
    for round in 1..=rounds {
        cluster
            .round()
            .map_err(|error| format!("seed {seed}, {ours} + {theirs} nodes, round {round}: {error}"))?;
    }
    let mut stats = cluster.stats;
    stats.entries = cluster.history.applied;
    stats.digest = cluster.nodes.values().next().map_or(0, |node| node.machine.hash);
    Ok(stats)
}

fn at(side: Side) -> usize {
    side as usize
}

impl Cluster {
    fn new(seed: u64, ours: usize, theirs: usize) -> Outcome<Self> {
        let mut random = Random(seed);
        let total = (ours + theirs) as u64;
        let members = ConfState::new((1..=total).collect::<Vec<_>>(), []);
        let set = Settings {
            pre_vote: random.one_in(2),
            check_quorum: random.one_in(2),
            max_message_bytes: random.pick(&[0, 64, 1 << 20]),
            max_inflight_messages: random.pick(&[1, 3, 256]),
            async_storage_writes: random.one_in(2),
        };
        let mut cluster = Self {
            random,
            set,
            nodes: BTreeMap::new(),
            retired: BTreeMap::new(),
            next_id: total + 1,
            net: Vec::new(),
            cut: BTreeSet::new(),
            history: History::new(members.clone()),
            reads: HashMap::new(),
            stats: Stats::default(),
        };
        let first_of_theirs = cluster.random.below(total as usize) as u64;
        for id in 1..=total {
            let turn = (id + first_of_theirs) % total;
            let side = if turn < theirs as u64 { Side::Theirs } else { Side::Ours };
            let machine = Machine { applied: 1, hash: 0 };
            cluster.start(id, side, MemoryStorage::with_conf_state(members.clone()), machine)?;
        }
        Ok(cluster)
    }

    fn start(&mut self, id: NodeId, side: Side, disk: MemoryStorage, machine: Machine) -> Outcome {
        let seed = self.random.next();
        let peer = peer::start(side, id, disk, machine.applied, self.set, seed)
            .map_err(|error| format!("node {id} ({side:?}) does not start: {error}"))?;
        self.nodes.insert(id, Node { side, peer, machine, snapshot_from: side });
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Outcome<&mut Node> {
        self.nodes.get_mut(&id).ok_or_else(|| format!("node {id} is gone"))
    }

    /// Does all the work that a node asks for.
    fn drive(&mut self, id: NodeId) -> Outcome {
        while let Some(work) =
            self.node(id)?.peer.take_work().map_err(|error| format!("node {id}: {error}"))?
        {
            self.work(id, work).map_err(|error| format!("node {id}: {error}"))?;
        }
        let node = self.node(id)?;
        let (view, side) = (node.peer.view(), node.side);
        if view.leads && self.history.leads(id, view.term)? {
            self.stats.leaders[at(side)] += 1;
        }
        Ok(())
    }

    fn work(&mut self, id: NodeId, work: Work) -> Outcome {
        let side = self.node(id)?.side;
        for envelope in work.messages {
            self.send(id, side, envelope);
        }
        if let Some(snapshot) = &work.snapshot {
            let node = self.node(id)?;
            node.machine = Machine::restore(snapshot);
            let (machine, from) = (node.machine, node.snapshot_from);
            self.history.reached(machine)?;
            self.stats.snapshots[at(side)] += u32::from(from != side);
        }
        let mut changed = false;
        for entry in &work.committed {
            changed |= self.apply(id, entry)?;
        }
        for read in &work.reads {
            let floor = self.reads.get(&read.context).copied().unwrap_or(0);
            if read.index < floor {
                return Err(format!("a read at {} was asked for after {floor} was applied", read.index));
            }
            self.stats.reads[at(side)] += 1;
        }
        let node = self.node(id)?;
        node.peer.finish_work(node.machine.applied)?;
        // A snapshot from before a change of the membership would be of no use to a new member.
        if changed || (!work.committed.is_empty() && self.random.one_in(8)) {
            self.make_snapshot(id)?;
        }
        Ok(())
    }

    /// Applies an entry; tells whether the membership changed.
    fn apply(&mut self, id: NodeId, entry: &Entry) -> Outcome<bool> {
        let node = self.nodes.get_mut(&id).ok_or("gone")?;
        node.machine.apply(entry)?;
        self.history.reached(node.machine)?;
        if entry.kind == EntryKind::Normal {
            return Ok(false);
        }
        let state = node.peer.apply_conf_change(entry)?;
        node.peer.disk().set_conf_state(state.clone());
        if self.history.changed(entry.index(), &state)? {
            self.stats.changes[0] += 1;
            self.stats.changes[1] += u32::from(!state.voters_outgoing.is_empty());
        }
        Ok(true)
    }

    fn make_snapshot(&mut self, id: NodeId) -> Outcome {
        let kept = self.random.below(6) as u64;
        let node = self.node(id)?;
        let machine = node.machine;
        let disk = node.peer.disk();
        let (_, members) = disk.initial_state().map_err(|error| error.to_string())?;
        if disk.create_snapshot(machine.applied, members, machine.hash.to_le_bytes().to_vec()).is_err() {
            return Ok(()); // there is one
        }
        let through = machine.applied.saturating_sub(kept);
        if through >= disk.first_index().map_err(|error| error.to_string())? {
            disk.compact(through).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn send(&mut self, from: NodeId, from_side: Side, envelope: Envelope) {
        if self.nodes.contains_key(&envelope.to) && !self.cut.contains(&(from, envelope.to)) {
            self.net.push(Packet { from, from_side, envelope });
        } else {
            self.lost(from, &envelope);
        }
    }

    /// The host has to say what became of a snapshot.
    fn lost(&mut self, from: NodeId, envelope: &Envelope) {
        if let (true, Some(sender)) = (envelope.is_snapshot, self.nodes.get_mut(&from)) {
            sender.peer.report_snapshot(envelope.to, false);
        }
    }

    fn deliver(&mut self, packet: &Packet) -> Outcome {
        let Packet { from, from_side, envelope } = packet;
        let Some(node) = self.nodes.get_mut(&envelope.to) else {
            self.lost(*from, envelope);
            return Ok(());
        };
        if envelope.is_snapshot {
            node.snapshot_from = *from_side;
        }
        self.stats.messages[at(node.side)] += u64::from(node.side != *from_side);
        let side = node.side;
        node.peer.step(&envelope.bytes).map_err(|error| {
            format!(
                "node {} ({side:?}) refuses a message of node {from} ({from_side:?}): {error}",
                envelope.to
            )
        })?;
        if let (true, Some(sender)) = (envelope.is_snapshot, self.nodes.get_mut(from)) {
            sender.peer.report_snapshot(envelope.to, true);
        }
        Ok(())
    }

    /// Faults, then peace, and at times another leader.
    fn round(&mut self) -> Outcome {
        self.faults()?;
        self.settle()?;
        if self.random.one_in(3) {
            let to = self.random.pick(&self.history.conf.voters);
            let leader = self.leader().ok_or("no leader")?;
            self.node(leader)?.peer.transfer_leader(to)?;
            self.settle()?;
        }
        self.stats.rounds += 1;
        Ok(())
    }
}
