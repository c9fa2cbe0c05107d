//! A state of the group, and what can follow it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use raftcore::{ConfState, Config, MemoryStorage, NodeId, RoleKind};

use super::deeds::{Deed, Deeds, Input, Replica};
use super::laws::{History, Law, logs_match};
use super::packet::Packet;
use super::{Bounds, NODES};

/// Term of the snapshot that the group begins with.
const FIRST_TERM: u64 = 1;

/// The whole group.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    replicas: [Arc<Replica>; NODES as usize],
    /// Everything that was ever sent, in order of its hashes; all of it may still arrive.
    network: Arc<Vec<Packet>>,
    /// How many more there may be.
    proposals: u8,
    crashes: u8,
    heartbeats: u8,
    history: Arc<History>,
    broken: Option<Law>,
    pub(super) has_overwritten: bool,
}

/// Something that can happen next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Action {
    node: NodeId,
    deed: Deed,
}

impl Cluster {
    /// Three nodes that have not heard of each other yet.
    pub(super) fn new(bounds: &Bounds) -> Self {
        let replica = |id| {
            // Time never makes an election begin.
            let election_ticks = 1 << 20;
            let (pre_vote, check_quorum) = (bounds.pre_vote, false);
            let config = Config { election_ticks, pre_vote, check_quorum, ..Config::new(id) };
            let storage = MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], []));
            Arc::new(Replica::new(config, storage).expect("a good configuration and storage"))
        };
        Self {
            replicas: [1, 2, 3].map(replica),
            network: Arc::default(),
            proposals: bounds.proposals,
            crashes: bounds.crashes,
            heartbeats: bounds.heartbeats,
            history: Arc::default(),
            broken: None,
            has_overwritten: false,
        }
    }

    pub(super) fn holds(&self, law: Law) -> bool {
        self.broken != Some(law)
    }

    pub(super) fn has_commit(&self) -> bool {
        !self.history.committed.is_empty()
    }

    pub(super) fn had_leaders(&self, count: usize) -> bool {
        self.history.leaders.len() >= count
    }

    fn replica(&self, id: NodeId) -> &Arc<Replica> {
        &self.replicas[id as usize - 1]
    }

    /// What can happen next.
    pub(super) fn possible_actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        let deliveries = self.network.iter().map(|packet| (packet.to, Input::Deliver(packet.clone())));
        let inputs = deliveries.chain((1..=NODES).flat_map(|id| self.possible_inputs(id, bounds)));
        for (node, input) in inputs {
            if self.crashes > 0 {
                actions.push(Action { node, deed: Deed::CrashDuring(input.clone()) });
            }
            actions.push(Action { node, deed: Deed::Input(input) });
        }
        if self.crashes > 0 {
            actions.extend((1..=NODES).map(|node| Action { node, deed: Deed::Crash }));
        }
    }

    /// What a node can be given besides messages.
    fn possible_inputs(&self, id: NodeId, bounds: &Bounds) -> impl Iterator<Item = (NodeId, Input)> + use<> {
        let node = &self.replica(id).node;
        let leads = node.soft_state().role == RoleKind::Leader;
        // As long as nothing has happened, one node is like the other.
        let may_campaign = !leads && (id == 1 || !self.network.is_empty());
        let campaign = may_campaign && node.hard_state().term < FIRST_TERM + bounds.terms;
        let inputs = [
            campaign.then_some(Input::Campaign),
            (leads && self.proposals > 0).then_some(Input::Propose(self.proposals)),
            (leads && self.heartbeats > 0).then_some(Input::Heartbeat),
        ];
        inputs.into_iter().flatten().map(move |input| (id, input))
    }

    /// The state after an action; None if that changes nothing.
    pub(super) fn after(&self, action: &Action, deeds: &Deeds) -> Option<Self> {
        let before = self.replica(action.node);
        let Some(outcome) = deeds.outcome(before, &action.deed) else {
            return Some(Self { broken: Some(Law::NoErrors), ..self.clone() });
        };
        let news: Vec<_> = outcome.sent.iter().filter(|packet| !self.has_sent(packet)).cloned().collect();
        let same_node = outcome.after.fingerprint == before.fingerprint;
        // A crash in the middle without a message that got out is a crash before.
        let is_other = matches!(action.deed, Deed::CrashDuring(_)) && news.is_empty();
        if is_other || (same_node && news.is_empty()) {
            return None;
        }
        let mut next = self.clone();
        next.pay_for(&action.deed);
        if !news.is_empty() {
            let network = Arc::make_mut(&mut next.network);
            network.extend(news);
            network.sort_unstable();
            network.dedup();
        }
        next.check(before, &outcome.after, action.node);
        next.replicas[action.node as usize - 1] = Arc::clone(&outcome.after);
        Some(next)
    }

    fn has_sent(&self, packet: &Packet) -> bool {
        self.network.binary_search(packet).is_ok()
    }

    /// Counts what is bounded.
    fn pay_for(&mut self, deed: &Deed) {
        self.crashes -= u8::from(!matches!(deed, Deed::Input(_)));
        let (Deed::Input(input) | Deed::CrashDuring(input)) = deed else { return };
        self.proposals -= u8::from(matches!(input, Input::Propose(_)));
        self.heartbeats -= u8::from(*input == Input::Heartbeat);
    }

    /// Checks the laws after a node has acted.
    fn check(&mut self, before: &Replica, after: &Replica, id: NodeId) {
        let replaced = before.log.iter().zip(&after.log).any(|(old, new)| old.id != new.id);
        self.has_overwritten |= replaced;
        self.broken = History::observe(&mut self.history, before, after).err();
        let mut others = (1..=NODES).filter(|other| *other != id).map(|other| self.replica(other));
        if self.broken.is_none() && !others.all(|other| logs_match(&after.log, &other.log)) {
            self.broken = Some(Law::LogMatching);
        }
    }

    /// What makes two states the same.
    fn identity(&self) -> impl Hash + PartialEq {
        let replicas = [1, 2, 3].map(|id| self.replica(id).fingerprint);
        let left = (self.proposals, self.crashes, self.heartbeats);
        (replicas, &self.network, left, self.has_overwritten, &self.history, self.broken)
    }
}

impl Hash for Cluster {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.identity().hash(hasher);
    }
}

impl PartialEq for Cluster {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deed {
            Deed::Input(input) => write!(f, "node {} {input}", self.node),
            Deed::Crash => write!(f, "node {} crashes and restarts", self.node),
            Deed::CrashDuring(input) => {
                write!(f, "node {} {input}, and crashes before it stores", self.node)
            }
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaign => f.write_str("campaigns"),
            Self::Propose(_) => f.write_str("proposes"),
            Self::Heartbeat => f.write_str("sends heartbeats"),
            Self::Deliver(packet) => write!(f, "receives {packet:?}"),
        }
    }
}
