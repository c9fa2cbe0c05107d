//! The public API: inputs go in, a [`Ready`] comes out.

use bytes::Bytes;

use crate::config::Config;
use crate::entry::{Entries, Entry, EntryKind};
use crate::error::{Error, StorageError};
use crate::input::{Ack, Proposed, SnapshotStatus};
use crate::membership::{ConfChange, ConfChangeV2, ConfState};
use crate::message::{Message, Snapshot};
use crate::raft::role::Role;
use crate::raft::{Deferred, Raft, Shared, invariants, membership};
use crate::ready::{Completion, Ready, Response, StorageAppend, StorageApply, Ticket};
use crate::status::{ProgressStatus, Status};
use crate::storage::Storage;
use crate::types::{EntryId, HardState, NodeId, SoftState};
use crate::wire;

/// A node of a Raft group. See the crate's documentation for the loop that drives it.
///
/// A clone is a node in the same state, to see what would become of it: model checkers need that. Only
/// one of the two may go on as the member of its group.
#[derive(Clone, Debug)]
#[repr(C, align(32))]
pub struct RawNode<S: Storage> {
    raft: Raft<S>,
    /// What the last `Ready` told.
    told_hard_state: HardState,
    told_soft_state: SoftState,
    /// Synchronous writes: whether a `Ready` is outstanding, and what comes back with it.
    ticket: Ticket,
}

impl<S: Storage> RawNode<S> {
    /// A node that continues from what `storage` holds, as a follower.
    ///
    /// [`Error::Config`] if the configuration is not usable, [`Error::Storage`] if the storage cannot
    /// be read, [`Error::InconsistentStorage`] or [`Error::ConfChange`] if what it holds does not fit
    /// together.
    pub fn new(config: Config, storage: S) -> Result<Self, Error> {
        let raft = Raft::new(config, storage)?;
        Ok(Self {
            told_hard_state: raft.shared.hard_state(),
            told_soft_state: raft.soft_state(),
            raft,
            ticket: Ticket::default(),
        })
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.raft.shared.id()
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.raft.shared.config
    }

    /// The host's storage.
    pub fn storage(&self) -> &S {
        self.raft.shared.log.storage()
    }

    /// The host's storage, to store what a [`Ready`] hands out.
    pub fn storage_mut(&mut self) -> &mut S {
        self.raft.shared.log.storage_mut()
    }

    /// One tick of the clock: elections and heartbeats are counted in ticks.
    #[inline]
    pub fn tick(&mut self) -> Result<(), Error> {
        if !self.raft.count_tick() {
            self.raft.act_on_tick()?;
        }
        // Once after each contact, so that ticks of an idle node touch nothing else.
        if self.raft.shared.election_elapsed == 1 {
            self.shrink();
        }
        Ok(())
    }

    /// Lets the memory go that only work needs.
    #[cold]
    fn shrink(&mut self) {
        self.raft.shared.outbox.shrink();
        self.ticket.shrink();
    }

    /// A message from a peer.
    ///
    /// Errors tell that the message was refused ([`Error::InvalidMessage`], [`Error::PeerNotFound`],
    /// [`Error::ProposalDropped`]), or that this node's storage is damaged or unreadable
    /// ([`Error::CommitBeyondLog`], [`Error::CommittedConflict`], [`Error::Storage`]). The node stays
    /// consistent in every case; a host may go on after logging them.
    pub fn step(&mut self, message: Message) -> Result<(), Error> {
        self.raft.step(message)
    }

    /// Proposes an entry. On a leader the answer is the entry's place in the log, with which the
    /// host recognises it among the committed entries; a follower passes it on.
    pub fn propose(&mut self, data: impl Into<Bytes>) -> Result<Proposed, Error> {
        self.raft.propose([Entry::normal(data)])
    }

    /// Proposes entries that get consecutive places; the answer is the first one's. All or none are
    /// taken.
    pub fn propose_batch(&mut self, payloads: impl IntoIterator<Item = Bytes>) -> Result<Proposed, Error> {
        let entries: Vec<_> = payloads.into_iter().map(Entry::normal).collect();
        self.raft.propose(entries)
    }

    /// Proposes a membership change. One that cannot follow the current state is replaced by an empty
    /// entry at the same place: the host learns it when that is committed.
    pub fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Proposed, Error> {
        self.propose_kind(EntryKind::ConfChangeV2, wire::encode_conf_change(change, self.config().dialect))
    }

    /// Proposes a membership change in the encoding of the first version, for groups with members
    /// that know no other.
    pub fn propose_conf_change_v1(&mut self, change: &ConfChange) -> Result<Proposed, Error> {
        self.propose_kind(EntryKind::ConfChange, wire::encode_conf_change_v1(change, self.config().dialect))
    }

    fn propose_kind(&mut self, kind: EntryKind, data: Bytes) -> Result<Proposed, Error> {
        self.raft.propose([Entry::new(EntryId::default(), kind, data)])
    }

    /// Puts a committed membership change into force; [`wire::decode_conf_change`] reads it from its
    /// entry. Called on every node when the entry is applied, before the `Ready` is advanced, unless
    /// the host decides to withdraw the change. The answer is the membership to save.
    pub fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState, Error> {
        membership::apply(&mut self.raft, change)
    }

    /// Starts an election now. Without effect on a leader, on a node that does not vote, and while a
    /// snapshot or a membership change waits to be applied; with lease-based reads also while a lease
    /// may run that this node has granted, for the candidate's own vote would break it.
    pub fn campaign(&mut self) -> Result<(), Error> {
        // Even the only voter may have: to a leader that is removed by what this node has applied already.
        if self.raft.shared.lease_ticks > 0 {
            return Ok(());
        }
        self.raft.campaign()
    }

    /// Hands leadership to a voter; a follower passes the wish on. [`Error::InvalidTransferee`] if the
    /// leader knows that it cannot be granted, [`Error::NoLeader`] if there is nobody to ask. Given up
    /// after an election timeout; proposals are refused meanwhile.
    pub fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error> {
        self.raft.transfer_leader(to)
    }

    /// A follower forgets its leader and may vote at once, although it heard from it lately. Without
    /// effect on other roles, and with lease-based reads.
    pub fn forget_leader(&mut self) {
        self.raft.forget_leader();
    }

    /// Requests a linearizable read. A [`crate::ReadState`] with the same context comes in a later
    /// `Ready`; it never comes if leadership or messages are lost: ask again after a while.
    /// [`Error::NoLeader`] if there is nobody to ask.
    pub fn read_index(&mut self, context: impl Into<Bytes>) -> Result<(), Error> {
        self.raft.read_index(context.into())
    }

    /// The host could not deliver to a peer.
    pub fn report_unreachable(&mut self, id: NodeId) {
        self.raft.report_unreachable(id);
    }

    /// What became of a snapshot that was sent to a peer. A leader waits for this.
    pub fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) {
        self.raft.report_snapshot(id, status);
    }

    /// The last failure to read from the storage what was to be sent to a member, once. Such a
    /// failure stops nothing else, and the read is tried again.
    pub fn take_storage_error(&mut self) -> Option<StorageError> {
        self.raft.shared.storage_error.take().map(|error| *error)
    }

    /// Whether there is work for the host.
    pub fn has_ready(&self) -> bool {
        let shared = &self.raft.shared;
        let hard_state = shared.hard_state();
        !shared.outbox.is_empty()
            || shared.log.has_entries_to_store()
            || shared.log.has_entries_to_apply(self.may_apply_unstable())
            || (hard_state != self.told_hard_state && !hard_state.is_empty())
            || self.raft.soft_state() != self.told_soft_state
            || !shared.read_states.is_empty()
            || shared.log.snapshot_to_store().is_some()
            || self.raft.has_messages_due()
    }

    /// With synchronous writes the host stores before it applies, within one `Ready`.
    fn may_apply_unstable(&self) -> bool {
        !self.config().async_storage_writes || self.config().apply_before_persist
    }

    /// Takes the work that there is; perhaps none. With synchronous writes it has to be advanced
    /// before the next is taken, else [`Error::ReadyOutstanding`]. [`Error::Storage`] if entries to
    /// apply cannot be read: nothing is taken then.
    pub fn ready(&mut self) -> Result<Ready, Error> {
        if self.ticket.is_out() {
            return Err(Error::ReadyOutstanding);
        }
        self.raft.flush();
        let may_apply_unstable = self.may_apply_unstable();
        let (soft_state, told_soft_state) = (self.raft.soft_state(), self.told_soft_state);
        let shared = &mut self.raft.shared;
        let max_applying_bytes = shared.config.max_committed_bytes_per_ready;
        let committed_entries = shared.log.entries_to_apply(may_apply_unstable, max_applying_bytes)?;
        let (hard_state, told) = (shared.hard_state(), self.told_hard_state);
        let entries = shared.log.entries_to_store();
        let snapshot = shared.log.snapshot_to_store().cloned().map(Box::new);
        let stored = stored_ack(shared, snapshot.as_deref());
        let applied = applied_ack(&committed_entries);
        shared.log.handed_out();
        if let Some(Ack::Applied { index, bytes, .. }) = applied {
            shared.log.handed_out_to_apply(index, bytes, may_apply_unstable, max_applying_bytes);
        }
        self.told_soft_state = soft_state;
        self.told_hard_state = hard_state;
        let messages = shared.outbox.take();
        let read_states = std::mem::take(&mut shared.read_states);
        let must_sync = !entries.is_empty()
            || snapshot.is_some()
            || (hard_state.term, hard_state.vote) != (told.term, told.vote);
        let soft_state = (soft_state != told_soft_state).then_some(soft_state);
        let hard_state = (hard_state != told).then_some(hard_state);
        let (mut storage_append, mut storage_apply, mut completion) = (None, None, None);
        if shared.config.async_storage_writes {
            let is_due = !entries.is_empty() || hard_state.is_some() || snapshot.is_some();
            storage_append = self.storage_append(is_due, stored);
            storage_apply = applied.map(|ack| StorageApply { ack });
        } else {
            completion = Some(self.completion(stored, applied));
        }
        Ok(Ready {
            soft_state,
            hard_state,
            read_states,
            entries,
            snapshot,
            committed_entries,
            messages,
            must_sync,
            storage_append,
            storage_apply,
            completion,
        })
    }

    /// Asynchronous writes: what the host does when it has stored all, if there is something to store
    /// or to wait for.
    fn storage_append(&mut self, is_due: bool, stored: Option<Ack>) -> Option<StorageAppend> {
        let outbox = &mut self.raft.shared.outbox;
        if !is_due && !outbox.has_deferred() {
            return None;
        }
        let deferred = outbox.drain_deferred().map(|deferred| match deferred {
            Deferred::Send(message) => Response::Send(message),
            Deferred::Acknowledge(ack) => Response::Acknowledge(ack),
        });
        Some(StorageAppend { responses: deferred.chain(stored.map(Response::Acknowledge)).collect() })
    }

    /// Synchronous writes: what `advance` does.
    fn completion(&mut self, stored: Option<Ack>, applied: Option<Ack>) -> Box<Completion> {
        let mut completion = self.ticket.issue();
        self.raft.shared.outbox.swap_deferred(&mut completion.deferred);
        completion.stored = stored;
        completion.applied = applied;
        completion
    }

    /// The work of `ready` is done (synchronous writes). [`Error::ForeignReady`] if it is not the
    /// outstanding one, [`Error::WrongWriteMode`] with asynchronous writes.
    pub fn advance(&mut self, ready: Ready) -> Result<(), Error> {
        if self.config().async_storage_writes {
            return Err(Error::WrongWriteMode);
        }
        let Some(mut completion) = ready.completion.filter(|completion| self.ticket.is_own(completion))
        else {
            return Err(Error::ForeignReady);
        };
        self.raft.shared.outbox.give_back(ready.messages);
        let mut failure = None;
        // Each notice is a fact of its own: a failure to act on one must not swallow the next.
        let mut tell = |ack: &Ack| {
            if let Err(error) = self.raft.acknowledge(ack) {
                failure.get_or_insert(error);
            }
        };
        for deferred in completion.deferred.drain(..) {
            if let Deferred::Acknowledge(ack) = deferred {
                tell(&ack);
            }
        }
        completion.stored.take().iter().for_each(&mut tell);
        completion.applied.take().iter().for_each(&mut tell);
        self.ticket.take_back(completion);
        failure.map_or(Ok(()), Err)
    }

    /// Storage work is done (asynchronous writes): hands back the notice that came with it.
    /// [`Error::WrongWriteMode`] with synchronous writes; [`Error::PeerNotFound`] if the node is no
    /// member any more and its own acknowledgement does not count.
    pub fn acknowledge(&mut self, ack: Ack) -> Result<(), Error> {
        if !self.config().async_storage_writes {
            return Err(Error::WrongWriteMode);
        }
        let counts_members = matches!(ack, Ack::OwnAppend { .. } | Ack::OwnVote { .. });
        if counts_members && !self.raft.shared.configuration.contains(self.id()) {
            return Err(Error::PeerNotFound(self.id()));
        }
        self.raft.acknowledge(&ack)
    }

    /// Term, vote and commit index as they are now, perhaps not stored yet.
    pub fn hard_state(&self) -> HardState {
        self.raft.shared.hard_state()
    }

    /// Leader and role.
    pub fn soft_state(&self) -> SoftState {
        self.raft.soft_state()
    }

    /// The node's state, for people and for metrics.
    pub fn status(&self) -> Status {
        let shared = &self.raft.shared;
        let (progress, transferee) = match &self.raft.role {
            Role::Leader(leader) => {
                (leader.progress.iter().map(progress_status).collect(), leader.transferee)
            }
            _ => (Vec::new(), None),
        };
        Status {
            id: self.id(),
            hard_state: shared.hard_state(),
            soft_state: self.raft.soft_state(),
            applied: shared.log.applied(),
            stabled: shared.log.stabled(),
            last: shared.log.last(),
            conf_state: shared.configuration.to_conf_state(),
            is_voter: shared.configuration.is_voter(self.id()),
            transferee,
            progress,
        }
    }

    /// Whether everything holds that must hold within a node, whatever peers and hosts do; else the
    /// name of a condition that does not. Debug builds check by themselves, and panic. Takes time in
    /// proportion to the number of members.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        invariants::verify(&self.raft)
    }

    /// Sets the current election timeout until the next one is drawn. For scripted tests.
    #[doc(hidden)]
    pub fn set_randomized_election_timeout(&mut self, ticks: u32) {
        self.raft.shared.randomized_timeout = ticks;
    }
}

/// The notice that all which is not stored yet has been stored. It names the end of the log even if
/// nothing is handed out now: notices of earlier writes may have been void, because the term changed.
fn stored_ack<S: Storage>(shared: &Shared<S>, snapshot: Option<&Snapshot>) -> Option<Ack> {
    let last = shared.log.has_unstable().then_some(shared.log.last());
    let snapshot = snapshot.map(|snapshot| snapshot.id.index);
    (last.is_some() || snapshot.is_some()).then_some(Ack::Stored { term: shared.term, last, snapshot })
}

fn applied_ack(entries: &Entries) -> Option<Ack> {
    let last = entries.last()?;
    Some(Ack::Applied {
        index: last.index(),
        bytes: entries.encoded_len(),
        payload_bytes: entries.payload_len(),
    })
}

fn progress_status((id, progress): &(NodeId, crate::progress::Progress)) -> ProgressStatus {
    ProgressStatus {
        id: *id,
        state: progress.state(),
        matched: progress.matched,
        next: progress.next,
        is_learner: progress.is_learner,
        is_paused: progress.is_paused(),
        is_active: progress.is_active,
        pending_snapshot: progress.pending_snapshot(),
        inflight_messages: progress.inflights().len(),
        inflight_bytes: progress.inflights().bytes(),
        is_inflight_full: progress.inflights().is_full(),
    }
}
