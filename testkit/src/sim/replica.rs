//! Nodes: how they start and crash, and the pieces in which their hosts work.

use raftcore::{NodeId, Snapshot};

use super::disk::Disk;
use super::event::Event;
use super::host::{Host, Lane, Life, Surroundings};
use super::node::Node;
use super::plan::{Bug, TICK};
use super::situations::Situation;
use super::trace::Happening;
use super::violation::{Check, Invariant};
use super::world::World;
use crate::rng::Rng;

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
    pub(super) tick: u64,
    /// How long a piece of work in each lane takes at most.
    pub(super) latencies: [u64; 3],
    /// Nothing happens to it until then.
    pub(super) paused_until: u64,
    /// Its clock stands still until then.
    pub(super) clock_stopped_until: u64,
    /// Its disk refuses to write until then.
    pub(super) disk_full_until: u64,
    /// Its state machine does nothing until then.
    pub(super) stalled_until: u64,
    /// It is to crash before its next piece of work but so many, for so long.
    pub(super) crash_in: Option<(u64, u64)>,
    /// Which lanes have their next piece of work scheduled.
    busy: [bool; 3],
    /// Reads requested so far; numbers them.
    pub(super) reads: u64,
    /// Whether it has answered a read since the faults stopped.
    pub(super) has_read: bool,
}

impl World {
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
            stalled_until: 0,
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

    /// Gives a node a tick.
    pub(super) fn tick_node(&mut self, id: NodeId) -> Check {
        self.input(id, |raft| raft.tick())?;
        self.host(id).map_or(Ok(()), Host::check_joint_is_left)
    }

    /// Schedules the node's next pieces of work.
    pub(super) fn wake(&mut self, node: NodeId) {
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

    pub(super) fn work(&mut self, node: NodeId, incarnation: u64, lane: Lane) -> Check {
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
        let disk_is_full = replica.disk_full_until > self.now && host.is_to_store(lane);
        if disk_is_full || (replica.stalled_until > self.now && host.is_to_apply(lane)) {
            replica.busy[lane as usize] = true;
            self.meet(if disk_is_full { Situation::DiskFull } else { Situation::StalledMachine });
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
            if !self.oracle.has_shortcut(node, context) {
                self.oracle.workload.read_answered(node, context, applied)?;
            }
        }
        Ok(())
    }
}
