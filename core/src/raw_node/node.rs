//! How the state machine's work becomes a [`Ready`], and what comes of its completion.

use crate::config::Config;
use crate::entry::Entries;
use crate::error::Error;
use crate::input::Ack;
use crate::message::Snapshot;
use crate::raft::{Deferred, Raft, Shared};
use crate::ready::{Ready, Response, StorageAppend, StorageApply, Ticket};
use crate::storage::Storage;
use crate::types::{HardState, SoftState};

/// A node, but for the ticks that were only counted.
#[derive(Clone, Debug)]
pub(super) struct Node<S: Storage> {
    pub(super) raft: Raft<S>,
    /// What the last `Ready` told.
    told_hard_state: HardState,
    told_soft_state: SoftState,
    /// Synchronous writes: whether a `Ready` is outstanding, and what comes back with it.
    ticket: Ticket,
}

impl<S: Storage> Node<S> {
    pub(super) fn new(config: Config, storage: S) -> Result<Self, Error> {
        let raft = Raft::new(config, storage)?;
        Ok(Self {
            told_hard_state: raft.shared.hard_state(),
            told_soft_state: raft.soft_state(),
            raft,
            ticket: Ticket::default(),
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.raft.shared.config
    }

    pub(super) fn tick(&mut self) -> Result<(), Error> {
        self.raft.tick()?;
        // Once after each contact.
        if self.raft.shared.election_elapsed == 1 {
            self.shrink();
        }
        Ok(())
    }

    /// Lets memory go that only work needs: a node at rest keeps none.
    fn shrink(&mut self) {
        self.raft.shared.outbox.shrink();
        self.raft.shared.log.shrink();
        self.ticket.shrink();
    }

    pub(super) fn has_ready(&self) -> bool {
        let shared = &self.raft.shared;
        let hard_state = shared.hard_state();
        !shared.outbox.is_empty()
            || shared.log.has_entries_to_store()
            || shared.log.has_entries_to_apply(self.may_apply_unstable())
            || (hard_state != self.told_hard_state && !hard_state.is_empty())
            || self.raft.soft_state() != self.told_soft_state
            || shared.log.snapshot_to_store().is_some()
            || self.raft.has_messages_due()
    }

    /// With synchronous writes the host stores before it applies, within one `Ready`.
    fn may_apply_unstable(&self) -> bool {
        !self.config().async_storage_writes || self.config().apply_before_persist
    }

    pub(super) fn ready(&mut self) -> Result<Box<Ready>, Error> {
        if self.ticket.is_out() {
            return Err(Error::ReadyOutstanding);
        }
        self.raft.flush();
        let may_apply_unstable = self.may_apply_unstable();
        let (soft_state, told_soft_state) = (self.raft.soft_state(), self.told_soft_state);
        let shared = &mut self.raft.shared;
        shared.readies_since_tick = shared.readies_since_tick.saturating_add(1);
        let max_applying_bytes = shared.config.max_committed_bytes_per_ready;
        let committed_entries = shared.log.entries_to_apply(may_apply_unstable, max_applying_bytes)?;
        let mut ready = match shared.config.async_storage_writes {
            true => Box::default(),
            false => self.ticket.issue(),
        };
        // It is empty: only what differs from that is written. Mostly that is little.
        let (hard_state, told) = (shared.hard_state(), self.told_hard_state);
        if shared.log.has_entries_to_store() {
            ready.entries = shared.log.entries_to_store();
        }
        if let Some(snapshot) = shared.log.snapshot_to_store() {
            ready.snapshot = Some(Box::new(snapshot.clone()));
        }
        let stored = stored_ack(shared, ready.snapshot.as_deref());
        let mut applied = None;
        if let Some(entries) = committed_entries {
            applied = applied_ack(&entries);
            ready.committed_entries = entries;
        }
        shared.log.handed_out();
        if let Some(Ack::Applied { index, bytes, .. }) = applied {
            shared.log.handed_out_to_apply(index, bytes, may_apply_unstable, max_applying_bytes);
        }
        shared.outbox.take(&mut ready.messages, &mut ready.read_states);
        ready.must_sync = !ready.entries.is_empty() || ready.snapshot.is_some();
        if soft_state != told_soft_state {
            ready.soft_state = Some(soft_state);
            self.told_soft_state = soft_state;
        }
        if hard_state != told {
            ready.must_sync |= (hard_state.term, hard_state.vote) != (told.term, told.vote);
            ready.hard_state = Some(hard_state);
            self.told_hard_state = hard_state;
        }
        if shared.config.async_storage_writes {
            ready.storage_append = self.storage_append(&ready, stored);
            ready.storage_apply = applied.map(|ack| StorageApply { ack });
        } else {
            shared.outbox.swap_deferred(&mut ready.completion.deferred);
            if stored.is_some() {
                ready.completion.stored = stored;
            }
            if applied.is_some() {
                ready.completion.applied = applied;
            }
            let tells = ready.hard_state.is_some() || ready.soft_state.is_some();
            ready.completion.told = tells.then_some((told, told_soft_state));
        }
        Ok(ready)
    }

    /// Asynchronous writes: what the host does when it has stored all, if there is something to store
    /// or to wait for.
    fn storage_append(&mut self, ready: &Ready, stored: Option<Ack>) -> Option<StorageAppend> {
        let outbox = &mut self.raft.shared.outbox;
        let is_due = !ready.entries.is_empty() || ready.hard_state.is_some() || ready.snapshot.is_some();
        if !is_due && !outbox.has_deferred() {
            return None;
        }
        let deferred = outbox.take_deferred().into_iter().map(|deferred| match deferred {
            Deferred::Send(message) => Response::Send(message),
            Deferred::Acknowledge(ack) => Response::Acknowledge(ack),
        });
        Some(StorageAppend { responses: deferred.chain(stored.map(Response::Acknowledge)).collect() })
    }

    /// Whether `ready` is the outstanding one of this node.
    fn check_own(&self, ready: &Ready) -> Result<(), Error> {
        if self.config().async_storage_writes {
            return Err(Error::WrongWriteMode);
        }
        if self.ticket.is_own(ready) { Ok(()) } else { Err(Error::ForeignReady) }
    }

    /// Everything is again as if `ready` had not been taken; what has come since stays behind it.
    pub(super) fn give_back(&mut self, mut ready: Box<Ready>) -> Result<(), Error> {
        self.check_own(&ready)?;
        let Raft { shared, .. } = &mut self.raft;
        let Ready { messages, read_states, completion, .. } = &mut *ready;
        shared.outbox.put_back(messages, read_states, &mut completion.deferred, &shared.config);
        shared.log.put_back(ready.committed_entries.encoded_len());
        if let Some(told) = ready.completion.told.take() {
            (self.told_hard_state, self.told_soft_state) = told;
        }
        (ready.completion.stored, ready.completion.applied) = (None, None);
        self.ticket.take_back(ready);
        Ok(())
    }

    pub(super) fn advance(&mut self, mut ready: Box<Ready>) -> Result<(), Error> {
        self.check_own(&ready)?;
        let mut failure = None;
        // Each notice is a fact of its own: a failure to act on one must not swallow the next.
        let mut tell = |ack: &Ack| {
            if let Err(error) = self.raft.acknowledge(ack) {
                failure.get_or_insert(error);
            }
        };
        let completion = &mut ready.completion;
        for deferred in &completion.deferred {
            if let Deferred::Acknowledge(ack) = deferred {
                tell(ack);
            }
        }
        completion.deferred.clear();
        completion.stored.take().iter().for_each(&mut tell);
        completion.applied.take().iter().for_each(&mut tell);
        self.ticket.take_back(ready);
        if self.raft.shared.readies_since_tick <= 1 {
            self.shrink();
        }
        failure.map_or(Ok(()), Err)
    }

    pub(super) fn acknowledge(&mut self, ack: Ack) -> Result<(), Error> {
        if !self.config().async_storage_writes {
            return Err(Error::WrongWriteMode);
        }
        let counts_members = matches!(ack, Ack::OwnAppend { .. } | Ack::OwnVote { .. });
        if counts_members && !self.raft.shared.configuration.contains(self.raft.shared.id()) {
            return Err(Error::PeerNotFound(self.raft.shared.id()));
        }
        self.raft.acknowledge(&ack)
    }
}

/// The notice that all which is not stored yet has been stored. It names the end of the log even if
/// nothing is handed out now: notices of earlier writes may have been void, because the term changed.
fn stored_ack<S: Storage>(shared: &Shared<S>, snapshot: Option<&Snapshot>) -> Option<Ack> {
    let last = shared.log.has_unstable().then_some(shared.log.last());
    let snapshot = snapshot.map(|snapshot| snapshot.id.index);
    (last.is_some() || snapshot.is_some()).then_some(Ack::Stored { term: shared.term, last, snapshot })
}

#[inline]
fn applied_ack(entries: &Entries) -> Option<Ack> {
    let last = entries.last()?;
    let sizes = entries.sizes();
    Some(Ack::Applied { index: last.index(), bytes: sizes.encoded, payload_bytes: sizes.payload })
}
