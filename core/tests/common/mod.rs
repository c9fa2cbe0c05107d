//! A group of nodes in memory, driven message by message.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raftcore::{
    Body, Bytes, ConfChangeKind, ConfChangeV2, ConfState, Config, Entry, EntryId, EntryKind, Error,
    HardState, Index, MemoryStorage, Message, NodeId, Proposed, RawNode, ReadState, Ready, RoleKind, Storage,
    Term, wire,
};

pub struct Node {
    pub raw: RawNode<MemoryStorage>,
    pub applied: Vec<(EntryId, Bytes)>,
    pub reads: Vec<ReadState>,
    pub conf_state: ConfState,
}

pub struct Group {
    pub nodes: BTreeMap<NodeId, Node>,
    /// Messages on their way.
    pub queue: VecDeque<Message>,
    /// Messages delivered, oldest first.
    pub delivered: Vec<Message>,
    cut: BTreeSet<(NodeId, NodeId)>,
    lost: Option<fn(&Message) -> bool>,
}

/// A configuration whose elections happen when a test says so.
pub fn config(id: NodeId) -> Config {
    Config { pre_vote: false, check_quorum: false, seed: 7, ..Config::new(id) }
}

impl Group {
    pub fn new(voters: u64) -> Self {
        Self::with(voters, |_| {})
    }

    pub fn with(voters: u64, adjust: impl Fn(&mut Config)) -> Self {
        let ids: Vec<NodeId> = (1..=voters).collect();
        let mut group = Self::empty();
        for id in &ids {
            let storage = MemoryStorage::with_conf_state(ConfState::new(ids.clone(), []));
            group.add(*id, storage, &adjust);
        }
        group
    }

    pub fn empty() -> Self {
        Self {
            nodes: BTreeMap::new(),
            queue: VecDeque::new(),
            delivered: Vec::new(),
            cut: BTreeSet::new(),
            lost: None,
        }
    }

    pub fn add(&mut self, id: NodeId, storage: MemoryStorage, adjust: impl Fn(&mut Config)) {
        let mut config = config(id);
        adjust(&mut config);
        let conf_state = storage.initial_state().unwrap().1;
        let raw = RawNode::new(config, storage).unwrap();
        self.nodes.insert(id, Node { raw, applied: Vec::new(), reads: Vec::new(), conf_state });
    }

    pub fn node(&mut self, id: NodeId) -> &mut RawNode<MemoryStorage> {
        &mut self.nodes.get_mut(&id).unwrap().raw
    }

    pub fn role(&self, id: NodeId) -> RoleKind {
        self.nodes[&id].raw.soft_state().role
    }

    pub fn term(&self, id: NodeId) -> Term {
        self.nodes[&id].raw.hard_state().term
    }

    pub fn commit(&self, id: NodeId) -> Index {
        self.nodes[&id].raw.hard_state().commit
    }

    pub fn last(&self, id: NodeId) -> EntryId {
        self.nodes[&id].raw.status().last
    }

    pub fn leaders(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().filter(|id| self.role(*id) == RoleKind::Leader).collect()
    }

    pub fn payloads(&self, id: NodeId) -> Vec<String> {
        self.nodes[&id]
            .applied
            .iter()
            .filter(|(_, data)| !data.is_empty())
            .map(|(_, data)| String::from_utf8_lossy(data).into_owned())
            .collect()
    }

    /// Messages between the two are lost from now on.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.cut.insert((a, b));
        self.cut.insert((b, a));
    }

    pub fn isolate(&mut self, id: NodeId) {
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != id {
                self.cut(id, other);
            }
        }
    }

    /// Messages that `lost` says are lost, until [`Self::heal`].
    pub fn lose(&mut self, lost: fn(&Message) -> bool) {
        self.lost = Some(lost);
    }

    pub fn heal(&mut self) {
        self.cut.clear();
        self.lost = None;
    }

    /// Handles one Ready of a node as a host should; its messages join the queue.
    pub fn handle_ready(&mut self, id: NodeId) -> bool {
        let node = self.nodes.get_mut(&id).unwrap();
        if !node.raw.has_ready() {
            return false;
        }
        let ready = node.raw.ready().unwrap();
        self.queue.extend(ready.messages.iter().cloned());
        node.store(&ready);
        node.apply(&ready);
        node.raw.advance(ready).unwrap();
        true
    }

    /// Delivers the oldest message; false if there is none.
    pub fn deliver_one(&mut self) -> bool {
        let Some(message) = self.queue.pop_front() else { return false };
        let lost =
            self.cut.contains(&(message.from, message.to)) || self.lost.is_some_and(|lost| lost(&message));
        if !lost {
            self.delivered.push(message.clone());
            if let Some(node) = self.nodes.get_mut(&message.to) {
                match node.raw.step(message) {
                    Ok(()) | Err(Error::PeerNotFound(_) | Error::ProposalDropped(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        true
    }

    /// Goes on until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut worked = false;
            for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                worked |= self.handle_ready(id);
            }
            worked |= self.deliver_one();
            if !worked {
                return;
            }
        }
        panic!("the group does not come to rest");
    }

    pub fn elect(&mut self, id: NodeId) {
        self.node(id).campaign().unwrap();
        self.settle();
        assert_eq!(self.role(id), RoleKind::Leader, "node {id} leads");
    }

    /// The same where others have to be brought up to date before they can vote.
    pub fn elect_with_ticks(&mut self, id: NodeId) {
        self.node(id).campaign().unwrap();
        self.tick_all(10);
        assert_eq!(self.role(id), RoleKind::Leader, "node {id} leads");
    }

    pub fn tick(&mut self, id: NodeId, ticks: u32) {
        for _ in 0..ticks {
            self.node(id).tick().unwrap();
        }
    }

    pub fn tick_all(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for node in self.nodes.values_mut() {
                node.raw.tick().unwrap();
            }
            self.settle();
        }
    }

    pub fn propose(&mut self, id: NodeId, data: &str) -> EntryId {
        match self.node(id).propose(data.to_owned()).unwrap() {
            Proposed::Appended(place) => place,
            Proposed::Forwarded(_) => EntryId::default(),
        }
    }

    pub fn change(&mut self, leader: NodeId, kind: ConfChangeKind, node: NodeId) {
        self.node(leader).propose_conf_change(&ConfChangeV2::single(kind, node)).unwrap();
        self.settle();
    }

    /// Stops a node and starts it anew from its storage.
    pub fn restart(&mut self, id: NodeId) {
        self.restart_with(id, |_| {});
    }

    /// The same with another configuration.
    pub fn restart_with(&mut self, id: NodeId, adjust: impl Fn(&mut Config)) {
        let node = self.nodes.remove(&id).unwrap();
        let mut config = Config { applied: 0, ..node.raw.config().clone() };
        adjust(&mut config);
        let raw = RawNode::new(config, node.raw.storage().clone()).unwrap();
        let conf_state = raw.status().conf_state;
        self.nodes.insert(id, Node { raw, applied: Vec::new(), reads: Vec::new(), conf_state });
    }

    /// Makes a snapshot of all that the node has applied, and forgets the entries.
    pub fn compact(&mut self, id: NodeId) -> Index {
        let node = self.nodes.get_mut(&id).unwrap();
        let index = node.raw.status().applied;
        let data = node.state().into_bytes();
        let conf_state = node.conf_state.clone();
        let storage = node.raw.storage_mut();
        storage.create_snapshot(index, conf_state, data).unwrap();
        storage.compact(index).unwrap();
        index
    }

    /// How many messages of a kind were delivered.
    pub fn count(&self, is: impl Fn(&Message) -> bool) -> usize {
        self.delivered.iter().filter(|message| is(message)).count()
    }
}

impl Node {
    fn store(&mut self, ready: &Ready) {
        let storage = self.raw.storage_mut();
        if let Some(snapshot) = ready.snapshot.as_deref() {
            storage.apply_snapshot(snapshot.clone()).unwrap();
            self.conf_state = snapshot.conf_state.clone();
            let state = String::from_utf8(snapshot.data.to_vec()).unwrap();
            self.applied =
                state.lines().map(|line| (snapshot.id, Bytes::copy_from_slice(line.as_bytes()))).collect();
        }
        storage.append(&ready.entries).unwrap();
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
    }

    fn apply(&mut self, ready: &Ready) {
        for entry in ready.committed_entries.iter() {
            match entry.kind {
                EntryKind::Normal => self.applied.push((entry.id, entry.data.clone())),
                _ => {
                    let change = wire::decode_conf_change(entry, self.raw.config().dialect).unwrap();
                    self.conf_state = self.raw.apply_conf_change(&change).unwrap();
                    let (state, conf_state) = (self.state(), self.conf_state.clone());
                    let storage = self.raw.storage_mut();
                    storage.set_conf_state(conf_state.clone());
                    // A member that this change adds must find itself in the snapshot it is sent.
                    storage.create_snapshot(entry.index(), conf_state, state).unwrap();
                }
            }
        }
        self.reads.extend(ready.read_states.iter().cloned());
    }

    /// The state machine: the payloads applied, a line each.
    pub fn state(&self) -> String {
        let lines = self.applied.iter().filter(|(_, data)| !data.is_empty());
        lines.map(|(_, data)| format!("{}\n", String::from_utf8_lossy(data))).collect()
    }
}

/// A log of the given terms, from index 1 on.
pub fn log(terms: &[Term]) -> Vec<Entry> {
    let entry = |(place, term): (usize, &Term)| {
        Entry::new(EntryId::new(*term, place as u64 + 1), EntryKind::Normal, Bytes::new())
    };
    terms.iter().enumerate().map(entry).collect()
}

/// A storage with members 1..=voters and a log of the given terms.
pub fn stored(voters: u64, term: Term, terms: &[Term]) -> MemoryStorage {
    let mut storage = MemoryStorage::new();
    storage.set_conf_state(ConfState::new((1..=voters).collect::<Vec<_>>(), []));
    storage.append(log(terms)).unwrap();
    storage.set_hard_state(HardState { term, vote: 0, commit: 0 });
    storage
}

pub fn is_append(message: &Message) -> bool {
    matches!(message.body, Body::Append(_))
}

pub fn is_snapshot(message: &Message) -> bool {
    matches!(message.body, Body::Snapshot(_))
}
