//! The end of a run: the faults stop, and the group has to recover.

use std::collections::BTreeSet;

use raftcore::NodeId;

use super::plan::{NetworkPlan, TICK};
use super::violation::{Check, Invariant};
use super::world::World;

/// Within how many election timeouts the group has to recover.
const PATIENCE: u64 = 200;

/// How far the group has recovered.
#[derive(Debug, Default)]
struct Progress {
    /// What everybody has to apply: the log's end at some leader after the faults stopped.
    goal: Option<u64>,
    /// Members that have had a read answered.
    readers: BTreeSet<NodeId>,
}

impl World {
    /// Stops the faults; the group must elect a leader, commit, bring every member up to date, and
    /// answer a read on every member.
    pub(super) fn heal(&mut self) -> Check {
        self.trace.note(self.now, || "the faults stop".to_owned());
        self.is_stormy = false;
        self.network.mend();
        self.network.plan = NetworkPlan::RELIABLE;
        for replica in self.replicas.values_mut() {
            replica.paused_until = 0;
            replica.disk.set_snapshot_busy(false);
            if let Some(host) = &mut replica.host {
                host.reads.clear();
            }
        }
        let deadline = self.now + PATIENCE * self.plan.election_timeout();
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
        Invariant::Liveness.broken(self.describe_failure(&progress))
    }

    /// Does what a group's operator does; says whether the group has recovered.
    fn help_along(&mut self, progress: &mut Progress) -> Check<bool> {
        let membership = self.oracle.newest_membership().clone();
        let ids: Vec<_> = self.replicas.keys().copied().collect();
        for id in ids {
            if membership.contains(id) {
                self.start(id)?;
            } else {
                // Removed nodes are switched off.
                self.crash(id);
            }
        }
        let members: Vec<_> = self.running();
        let leader = self.hosts().filter(|host| host.is_leader()).max_by_key(|host| host.term());
        let Some(leader) = leader.map(|host| host.id) else { return Ok(false) };
        match progress.goal {
            None => {
                self.propose(leader)?;
                let host = self.replicas.get(&leader).and_then(|replica| replica.host.as_ref());
                let own = host.filter(|host| host.is_leader() && host.log.last().id.term == host.term());
                progress.goal = own.map(|host| host.log.last().id.index + 1);
            }
            Some(goal) if self.oracle.last_committed().id.index < goal => self.propose(leader)?,
            Some(_) => {}
        }
        for host in self.hosts().filter(|host| !host.reads.is_empty()) {
            progress.readers.insert(host.id);
        }
        for id in members.iter().filter(|id| !progress.readers.contains(id)) {
            self.read(*id)?;
        }
        let arrived = |goal| self.hosts().all(|host| host.machine.index() >= goal);
        let everybody_read = members.iter().all(|id| progress.readers.contains(id));
        Ok(everybody_read && progress.goal.is_some_and(arrived))
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
