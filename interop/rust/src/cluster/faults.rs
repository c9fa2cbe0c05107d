//! A round of faults.

use raftcore::{
    Bytes, ConfChangeKind, ConfChangeOp, ConfChangeV2, MemoryStorage, NodeId, Storage, Transition,
};

use super::Cluster;
use super::history::Machine;
use crate::peer::{Outcome, Side};

const EVENTS: usize = 400;
/// Voters that stay, so that one fault does not stop a group for good.
const FEWEST_VOTERS: usize = 3;
const MOST_MEMBERS: usize = 7;

impl Cluster {
    pub(super) fn faults(&mut self) -> Outcome {
        for _ in 0..EVENTS {
            match self.random.below(1000) {
                0..540 => self.deliver_one()?,
                540..770 => self.with_some(|_, peer| peer.tick())?,
                770..870 => {
                    let data = self.random.next().to_le_bytes();
                    let len = self.random.below(9);
                    self.with_some(|_, peer| peer.propose(data[..len].to_vec()))?;
                }
                870..910 => self.read()?,
                910..930 => self.cut_or_heal(),
                930..950 => self.restart()?,
                950..980 => self.change_members()?,
                980..990 => {
                    let to = self.some();
                    self.with_some(|_, peer| peer.transfer_leader(to))?;
                }
                _ => self.with_some(|_, peer| peer.campaign())?,
            }
        }
        Ok(())
    }

    fn some(&mut self) -> NodeId {
        let ids = self.ids();
        self.random.pick(&ids)
    }

    fn with_some(&mut self, act: impl FnOnce(NodeId, &mut dyn crate::peer::Peer) -> Outcome) -> Outcome {
        let id = self.some();
        act(id, self.node(id)?.peer.as_mut())?;
        self.soon(id)
    }

    /// Drives a node now, or leaves that to a later event.
    fn soon(&mut self, id: NodeId) -> Outcome {
        if self.random.one_in(5) || !self.nodes.contains_key(&id) {
            return Ok(());
        }
        self.drive(id)
    }

    /// Delivers a message, mostly the oldest; or loses it; or leaves a copy on its way.
    fn deliver_one(&mut self) -> Outcome {
        if self.net.is_empty() {
            return self.with_some(|_, peer| peer.tick());
        }
        let index = if self.random.one_in(3) { self.random.below(self.net.len()) } else { 0 };
        let packet = self.net.remove(index);
        if self.random.one_in(20) {
            self.lost(packet.from, &packet.envelope);
            return Ok(());
        }
        self.deliver(&packet)?;
        let to = packet.envelope.to;
        if self.random.one_in(20) && !packet.envelope.is_proposal {
            self.net.push(packet);
        }
        self.soon(to)
    }

    fn read(&mut self) -> Outcome {
        let context = format!("read {}", self.reads.len());
        self.reads.insert(Bytes::from(context.clone()), self.history.applied);
        self.with_some(|_, peer| peer.read_index(context.into_bytes()))
    }

    fn cut_or_heal(&mut self) {
        match self.random.below(3) {
            0 => self.cut.clear(),
            1 => {
                let alone = self.some();
                for id in self.ids() {
                    self.cut.extend([(alone, id), (id, alone)]);
                }
            }
            _ => {
                let pair = (self.some(), self.some());
                self.cut.insert(pair);
            }
        }
    }

    /// Stops a node and starts it from its disk; its state machine is kept, or made anew from the last
    /// snapshot and the log.
    fn restart(&mut self) -> Outcome {
        let id = self.some();
        let keeps_state = self.random.one_in(2);
        let node = self.node(id)?;
        let (side, mut machine, mut disk) = (node.side, node.machine, node.peer.disk().clone());
        if let (false, Ok(snapshot)) = (keeps_state, disk.snapshot()) {
            machine = Machine::restore(&snapshot);
            disk.set_conf_state(snapshot.conf_state);
        }
        self.start(id, side, disk, machine)
    }

    fn change_members(&mut self) -> Outcome {
        let change = self.some_change();
        if change.ops.is_empty() && !change.leaves_joint() {
            return Ok(()); // raft-rs takes it for a leave when it is proposed, and not when it is applied
        }
        for op in &change.ops {
            if op.kind != ConfChangeKind::Remove && !self.nodes.contains_key(&op.node) {
                let side = self.random.pick(&[Side::Ours, Side::Theirs]);
                self.start(op.node, side, MemoryStorage::new(), Machine::default())?;
            }
        }
        self.with_some(|_, peer| peer.propose_conf_change(&change))
    }

    /// A change that makes sense in the newest membership; in a joint one, leaving it.
    fn some_change(&mut self) -> ConfChangeV2 {
        let mut conf = self.history.conf.clone();
        if !conf.voters_outgoing.is_empty() {
            return ConfChangeV2::default();
        }
        let transition = self.random.pick(&[Transition::Auto, Transition::Implicit, Transition::Explicit]);
        let mut ops = Vec::new();
        for _ in 0..=self.random.below(3) {
            let kind = self.random.pick(&[
                ConfChangeKind::AddVoter,
                ConfChangeKind::AddLearner,
                ConfChangeKind::Remove,
            ]);
            let members = conf.voters.len() + conf.learners.len() + ops.len();
            let node = match self.random.below(3) {
                0 if kind != ConfChangeKind::Remove && members < MOST_MEMBERS => {
                    self.next_id += 1;
                    self.next_id
                }
                1 if kind != ConfChangeKind::AddLearner && !conf.learners.is_empty() => {
                    let index = self.random.below(conf.learners.len());
                    conf.learners.remove(index)
                }
                2 if kind != ConfChangeKind::AddVoter && conf.voters.len() > FEWEST_VOTERS => {
                    let index = self.random.below(conf.voters.len());
                    conf.voters.remove(index)
                }
                _ => continue,
            };
            ops.push(ConfChangeOp { kind, node });
        }
        ConfChangeV2 { transition, ops, context: Bytes::new() }
    }
}
