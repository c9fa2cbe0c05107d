//! A host: what a program around the library does, in pieces between which it may crash.

mod pieces;

use std::collections::{BTreeSet, VecDeque};

use raftcore::{
    ConfState, Config, Entry, Error, HardState, Index, Message, NodeId, Ready, RoleKind, Snapshot, SoftState,
};

use super::disk::{Disk, Write};
use super::ledger::Ledger;
use super::log_view::{Link, LogView};
use super::machine::{Checkpoint, chain};
use super::node::Node;
use super::oracle::Oracle;
use super::situations::Situation;
use super::violation::{Check, Invariant};
use crate::rng::Rng;

pub(super) use pieces::Lane;
use pieces::{AppendWork, ApplyWork, Cycle};

/// A running node.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) raft: Box<dyn Node>,
    pub(super) life: Life,
    disk: Disk,
    pub(super) machine: Checkpoint,
    pub(super) log: LogView,
    seen: (HardState, SoftState),
    ledger: Ledger,
    /// Synchronous writes: the Ready that is being worked on.
    cycle: Option<Cycle>,
    /// Asynchronous writes: what the threads have to do.
    append_queue: VecDeque<AppendWork>,
    apply_queue: VecDeque<ApplyWork>,
    /// Reads that are served once this index is applied, and their contexts.
    pub(super) reads: BTreeSet<(Index, u64)>,
}

/// What does not change while a node runs.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) config: Config,
    /// Whether the machine saves its state by itself.
    pub(super) durable_machine: bool,
    /// Whether nobody looks at the indexes of its reads.
    pub(super) blind_reads: bool,
    /// Which of the node's lives this is.
    pub(super) incarnation: u64,
}

/// What a host acts on besides itself.
pub(super) struct Surroundings<'a> {
    pub(super) oracle: &'a mut Oracle,
    pub(super) rng: &'a mut Rng,
    /// Messages to send.
    pub(super) outbox: &'a mut Vec<Message>,
}

impl Host {
    /// A host around a node that was started on a disk.
    pub(super) fn start(raft: Box<dyn Node>, life: Life, disk: Disk, oracle: &mut Oracle) -> Check<Self> {
        let machine = disk.recover_machine();
        let id = life.config.id;
        let durable = disk.durable_hard_state();
        let seen = (raft.hard_state(), raft.soft_state());
        let as_left = (seen.0.term, seen.0.vote) == (durable.term, durable.vote);
        Invariant::RestartEquivalence.require(
            as_left && seen.0.commit >= durable.commit.max(machine.index()),
            || {
                let applied = machine.index();
                format!("{id} starts with {:?} from {durable:?}, applied {applied}", seen.0)
            },
        )?;
        let log = recover_log(id, &disk, oracle)?;
        let host = Self {
            id,
            raft,
            life,
            disk,
            machine,
            log,
            seen,
            ledger: Ledger::default(),
            cycle: None,
            append_queue: VecDeque::new(),
            apply_queue: VecDeque::new(),
            reads: BTreeSet::new(),
        };
        if host.machine.index() > 0 {
            oracle.observe_machine(id, &host.machine)?;
        }
        Ok(host)
    }

    pub(super) fn is_leader(&self) -> bool {
        self.seen.1.role == RoleKind::Leader
    }

    pub(super) fn role(&self) -> RoleKind {
        self.seen.1.role
    }

    pub(super) fn term(&self) -> u64 {
        self.seen.0.term
    }

    /// Gives the node an input. What the library refuses is no breach, unless it takes data loss to
    /// explain it.
    pub(super) fn input<T>(
        &mut self,
        oracle: &mut Oracle,
        call: impl FnOnce(&mut dyn Node) -> Result<T, Error>,
    ) -> Check<Option<T>> {
        let result = call(&mut *self.raft);
        self.observe(oracle)?;
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let harmless = matches!(
                    error,
                    Error::ProposalDropped(_)
                        | Error::ConfChange(_)
                        | Error::PeerNotFound(_)
                        | Error::NoLeader
                        | Error::InvalidTransferee(_)
                        // A host that takes no Ready for long loses messages, as a network does.
                        | Error::LimitReached(_)
                ) || is_fault(&error);
                Invariant::NoUnexpectedErrors
                    .require(harmless, || format!("{} answers: {error}", self.id))?;
                Ok(None)
            }
        }
    }

    /// After a tick: a leader that has applied all of its log, and transfers its leadership to nobody, is not
    /// in a joint membership that is to be left automatically. One that leads on although it was removed
    /// (`step_down_on_removal`) may propose nothing: its successor leaves it.
    pub(super) fn check_joint_is_left(&self) -> Check {
        if !self.is_leader() || self.life.config.eager_append {
            return Ok(());
        }
        let status = self.raft.status();
        let stays = status.conf_state.auto_leave
            && status.conf_state.contains(self.id)
            && status.applied == status.last.index
            && status.transferee.is_none();
        Invariant::Liveness.require(!stays, || format!("{} does not leave {:?}", self.id, status.conf_state))
    }

    /// Looks at the node after it was given something to do.
    fn observe(&mut self, oracle: &mut Oracle) -> Check {
        let (state, soft) = (self.raft.hard_state(), self.raft.soft_state());
        let (seen, seen_soft) = std::mem::replace(&mut self.seen, (state, soft));
        let id = self.id;
        Invariant::Monotonicity.require(state.term >= seen.term && state.commit >= seen.commit, || {
            format!("{id} goes from {seen:?} to {state:?}")
        })?;
        if let Err(broken) = self.raft.check_invariants() {
            return Invariant::WithinNode.broken(format!("{broken}: {id} in {state:?}, {soft:?}"));
        }
        let leads = soft.role == RoleKind::Leader;
        let membership = &self.machine.conf_state;
        if leads && (seen_soft.role != RoleKind::Leader || seen.term != state.term) {
            oracle.observe_leader((id, self.life.incarnation), state.term, &self.log, membership)?;
        }
        if leads {
            self.ledger.leads(&self.raft.status(), &self.life.config, &self.log, oracle)?;
        } else {
            self.ledger.rests(member_count(membership));
        }
        if state.commit == seen.commit {
            Ok(())
        } else if leads {
            oracle.observe_leader_commit(id, state.term, state.commit, &self.log, membership)
        } else {
            oracle.observe_follower_commit(id, state.commit)
        }
    }

    /// Looks at a Ready that was just taken.
    fn observe_ready(&mut self, ready: &Ready, oracle: &mut Oracle) -> Check {
        self.ledger.ready(ready, &self.life.config, member_count(&self.machine.conf_state))?;
        self.note_handed_out(ready, oracle)?;
        oracle.check_commit(self.id, self.raft.hard_state().commit, &self.log)
    }

    /// Notes what a Ready hands out to be stored.
    fn note_handed_out(&mut self, ready: &Ready, oracle: &mut Oracle) -> Check {
        if let Some(snapshot) = &ready.snapshot {
            let Some(chain) = oracle.chain_of(snapshot.id) else {
                return Invariant::LogMatching
                    .broken(format!("{} gets a snapshot of {:?}", self.id, snapshot.id));
            };
            let situations = &mut oracle.tally_mut().situations;
            let drops = self.log.last().id.index > snapshot.id.index && !self.log.contains(snapshot.id);
            situations.add(Situation::ConflictingTailDropped, drops.into());
            self.log = LogView::new(Link { id: snapshot.id, chain });
        }
        if let Some(first) = ready.entries.first() {
            let last = self.log.last().id.index;
            let appends = first.id.index == last + 1;
            oracle.tally_mut().overwritten += (last + 1).saturating_sub(first.id.index);
            if let Some(link) = self.log.get(first.id.index) {
                let was_on_majority = oracle.is_on_majority(link.id);
                let situations = &mut oracle.tally_mut().situations;
                situations.add(Situation::MajorityOverwritten, was_on_majority.into());
                situations.add(Situation::OverwrittenInFlight, self.is_in_flight(first.id.index).into());
            }
            Invariant::LeaderAppendOnly.require(!self.is_leader() || appends, || {
                format!("{} leads and replaces its entries from {:?} on", self.id, first.id)
            })?;
        }
        for entry in ready.entries.iter() {
            let Some(link) = self.log.put(entry) else {
                let last = self.log.last().id;
                return Invariant::LogMatching
                    .broken(format!("{} is to store {entry:?} after {last:?}", self.id));
            };
            oracle.observe_entry(self.id, link)?;
            if entry.is_conf_change() {
                let applied = self.is_leader().then_some(self.machine.index());
                oracle.observe_change(self.id, entry.id, applied, &self.log)?;
            }
        }
        Ok(())
    }

    /// Applies entries to the state machine; those that a snapshot has overtaken are passed over.
    fn apply(&mut self, entries: &[Entry], oracle: &mut Oracle) -> Check {
        for entry in entries {
            let applied = self.machine.index();
            if entry.id.index <= applied {
                continue;
            }
            Invariant::StateMachineSafety.require(entry.id.index == applied + 1, || {
                format!("{} is to apply {entry:?} after {applied}", self.id)
            })?;
            let may_be_early = self.life.config.apply_before_persist;
            Invariant::ApplyOnlyDurable.require(may_be_early || self.disk.holds(entry.id), || {
                format!("{} is to apply {entry:?}, which is not durable there", self.id)
            })?;
            oracle.check_proposal(entry)?;
            if entry.is_conf_change() {
                self.apply_conf_change(entry)?;
            }
            self.machine.chain = chain(self.machine.chain, entry);
            self.machine.applied = entry.id;
            oracle.observe_machine(self.id, &self.machine)?;
            self.observe(oracle)?;
        }
        Ok(())
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Check {
        // A call that fails because of a failing read changes nothing, and can be made again.
        let result = loop {
            match self.raft.apply_conf_change(entry) {
                Err(error) if is_fault(&error) => {}
                result => break result,
            }
        };
        match result {
            Ok(conf_state) => {
                self.machine.conf_state = conf_state;
                self.ledger.membership_changed();
            }
            // A change that cannot be applied has no effect, on no node. Leaders take none, but our model's.
            Err(Error::ConfChange(_)) if self.life.config.eager_append => {}
            Err(error) => {
                return Invariant::NoUnexpectedErrors.broken(format!("{entry:?}: {error}"));
            }
        }
        Ok(())
    }

    /// Replaces the state machine's state by that in a snapshot.
    fn install(&mut self, snapshot: &Snapshot, oracle: &mut Oracle) -> Check {
        let state = Checkpoint::of(snapshot);
        let applied = self.machine.index();
        Invariant::SnapshotAheadOfApplied.require(state.index() > applied, || {
            format!("{} installs a snapshot of {:?} over {applied}", self.id, snapshot.id)
        })?;
        self.machine = state;
        oracle.tally_mut().snapshots += 1;
        oracle.observe_machine(self.id, &self.machine)
    }

    /// Makes a snapshot of the state machine.
    pub(super) fn make_snapshot(&mut self) {
        // What is applied before it is stored is not what the log has there, not yet.
        if !self.disk.holds(self.machine.applied) {
            return;
        }
        let Checkpoint { applied, conf_state, .. } = self.machine.clone();
        let data = self.machine.data();
        // Out of date if nothing was applied since the last one: then that one is as good.
        let _ = self.disk.write(Write::Snapshot { index: applied.index, conf_state, data });
    }

    /// Removes entries that a snapshot covers, all but the last of them.
    pub(super) fn compact(&mut self, keep: u64) {
        let target = self.disk.snapshot_index().saturating_sub(keep);
        // Refused if it was compacted that far already.
        if self.disk.write(Write::Compact(target)).is_ok() {
            self.log.compact(target);
        }
    }
}

fn member_count(membership: &ConfState) -> usize {
    membership.voters.len() + membership.voters_outgoing.len() + membership.learners.len()
}

/// Whether the error comes from a read that the simulator made fail.
fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Storage(raftcore::StorageError::Host { .. }))
}

/// The log on a disk, its hashes looked up.
fn recover_log(id: NodeId, disk: &Disk, oracle: &mut Oracle) -> Check<LogView> {
    use raftcore::{EntryId, Storage};
    let base = disk.first_index().unwrap_or(1) - 1;
    let base = EntryId::new(disk.term(base).unwrap_or_default(), base);
    let chain = match oracle.chain_of(base) {
        Some(chain) => chain,
        None if base == EntryId::default() => 0,
        None => return Invariant::RestartEquivalence.broken(format!("{id} begins after {base:?}")),
    };
    let mut log = LogView::new(Link { id: base, chain });
    for entry in disk.all_entries().iter() {
        match log.put(entry) {
            Some(link) => oracle.observe_entry(id, link)?,
            None => return Invariant::RestartEquivalence.broken(format!("{id}: gap at {entry:?}")),
        }
    }
    Ok(log)
}
