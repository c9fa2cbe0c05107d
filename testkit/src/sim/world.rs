//! The event loop: simulated time, and everything that happens in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{Body, Bytes, ConfState, EntryId, Message, NodeId, Snapshot, SnapshotStatus, wire};

use super::checks;
use super::disk::Disk;
use super::host::{Host, Lane, Life, Surroundings};
use super::machine::Checkpoint;
use super::network::Network;
use super::node::{Driver, Node};
use super::oracle::Oracle;
use super::plan::{Plan, TICK};
use super::tally::Tally;
use super::trace::{self, Happening, Trace};
use super::violation::{Check, Invariant};
use crate::rng::Rng;

/// A group of nodes, the network between them, and what is going to happen.
#[derive(Debug)]
pub(super) struct World {
    driver: Box<dyn Driver>,
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now: u64,
    /// How many events there have been.
    pub(super) count: u64,
    scheduled: u64,
    /// Messages sent; numbers them.
    sent: u64,
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

/// A node and what outlives it.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) disk: Disk,
    /// The running node, if it runs.
    pub(super) host: Option<Host>,
    /// How often it was started.
    pub(super) incarnation: u64,
    /// How long its ticks take.
    tick: u64,
    /// How long a piece of work in each lane takes at most.
    pub(super) latencies: [u64; 3],
    /// Nothing happens to it until then.
    pub(super) paused_until: u64,
    /// Which lanes have their next piece of work scheduled.
    busy: [bool; 3],
    /// Reads requested so far; numbers them.
    pub(super) reads: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Tick { node: NodeId, incarnation: u64 },
    Work { node: NodeId, incarnation: u64, lane: Lane },
    Deliver { id: u64, message: Box<Message> },
    SnapshotReport { node: NodeId, about: NodeId, status: SnapshotStatus },
    Restart(NodeId),
    Client,
    Fault,
}

/// An event and when it happens; ties go by order of scheduling.
#[derive(Debug)]
struct Scheduled {
    time: u64,
    number: u64,
    event: Event,
}

impl World {
    pub(super) fn new(mut rng: Rng, seed: u64, driver: Box<dyn Driver>, trace: Trace) -> Check<Self> {
        let plan = Plan::draw(&mut rng);
        let voters: Vec<_> = (1..=plan.voters).collect();
        let start = Snapshot {
            id: EntryId::new(1, plan.first_index),
            conf_state: ConfState::new(voters.clone(), []),
            data: Bytes::copy_from_slice(&0u64.to_le_bytes()),
        };
        let mut world = Self {
            driver,
            rng,
            now: 0,
            count: 0,
            scheduled: 0,
            sent: 0,
            events: BinaryHeap::new(),
            replicas: BTreeMap::new(),
            network: Network::new(plan.network),
            oracle: Oracle::new(&Checkpoint::of(&start)),
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
        world.schedule(TICK, Event::Client);
        if world.plan.faults.interval.is_some() {
            world.schedule(10 * TICK, Event::Fault);
        }
        world.watch_nodes();
        Ok(world)
    }

    /// Creates a node that has never run, and starts it.
    pub(super) fn add_replica(&mut self, id: NodeId, snapshot: Snapshot) -> Check {
        let disk = Disk::new(snapshot, self.rng.next_u64());
        self.oracle.add_disk(id, disk.clone());
        let tick = self.plan.draw_tick(&mut self.rng);
        let latencies = self.plan.draw_work_latencies(&mut self.rng);
        let replica = Replica {
            disk,
            host: None,
            incarnation: 0,
            tick,
            latencies,
            paused_until: 0,
            busy: [false; 3],
            reads: 0,
        };
        self.replicas.insert(id, replica);
        self.start(id)
    }

    /// Starts a node that does not run.
    pub(super) fn start(&mut self, id: NodeId) -> Check {
        let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.host.is_none()) else {
            return Ok(());
        };
        replica.incarnation += 1;
        replica.busy = [false; 3];
        let incarnation = replica.incarnation;
        let plan = &self.plan;
        let (disk, durable_machine) = (replica.disk.clone(), plan.durable_machine);
        let config = plan.config(id, incarnation, disk.recover_machine().index());
        let failing_reads = if self.is_stormy { plan.faults.failing_reads } else { 0 };
        // A host that cannot start because of a failing read tries again at once.
        disk.set_failing_reads(0);
        let raft = self.driver.start(config.clone(), disk.clone());
        let raft =
            raft.or_else(|error| Invariant::NoUnexpectedErrors.broken(format!("{id} restarts: {error}")))?;
        let life = Life { config, durable_machine, incarnation };
        replica.host = Some(Host::start(raft, life, disk.clone(), &mut self.oracle)?);
        disk.set_failing_reads(failing_reads);
        let delay = self.rng.between(1, replica.tick);
        self.schedule(delay, Event::Tick { node: id, incarnation });
        self.tell(|| Happening::Start { node: id, incarnation });
        self.wake(id);
        Ok(())
    }

    /// Kills a node that runs: its disk loses some of what was not synced.
    pub(super) fn crash(&mut self, id: NodeId) {
        let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.host.is_some()) else {
            return;
        };
        replica.host = None;
        self.oracle.tally_mut().crashes += 1;
        replica.disk.crash(&mut self.rng);
        self.tell(|| Happening::Crash { node: id });
    }

    pub(super) fn running(&self) -> Vec<NodeId> {
        self.hosts().map(|host| host.id).collect()
    }

    pub(super) fn host(&self, id: NodeId) -> Option<&Host> {
        self.replicas.get(&id)?.host.as_ref()
    }

    pub(super) fn host_mut(&mut self, id: NodeId) -> Option<&mut Host> {
        self.replicas.get_mut(&id)?.host.as_mut()
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.replicas.values().filter_map(|replica| replica.host.as_ref())
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
            Event::Deliver { id, message } => self.deliver(id, *message)?,
            Event::SnapshotReport { node, about, status } => {
                self.input(node, |raft| raft.report_snapshot(about, status))?;
            }
            Event::Restart(node) => self.start(node)?,
            Event::Client => self.client_acts()?,
            Event::Fault => self.something_fails(),
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
        self.schedule(replica.tick, Event::Tick { node, incarnation });
        self.input(node, |raft| raft.tick()).map(drop)
    }

    /// Gives a node an input, if it runs.
    pub(super) fn input<T>(
        &mut self,
        id: NodeId,
        call: impl FnOnce(&mut dyn Node) -> Result<T, raftcore::Error>,
    ) -> Check<Option<T>> {
        let host = self.replicas.get_mut(&id).and_then(|replica| replica.host.as_mut());
        let Some(host) = host else { return Ok(None) };
        let value = host.input(&mut self.oracle, call)?;
        self.wake(id);
        Ok(value)
    }

    /// Schedules the node's next pieces of work.
    fn wake(&mut self, node: NodeId) {
        for lane in [Lane::Ready, Lane::Append, Lane::Apply] {
            let Some(replica) = self.replicas.get_mut(&node) else { return };
            let has_work = replica.host.as_ref().is_some_and(|host| host.has_work(lane));
            if !has_work || replica.busy[lane as usize] {
                continue;
            }
            replica.busy[lane as usize] = true;
            let incarnation = replica.incarnation;
            let delay = self.rng.between(0, replica.latencies[lane as usize]);
            self.schedule(delay, Event::Work { node, incarnation, lane });
        }
    }

    fn work(&mut self, node: NodeId, incarnation: u64, lane: Lane) -> Check {
        let Some(replica) = self.replicas.get_mut(&node) else { return Ok(()) };
        if replica.incarnation != incarnation {
            return Ok(());
        }
        let Some(host) = replica.host.as_mut() else { return Ok(()) };
        replica.busy[lane as usize] = false;
        if self.is_stormy && self.rng.chance(self.plan.faults.crash_at_work) {
            self.crash(node);
            let delay = self.rng.between(1, 50 * TICK);
            self.schedule(delay, Event::Restart(node));
            return Ok(());
        }
        let mut outbox = Vec::new();
        let done = host.work(
            lane,
            &mut Surroundings { oracle: &mut self.oracle, rng: &mut self.rng, outbox: &mut outbox },
        )?;
        self.tell(|| Happening::Work { node, piece: done });
        for message in outbox {
            self.send(message)?;
        }
        self.wake(node);
        Ok(())
    }

    fn send(&mut self, message: Message) -> Check {
        checks::may_be_sent(self, &message)?;
        let message = if self.plan.through_wire { through_wire(&message)? } else { message };
        let copies = self.network.copies(message.from, message.to, &mut self.rng);
        self.sent += 1;
        let id = self.sent;
        self.tell(|| Happening::Send(trace::tell(&message, id, copies.len())));
        if copies.is_empty() {
            self.tell_loss(id, &message, "by the network");
            self.report_loss(&message)?;
        }
        for delay in copies {
            self.schedule(delay, Event::Deliver { id, message: Box::new(message.clone()) });
        }
        Ok(())
    }

    fn tell_loss(&mut self, id: u64, message: &Message, why: &'static str) {
        self.tell(|| Happening::Lost { node: message.from, to: message.to, id, why });
    }

    /// Tells the trace that something happens now.
    pub(super) fn tell(&mut self, happening: impl FnOnce() -> Happening) {
        self.trace.record(self.now, self.count, happening);
    }

    /// A host sees at times that its peer cannot be reached, and always what became of snapshots.
    fn report_loss(&mut self, message: &Message) -> Check {
        let (node, about) = (message.from, message.to);
        if matches!(message.body, Body::Snapshot(_)) {
            let status = SnapshotStatus::Failed;
            let delay = self.rng.between(1, 10 * TICK);
            self.schedule(delay, Event::SnapshotReport { node, about, status });
        } else if self.rng.chance(100) && self.term_of(node) == Some(message.term) {
            self.input(node, |raft| raft.report_unreachable(about))?;
        }
        Ok(())
    }

    fn term_of(&self, id: NodeId) -> Option<u64> {
        self.host(id).map(Host::term)
    }

    fn deliver(&mut self, id: u64, message: Message) -> Check {
        let (from, to) = (message.from, message.to);
        let Some(host) = self.host(to).filter(|_| !self.network.is_cut(from, to)) else {
            let is_down = self.host(to).is_none();
            self.tell_loss(id, &message, if is_down { "the receiver is down" } else { "the link is cut" });
            return self.report_loss(&message);
        };
        let before = checks::before(host, &message);
        // Without the library's own precautions, a host must not let a snapshot in while it applies.
        let is_snapshot = matches!(message.body, Body::Snapshot(_));
        if is_snapshot && host.life.config.eager_append && host.is_applying() {
            self.tell_loss(id, &message, "the receiver is busy");
            return self.report_loss(&message);
        }
        if is_snapshot {
            let status = SnapshotStatus::Delivered;
            let delay = self.rng.between(1, 3 * TICK);
            self.schedule(delay, Event::SnapshotReport { node: from, about: to, status });
        }
        self.tell(|| Happening::Deliver { node: to, from, id, text: trace::describe(&message) });
        self.input(to, |raft| raft.step(message))?;
        checks::nothing_changed(self, to, before)
    }
}

/// What arrives if a message is encoded and decoded.
fn through_wire(message: &Message) -> Check<Message> {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    match wire::decode(&Bytes::from(bytes)) {
        Ok(decoded) if decoded == *message => Ok(decoded),
        other => Invariant::NoUnexpectedErrors
            .broken(format!("{message:?} arrives as {other:?} after encoding and decoding")),
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}
