//! The event loop: simulated time, and everything that happens in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{Body, Bytes, ConfState, EntryId, Message, NodeId, Snapshot, SnapshotStatus, wire};

use super::action::Action;
use super::checks;
use super::disk::Disk;
use super::host::{Host, Lane, Life, Surroundings};
use super::machine::Checkpoint;
use super::network::Network;
use super::node::{Driver, Node};
use super::oracle::Oracle;
use super::plan::{Bug, Plan, TICK};
use super::scenario::Course;
use super::situations::Situation;
use super::tally::Tally;
use super::trace::{self, Happening, Trace};
use super::violation::{Check, Invariant};
use super::workload::Workload;
use crate::rng::Rng;

/// After so many election timeouts a client gives up.
const CLIENT_PATIENCE: u64 = 20;

/// A group of nodes, the network between them, and what is going to happen.
#[derive(Debug)]
pub(super) struct World {
    driver: Box<dyn Driver>,
    pub(super) plan: Plan,
    /// Decides what faults and clients do. All else has chances of its own, so that an action more or
    /// less changes as little else as possible.
    pub(super) rng: Rng,
    seed: u64,
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

/// A node and what outlives it.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) disk: Disk,
    pub(super) rng: Rng,
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
    /// Its clock stands still until then.
    pub(super) clock_stopped_until: u64,
    /// Its disk refuses to write until then.
    pub(super) disk_full_until: u64,
    /// It is to crash before its next piece of work but so many, for so long.
    pub(super) crash_in: Option<(u64, u64)>,
    /// Which lanes have their next piece of work scheduled.
    busy: [bool; 3],
    /// Reads requested so far; numbers them.
    pub(super) reads: u64,
    /// Whether it has answered a read since the faults stopped.
    pub(super) has_read: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Tick {
        node: NodeId,
        incarnation: u64,
    },
    Work {
        node: NodeId,
        incarnation: u64,
        lane: Lane,
    },
    /// A message arrives that was sent in such a life of its sender's.
    Deliver {
        id: u64,
        life: u64,
        message: Box<Message>,
    },
    SnapshotReport {
        node: NodeId,
        about: NodeId,
        status: SnapshotStatus,
    },
    Restart(NodeId),
    Client,
    Fault,
    /// What a fault brings about some time after it.
    Later(Box<Action>),
    /// The next line of the script.
    Script,
}

/// An event and when it happens. Of those at the same time, what is done to the group comes first; other
/// ties go by order of scheduling.
#[derive(Debug)]
struct Scheduled {
    time: u64,
    number: u64,
    event: Event,
}

impl Scheduled {
    fn order(&self) -> (u64, bool, u64) {
        let comes_first =
            matches!(self.event, Event::Client | Event::Fault | Event::Later(_) | Event::Script);
        (self.time, !comes_first, self.number)
    }
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
            script: course.script.iter().flatten().cloned().collect(),
            journal: None,
            mark: (0, plan.first_index),
            now: 0,
            count: 0,
            scheduled: 0,
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

    /// Creates a node that has never run, and starts it.
    pub(super) fn add_replica(&mut self, id: NodeId, snapshot: Snapshot) -> Check {
        let mut rng = Rng::derived(self.seed, id);
        let disk = Disk::new(snapshot, rng.next_u64());
        if self.plan.bug == Some(Bug::NoSync) {
            disk.never_sync();
        }
        self.oracle.add_disk(id, disk.clone());
        let tick = self.plan.draw_tick(&mut rng);
        let latencies = self.plan.draw_work_latencies(id, &mut rng);
        let replica = Replica {
            disk,
            rng,
            host: None,
            incarnation: 0,
            tick,
            latencies,
            paused_until: 0,
            clock_stopped_until: 0,
            disk_full_until: 0,
            crash_in: None,
            busy: [false; 3],
            reads: 0,
            has_read: false,
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
        let (disk, durable_machine, blind_reads) =
            (replica.disk.clone(), plan.durable_machine, plan.blind_reads);
        let config = plan.config(id, incarnation, disk.recover_machine().index());
        let failing_reads = if self.is_stormy { plan.faults.failing_reads } else { 0 };
        // A host that cannot start because of a failing read tries again at once.
        disk.set_failing_reads(0);
        let raft = self.driver.start(config.clone(), disk.clone());
        let raft =
            raft.or_else(|error| Invariant::NoUnexpectedErrors.broken(format!("{id} restarts: {error}")))?;
        let life = Life { config, durable_machine, blind_reads, incarnation };
        replica.host = Some(Host::start(raft, life, disk.clone(), &mut self.oracle)?);
        disk.set_failing_reads(failing_reads);
        let delay = replica.rng.between(1, replica.tick);
        self.schedule(delay, Event::Tick { node: id, incarnation });
        self.tell(|| Happening::Start { node: id, incarnation });
        self.wake(id);
        Ok(())
    }

    /// Kills a node that runs: its disk loses some of what was not synced.
    pub(super) fn crash(&mut self, id: NodeId) -> Check {
        self.note_situations_of_crash(id);
        let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.host.is_some()) else {
            return Ok(());
        };
        let tears = replica.rng.chance(self.plan.faults.torn);
        if let Some(host) = replica.host.take().filter(|_| tears) {
            host.start_to_store();
        }
        replica.crash_in = None;
        let damage = replica.disk.crash(&mut replica.rng, tears);
        let tally = self.oracle.tally_mut();
        tally.crashes += 1;
        tally.situations.add(Situation::LostTail, damage.lost.into());
        tally.situations.add(Situation::TornWrite, damage.torn.into());
        self.tell(|| Happening::Crash { node: id });
        self.oracle.workload.node_stops(id)
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
        if stands_still { Ok(()) } else { self.input(node, |raft| raft.tick()).map(drop) }
    }

    /// Gives a node an input, if it runs.
    pub(super) fn input<T>(
        &mut self,
        id: NodeId,
        call: impl FnOnce(&mut dyn Node) -> Result<T, raftcore::Error>,
    ) -> Check<Option<T>> {
        let host = self.replicas.get_mut(&id).and_then(|replica| replica.host.as_mut());
        let Some(host) = host else { return Ok(None) };
        let (led, term) = (host.is_leader(), host.term());
        let value = host.input(&mut self.oracle, call)?;
        let leads = host.is_leader();
        if leads != led {
            let same_term = host.term() == term;
            self.note_change_of_role(id, leads, same_term);
        }
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
            let delay = replica.rng.between(0, replica.latencies[lane as usize]);
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
        if self.is_stormy && replica.rng.chance(self.plan.faults.crash_at_work) {
            let pause = replica.rng.between(1, 50 * TICK);
            return self.crash_for(node, Some(pause));
        }
        if let Some((pieces, pause)) = &mut replica.crash_in {
            let pause = *pause;
            match pieces.checked_sub(1) {
                Some(rest) => *pieces = rest,
                None => return self.crash_for(node, Some(pause)),
            }
        }
        if replica.disk_full_until > self.now && host.is_to_store(lane) {
            replica.busy[lane as usize] = true;
            self.meet(Situation::DiskFull);
            self.schedule(TICK, Event::Work { node, incarnation, lane });
            return Ok(());
        }
        let (applied, snapshots) = (host.machine.index(), self.oracle.tally_mut().snapshots);
        let mut outbox = Vec::new();
        let done = host.work(
            lane,
            &mut Surroundings { oracle: &mut self.oracle, rng: &mut replica.rng, outbox: &mut outbox },
        )?;
        let jumped = self.oracle.tally_mut().snapshots > snapshots;
        self.tell(|| Happening::Work { node, piece: done });
        self.answer_clients(node, applied, jumped)?;
        for message in outbox {
            self.send(message)?;
        }
        self.wake(node);
        Ok(())
    }

    /// Answers what a host can answer after a piece of work, before which it had applied up to `before`.
    fn answer_clients(&mut self, node: NodeId, before: u64, jumped: bool) -> Check {
        let Some(replica) = self.replicas.get_mut(&node) else { return Ok(()) };
        let Some(host) = &mut replica.host else { return Ok(()) };
        let applied = host.machine.index();
        if applied > before {
            self.oracle.workload.node_applied(node, before, applied, jumped)?;
        }
        let hasty = self.plan.bug == Some(Bug::StaleReads);
        while let Some(&(_, context)) = host.reads.first().filter(|(index, _)| *index <= applied || hasty) {
            host.reads.pop_first();
            replica.has_read = true;
            self.oracle.workload.read_answered(node, context, applied)?;
        }
        Ok(())
    }

    fn send(&mut self, message: Message) -> Check {
        checks::may_be_sent(self, &message)?;
        let message = if self.plan.through_wire { through_wire(&message)? } else { message };
        let copies = self.network.copies(message.from, message.to, self.now);
        let life = self.replicas.get(&message.from).map_or(0, |replica| replica.incarnation);
        if self.is_stormy {
            self.network.keep(&message, life);
            if let Some(rng) = self.network.corrupts(message.from, message.to) {
                self.corrupt(&message, rng);
                return self.report_loss(&message);
            }
        }
        self.sent += 1;
        let id = self.sent;
        self.tell(|| Happening::Send(trace::tell(&message, id, copies.len())));
        if copies.is_empty() {
            self.tell_loss(id, &message, "by the network");
            self.report_loss(&message)?;
        }
        for delay in copies {
            self.schedule(delay, Event::Deliver { id, life, message: Box::new(message.clone()) });
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
        let Some(replica) = self.replicas.get_mut(&node) else { return Ok(()) };
        if matches!(message.body, Body::Snapshot(_)) {
            let status = SnapshotStatus::Failed;
            let delay = replica.rng.between(1, 10 * TICK);
            self.schedule(delay, Event::SnapshotReport { node, about, status });
        } else if replica.rng.chance(100) && replica.host.as_ref().map(Host::term) == Some(message.term) {
            self.input(node, |raft| raft.report_unreachable(about))?;
        }
        Ok(())
    }

    fn deliver(&mut self, id: u64, life: u64, message: Message) -> Check {
        let (from, to) = (message.from, message.to);
        let Some(host) = self.host(to).filter(|_| !self.network.is_cut(from, to, self.now)) else {
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
        self.note_situations_of_delivery(&message, life);
        if is_snapshot {
            let status = SnapshotStatus::Delivered;
            let delay = self.replicas.get_mut(&to).map_or(1, |replica| replica.rng.between(1, 3 * TICK));
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
        self.order().cmp(&other.order())
    }
}
