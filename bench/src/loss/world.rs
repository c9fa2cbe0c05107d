//! A group in virtual time: whatever happens at the same time happens together, and takes no time itself.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::network::Network;
use super::{Case, Outcome};
use crate::Failure;
use crate::group::{Group, Transport};
use crate::payload::{self, Look, Sequence};
use crate::peer::{Node, Settings};

enum Event<M> {
    Tick(usize),
    Deliver(usize, M),
    /// The first learns that a message to the second was lost.
    Report(usize, u64),
}

struct World<'a, N: Node> {
    case: Case<'a>,
    nodes: Vec<N>,
    applied: Vec<Sequence>,
    network: Network,
    now: u64,
    /// When what happens; of the same time, what was scheduled first.
    order: BinaryHeap<Reverse<(u64, usize)>>,
    events: Vec<Option<Event<N::Message>>>,
    out: Vec<N::Message>,
    /// Writes proposed so far: all but those applied are under way, one for each client.
    proposed: u64,
    messages: u64,
}

/// Runs the case; the first node leads from the beginning.
pub(super) fn run<N: Node>(case: Case<'_>) -> Result<Outcome, Failure> {
    let settings = Settings::new(case.options.nodes, 10);
    let Group { nodes, applied, .. } = Group::<N>::new(settings, Transport::Memory, Look::Ends)?;
    let mut world = World {
        network: Network::new(case.seed, case.options.nodes, case.loss),
        case,
        nodes,
        applied,
        now: 0,
        order: BinaryHeap::new(),
        events: Vec::new(),
        out: Vec::new(),
        proposed: 0,
        messages: 0,
    };
    world.go()?;
    world.verify()?;
    Ok(Outcome { operations: world.applied[0].count, messages: world.messages })
}

impl<N: Node> World<'_, N> {
    fn go(&mut self) -> Result<(), Failure> {
        let (tick, nodes) = (self.case.options.tick, self.nodes.len());
        // Their ticks are out of step.
        (0..nodes).for_each(|at| self.schedule(tick * (at as u64 + 1) / (nodes as u64 + 1), Event::Tick(at)));
        self.work()?;
        let end = self.case.options.seconds * 1_000_000;
        while let Some(Reverse((now, _))) = self.order.peek().copied().filter(|Reverse((now, _))| *now < end)
        {
            self.now = now;
            while let Some(Reverse((_, number))) =
                self.order.peek().copied().filter(|Reverse((time, _))| *time == now)
            {
                self.order.pop();
                if let Some(event) = self.events[number].take() {
                    self.handle(event)?;
                }
            }
            self.work()?;
        }
        Ok(())
    }

    fn schedule(&mut self, delay: u64, event: Event<N::Message>) {
        self.order.push(Reverse((self.now + delay, self.events.len())));
        self.events.push(Some(event));
    }

    fn handle(&mut self, event: Event<N::Message>) -> Result<(), Failure> {
        match event {
            Event::Tick(at) => {
                self.schedule(self.case.options.tick, Event::Tick(at));
                self.nodes[at].tick()
            }
            Event::Deliver(at, message) => self.nodes[at].step(message),
            Event::Report(at, about) => {
                self.nodes[at].report_unreachable(about);
                Ok(())
            }
        }
    }

    /// All nodes do what they have to do, and clients whose writes were applied write again.
    fn work(&mut self) -> Result<(), Failure> {
        let mut worked = true;
        while worked {
            worked = self.write()?;
            for at in 0..self.nodes.len() {
                while self.nodes[at].work(&mut self.out, &mut self.applied[at])? {
                    worked = true;
                    self.post(at as u64);
                }
            }
        }
        if self.nodes[0].is_leader() { Ok(()) } else { Err("the first node does not lead any more".into()) }
    }

    fn write(&mut self) -> Result<bool, Failure> {
        let under_way = self.proposed - self.applied[0].count;
        let count = self.case.options.clients - under_way;
        for payload in payload::lap(self.proposed, count as usize, self.case.options.payload as usize) {
            self.nodes[0].propose(payload)?;
        }
        self.proposed += count;
        Ok(count > 0)
    }

    fn post(&mut self, from: u64) {
        for message in std::mem::take(&mut self.out) {
            let to = N::receiver(&message);
            self.messages += 1;
            if !self.network.loses(from, to - 1) {
                self.schedule(self.case.options.rtt / 2, Event::Deliver(to as usize - 1, message));
            } else if self.case.reports {
                self.schedule(self.case.options.report_delay, Event::Report(from as usize, to));
            }
        }
    }

    /// All nodes have applied a beginning of what was proposed, in that order.
    fn verify(&self) -> Result<(), Failure> {
        let mut expected = Sequence::new(Look::Ends, 0);
        let mut is_right = vec![false; self.nodes.len()];
        for count in 0..=self.proposed {
            for (applied, is_right) in self.applied.iter().zip(&mut is_right) {
                *is_right |= applied.count == count && applied.is_same(&expected);
            }
            payload::lap(count, 1, self.case.options.payload as usize)
                .iter()
                .for_each(|bytes| expected.add(bytes));
        }
        match is_right.iter().position(|is_right| !is_right) {
            Some(at) => Err(format!("wrong replication: node {}", at + 1).into()),
            None => Ok(()),
        }
    }
}
