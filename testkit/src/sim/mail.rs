//! Messages on their way: sent, lost, delivered.

use raftcore::{Body, Bytes, Message, SnapshotStatus, wire};

use super::checks;
use super::event::Event;
use super::host::Host;
use super::plan::TICK;
use super::situations::Situation;
use super::trace::{self, Happening};
use super::violation::{Check, Invariant};
use super::world::World;

impl World {
    pub(super) fn send(&mut self, message: Message) -> Check {
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

    pub(super) fn deliver(&mut self, id: u64, life: u64, message: Message) -> Check {
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
        let is_overtaken = is_snapshot && host.is_applying();
        self.note_situations_of_delivery(&message, life);
        if is_overtaken {
            self.meet(Situation::SnapshotWhileApplying);
            self.end_stall(to);
        }
        if is_snapshot {
            let status = SnapshotStatus::Delivered;
            let delay = self.replicas.get_mut(&to).map_or(1, |replica| replica.rng.between(1, 3 * TICK));
            self.schedule(delay, Event::SnapshotReport { node: from, about: to, status });
        }
        self.tell(|| Happening::Deliver { node: to, from, id, text: trace::describe(&message) });
        if let Body::ReadIndex(read) = &message.body {
            self.note_shortcut(to, from, &read.context);
        }
        let stranger = self.stranger_comes(&message);
        self.input(to, |raft| raft.step(message))?;
        checks::nothing_changed(self, to, before)?;
        stranger.map_or(Ok(()), |message| self.stranger_speaks(message))
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
