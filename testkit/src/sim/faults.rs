//! What goes wrong.

use super::plan::{NetworkPlan, TICK};
use super::trace::Happening;
use super::world::{Event, World};

impl World {
    /// Lets one thing go wrong, or some things be mended, and schedules the next time.
    pub(super) fn something_fails(&mut self) {
        let Some(interval) = self.plan.faults.interval.filter(|_| self.is_stormy) else { return };
        match self.rng.below(10) {
            0..=2 => self.crash_one(),
            3 => {
                for id in self.running() {
                    self.crash(id);
                    let delay = self.rng.between(1, 20 * TICK);
                    self.schedule(delay, Event::Restart(id));
                }
            }
            4..=5 => {
                let ids: Vec<_> = self.replicas.keys().copied().collect();
                self.network.cut_some(&ids, &mut self.rng);
                self.tell_links();
            }
            6..=7 => {
                self.network.mend();
                self.tell_links();
            }
            // A pause is a clock that stands still.
            8 if !self.plan.has_leases() => self.pause_one(),
            _ => self.change_weather(),
        }
        let delay = self.rng.between(1, 2 * interval);
        self.schedule(delay, Event::Fault);
    }

    fn tell_links(&mut self) {
        let network = &self.network;
        self.trace.record(self.now, self.count, || Happening::Links { cut: network.cut_links() });
    }

    fn crash_one(&mut self) {
        if let Some(id) = self.rng.pick(&self.running()) {
            self.crash(id);
            let longest = self.rng.choose([5, 50, 500]) * TICK;
            let delay = self.rng.between(1, longest);
            self.schedule(delay, Event::Restart(id));
        }
    }

    fn pause_one(&mut self) {
        let Some(id) = self.rng.pick(&self.running()) else { return };
        let until = self.now + self.rng.between(1, 50 * TICK);
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.paused_until = until;
        }
        self.tell(|| Happening::Pause { node: id, until });
    }

    /// The network becomes reliable for some time, or again as it was.
    fn change_weather(&mut self) {
        let calm = self.rng.chance(500);
        self.network.plan = if calm { NetworkPlan::RELIABLE } else { self.plan.network };
        self.tell(|| {
            let text = if calm { "the network is reliable" } else { "the network is as planned" };
            Happening::Note { text: text.to_owned() }
        });
    }
}
