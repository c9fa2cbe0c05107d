//! How actions are carried out.

use raftcore::{Body, ConfChangeV2, Message, NodeId, ReadMode};

use super::action::{Action, Target};
use super::situations::Situation;
use super::trace::Happening;
use super::violation::{Check, Invariant};
use super::world::World;

impl World {
    /// Does something to the group.
    pub(super) fn act(&mut self, action: Action) -> Check {
        if let Some(journal) = &mut self.journal {
            journal.push((self.now, action.clone()));
        }
        self.tell(|| Happening::Note { text: format!("action: {action}") });
        match action {
            Action::Restart(id) => self.start(id),
            Action::Cut(links) => {
                self.cut(&links);
                Ok(())
            }
            Action::Flap { period, links } => {
                self.meet(Situation::FlappingLink);
                self.network.flap(&links, period);
                self.tell_links();
                Ok(())
            }
            Action::Slow { delay, links } => {
                self.meet(Situation::SlowLink);
                self.network.slow_down(&links, delay);
                Ok(())
            }
            Action::Mend => {
                self.network.mend();
                self.tell_links();
                Ok(())
            }
            Action::Weather { calm } => {
                self.change_weather(calm);
                Ok(())
            }
            Action::Hush { time } => {
                self.hushed_until = self.now + time;
                Ok(())
            }
            Action::Replay { count } => {
                self.replay(count);
                Ok(())
            }
            Action::Mark
            | Action::ExpectCommits(_)
            | Action::ExpectLeader(_)
            | Action::ExpectSameTerm
            | Action::ExpectUpToDate(_)
            | Action::ExpectMet(_) => self.look(&action),
            of_a_node => match target_of(&of_a_node).and_then(|target| self.resolve(target)) {
                Some(id) => self.act_on(id, of_a_node),
                None => Ok(()),
            },
        }
    }

    /// Does something to, or asks something of, one node.
    fn act_on(&mut self, id: NodeId, action: Action) -> Check {
        match action {
            Action::Crash { pause, .. } => self.crash_for(id, pause),
            Action::Isolate { but, .. } => {
                let others = self.replicas.keys().filter(|other| **other != id && Some(**other) != but);
                let links: Vec<_> = others.flat_map(|other| [(id, *other), (*other, id)]).collect();
                self.cut(&links);
                Ok(())
            }
            Action::Pause { time, .. } => {
                self.pause(id, time);
                Ok(())
            }
            Action::Ticks { count, .. } => self.tick_storm(id, count),
            Action::Misdeliver { .. } => self.misdeliver(id),
            Action::Propose { count, .. } => self.propose(id, count),
            Action::Read { .. } => self.read(id),
            Action::ReadAgain { .. } => self.read_again(id),
            Action::Compact { keep, .. } => {
                self.compact(id, keep);
                Ok(())
            }
            Action::Change { transition, ops, .. } => self.change_membership(id, transition, ops),
            Action::ChangeV1 { op, .. } => self.change_membership_v1(id, op),
            Action::LeaveJoint { .. } => {
                self.input(id, |raft| raft.propose_conf_change(&ConfChangeV2::default())).map(drop)
            }
            Action::Transfer { to, .. } => match self.resolve(to) {
                Some(to) => self.input(id, |raft| raft.transfer_leader(to)).map(drop),
                None => Ok(()),
            },
            Action::Campaign { .. } => self.input(id, |raft| raft.campaign()).map(drop),
            Action::ForgetLeader { .. } => self.input(id, |raft| raft.forget_leader()).map(drop),
            other => {
                self.change_replica(id, &other);
                Ok(())
            }
        }
    }

    /// Changes what surrounds a node.
    fn change_replica(&mut self, id: NodeId, action: &Action) {
        let now = self.now;
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        match *action {
            Action::CrashIn { pieces, pause, .. } => replica.crash_in = Some((pieces, pause)),
            Action::StopClock { time, .. } => {
                replica.clock_stopped_until = now + time;
                self.meet(Situation::StoppedClock);
            }
            Action::DiskFull { time, .. } => replica.disk_full_until = now + time,
            Action::Stall { time, .. } => replica.stalled_until = now + time,
            Action::SnapshotBusy { busy, .. } => replica.disk.set_snapshot_busy(busy),
            _ => unreachable!("all other actions are matched by the callers"),
        }
    }

    /// Sets the mark, or holds the group against what a scenario expects.
    fn look(&mut self, action: &Action) -> Check {
        let leader = self.resolve(Target::Leader);
        let term = leader.and_then(|id| self.host(id)).map_or(0, |host| host.term());
        let committed = self.oracle.last_committed().id.index;
        let (marked_term, marked_commit) = self.mark;
        let holds = match *action {
            Action::ExpectCommits(count) => committed >= marked_commit + count,
            Action::ExpectLeader(None) => leader.is_some(),
            Action::ExpectLeader(wanted) => leader == wanted,
            Action::ExpectSameTerm => term == marked_term,
            Action::ExpectMet(situation) => self.tally().situations.count(situation) > 0,
            Action::ExpectUpToDate(id) => self.host(id).is_some_and(|host| host.machine.index() >= committed),
            _ => {
                self.mark = (term, committed);
                true
            }
        };
        Invariant::Liveness.require(holds, || {
            let mark = format!("since the mark: term {marked_term}, commit index {marked_commit}");
            let nodes: Vec<_> = self.hosts().map(|host| format!("\n  {:?}", host.raft.status())).collect();
            format!(
                "{action}: leader {leader:?}, term {term}, commit index {committed}; {mark}{}",
                nodes.concat()
            )
        })
    }

    /// A rare situation is met.
    pub(super) fn meet(&mut self, situation: Situation) {
        self.oracle.tally_mut().situations.meet(situation);
    }

    /// What there is to note when a node begins to lead, or stops.
    pub(super) fn note_change_of_role(&mut self, id: NodeId, leads: bool, same_term: bool) {
        let Some(host) = self.host(id) else { return };
        if !leads {
            if same_term && host.life.config.check_quorum {
                let has_lease = host.life.config.read_mode == ReadMode::Lease;
                self.meet(if has_lease { Situation::LeaseExpired } else { Situation::QuorumLost });
            }
            return;
        }
        let is_joint = !host.machine.conf_state.voters_outgoing.is_empty();
        let first_uncommitted = self.oracle.last_committed().id.index + 1;
        let old = host.log.get(first_uncommitted).filter(|link| link.id.term < host.term());
        let on_majority = old.is_some_and(|link| self.oracle.is_on_majority(link.id));
        let situations = &mut self.oracle.tally_mut().situations;
        situations.add(Situation::ElectionWhileJoint, is_joint.into());
        situations.add(Situation::OldTermOnMajority, on_majority.into());
    }

    /// What there is to note before a node crashes.
    pub(super) fn note_situations_of_crash(&mut self, id: NodeId) {
        let Some(host) = self.host(id) else { return };
        let is_joint = !host.machine.conf_state.voters_outgoing.is_empty();
        let leaders = self.hosts().filter(|host| host.is_leader());
        let transfers: Vec<_> =
            leaders.filter_map(|leader| Some((leader.id, leader.raft.status().transferee?))).collect();
        let interrupted = transfers.iter().any(|(leader, target)| *leader == id || *target == id);
        let situations = &mut self.oracle.tally_mut().situations;
        situations.add(Situation::CrashWhileJoint, is_joint.into());
        situations.add(Situation::TransferInterrupted, interrupted.into());
    }

    /// What there is to note before a node receives a message that was sent in some life of its sender.
    pub(super) fn note_situations_of_delivery(&mut self, message: &Message, life: u64) {
        let Some(host) = self.host(message.to) else { return };
        let is_news = message.term > host.term();
        let is_stranger = is_news && !host.machine.conf_state.contains(message.from);
        let is_earlier = self.replicas.get(&message.from).is_some_and(|sender| sender.incarnation > life);
        let across = matches!(message.body, Body::Snapshot(_)) && self.network.is_damaged();
        if !(is_stranger || is_earlier || across) {
            return;
        }
        let situations = &mut self.oracle.tally_mut().situations;
        situations.add(Situation::RemovedNodeReturns, is_stranger.into());
        situations.add(Situation::MessageFromEarlierLife, is_earlier.into());
        situations.add(Situation::SnapshotAcrossPartition, across.into());
    }

    /// What there is to note at the end of a run.
    pub(super) fn note_final_situations(&mut self) {
        let voters = &self.oracle.newest_membership().voters;
        let replaced = voters.iter().all(|id| *id > self.plan.voters);
        let failed_reads = self.replicas.values().map(|replica| replica.disk.failed_reads()).sum();
        let situations = &mut self.oracle.tally_mut().situations;
        situations.add(Situation::AllVotersReplaced, replaced.into());
        situations.add(Situation::FailedRead, failed_reads);
    }
}

/// The node that an action concerns.
fn target_of(action: &Action) -> Option<Target> {
    match action {
        Action::Crash { node, .. }
        | Action::CrashIn { node, .. }
        | Action::Isolate { node, .. }
        | Action::Pause { node, .. }
        | Action::StopClock { node, .. }
        | Action::Ticks { node, .. }
        | Action::DiskFull { node, .. }
        | Action::Stall { node, .. }
        | Action::Misdeliver { node }
        | Action::Propose { node, .. }
        | Action::Read { node }
        | Action::ReadAgain { node }
        | Action::Compact { node, .. }
        | Action::SnapshotBusy { node, .. }
        | Action::Change { node, .. }
        | Action::ChangeV1 { node, .. }
        | Action::LeaveJoint { node }
        | Action::Transfer { node, .. }
        | Action::Campaign { node }
        | Action::ForgetLeader { node } => Some(*node),
        _ => None,
    }
}
