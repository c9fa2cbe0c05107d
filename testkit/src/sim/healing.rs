//! The end of a run: the faults stop, and the group has to recover.

use raftcore::{EntryId, NodeId, Storage};

use super::plan::{NetworkPlan, TICK};
use super::trace::Happening;
use super::violation::{Check, Invariant};
use super::world::World;

/// Within how many election timeouts the group has to recover, besides a tick for each entry that may
/// have to be sent and applied again.
const PATIENCE: u64 = 200;

/// How far the group has recovered.
#[derive(Debug, Default)]
struct Progress {
    /// What everybody has to apply: the end of the log of the leader of this term, after the faults
    /// stopped. Another leader sets another goal.
    goal: Option<EntryId>,
}

impl World {
    /// Stops the faults; the group must elect a leader, commit, leave a joint membership that is to be
    /// left by itself, bring every member up to date, and answer a read on every member.
    pub(super) fn heal(&mut self) -> Check {
        self.tell(|| Happening::Calm);
        self.is_stormy = false;
        self.network.mend();
        self.network.plan = NetworkPlan::RELIABLE;
        for replica in self.replicas.values_mut() {
            replica.paused_until = 0;
            replica.clock_stopped_until = 0;
            replica.disk_full_until = 0;
            replica.stalled_until = 0;
            replica.crash_in = None;
            replica.has_read = false;
            replica.latencies = [TICK / 20; 3];
            replica.disk.set_snapshot_busy(false);
            replica.disk.set_failing_reads(0);
            if let Some(host) = &mut replica.host {
                host.reads.clear();
            }
        }
        // Also of nodes that are down now.
        let ends = self.replicas.values().map(|replica| replica.disk.visible().last_index());
        let replay = ends.map(Result::unwrap_or_default).max().unwrap_or(0) * TICK;
        let deadline = self.now + PATIENCE * self.plan.election_timeout() + replay;
        let mut progress = Progress::default();
        let mut next_look = 0;
        while self.now < deadline {
            self.step()?;
            if self.now >= next_look {
                next_look = self.now + 5 * TICK;
                if self.help_along(&mut progress)? {
                    return Ok(());
                }
            }
        }
        if self.plan.is_for_comparison() {
            self.trace.note(self.now, || "a known dead end".to_owned());
            self.is_dead_end = true;
            return Ok(());
        }
        Invariant::Liveness.broken(self.describe_failure(&progress))
    }

    /// Does what a group's operator does; says whether the group has recovered.
    fn help_along(&mut self, progress: &mut Progress) -> Check<bool> {
        let members = self.switch_on_and_off()?;
        let leader = self.hosts().filter(|host| host.is_leader()).max_by_key(|host| host.term());
        let Some(leader) = leader.map(|host| host.id) else { return Ok(false) };
        if let Some(host) = self.host_mut(leader) {
            // A snapshot older than a member's admission is of no use to it.
            host.make_snapshot();
        }
        self.pursue_goal(leader, progress)?;
        for id in &members {
            if !self.has_read(*id) {
                self.read(*id)?;
            }
        }
        let has_arrived = |goal: EntryId| {
            members.iter().all(|id| self.host(*id).is_some_and(|host| host.machine.index() >= goal.index))
        };
        let everybody_read = members.iter().all(|id| self.has_read(*id));
        let has_arrived = everybody_read && progress.goal.is_some_and(has_arrived);
        let is_to_be_left = self.oracle.newest_membership().auto_leave;
        if has_arrived && is_to_be_left {
            // Something may have been in the way; whatever is applied next leads there again.
            self.propose(leader, 1)?;
        }
        Ok(has_arrived && !is_to_be_left)
    }

    fn has_read(&self, id: NodeId) -> bool {
        self.replicas.get(&id).is_some_and(|replica| replica.has_read)
    }

    /// Starts all members, and switches off removed nodes, but not before all members know that they
    /// are removed: until then they may be needed. Gives the members.
    fn switch_on_and_off(&mut self) -> Check<Vec<NodeId>> {
        let membership = self.oracle.newest_membership().clone();
        let (members, others): (Vec<NodeId>, Vec<NodeId>) =
            self.replicas.keys().partition(|id| membership.contains(**id));
        for id in &members {
            self.start(*id)?;
        }
        for id in others {
            let mut members_hosts = members.iter().filter_map(|member| self.host(*member));
            if members_hosts.any(|host| host.machine.conf_state.contains(id)) {
                self.start(id)?;
            } else {
                self.crash(id)?;
            }
        }
        Ok(members)
    }

    /// Sets the goal, and proposes until it is reached.
    fn pursue_goal(&mut self, leader: NodeId, progress: &mut Progress) -> Check {
        let Some(host) = self.host(leader) else { return Ok(()) };
        let (term, last) = (host.term(), host.log.last().id);
        progress.goal = progress.goal.filter(|goal| goal.term == term);
        if progress.goal.is_none() && last.term == term {
            progress.goal = Some(EntryId::new(term, last.index + 1));
        }
        let committed = self.oracle.last_committed().id.index;
        if progress.goal.is_none_or(|goal| goal.index > committed) { self.propose(leader, 1) } else { Ok(()) }
    }

    fn describe_failure(&self, progress: &Progress) -> String {
        let membership = self.oracle.newest_membership();
        let mut text = format!("{PATIENCE} election timeouts after the faults stopped: {progress:?}, ");
        text += &format!("committed {:?}, {membership:?}", self.oracle.last_committed().id);
        for host in self.hosts() {
            let applied = host.machine.index();
            text += &format!("\n  applied {applied}, log ends at {:?}, ", host.log.last().id);
            text += &format!("{:?}", host.raft.status());
        }
        text
    }
}
