//! What a group has agreed on, seen from outside: what contradicts it breaks Raft's safety.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{ConfState, Entry, NodeId, Snapshot};

use crate::peer::Outcome;

/// A state machine that remembers everything: a hash over all that was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) applied: u64,
    pub(crate) hash: u64,
}

impl Machine {
    pub(crate) fn apply(&mut self, entry: &Entry) -> Outcome {
        if entry.index() != self.applied + 1 {
            return Err(format!("entry {} is to be applied after {}", entry.index(), self.applied));
        }
        let mut hasher = DefaultHasher::new();
        (self.hash, entry.id, entry.kind, &entry.data[..]).hash(&mut hasher);
        *self = Self { applied: entry.index(), hash: hasher.finish() };
        Ok(())
    }

    pub(crate) fn restore(snapshot: &Snapshot) -> Self {
        // The snapshot that a group starts with has no data.
        let hash = snapshot.data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self { applied: snapshot.id.index, hash }
    }
}

pub(crate) struct History {
    /// The hash after each entry: equal hashes are equal logs.
    states: HashMap<u64, u64>,
    memberships: HashMap<u64, ConfState>,
    leaders: HashMap<u64, NodeId>,
    /// All who have ever been members.
    pub(crate) joined: BTreeSet<NodeId>,
    /// The highest index that any node has ever applied.
    pub(crate) applied: u64,
    /// The newest membership, and since when.
    pub(crate) conf: ConfState,
    pub(crate) conf_index: u64,
}

impl History {
    pub(crate) fn new(members: ConfState) -> Self {
        Self {
            states: HashMap::from([(1, 0)]),
            memberships: HashMap::new(),
            leaders: HashMap::new(),
            joined: members.voters.iter().copied().collect(),
            applied: 1,
            conf: members,
            conf_index: 1,
        }
    }

    /// State Machine Safety.
    pub(crate) fn reached(&mut self, machine: Machine) -> Outcome {
        let known = *self.states.entry(machine.applied).or_insert(machine.hash);
        self.applied = self.applied.max(machine.applied);
        if known == machine.hash {
            Ok(())
        } else {
            Err(format!("another log at or before {}", machine.applied))
        }
    }

    /// All draw the same membership from the same log. Tells whether it is a new one.
    pub(crate) fn changed(&mut self, index: u64, state: &ConfState) -> Outcome<bool> {
        let state = canonical(state);
        let is_new = !self.memberships.contains_key(&index);
        let known = self.memberships.entry(index).or_insert_with(|| state.clone());
        if *known != state {
            return Err(format!("membership {state:?} after entry {index}, others have {known:?}"));
        }
        self.joined.extend(members(&state));
        if index > self.conf_index {
            (self.conf, self.conf_index) = (state, index);
        }
        Ok(is_new)
    }

    /// Election Safety. Tells whether the leader is a new one.
    pub(crate) fn leads(&mut self, id: NodeId, term: u64) -> Outcome<bool> {
        let is_new = !self.leaders.contains_key(&term);
        let known = *self.leaders.entry(term).or_insert(id);
        if known == id { Ok(is_new) } else { Err(format!("nodes {known} and {id} both lead term {term}")) }
    }
}

/// The membership in one order.
pub(crate) fn canonical(state: &ConfState) -> ConfState {
    let mut state = state.clone();
    for ids in [&mut state.voters, &mut state.learners, &mut state.voters_outgoing, &mut state.learners_next]
    {
        ids.sort_unstable();
    }
    state
}

/// All who belong to a membership.
pub(crate) fn members(state: &ConfState) -> BTreeSet<NodeId> {
    [&state.voters, &state.learners, &state.voters_outgoing].into_iter().flatten().copied().collect()
}
