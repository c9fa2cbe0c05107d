//! What clients and operators ask for.

use raftcore::{
    Bytes, ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, EntryId, NodeId, Proposed, Snapshot,
    Transition,
};

use super::trace::Happening;
use super::violation::Check;
use super::world::{Event, World};

/// Node ids are taken from `1..=MOST_NODES`.
const MOST_NODES: u64 = 7;

impl World {
    /// Lets clients act, and schedules the next time.
    pub(super) fn client_acts(&mut self) -> Check {
        if !self.is_stormy {
            return Ok(());
        }
        let delay = self.rng.between(1, 2 * self.plan.client_interval);
        self.schedule(delay, Event::Client);
        let Some(id) = self.client_choice() else { return Ok(()) };
        let requests = self.plan.requests;
        self.rng.weighted::<fn(&mut Self, NodeId) -> Check>(&[
            (requests.proposals, Self::propose),
            (requests.reads, Self::read),
            (requests.compactions, Self::compact),
            (requests.busy_snapshots, Self::toggle_snapshots),
            (requests.membership_changes, Self::change_membership),
            (requests.transfers, Self::transfer),
            (requests.campaigns, Self::campaign),
            (requests.forgotten_leaders, Self::forget_leader),
        ])(self, id)
    }

    fn transfer(&mut self, id: NodeId) -> Check {
        let to = self.rng.between(1, self.replicas.len() as u64);
        self.tell_request(id, || format!("is asked to make {to} leader"));
        self.input(id, |raft| raft.transfer_leader(to)).map(drop)
    }

    fn campaign(&mut self, id: NodeId) -> Check {
        self.tell_request(id, || "is to campaign".to_owned());
        self.input(id, |raft| raft.campaign()).map(drop)
    }

    fn forget_leader(&mut self, id: NodeId) -> Check {
        self.tell_request(id, || "is to forget its leader".to_owned());
        self.input(id, |raft| raft.forget_leader()).map(drop)
    }

    fn toggle_snapshots(&mut self, id: NodeId) -> Check {
        let busy = self.rng.chance(500);
        if let Some(replica) = self.replicas.get(&id) {
            replica.disk.set_snapshot_busy(busy);
        }
        Ok(())
    }

    fn tell_request(&mut self, node: NodeId, text: impl FnOnce() -> String) {
        self.tell(|| Happening::Request { node, text: text() });
    }

    /// A node to ask: mostly one that leads, at times any.
    fn client_choice(&mut self) -> Option<NodeId> {
        let leaders: Vec<_> = self.hosts().filter(|host| host.is_leader()).map(|host| host.id).collect();
        let leader = self.rng.pick(&leaders).filter(|_| self.rng.chance(600));
        leader.or_else(|| self.rng.pick(&self.running()))
    }

    pub(super) fn propose(&mut self, id: NodeId) -> Check {
        let count = if self.rng.chance(200) { self.rng.between(2, 6) } else { 1 };
        let payloads: Vec<_> = (0..count).map(|_| self.payload()).collect();
        self.tell_request(id, || format!("is to propose {count} entries"));
        let batch = payloads.clone();
        let proposed = self.input(id, |raft| raft.propose_batch(batch))?;
        let Some(Proposed::Appended(first)) = proposed else {
            if proposed.is_none() {
                self.oracle.observe_refusal(&payloads);
            }
            return Ok(());
        };
        for (place, payload) in payloads.into_iter().enumerate() {
            let id = EntryId::new(first.term, first.index + place as u64);
            self.oracle.observe_proposal(id, payload)?;
        }
        Ok(())
    }

    /// Different each time.
    fn payload(&mut self) -> Bytes {
        let length = self.rng.choose([8, 8, 30, 300]);
        let mut payload = vec![0; length];
        payload[..8].copy_from_slice(&self.rng.next_u64().to_le_bytes());
        payload.into()
    }

    pub(super) fn read(&mut self, id: NodeId) -> Check {
        let Some(replica) = self.replicas.get_mut(&id) else { return Ok(()) };
        // Unique on the node, over all incarnations; other nodes use the same ones.
        replica.reads += 1;
        let context = replica.reads;
        self.oracle.observe_read_request(id, context);
        self.tell_request(id, || format!("is to read, context {context}"));
        let bytes = Bytes::copy_from_slice(&context.to_le_bytes());
        self.input(id, |raft| raft.read_index(bytes)).map(drop)
    }

    fn compact(&mut self, id: NodeId) -> Check {
        let host = self.replicas.get_mut(&id).and_then(|replica| replica.host.as_mut());
        if let Some(host) = host {
            host.make_snapshot();
            if self.rng.chance(700) {
                host.compact(&mut self.rng);
            }
        }
        Ok(())
    }

    /// Mostly what makes sense, so that much changes: out of a joint membership, or into another.
    fn change_membership(&mut self, id: NodeId) -> Check {
        let is_joint = self.host(id).is_some_and(|host| !host.machine.conf_state.voters_outgoing.is_empty());
        if is_joint == self.rng.chance(900) {
            self.tell_request(id, || "is to leave a joint membership".to_owned());
            return self.input(id, |raft| raft.propose_conf_change(&ConfChangeV2::default())).map(drop);
        }
        let count = self.rng.choose([1, 1, 1, 2, 3]);
        let ops: Vec<_> = (0..count).map(|_| self.operation()).collect();
        for op in &ops {
            if !self.replicas.contains_key(&op.node) {
                self.add_replica(op.node, Snapshot::default())?;
            }
        }
        self.tell_request(id, || format!("is to propose {ops:?}"));
        if let [op] = ops[..] {
            if self.rng.chance(300) {
                let change = ConfChange { op, context: Bytes::new() };
                return self.input(id, |raft| raft.propose_conf_change_v1(&change)).map(drop);
            }
        }
        let transition = self.rng.choose([Transition::Auto, Transition::Implicit, Transition::Explicit]);
        let change = ConfChangeV2 { transition, ops, context: Bytes::new() };
        self.input(id, |raft| raft.propose_conf_change(&change)).map(drop)
    }

    fn operation(&mut self) -> ConfChangeOp {
        use ConfChangeKind::{AddLearner, AddVoter, Remove, Update};
        let kind = self.rng.choose([AddVoter, AddVoter, AddVoter, AddLearner, Remove, Remove, Update]);
        ConfChangeOp { kind, node: self.rng.between(1, MOST_NODES) }
    }
}
