//! Peace: everything arrives, time passes, and all nodes have to agree.

use raftcore::{ConfChangeV2, NodeId, Storage};

use super::history::{canonical, members};
use super::{Cluster, Node};
use crate::peer::Outcome;

/// How long a healed group may take, elections included.
const TICKS_TO_SETTLE: usize = 2000;

impl Cluster {
    pub(super) fn settle(&mut self) -> Outcome {
        self.cut.clear();
        for _ in 0..TICKS_TO_SETTLE {
            for id in self.ids() {
                self.node(id)?.peer.tick()?;
            }
            self.drain()?;
            self.retire()?;
            let Some(leader) = self.leader() else { continue };
            if !self.agree(leader) {
                continue;
            }
            if self.history.conf.voters_outgoing.is_empty() {
                return self.check();
            }
            self.node(leader)?.peer.propose_conf_change(&ConfChangeV2::default())?;
        }
        Err(format!("the group does not settle: {}", self.describe()))
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// The leader of the highest term.
    pub(super) fn leader(&self) -> Option<NodeId> {
        let leaders = self.nodes.iter().filter(|(_, node)| node.peer.view().leads);
        leaders.max_by_key(|(_, node)| node.peer.view().term).map(|(id, _)| *id)
    }

    fn drain(&mut self) -> Outcome {
        const MANY: usize = 100_000;
        for _ in 0..MANY {
            for id in self.ids() {
                self.drive(id)?;
            }
            if self.net.is_empty() {
                return Ok(());
            }
            for packet in std::mem::take(&mut self.net) {
                self.deliver(&packet)?;
            }
        }
        Err(format!("the nodes never stop talking: {}", self.describe()))
    }

    /// Stops nodes that were members, once all members know that they are none any more. One comes back
    /// if a proposal from before, which was still in some log, makes it a member again.
    fn retire(&mut self) -> Outcome {
        let members = members(&self.history.conf);
        for id in &members {
            if let Some(mut node) = self.retired.remove(id) {
                self.start(*id, node.side, node.peer.disk().clone(), node.machine)?;
            }
        }
        let conf_index = self.history.conf_index;
        let knows = |id| self.nodes.get(id).is_some_and(|node: &Node| node.machine.applied >= conf_index);
        if members.iter().all(knows) {
            for id in self.ids() {
                if !members.contains(&id) && self.history.joined.contains(&id) {
                    self.retired.extend(self.nodes.remove(&id).map(|node| (id, node)));
                }
            }
        }
        Ok(())
    }

    /// Whether all members follow the leader, have applied what it has, and have nothing else.
    fn agree(&mut self, leader: NodeId) -> bool {
        let Some(want) = self.nodes.get(&leader).map(|node| node.peer.view()) else { return false };
        members(&self.history.conf).iter().all(|id| {
            self.nodes.get_mut(id).is_some_and(|node| {
                let have = node.peer.view();
                (have.leader, have.term, have.commit) == (leader, want.term, want.commit)
                    && node.machine.applied == want.commit
                    && node.peer.disk().last_index() == Ok(want.commit)
            })
        }) && want.commit >= self.history.applied
    }

    fn check(&mut self) -> Outcome {
        let members = members(&self.history.conf);
        // No proposal is left in any log: who is no member now will never be one.
        self.nodes.retain(|id, _| members.contains(id));
        self.retired.clear();
        let (applied, conf) = (self.history.applied, self.history.conf.clone());
        let Some(&first) = members.first() else { return Err("no members".into()) };
        let machine = self.node(first)?.machine;
        for id in members {
            let node = self.node(id)?;
            let (_, state) = node.peer.disk().initial_state().map_err(|error| error.to_string())?;
            if node.machine != machine || machine.applied != applied || canonical(&state) != conf {
                return Err(format!("nodes {first} and {id} disagree: {}", self.describe()));
            }
            self.same_log(first, id)?;
        }
        Ok(())
    }

    /// Compares, entry by entry, what both logs still have.
    fn same_log(&mut self, a: NodeId, b: NodeId) -> Outcome {
        let applied = self.history.applied;
        let (a, b) = (self.node(a)?.peer.disk().clone(), self.node(b)?.peer.disk().clone());
        let low = a
            .first_index()
            .and_then(|low| Ok(low.max(b.first_index()?)))
            .map_err(|error| error.to_string())?;
        if low > applied {
            return Ok(());
        }
        let read = |disk: &raftcore::MemoryStorage| {
            let entries =
                disk.entries(low, applied + 1, raftcore::NO_LIMIT).map_err(|error| error.to_string())?;
            Ok::<_, String>(entries.iter().map(|e| (e.id, e.kind, e.data.clone())).collect::<Vec<_>>())
        };
        if read(&a)? == read(&b)? { Ok(()) } else { Err(format!("two logs differ: {}", self.describe())) }
    }

    fn describe(&mut self) -> String {
        let mut text = format!("membership {:?} since {}\n", self.history.conf, self.history.conf_index);
        for (id, node) in &mut self.nodes {
            let last = node.peer.disk().last_index();
            let members = node.peer.disk().initial_state().map(|(_, members)| members);
            text += &format!(
                "  {id} {:?} {:?} {:?} last {last:?} {members:?}\n",
                node.side,
                node.peer.view(),
                node.machine
            );
        }
        text
    }
}
