//! The event loop: simulated time, and everything that happens in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{Bytes, ConfState, EntryId, NodeId, Snapshot};

use super::action::Action;
use super::checks;
use super::event::{Event, Scheduled};
use super::machine::Checkpoint;
use super::network::Network;
use super::node::Driver;
use super::oracle::Oracle;
use super::plan::{Plan, TICK};
use super::replica::Replica;
use super::scenario::Course;
use super::tally::Tally;
use super::trace::{Happening, Trace};
use super::violation::Check;
use super::workload::Workload;
use crate::rng::Rng;

/// After so many election timeouts a client gives up.
const CLIENT_PATIENCE: u64 = 20;

/// A group of nodes, the network between them, and what is going to happen.
#[derive(Debug)]
pub(super) struct World {
    pub(super) driver: Box<dyn Driver>,
    pub(super) plan: Plan,
    /// Decides what faults and clients do. All else has chances of its own, so that an action more or
    /// less changes as little else as possible.
    pub(super) rng: Rng,
    pub(super) seed: u64,
    /// Decides what strangers do.
    pub(super) strangers: Rng,
    /// What is still to be done, if that is written down.
    script: VecDeque<(u64, Action)>,
    /// What was done, if somebody wants to know.
    pub(super) journal: Option<Vec<(u64, Action)>>,
    /// Where the group was at the last mark: term, commit index.
    pub(super) mark: (u64, u64),
    pub(super) now: u64,
    /// How many events there have been.
    pub(super) count: u64,
    scheduled: u64,
    /// Clients ask for nothing until then.
    pub(super) hushed_until: u64,
    /// Messages sent; numbers them.
    pub(super) sent: u64,
    events: BinaryHeap<Reverse<Scheduled>>,
    pub(super) replicas: BTreeMap<NodeId, Replica>,
    pub(super) network: Network,
    pub(super) oracle: Oracle,
    pub(super) trace: Trace,
    digest: DefaultHasher,
    /// Whether clients and faults are still at work.
    pub(super) is_stormy: bool,
    /// Whether the group ended in a state from which no protocol rule leads to a leader.
    pub(super) is_dead_end: bool,
}

impl World {
    pub(super) fn new(course: &Course, driver: Box<dyn Driver>, trace: Trace) -> Check<Self> {
        let (seed, plan) = (course.seed, course.plan.clone());
        let voters: Vec<_> = (1..=plan.voters).collect();
        let start = Snapshot {
            id: EntryId::new(1, plan.first_index),
            conf_state: ConfState::new(voters.clone(), []),
            data: Bytes::copy_from_slice(&0u64.to_le_bytes()),
        };
        let workload = Workload::new(seed, plan.first_index, CLIENT_PATIENCE * plan.election_timeout());
        let mut world = Self {
            driver,
            rng: course.rng.clone(),
            seed,
            strangers: Rng::derived(seed, 998),
            script: course.script.iter().flatten().cloned().collect(),
            journal: None,
            mark: (0, plan.first_index),
            now: 0,
            count: 0,
            scheduled: 0,
            hushed_until: 0,
            sent: 0,
            events: BinaryHeap::new(),
            replicas: BTreeMap::new(),
            network: Network::new(plan.network, seed),
            oracle: Oracle::new(&Checkpoint::of(&start), workload),
            trace,
            digest: DefaultHasher::new(),
            is_stormy: true,
            is_dead_end: false,
            plan,
        };
        world.trace.record(0, 0, || Happening::Run {
            format: 1,
            seed: seed.to_string(),
            tick: TICK,
            voters: world.plan.voters,
            plan: format!("{:?}", world.plan),
        });
        for id in voters {
            world.add_replica(id, start.clone())?;
        }
        if course.script.is_some() {
            world.schedule_script();
        } else {
            world.schedule(TICK, Event::Client);
            if world.plan.faults.interval.is_some() {
                world.schedule(10 * TICK, Event::Fault);
            }
        }
        world.watch_nodes();
        Ok(world)
    }

    pub(super) fn schedule(&mut self, delay: u64, event: Event) {
        self.scheduled += 1;
        let (time, number) = (self.now + delay, self.scheduled);
        self.events.push(Reverse(Scheduled { time, number, event }));
    }

    pub(super) fn tally(&self) -> Tally {
        self.oracle.tally()
    }

    /// A number that depends on everything that happened.
    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// When the next event happens.
    pub(super) fn next_time(&self) -> u64 {
        self.events.peek().map_or(u64::MAX, |Reverse(next)| next.time)
    }

    fn schedule_script(&mut self) {
        if let Some((time, _)) = self.script.front() {
            self.schedule(time.saturating_sub(self.now), Event::Script);
        }
    }

    fn follow_script(&mut self) -> Check {
        let Some((_, action)) = self.script.pop_front() else { return Ok(()) };
        self.schedule_script();
        self.act(action)
    }

    /// Lets the next event happen.
    pub(super) fn step(&mut self) -> Check {
        let Some(Reverse(Scheduled { time, event, .. })) = self.events.pop() else { return Ok(()) };
        self.now = time;
        if let Some(until) = self.pause_of(&event) {
            self.schedule(until - self.now, event);
            return Ok(());
        }
        self.count += 1;
        (time, self.scheduled).hash(&mut self.digest);
        let committed = self.oracle.last_committed();
        match event {
            Event::Tick { node, incarnation } => self.tick(node, incarnation)?,
            Event::Work { node, incarnation, lane } => self.work(node, incarnation, lane)?,
            Event::Deliver { id, life, message } => self.deliver(id, life, *message)?,
            Event::SnapshotReport { node, about, status } => {
                self.input(node, |raft| raft.report_snapshot(about, status))?;
            }
            Event::Restart(node) => self.start(node)?,
            Event::Client => self.client_acts()?,
            Event::Fault => self.something_fails()?,
            Event::Later(action) if self.is_stormy => self.act(*action)?,
            Event::Later(_) => {}
            Event::Script => self.follow_script()?,
        }
        self.watch_nodes();
        if self.oracle.last_committed() != committed {
            checks::newer_leaders_have_it(self)?;
        }
        Ok(())
    }

    /// Until when the event's node is paused, if it is.
    fn pause_of(&self, event: &Event) -> Option<u64> {
        let node = match event {
            Event::Tick { node, .. } | Event::Work { node, .. } => *node,
            Event::Deliver { message, .. } => message.to,
            _ => return None,
        };
        let until = self.replicas.get(&node)?.paused_until;
        (until > self.now).then_some(until)
    }

    fn tick(&mut self, node: NodeId, incarnation: u64) -> Check {
        let Some(replica) = self.replicas.get(&node) else { return Ok(()) };
        if replica.incarnation != incarnation || replica.host.is_none() {
            return Ok(());
        }
        let stands_still = replica.clock_stopped_until > self.now;
        self.schedule(replica.tick, Event::Tick { node, incarnation });
        if stands_still { Ok(()) } else { self.tick_node(node) }
    }

    /// Tells the trace that something happens now.
    pub(super) fn tell(&mut self, happening: impl FnOnce() -> Happening) {
        self.trace.record(self.now, self.count, happening);
    }
}
