//! What an observer of all nodes knows, and the checks that need it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use raftcore::{Bytes, ConfState, Entry, EntryId, HardState, Index, NodeId, Term};

use super::checks::{quorums_meet, voter_sets};
use super::disk::Disk;
use super::log_view::{Link, LogView};
use super::machine::Checkpoint;
use super::situations::Situation;
use super::tally::Tally;
use super::violation::{Check, Invariant};
use super::workload::Workload;

/// The history of a group, all nodes and incarnations together.
#[derive(Debug)]
pub(super) struct Oracle {
    /// Where the group's common history begins.
    origin: Index,
    /// The committed log, from the origin on.
    committed: Vec<Link>,
    /// In which leader's term each of these was committed; ascending.
    commit_terms: Vec<Term>,
    /// The membership after each applied entry, from the origin on.
    memberships: Vec<ConfState>,
    /// Who has led, and in which of its lives: one who comes back has to be elected anew.
    leaders: BTreeMap<Term, (NodeId, u64)>,
    /// The hash over every entry that ever was in a log, and all before it.
    chains: BTreeMap<EntryId, u64>,
    /// Votes that are durable or were sent.
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// The membership changes that ever were in a log.
    changes: BTreeSet<EntryId>,
    /// What proposers were told about their proposals.
    proposals: BTreeMap<EntryId, Bytes>,
    /// The same by payload; no place if the proposal was refused. Payloads are told apart by their
    /// first bytes.
    places: HashMap<[u8; 8], Option<EntryId>>,
    /// Where proposers of membership changes were told that theirs are.
    placed_changes: BTreeSet<EntryId>,
    /// What was committed when a read was requested.
    reads: BTreeMap<(NodeId, u64), Index>,
    /// Reads that our model answered without asking anybody.
    shortcuts: BTreeSet<(NodeId, u64)>,
    /// All disks, those of stopped nodes included.
    disks: BTreeMap<NodeId, Disk>,
    tally: Tally,
    /// What clients do.
    pub(super) workload: Workload,
}

impl Oracle {
    /// A history that begins with `start`, on all nodes.
    pub(super) fn new(start: &Checkpoint, workload: Workload) -> Self {
        let link = Link { id: start.applied, chain: start.chain };
        Self {
            origin: start.index(),
            committed: vec![link],
            commit_terms: vec![link.id.term],
            memberships: vec![start.conf_state.clone()],
            leaders: BTreeMap::new(),
            chains: BTreeMap::from([(link.id, link.chain)]),
            votes: BTreeMap::new(),
            changes: BTreeSet::new(),
            proposals: BTreeMap::new(),
            places: HashMap::new(),
            placed_changes: BTreeSet::new(),
            reads: BTreeMap::new(),
            shortcuts: BTreeSet::new(),
            disks: BTreeMap::new(),
            tally: Tally::default(),
            workload,
        }
    }

    pub(super) fn add_disk(&mut self, id: NodeId, disk: Disk) {
        self.disks.insert(id, disk);
    }

    pub(super) fn disk(&self, id: NodeId) -> Option<&Disk> {
        self.disks.get(&id)
    }

    /// The last entry known to be committed.
    pub(super) fn last_committed(&self) -> Link {
        *self.committed.last().expect("begins with one link and only grows")
    }

    /// The entry that is committed at `index`; None if it is not, or before the common history.
    pub(super) fn committed_at(&self, index: Index) -> Option<Link> {
        self.committed.get(index.checked_sub(self.origin)? as usize).copied()
    }

    /// The membership after the last entry that any node has applied.
    pub(super) fn newest_membership(&self) -> &ConfState {
        self.memberships.last().expect("begins with one membership and only grows")
    }

    /// The hash over the log up to an entry, if a log ever had it.
    pub(super) fn chain_of(&self, id: EntryId) -> Option<u64> {
        self.chains.get(&id).copied()
    }

    /// What has happened so far.
    pub(super) fn tally(&self) -> Tally {
        let (committed, elections) = (self.committed.len() as u64 - 1, self.leaders.len() as u64);
        let mut tally = Tally { committed, elections, operations: self.workload.outcomes, ..self.tally };
        tally.situations.add(Situation::ProposalReplaced, tally.operations.replaced);
        tally.situations.add(Situation::UnknownOutcome, tally.operations.unknown);
        tally.situations.add(Situation::LateEffect, tally.operations.late);
        tally.situations.add(Situation::RepeatedProposal, tally.operations.repeated);
        tally
    }

    /// Whether an entry is durable on most voters (of both halves, while joint).
    pub(super) fn is_on_majority(&self, id: EntryId) -> bool {
        let membership = self.newest_membership();
        [&membership.voters, &membership.voters_outgoing].into_iter().all(|voters| {
            let holders = voters.iter().filter(|node| self.holds(**node, id)).count();
            voters.is_empty() || holders > voters.len() / 2
        })
    }

    /// Counts what is of interest only in sum.
    pub(super) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// A node leads in `term`, with this log and in this membership.
    pub(super) fn observe_leader(
        &mut self,
        node: (NodeId, u64),
        term: Term,
        log: &LogView,
        membership: &ConfState,
    ) -> Check {
        let leader = *self.leaders.entry(term).or_insert(node);
        let id = node.0;
        Invariant::ElectionSafety.require(leader == node, || {
            format!("{leader:?} and {node:?} (node, incarnation) both lead in term {term}")
        })?;
        for voters in voter_sets(membership) {
            let has_voted = |voter: &&NodeId| self.votes.get(&(**voter, term)) == Some(&id);
            let votes = voters.iter().filter(has_voted).count();
            Invariant::ElectionQuorum.require(voters.is_empty() || votes > voters.len() / 2, || {
                format!("{id} leads in term {term} with the votes of {votes} of {voters:?}")
            })?;
        }
        // An older term may well have its leader late, when a newer term has already committed more.
        let older = self.commit_terms.partition_point(|committed_in| *committed_in < term);
        let Some(last) = older.checked_sub(1).map(|place| self.committed[place]) else { return Ok(()) };
        Invariant::LeaderCompleteness.require(log.contains(last.id), || {
            let id_at = log.get(last.id.index).map(|link| link.id);
            format!("{id} leads in term {term} without {:?}; it has {id_at:?} there", last.id)
        })
    }

    /// An entry is in some log.
    pub(super) fn observe_entry(&mut self, node: NodeId, link: Link) -> Check {
        let known = *self.chains.entry(link.id).or_insert(link.chain);
        Invariant::LogMatching.require(known == link.chain, || {
            format!("{:?} on {node}, or something before it, differs from other logs", link.id)
        })
    }

    /// A membership change is in the log of a node. If that leads, it has applied this much.
    pub(super) fn observe_change(
        &mut self,
        node: NodeId,
        id: EntryId,
        applied: Option<Index>,
        log: &LogView,
    ) -> Check {
        self.changes.insert(id);
        let Some(applied) = applied else { return Ok(()) };
        let between = (applied + 1..id.index).filter_map(|index| log.get(index));
        let pending = between.map(|link| link.id).find(|earlier| self.changes.contains(earlier));
        Invariant::OneChangeAtATime.require(pending.is_none(), || {
            format!("{node} has applied {applied} and appends the change {id:?}; {pending:?} is pending")
        })
    }

    /// A leader believes that a member has this entry of its log.
    pub(super) fn check_acknowledged(
        &self,
        leader: NodeId,
        term: Term,
        member: NodeId,
        link: Option<Link>,
    ) -> Check {
        let (Some(link), Some(disk)) = (link, self.disks.get(&member)) else { return Ok(()) };
        let durable = disk.durable_hard_state();
        // A newer term's leader may have replaced it.
        Invariant::AcknowledgedIsDurable.require(durable.term > term || disk.holds(link.id), || {
            format!("{leader} takes {:?} to be on {member}: {durable:?}", link.id)
        })
    }

    /// A leader with this log and membership has committed up to `commit`.
    pub(super) fn observe_leader_commit(
        &mut self,
        leader: NodeId,
        term: Term,
        commit: Index,
        log: &LogView,
        membership: &ConfState,
    ) -> Check {
        let known = self.last_committed().id.index;
        if commit <= known {
            return Ok(());
        }
        let Some(last) = log.get(commit) else {
            return Invariant::CommitRule
                .broken(format!("{leader} commits {commit}, beyond its log's end {:?}", log.last().id));
        };
        Invariant::CommitRule.require(last.id.term == term, || {
            format!("{leader} leads in term {term} and commits {:?} by counting", last.id)
        })?;
        for voters in voter_sets(membership) {
            let holders: Vec<_> = voters.iter().filter(|id| self.holds(**id, last.id)).collect();
            Invariant::CommitRule.require(voters.is_empty() || holders.len() > voters.len() / 2, || {
                format!("{leader} commits {:?}, durable only on {holders:?} of {voters:?}", last.id)
            })?;
        }
        for index in known + 1..=commit {
            match log.get(index) {
                Some(link) => {
                    self.committed.push(link);
                    self.commit_terms.push(term);
                }
                None => return Invariant::CommitRule.broken(format!("{leader} lacks entry {index}")),
            }
        }
        Ok(())
    }

    fn holds(&self, node: NodeId, id: EntryId) -> bool {
        self.disks.get(&node).is_some_and(|disk| disk.holds(id))
    }

    /// A node that does not lead believes that everything up to `commit` is committed.
    pub(super) fn observe_follower_commit(&self, node: NodeId, commit: Index) -> Check {
        let known = self.last_committed().id.index;
        Invariant::CommitRule.require(commit <= known, || {
            format!("{node} believes in commit index {commit}, leaders committed only {known}")
        })
    }

    /// What a node takes to be committed is what is. Its log may not be seen as it is but when a
    /// Ready was just taken.
    pub(super) fn check_commit(&self, node: NodeId, commit: Index, log: &LogView) -> Check {
        let (mine, committed) = (log.get(commit), self.committed_at(commit));
        Invariant::StateMachineSafety
            .require(mine.is_none() || committed.is_none() || mine == committed, || {
                format!("{node} takes {mine:?} to be committed, and {committed:?} is")
            })
    }

    /// A node's state machine has this state.
    pub(super) fn observe_machine(&mut self, node: NodeId, state: &Checkpoint) -> Check {
        let (index, safety) = (state.index(), Invariant::StateMachineSafety);
        let link = Link { id: state.applied, chain: state.chain };
        let committed = self.committed_at(index);
        safety.require(committed == Some(link), || {
            format!("{node} applied {:?}, committed there is {committed:?}", state.applied)
        })?;
        let place = (index - self.origin) as usize;
        if place == self.memberships.len() {
            let changed = self.memberships.last() != Some(&state.conf_state);
            if changed {
                let before = self.newest_membership();
                Invariant::QuorumOverlap.require(quorums_meet(before, &state.conf_state), || {
                    format!("of {before:?} and {:?}", state.conf_state)
                })?;
            }
            let is_joint = !state.conf_state.voters_outgoing.is_empty();
            self.tally.membership_changes += u64::from(changed);
            self.tally.joint_memberships += u64::from(changed && is_joint);
            self.memberships.push(state.conf_state.clone());
        }
        let known = self.memberships.get(place);
        safety.require(known == Some(&state.conf_state), || {
            let mine = &state.conf_state;
            format!("after {:?} the membership is {mine:?} on {node}, {known:?} elsewhere", link.id)
        })
    }

    /// A node's durable hard state, or a vote it sent.
    pub(super) fn observe_vote(&mut self, node: NodeId, state: HardState) -> Check {
        if state.vote == raftcore::NO_NODE {
            return Ok(());
        }
        let vote = *self.votes.entry((node, state.term)).or_insert(state.vote);
        Invariant::OneVotePerTerm.require(vote == state.vote, || {
            format!("{node} voted for {vote} and for {} in term {}", state.vote, state.term)
        })
    }

    /// A proposer was told that this is its entry.
    pub(super) fn observe_proposal(&mut self, id: EntryId, data: Bytes) -> Check {
        self.places.insert(token(&data).unwrap_or_default(), Some(id));
        let earlier = self.proposals.insert(id, data);
        Invariant::ProposalIdentity
            .require(earlier.is_none(), || format!("{id:?} was given to two proposals"))
    }

    /// A proposer of a membership change was told that it has this place.
    pub(super) fn observe_proposed_change(&mut self, id: EntryId) {
        self.placed_changes.insert(id);
    }

    /// A proposer was told that these will not be in the log.
    pub(super) fn observe_refusal(&mut self, payloads: &[Bytes]) {
        self.places.extend(payloads.iter().filter_map(|data| Some((token(data)?, None))));
    }

    /// An entry is applied: if somebody was told about it, it is what they proposed and where.
    pub(super) fn check_proposal(&mut self, entry: &Entry) -> Check {
        self.workload.observe_applied(entry)?;
        let place = token(&entry.data).and_then(|token| self.places.get(&token));
        Invariant::ProposalIdentity.require(place.is_none_or(|place| *place == Some(entry.id)), || {
            format!("{:?} is applied, its proposer was told {place:?}", entry.id)
        })?;
        let data = self.proposals.get(&entry.id);
        Invariant::ProposalIdentity.require(data.is_none_or(|data| *data == entry.data), || {
            format!("{entry:?} is not what was proposed")
        })?;
        let is_lost = self.placed_changes.contains(&entry.id) && !entry.is_conf_change();
        Invariant::ProposalIdentity.require(!is_lost, || format!("{entry:?} was proposed as a change"))
    }

    /// A node requests a read.
    pub(super) fn observe_read_request(&mut self, node: NodeId, context: u64) {
        self.reads.insert((node, context), self.last_committed().id.index);
    }

    /// A read reached a leader that knows `membership`. If that is one voter, our model answers without asking
    /// anybody: before it knows what is committed, and even as a leader that this voter knows nothing of,
    /// because it has removed itself and was told to go on. Such an answer counts for nothing.
    pub(super) fn observe_shortcut(&mut self, node: NodeId, context: u64, membership: &ConfState) {
        if is_of_one(membership) {
            self.shortcuts.insert((node, context));
        }
    }

    /// Whether an answer to this read may come from a leader that asked nobody.
    pub(super) fn has_shortcut(&self, node: NodeId, context: u64) -> bool {
        self.shortcuts.contains(&(node, context))
    }

    /// A node may serve a read at `index`.
    pub(super) fn check_read(&mut self, node: NodeId, context: u64, index: Index) -> Check {
        let reads = Invariant::LinearizableReads;
        let Some(&committed) = self.reads.get(&(node, context)) else {
            return reads.broken(format!("{node} was given a read that it did not request: {context}"));
        };
        self.tally.reads += 1;
        reads.require(index >= committed, || {
            format!("{node} may read at {index}, but {committed} was committed when it asked")
        })
    }
}

fn is_of_one(membership: &ConfState) -> bool {
    membership.voters.len() == 1 && membership.voters_outgoing.is_empty()
}

/// What tells a payload from all others.
fn token(payload: &[u8]) -> Option<[u8; 8]> {
    payload.first_chunk().copied()
}
