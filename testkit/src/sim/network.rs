//! What becomes of messages on their way.

use std::collections::BTreeSet;

use raftcore::NodeId;

use super::plan::NetworkPlan;
use crate::rng::Rng;

/// The links between all nodes.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) plan: NetworkPlan,
    /// Links that are cut: from, to.
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Network {
    pub(super) fn new(plan: NetworkPlan) -> Self {
        Self { plan, cut: BTreeSet::new() }
    }

    /// How long each copy of a message travels; none if it is lost.
    pub(super) fn copies(&self, from: NodeId, to: NodeId, rng: &mut Rng) -> Vec<u64> {
        if self.is_cut(from, to) || rng.chance(self.plan.dropped) {
            return Vec::new();
        }
        let mut copies = vec![self.latency(rng)];
        if rng.chance(self.plan.duplicated) {
            copies.push(self.latency(rng));
        }
        copies
    }

    fn latency(&self, rng: &mut Rng) -> u64 {
        let longest = if rng.chance(self.plan.slow) { self.plan.slow_latency } else { self.plan.latency };
        rng.between(1, longest)
    }

    pub(super) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.contains(&(from, to))
    }

    /// All links that are cut, in order.
    pub(super) fn cut_links(&self) -> Vec<(NodeId, NodeId)> {
        self.cut.iter().copied().collect()
    }

    /// Cuts links at random: between two sides, around one node, in one direction only, or all
    /// but those to a node that still sees everybody.
    pub(super) fn cut_some(&mut self, ids: &[NodeId], rng: &mut Rng) {
        let chosen = rng.pick(ids).unwrap_or_default();
        let side: BTreeSet<_> = ids.iter().copied().filter(|_| rng.chance(500)).collect();
        let shape = rng.below(5);
        for &from in ids {
            for &to in ids {
                let cut = match shape {
                    0 => side.contains(&from) != side.contains(&to),
                    1 => side.contains(&from) && !side.contains(&to),
                    2 => from == chosen || to == chosen,
                    3 => from == chosen,
                    _ => side.contains(&from) != side.contains(&to) && from != chosen && to != chosen,
                };
                if cut && from != to {
                    self.cut.insert((from, to));
                }
            }
        }
    }

    /// Mends all links.
    pub(super) fn mend(&mut self) {
        self.cut.clear();
    }
}
