//! What clients and operators ask for.

use raftcore::{
    Bytes, ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, EntryId, NodeId, Proposed, Snapshot,
    Transition,
};

use super::action::{Action, Target};
use super::event::Event;
use super::host::Host;
use super::plan::Bug;
use super::situations::Situation;
use super::trace::Happening;
use super::violation::Check;
use super::world::World;

/// Node ids are taken from `1..=MOST_NODES`.
const MOST_NODES: u64 = 7;

impl World {
    /// Lets clients act, and schedules the next time.
    pub(super) fn client_acts(&mut self) -> Check {
        if !self.is_stormy {
            return Ok(());
        }
        // While nobody leads, they try less often: nothing much can come of it.
        let patience = if self.hosts().any(Host::is_leader) { 1 } else { 10 };
        let delay = patience * self.rng.between(1, 2 * self.plan.client_interval);
        self.schedule(delay, Event::Client);
        if self.now < self.hushed_until {
            return Ok(());
        }
        if let Some(id) = self.deposed_leader().filter(|_| self.rng.chance(300)) {
            return self.act(Action::Read { node: Target::Node(id) });
        }
        let Some(id) = self.client_choice() else { return Ok(()) };
        let requests = self.plan.requests;
        let draw = self.rng.weighted::<fn(&mut Self, NodeId) -> Action>(&[
            (requests.proposals, |world, id| world.draw_proposal(Target::Node(id))),
            (requests.reads, |world, id| world.draw_read(Target::Node(id))),
            (requests.compactions, |world, id| world.draw_compaction(Target::Node(id))),
            (requests.busy_snapshots, |world, id| Action::SnapshotBusy {
                node: Target::Node(id),
                busy: world.rng.chance(500),
            }),
            (requests.membership_changes, Self::draw_change),
            (requests.transfers, |world, id| {
                let to = world.rng.between(1, world.replicas.len() as u64);
                Action::Transfer { node: Target::Node(id), to: Target::Node(to) }
            }),
            (requests.campaigns, |_, id| Action::Campaign { node: Target::Node(id) }),
            (requests.forgotten_leaders, |_, id| Action::ForgetLeader { node: Target::Node(id) }),
        ]);
        let action = draw(self, id);
        self.act(action)
    }

    /// Somebody who leads while another one does in a later term.
    fn deposed_leader(&self) -> Option<NodeId> {
        let leaders = || self.hosts().filter(|host| host.is_leader());
        let newest = leaders().map(Host::term).max()?;
        leaders().find(|host| host.term() < newest).map(|host| host.id)
    }

    /// A node to ask: mostly one that leads, at times any.
    fn client_choice(&mut self) -> Option<NodeId> {
        let leaders: Vec<_> = self.hosts().filter(|host| host.is_leader()).map(|host| host.id).collect();
        let leader = self.rng.pick(&leaders).filter(|_| self.rng.chance(600));
        leader.or_else(|| self.rng.pick(&self.running()))
    }

    fn draw_proposal(&mut self, node: Target) -> Action {
        let count = if self.rng.chance(200) { self.rng.between(2, 6) } else { 1 };
        Action::Propose { node, count }
    }

    fn draw_read(&mut self, node: Target) -> Action {
        if self.rng.chance(20) { Action::ReadAgain { node } } else { Action::Read { node } }
    }

    fn draw_compaction(&mut self, node: Target) -> Action {
        let keep = self.rng.chance(700).then(|| self.rng.between(0, 20));
        Action::Compact { node, keep }
    }

    /// Mostly what makes sense, so that much changes: out of a joint membership, or into another.
    fn draw_change(&mut self, id: NodeId) -> Action {
        use Transition::{Auto, Explicit, Implicit};
        let node = Target::Node(id);
        let is_joint = self.host(id).is_some_and(|host| !host.machine.conf_state.voters_outgoing.is_empty());
        if is_joint == self.rng.chance(900) {
            return Action::LeaveJoint { node };
        }
        let transition = self.rng.choose([Auto, Implicit, Explicit]);
        if self.rng.chance(30) {
            return Action::Change { node, transition, ops: self.replace_all_voters() };
        }
        let count = self.rng.choose([1, 1, 1, 2, 3]);
        let ops: Vec<_> = (0..count).map(|_| self.operation()).collect();
        match ops[..] {
            [op] if self.rng.chance(300) => Action::ChangeV1 { node, op },
            _ => Action::Change { node, transition, ops },
        }
    }

    fn operation(&mut self) -> ConfChangeOp {
        use ConfChangeKind::{AddLearner, AddVoter, Remove, Update};
        let kind = self.rng.choose([AddVoter, AddVoter, AddVoter, AddLearner, Remove, Remove, Update]);
        ConfChangeOp { kind, node: self.rng.between(1, MOST_NODES) }
    }

    /// Removes all voters and adds others.
    fn replace_all_voters(&mut self) -> Vec<ConfChangeOp> {
        let voters = self.oracle.newest_membership().voters.clone();
        let others: Vec<_> = (1..=MOST_NODES).filter(|id| !voters.contains(id)).collect();
        let count = self.rng.between(1, 3) as usize;
        let add = |node: &NodeId| ConfChangeOp { kind: ConfChangeKind::AddVoter, node: *node };
        let remove = |node: &NodeId| ConfChangeOp { kind: ConfChangeKind::Remove, node: *node };
        let mut ops: Vec<_> = others.iter().take(count).map(add).collect();
        if !ops.is_empty() {
            ops.extend(voters.iter().map(remove));
        }
        ops
    }

    /// Clients write through a node; gives what became of the batch.
    pub(super) fn propose(&mut self, id: NodeId, count: u64) -> Check {
        if self.host(id).is_none() {
            return Ok(());
        }
        let calls = (0..count).map(|_| self.oracle.workload.call_write(id, self.now));
        let calls = calls.collect::<Check<Vec<_>>>()?;
        let payloads: Vec<_> = calls.iter().map(|(_, payload)| payload.clone()).collect();
        self.tell(|| Happening::Request { node: id, text: format!("is to propose {count} entries") });
        let batch = payloads.clone();
        let proposed = self.input(id, |raft| raft.propose_batch(batch))?;
        if proposed.is_none() {
            self.oracle.observe_refusal(&payloads);
        }
        for (place, (number, payload)) in calls.into_iter().enumerate() {
            match proposed {
                Some(Proposed::Appended(first)) => {
                    let id = EntryId::new(first.term, first.index + place as u64);
                    self.oracle.workload.is_placed(number, id);
                    self.oracle.observe_proposal(id, payload)?;
                    if self.plan.bug == Some(Bug::EarlyAnswers) {
                        self.oracle.workload.answer_early(number)?;
                    }
                }
                Some(_) => {}
                None => self.oracle.workload.is_refused(number)?,
            }
        }
        Ok(())
    }

    /// A client reads through a node.
    pub(super) fn read(&mut self, id: NodeId) -> Check {
        let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.host.is_some()) else {
            return Ok(());
        };
        // Unique on the node, over all incarnations; other nodes use the same ones.
        replica.reads += 1;
        let context = replica.reads;
        self.oracle.observe_read_request(id, context);
        let number = self.oracle.workload.call_read(id, context, self.now)?;
        if self.ask_to_read(id, context)?.is_none() {
            self.oracle.workload.is_refused(number)?;
        }
        Ok(())
    }

    /// Asks once more with the latest context, as a host that got no answer may.
    pub(super) fn read_again(&mut self, id: NodeId) -> Check {
        let Some(context) = self.replicas.get(&id).map(|replica| replica.reads).filter(|reads| *reads > 0)
        else {
            return Ok(());
        };
        self.meet(Situation::RepeatedContext);
        self.ask_to_read(id, context).map(drop)
    }

    fn ask_to_read(&mut self, id: NodeId, context: u64) -> Check<Option<()>> {
        self.tell(|| Happening::Request { node: id, text: format!("is to read, context {context}") });
        let bytes = Bytes::copy_from_slice(&context.to_le_bytes());
        self.note_shortcut(id, id, &bytes);
        self.input(id, |raft| raft.read_index(bytes))
    }

    /// A read of `reader` reaches node `at`.
    pub(super) fn note_shortcut(&mut self, at: NodeId, reader: NodeId, context: &[u8]) {
        let Ok(context) = context.try_into().map(u64::from_le_bytes) else { return };
        let host = self.replicas.get(&at).and_then(|replica| replica.host.as_ref());
        if let Some(host) = host.filter(|host| self.plan.is_for_comparison() && host.is_leader()) {
            self.oracle.observe_shortcut(reader, context, &host.machine.conf_state);
        }
    }

    pub(super) fn compact(&mut self, id: NodeId, keep: Option<u64>) {
        let now = self.now;
        let Some(replica) = self.replicas.get_mut(&id).filter(|replica| replica.disk_full_until <= now)
        else {
            return;
        };
        if let Some(host) = &mut replica.host {
            host.make_snapshot();
            if let Some(keep) = keep {
                host.compact(keep);
            }
        }
    }

    pub(super) fn change_membership(
        &mut self,
        id: NodeId,
        transition: Transition,
        ops: Vec<ConfChangeOp>,
    ) -> Check {
        self.add_replicas(&ops)?;
        let change = ConfChangeV2 { transition, ops, context: Bytes::new() };
        let proposed = self.input(id, |raft| raft.propose_conf_change(&change))?;
        self.note_change(proposed);
        Ok(())
    }

    pub(super) fn change_membership_v1(&mut self, id: NodeId, op: ConfChangeOp) -> Check {
        self.add_replicas(&[op])?;
        let change = ConfChange { id: 0, op, context: Bytes::new() };
        let proposed = self.input(id, |raft| raft.propose_conf_change_v1(&change))?;
        self.note_change(proposed);
        Ok(())
    }

    /// A change that has a place is there when that is committed. (Our model puts an empty entry in the place of
    /// a change that it refuses.)
    fn note_change(&mut self, proposed: Option<Proposed>) {
        if let (Some(Proposed::Appended(id)), false) = (proposed, self.plan.is_for_comparison()) {
            self.oracle.observe_proposed_change(id);
        }
    }

    /// Starts nodes that are to become members and have never run.
    fn add_replicas(&mut self, ops: &[ConfChangeOp]) -> Check {
        for op in ops {
            if !self.replicas.contains_key(&op.node) {
                self.add_replica(op.node, Snapshot::default())?;
            }
        }
        Ok(())
    }
}
