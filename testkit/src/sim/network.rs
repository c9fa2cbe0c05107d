//! What becomes of messages on their way.

use std::collections::BTreeSet;

use raftcore::{Message, NodeId};

use super::action::Link;
use super::plan::NetworkPlan;
use crate::rng::Rng;

/// Node ids are below this.
const IDS: u64 = 16;
/// How many old messages are kept to arrive once more.
const OLD_MESSAGES: u64 = 64;

/// The links between all nodes.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) plan: NetworkPlan,
    links: Vec<LinkState>,
    /// Messages of all ages, and which life their senders were in.
    old: Vec<(Message, u64)>,
    rng: Rng,
}

/// A link in one direction. It has a source of chance of its own, so that what happens on one link does
/// not change what happens on another.
#[derive(Clone, Debug)]
struct LinkState {
    rng: Rng,
    state: Cut,
    extra_delay: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Whole,
    Always,
    /// Every other so much time.
    Flapping(u64),
}

impl Network {
    pub(super) fn new(plan: NetworkPlan, seed: u64) -> Self {
        let link =
            |number| LinkState { rng: Rng::derived(seed, 1000 + number), state: Cut::Whole, extra_delay: 0 };
        let links = (0..IDS * IDS).map(link).collect();
        Self { plan, links, old: Vec::new(), rng: Rng::derived(seed, 999) }
    }

    fn link(&mut self, (from, to): Link) -> Option<&mut LinkState> {
        let exists = from < IDS && to < IDS;
        if exists { self.links.get_mut((from * IDS + to) as usize) } else { None }
    }

    /// How long each copy of a message travels; none if it is lost.
    pub(super) fn copies(&mut self, from: NodeId, to: NodeId, now: u64) -> Vec<u64> {
        let plan = self.plan;
        let is_cut = self.is_cut(from, to, now);
        let Some(link) = self.link((from, to)) else { return Vec::new() };
        let dropped = link.rng.chance(plan.dropped);
        let duplicated = link.rng.chance(plan.duplicated);
        let mut copies = vec![link.latency(plan)];
        if duplicated {
            copies.push(link.latency(plan));
        }
        if is_cut || dropped { Vec::new() } else { copies }
    }

    /// Whether the next message on a link is corrupted; if so, chance to decide how.
    pub(super) fn corrupts(&mut self, from: NodeId, to: NodeId) -> Option<Rng> {
        let corrupted = self.plan.corrupted;
        if corrupted == 0 {
            return None;
        }
        let link = self.link((from, to))?;
        link.rng.chance(corrupted).then(|| Rng::new(link.rng.next_u64()))
    }

    pub(super) fn is_cut(&self, from: NodeId, to: NodeId, now: u64) -> bool {
        match self.links.get((from * IDS + to) as usize).map(|link| link.state) {
            Some(Cut::Always) => true,
            Some(Cut::Flapping(period)) => now / period % 2 == 0,
            _ => false,
        }
    }

    /// Whether any link is not whole.
    pub(super) fn is_damaged(&self) -> bool {
        self.links.iter().any(|link| link.state != Cut::Whole)
    }

    /// All links that are cut, in order.
    pub(super) fn cut_links(&self) -> Vec<Link> {
        let cut = |(number, link): (usize, &LinkState)| {
            let number = number as u64;
            (link.state != Cut::Whole).then_some((number / IDS, number % IDS))
        };
        self.links.iter().enumerate().filter_map(cut).collect()
    }

    pub(super) fn cut(&mut self, links: &[Link]) {
        self.change(links, |link| link.state = Cut::Always);
    }

    pub(super) fn flap(&mut self, links: &[Link], period: u64) {
        self.change(links, |link| link.state = Cut::Flapping(period.max(1)));
    }

    pub(super) fn slow_down(&mut self, links: &[Link], delay: u64) {
        self.change(links, |link| link.extra_delay = delay);
    }

    fn change(&mut self, links: &[Link], change: impl Fn(&mut LinkState)) {
        for link in links {
            if let Some(state) = self.link(*link) {
                change(state);
            }
        }
    }

    /// Mends all links.
    pub(super) fn mend(&mut self) {
        for link in &mut self.links {
            link.state = Cut::Whole;
            link.extra_delay = 0;
        }
    }

    /// Keeps some of the messages, to let them arrive again much later.
    pub(super) fn keep(&mut self, message: &Message, life: u64) {
        if (self.old.len() as u64) < OLD_MESSAGES {
            self.old.push((message.clone(), life));
        } else if self.rng.chance(30) {
            let place = self.rng.below(OLD_MESSAGES) as usize;
            self.old[place] = (message.clone(), life);
        }
    }

    /// A message that was sent some time, and its sender's life then.
    pub(super) fn old_message(&mut self) -> Option<(Message, u64)> {
        let place = self.rng.below(self.old.len() as u64) as usize;
        self.old.get(place).cloned()
    }
}

impl LinkState {
    fn latency(&mut self, plan: NetworkPlan) -> u64 {
        let longest = if self.rng.chance(plan.slow) { plan.slow_latency } else { plan.latency };
        self.rng.between(1, longest) + self.extra_delay
    }
}

/// Links at random: between two sides, around one node, in one direction only, or all but those to a
/// node that still sees everybody.
pub(super) fn draw_links(ids: &[NodeId], rng: &mut Rng) -> Vec<Link> {
    let chosen = rng.pick(ids).unwrap_or_default();
    let side: BTreeSet<_> = ids.iter().copied().filter(|_| rng.chance(500)).collect();
    let shape = rng.below(5);
    let is_chosen = |(from, to): &Link| match shape {
        0 => side.contains(from) != side.contains(to),
        1 => side.contains(from) && !side.contains(to),
        2 => *from == chosen || *to == chosen,
        3 => *from == chosen,
        _ => side.contains(from) != side.contains(to) && *from != chosen && *to != chosen,
    };
    let all = ids.iter().flat_map(|from| ids.iter().map(|to| (*from, *to)));
    all.filter(|(from, to)| from != to).filter(is_chosen).collect()
}
