//! What goes wrong.

use raftcore::{Error, NodeId, RawNode, wire};

use super::action::{Action, Link, Target};
use super::event::Event;
use super::network::draw_links;
use super::plan::{NetworkPlan, TICK};
use super::situations::Situation;
use super::trace::{self, Happening};
use super::violation::{Check, Invariant};
use super::world::World;
use crate::rng::Rng;

impl World {
    /// Lets one thing go wrong, or some things be mended, and schedules the next time.
    pub(super) fn something_fails(&mut self) -> Check {
        let Some(interval) = self.plan.faults.interval.filter(|_| self.is_stormy) else { return Ok(()) };
        let is_duel = self.plan.faults.duels && self.rng.chance(800);
        let (actions, lasts) = if is_duel { self.draw_duel() } else { (self.draw_faults(), 0) };
        let delay = lasts + self.rng.between(1, 2 * interval);
        self.schedule(delay, Event::Fault);
        actions.into_iter().try_for_each(|action| self.act(action))
    }

    fn draw_faults(&mut self) -> Vec<Action> {
        let running = self.running();
        let Some(id) = self.rng.pick(&running) else { return vec![Action::Mend] };
        let node = Target::Node(id);
        let clocks_may_fail = !self.plan.has_leases() || self.plan.bad_clocks;
        let rng = &mut self.rng;
        let time = |rng: &mut Rng, most: u64| rng.between(1, most * TICK);
        let fault = match rng.below(25) {
            0..=4 => {
                let longest = rng.choose([5, 50, 500]);
                Action::Crash { node, pause: Some(time(rng, longest)) }
            }
            5..=6 => {
                let crash = |id| Action::Crash { node: Target::Node(id), pause: Some(time(rng, 20)) };
                return running.into_iter().map(crash).collect();
            }
            7 => Action::CrashIn { node, pieces: rng.between(1, 20), pause: time(rng, 50) },
            8..=12 => {
                let ids: Vec<_> = self.replicas.keys().copied().collect();
                let links = draw_links(&ids, rng);
                match rng.below(8) {
                    _ if links.is_empty() => Action::Mend,
                    0 => Action::Flap { period: time(rng, 30), links },
                    1 => Action::Slow { delay: time(rng, 30), links },
                    _ => Action::Cut(links),
                }
            }
            13..=16 => Action::Mend,
            17 if clocks_may_fail => match rng.below(3) {
                0 => Action::Pause { node, time: time(rng, 50) },
                1 => Action::StopClock { node, time: time(rng, 100) },
                _ => Action::Ticks { node, count: rng.between(2, 40) },
            },
            18 => Action::DiskFull { node, time: time(rng, 50) },
            24 => Action::Stall { node, time: time(rng, 100) },
            19..=20 => Action::Replay { count: rng.between(1, 5) },
            21 => Action::Misdeliver { node },
            _ => Action::Weather { calm: rng.chance(500) },
        };
        vec![fault]
    }

    /// Kills a node; it comes back after `pause`.
    pub(super) fn crash_for(&mut self, id: NodeId, pause: Option<u64>) -> Check {
        self.crash(id)?;
        if let Some(pause) = pause {
            self.schedule(pause.max(1), Event::Restart(id));
        }
        Ok(())
    }

    pub(super) fn cut(&mut self, links: &[Link]) {
        self.network.cut(links);
        let is_cut = |from: NodeId, to: NodeId| self.network.is_cut(from, to, self.now);
        let one_way = links.iter().any(|(from, to)| is_cut(*from, *to) && !is_cut(*to, *from));
        let ids: Vec<_> = self.replicas.keys().copied().collect();
        let whole = |from: &NodeId, to: &NodeId| from != to && !is_cut(*from, *to) && !is_cut(*to, *from);
        let bridge = links.iter().any(|(from, to)| {
            is_cut(*from, *to) && is_cut(*to, *from) && ids.iter().any(|id| whole(id, from) && whole(id, to))
        });
        let situations = &mut self.oracle.tally_mut().situations;
        situations.add(Situation::OneWayLink, one_way.into());
        situations.add(Situation::BridgePartition, bridge.into());
        self.tell_links();
    }

    pub(super) fn tell_links(&mut self) {
        let network = &self.network;
        self.trace.record(self.now, self.count, || Happening::Links { cut: network.cut_links() });
    }

    pub(super) fn pause(&mut self, id: NodeId, time: u64) {
        let until = self.now + time;
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.paused_until = until;
        }
        self.tell(|| Happening::Pause { node: id, until });
    }

    pub(super) fn tick_storm(&mut self, id: NodeId, count: u64) -> Check {
        self.meet(Situation::TickStorm);
        (0..count).try_for_each(|_| self.tick_node(id))
    }

    /// A state machine that was stalled goes on just when something comes that could overtake it.
    pub(super) fn end_stall(&mut self, id: NodeId) {
        if let Some(replica) = self.replicas.get_mut(&id) {
            let soon = self.now + replica.rng.between(1, TICK);
            replica.stalled_until = replica.stalled_until.min(soon);
        }
    }

    /// The network becomes reliable, or again as it was.
    pub(super) fn change_weather(&mut self, calm: bool) {
        self.network.plan = if calm { NetworkPlan::RELIABLE } else { self.plan.network };
    }

    /// Lets a message that was sent some time ago arrive again.
    pub(super) fn replay(&mut self, count: u64) {
        for _ in 0..count {
            if let Some((message, life)) = self.network.old_message() {
                self.sent += 1;
                let id = self.sent;
                self.tell(|| Happening::Send(trace::tell(&message, id, 1)));
                self.schedule(1, Event::Deliver { id, life, message: Box::new(message) });
            }
        }
    }

    /// Gives a node a message that is for another one.
    pub(super) fn misdeliver(&mut self, id: NodeId) -> Check {
        let Some((message, _)) = self.network.old_message().filter(|(message, _)| message.to != id) else {
            return Ok(());
        };
        self.meet(Situation::Misdelivered);
        let refused = self.input(id, |raft| match raft.step(message) {
            Err(Error::InvalidMessage(_)) => Ok(true),
            other => other.map(|()| false),
        })?;
        Invariant::NoUnexpectedErrors
            .require(refused != Some(false), || format!("{id} takes a message that is for another node"))
    }

    /// What becomes of a message whose bytes are changed on the way. A host drops it because of its
    /// frame's checksum. What the library would make of it without that is tried on a node that is
    /// thrown away: errors are fine.
    pub(super) fn corrupt(&mut self, message: &raftcore::Message, mut rng: Rng) {
        let mut bytes = Vec::new();
        wire::encode(message, &mut bytes);
        damage(&mut bytes, &mut rng);
        let Ok(decoded) = wire::decode(&bytes.into()) else {
            return self.meet(Situation::CorruptedIsRefused);
        };
        if decoded == *message {
            return;
        }
        self.meet(Situation::CorruptedIsDecoded);
        let Some(replica) = self.replicas.get(&message.to) else { return };
        let disk = replica.disk.copy();
        let config = self.plan.config(message.to, 0, disk.recover_machine().index());
        let Ok(mut node) = RawNode::new(config, disk) else { return };
        if rng.chance(500) {
            let _ = node.campaign();
        }
        let _ = node.step(decoded);
        let _ = node.ready();
    }
}

/// Changes, removes or adds some bytes.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let place = rng.below(bytes.len() as u64) as usize;
    match rng.below(4) {
        0 => bytes.truncate(place),
        1 => bytes.insert(place, rng.next_u64() as u8),
        _ => {
            for _ in 0..rng.between(1, 3) {
                let place = rng.below(bytes.len() as u64) as usize;
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << rng.below(8);
                }
            }
        }
    }
}
