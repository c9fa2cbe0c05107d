//! Faults that belong together: some situations take more than chance brings about.

use raftcore::{ConfChangeKind, ConfChangeOp, NodeId, Transition};

use super::action::{Action, Target};
use super::event::Event;
use super::plan::TICK;
use super::world::World;

impl World {
    /// What begins at once, and for how long nothing else shall disturb it.
    pub(super) fn draw_duel(&mut self) -> (Vec<Action>, u64) {
        let is_long = self.rng.chance(300);
        let leader = self.resolve(Target::Leader).filter(|_| is_long);
        match leader {
            Some(leader) if self.plan.has_leases() && self.rng.chance(300) => {
                (self.draw_abdication(leader), 0)
            }
            Some(leader) if self.plan.has_leases() => self.draw_coup(leader),
            Some(leader) if self.plan.is_async() => self.draw_purge(leader),
            _ => (self.draw_rivalry(), 0),
        }
    }

    fn later(&mut self, delay: u64, action: Action) {
        self.schedule(delay, Event::Later(Box::new(action)));
    }

    /// Somebody campaigns whose entries only the witness will hear of, or a leader is cut off. Two rivals take
    /// turns: each overwrites on the witness what it has of the other, perhaps while that is still
    /// being stored there. And whoever is cut off goes on believing to lead.
    fn draw_rivalry(&mut self) -> Vec<Action> {
        let (witness, latency) = (self.plan.witness(), self.network.plan.latency);
        let id = self.rng.choose([1, 1, 2, 2, 3]);
        let but = (witness != id && self.rng.chance(800)).then_some(witness);
        let (node, soon, isolation) = if self.plan.has_leases() || self.rng.chance(200) {
            let soon = self.rng.between(1, 4 * latency);
            (Target::Leader, soon, Action::Isolate { node: Target::Leader, but })
        } else {
            // Those asked for their votes have heard of it by then, and it still hears that it is elected.
            let soon = self.rng.between(latency / 2, 3 * latency / 2);
            let others = self.replicas.keys().filter(|other| **other != id && Some(**other) != but);
            (Target::Node(id), soon, Action::Cut(others.map(|other| (id, *other)).collect()))
        };
        self.later(soon, isolation);
        if self.plan.bad_clocks && self.plan.has_leases() {
            // It does not see its lease expire.
            let time = 4 * self.plan.election_timeout();
            self.later(soon, Action::StopClock { node, time });
        }
        for _ in 0..3 {
            let later = soon + self.rng.between(1, 3 * TICK);
            self.later(later, Action::Propose { node, count: 1 });
        }
        vec![Action::Mend, Action::Campaign { node: Target::Node(id) }]
    }

    /// A leader hands over to another, and hears nothing of how that goes. Asked to read, it must not rely
    /// on the lease that all have granted.
    fn draw_abdication(&mut self, leader: NodeId) -> Vec<Action> {
        let (timeout, latency) = (self.plan.election_timeout(), self.network.plan.latency);
        let others = self.voters_but(leader);
        let Some(heir) = self.rng.pick(&others) else { return vec![Action::Mend] };
        let node = Target::Node(leader);
        // What was on its way has arrived, and the heir has all entries.
        let start = 4 * latency + TICK;
        self.later(start, Action::Transfer { node, to: Target::Node(heir) });
        let deaf = start + self.rng.between(1, 2 * latency);
        self.later(deaf, Action::Cut(others.iter().map(|other| (*other, leader)).collect()));
        for _ in 0..4 {
            let soon = self.rng.between(TICK, timeout);
            self.later(start + soon, Action::Read { node });
        }
        vec![Action::Mend, Action::Hush { time: start + timeout }]
    }

    /// A node that has not heard the leader for long campaigns just when the leader is cut off, and the others
    /// have perhaps been restarted. Nothing is written before that, so that its log is as good as theirs; but
    /// they have granted the leader a lease.
    fn draw_coup(&mut self, leader: NodeId) -> (Vec<Action>, u64) {
        let (timeout, latency) = (self.plan.election_timeout(), self.network.plan.latency);
        let others = self.voters_but(leader);
        let Some(rival) = self.rng.pick(&others) else { return (vec![Action::Mend], 0) };
        let (from, node) = (Target::Node(leader), Target::Node(rival));
        let deaf = 4 * latency + TICK;
        let strike = deaf + timeout + self.rng.between(TICK, timeout);
        self.later(deaf, Action::Cut(vec![(leader, rival)]));
        let restarts = self.rng.chance(600);
        for id in others.into_iter().filter(|id| *id != rival && restarts) {
            let pause = Some(self.rng.between(1, TICK / 2));
            self.later(strike, Action::Crash { node: Target::Node(id), pause });
        }
        self.later(strike + 1, Action::Isolate { node: from, but: None });
        self.later(strike + TICK, Action::Campaign { node });
        for _ in 0..4 {
            let soon = strike + self.rng.between(2 * TICK, timeout);
            self.later(soon, Action::Read { node: from });
        }
        let lasts = strike + 2 * timeout;
        (vec![Action::Mend, Action::Hush { time: strike + timeout }], lasts)
    }

    /// The leader removes all others, of whom one does not get to apply that. They are cut off, and that one
    /// is told to campaign, though the members that it knows decide nothing any more. Then all are taken in
    /// again by a snapshot, which must not be mixed with what is still to be applied.
    fn draw_purge(&mut self, leader: NodeId) -> (Vec<Action>, u64) {
        let (timeout, latency) = (self.plan.election_timeout(), self.network.plan.latency);
        let node = Target::Node(leader);
        let change = |kind, ids: &[NodeId]| {
            let ops = ids.iter().map(|id| ConfChangeOp { kind, node: *id }).collect();
            Action::Change { node, transition: Transition::Auto, ops }
        };
        let others = self.voters_but(leader);
        if others.len() < 2 {
            let all: Vec<_> = (1..=self.plan.voters.max(3)).filter(|id| *id != leader).collect();
            self.later(4 * latency, Action::Compact { node, keep: None });
            return (vec![Action::Mend, change(ConfChangeKind::AddVoter, &all)], timeout);
        }
        let witness = self.plan.witness();
        let slow = others.contains(&witness) && self.rng.chance(700);
        let stalled = if slow { witness } else { self.rng.choose([others[0], others[1]]) };
        // Before it begins, the group may settle what it quarrels about.
        let start = 2 * timeout;
        let alone = start + 8 * latency + self.rng.between(TICK, timeout);
        let again = alone + 2 * timeout;
        // The snapshot ends the stall, which may be late: whoever stores slowly answers slowly.
        let lasts = again + 2 * timeout + 2 * self.plan.slowest_work;
        self.later(start, Action::Stall { node: Target::Node(stalled), time: lasts - start });
        self.later(start, change(ConfChangeKind::Remove, &others));
        self.later(alone, Action::Isolate { node, but: None });
        for _ in 0..2 {
            let (soon, then) = (self.rng.between(1, 3 * TICK), self.rng.between(TICK, 2 * timeout - TICK));
            self.later(alone + soon, Action::Propose { node, count: 1 });
            self.later(alone + then, Action::Campaign { node: Target::Node(stalled) });
        }
        self.later(again, Action::Mend);
        self.later(again, change(ConfChangeKind::AddVoter, &others));
        for _ in 0..2 {
            let soon = self.rng.between(1, 2 * latency);
            self.later(again + soon, Action::Compact { node, keep: Some(0) });
        }
        (vec![Action::Mend], lasts)
    }

    fn voters_but(&self, leader: NodeId) -> Vec<NodeId> {
        let voters = &self.oracle.newest_membership().voters;
        voters.iter().copied().filter(|id| *id != leader).collect()
    }
}
