//! Every interleaving of a small group's events, within bounds.
//!
//! The nodes are the library's own, not a model of them. What can happen next: a node campaigns, a
//! leader is given a proposal or sends its heartbeats, a message arrives, a node crashes. Messages
//! stay in the network: each may arrive at any time, in any order, many times or never, which makes
//! loss, delay, duplication and reordering. A crash may come between two actions, or within one: then
//! what promises nothing has left, and nothing is stored.
//!
//! Time is an input here: elections are campaigns that come at any moment, so that no order of
//! timeouts is left out. The bounds are on terms, proposals, crashes and rounds of heartbeats.
//!
//! States are equal if everything the library's nodes hold is equal, except what [`fingerprint`] lists.
//! The search itself is the crate `stateright`'s: breadth first, so that what it finds is shortest.

mod cluster;
mod deeds;
mod fingerprint;
mod laws;
mod packet;

use std::thread;
use std::time::{Duration, Instant};

use raftcore::NodeId;
use stateright::{Checker, HasDiscoveries, Model, Property};

pub use laws::Law;

use cluster::{Action, Cluster};
use deeds::Deeds;

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Terms that can be campaigned for, all nodes together.
    pub terms: u64,
    /// Entries that can be proposed.
    pub proposals: u8,
    /// Times that a node can crash.
    pub crashes: u8,
    /// Rounds of heartbeats.
    pub heartbeats: u8,
    /// Whether candidates ask before they campaign.
    pub pre_vote: bool,
}

/// When to stop before everything has been looked at; the default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Look at states that take so many actions and no more. Uses one thread, to count them right.
    pub depth: Option<usize>,
    /// Stop after about so many transitions.
    pub transitions: Option<usize>,
    /// Stop after so much time.
    pub time: Option<Duration>,
}

/// What a host does wrong, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A crash takes back the node's vote.
    ForgetsVote,
    /// A crash takes back the last entry.
    ForgetsEntry,
    /// Votes and acknowledgements leave before what they promise is stored.
    SendsBeforeStoring,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Different states.
    pub states: usize,
    /// States reached, each as often as there are ways to it.
    pub transitions: usize,
    /// Actions on the longest way to a state that was looked at.
    pub depth: usize,
    /// Whether there was nothing left to look at, within the bounds.
    pub complete: bool,
    /// Which interesting situations were never met.
    pub unmet: Vec<&'static str>,
    /// What does not hold, and the shortest way there.
    pub breach: Option<(Law, Vec<String>)>,
}

/// The model that is searched.
#[derive(Debug)]
struct Group {
    bounds: Bounds,
    deeds: Deeds,
}

/// How many nodes there are.
pub const NODES: NodeId = 3;

impl Model for Group {
    type State = Cluster;
    type Action = Action;

    fn init_states(&self) -> Vec<Cluster> {
        vec![Cluster::new(&self.bounds)]
    }

    fn actions(&self, state: &Cluster, actions: &mut Vec<Action>) {
        state.possible_actions(&self.bounds, actions);
    }

    fn next_state(&self, state: &Cluster, action: Action) -> Option<Cluster> {
        state.after(&action, &self.deeds)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = |law: Law, holds: fn(&Self, &Cluster) -> bool| Property::always(law.name(), holds);
        vec![
            always(Law::ElectionSafety, |_, state| state.holds(Law::ElectionSafety)),
            always(Law::LogMatching, |_, state| state.holds(Law::LogMatching)),
            always(Law::StateMachineSafety, |_, state| state.holds(Law::StateMachineSafety)),
            always(Law::LeaderCompleteness, |_, state| state.holds(Law::LeaderCompleteness)),
            always(Law::NoErrors, |_, state| state.holds(Law::NoErrors)),
            Property::sometimes("an entry is committed", |_, state: &Cluster| state.has_commit()),
            Property::sometimes("two terms have had leaders", |_, state: &Cluster| state.had_leaders(2)),
            Property::sometimes("stored entries are replaced", |_, state: &Cluster| state.has_overwritten),
        ]
    }
}

/// Looks at all states within the bounds, with so many threads. `progress` is told the number of
/// states found so far, once a second.
pub fn explore(
    bounds: Bounds,
    limits: Limits,
    planted: Option<Planted>,
    threads: usize,
    mut progress: impl FnMut(usize),
) -> Findings {
    let start = Instant::now();
    let threads = if limits.depth.is_some() { 1 } else { threads.max(1) };
    let group = Group { bounds, deeds: Deeds::new(planted) };
    let mut checker = group.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    if let Some(depth) = limits.depth {
        // It counts the states on the way.
        checker = checker.target_max_depth(depth + 1);
    }
    if let Some(transitions) = limits.transitions {
        checker = checker.target_state_count(transitions);
    }
    if let Some(time) = limits.time {
        checker = checker.timeout(time);
    }
    let checker = checker.spawn_bfs();
    let mut waited = 0;
    while !checker.is_done() {
        thread::sleep(Duration::from_millis(10));
        waited += 1;
        if waited % 100 == 0 {
            progress(checker.unique_state_count());
        }
    }
    let checker = checker.join();
    let findings = findings(&checker);
    if findings.breach.is_some() && threads > 1 {
        // With one thread the way that is found is a shortest one.
        return explore(bounds, limits, planted, 1, progress);
    }
    let stopped = limits.depth.is_some_and(|depth| findings.depth >= depth)
        || limits.transitions.is_some_and(|transitions| findings.transitions >= transitions)
        || limits.time.is_some_and(|time| start.elapsed() >= time);
    Findings { complete: findings.complete && !stopped, ..findings }
}

fn findings(checker: &impl Checker<Group>) -> Findings {
    let discoveries = checker.discoveries();
    let breach = Law::ALL.into_iter().find_map(|law| {
        let path = discoveries.get(law.name())?.clone();
        Some((law, path.into_actions().iter().map(ToString::to_string).collect()))
    });
    let properties = checker.model().properties();
    let unmet = properties
        .iter()
        .filter(|property| !property.expectation.discovery_is_failure())
        .filter(|property| !discoveries.contains_key(property.name))
        .map(|property| property.name)
        .collect();
    Findings {
        states: checker.unique_state_count(),
        transitions: checker.state_count(),
        depth: checker.max_depth().saturating_sub(1),
        complete: breach.is_none(),
        unmet,
        breach,
    }
}

#[cfg(test)]
mod tests;
