//! What a node wants its host to do.

use bytes::Bytes;

use crate::entry::{Entries, EntryRuns};
use crate::input::Ack;
use crate::message::{Message, Snapshot};
use crate::raft::Deferred;
use crate::types::{HardState, Index, SoftState};

/// A read that is linearizable once the state machine has applied `index` (thesis section 6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// Serve the read when this index is applied.
    pub index: Index,
    /// The token that the read was requested with.
    pub context: Bytes,
}

/// Work for the host. It owns its data: another thread may store it while the node goes on.
///
/// With synchronous writes, in this order:
/// 1. send the messages for which [`Message::requires_persistence`] is false (now or later);
/// 2. store `snapshot`, `entries` and `hard_state` (one batch; synced if `must_sync`);
/// 3. send the other messages, and apply `committed_entries`;
/// 4. hand the `Ready` back: [`crate::RawNode::advance`].
///
/// With asynchronous writes ([`crate::Config::async_storage_writes`]), `storage_append` and
/// `storage_apply` take the place of steps 2 to 4: each is done in the order in which it was handed
/// out, independently of the other, and then its responses are sent or handed back. `messages` may
/// leave at once.
#[derive(Debug, Default)]
pub struct Ready {
    /// Leader and role, if one of them changed.
    pub soft_state: Option<SoftState>,
    /// The hard state to store, if it changed.
    pub hard_state: Option<HardState>,
    /// Reads that may be served.
    pub read_states: Vec<ReadState>,
    /// Entries to store. They replace stored ones at their indexes and after.
    pub entries: EntryRuns,
    /// A snapshot to install in log and state machine.
    pub snapshot: Option<Box<Snapshot>>,
    /// Entries to apply.
    pub committed_entries: Entries,
    /// Messages to send.
    pub messages: Vec<Message>,
    /// Whether what is stored must be durable before going on: true if entries, term or vote changed
    /// or a snapshot came. A commit index alone may be lost.
    pub must_sync: bool,
    /// Asynchronous writes: what to do once `hard_state`, `entries` and `snapshot` are stored.
    pub storage_append: Option<StorageAppend>,
    /// Asynchronous writes: what to do once `committed_entries` are applied.
    pub storage_apply: Option<StorageApply>,
    pub(crate) completion: Completion,
}

impl Ready {
    /// Lets go of what is in it, but not of the memory that lists take.
    fn clear(&mut self) {
        self.soft_state = None;
        self.hard_state = None;
        self.read_states.clear();
        self.entries = EntryRuns::new();
        self.snapshot = None;
        self.committed_entries = Entries::new();
        self.messages.clear();
        if self.storage_append.is_some() || self.storage_apply.is_some() {
            (self.storage_append, self.storage_apply) = (None, None);
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.soft_state.is_none()
            && self.hard_state.is_none()
            && self.read_states.is_empty()
            && self.entries.is_empty()
            && self.snapshot.is_none()
            && self.committed_entries.is_empty()
            && self.messages.is_empty()
            && self.storage_append.is_none()
            && self.storage_apply.is_none()
    }
}

/// What is to happen when the outstanding `Ready` of a node with synchronous writes is advanced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Completion {
    /// Where the `Ready` was when it was handed out: see [`Ticket`].
    place: usize,
    /// Notices that waited in the outbox, and those of what is stored and applied: in this order.
    pub(crate) deferred: Vec<Deferred>,
    pub(crate) stored: Option<Ack>,
    pub(crate) applied: Option<Ack>,
    /// What was told before, if this `Ready` tells something else, should it be given back.
    pub(crate) told: Option<(HardState, SoftState)>,
}

/// Lends out the one `Ready` of a node with synchronous writes, and keeps it, empty, while there is nothing
/// to do: so its memory is allocated once. The node knows it by its address, which nothing else can have
/// meanwhile, and by the same address inside, in case its content was exchanged with another's.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    here: Option<Box<Ready>>,
    /// The address, while it is away.
    away: usize,
}

impl Clone for Ticket {
    /// What is outstanding cannot be advanced on a clone.
    fn clone(&self) -> Self {
        Self { here: None, away: self.away }
    }
}

impl Ticket {
    pub(crate) fn is_out(&self) -> bool {
        self.away != 0
    }

    /// An empty `Ready`, to be filled and handed out.
    pub(crate) fn issue(&mut self) -> Box<Ready> {
        let mut ready = self.here.take().unwrap_or_default();
        self.away = &raw const *ready as usize;
        ready.completion.place = self.away;
        ready
    }

    /// Whether it is this node's, and outstanding.
    pub(crate) fn is_own(&self, ready: &Ready) -> bool {
        ready.completion.place == self.away && &raw const *ready as usize == self.away
    }

    /// The outstanding `Ready` has been carried out.
    pub(crate) fn take_back(&mut self, mut ready: Box<Ready>) {
        self.away = 0;
        ready.clear();
        self.here = Some(ready);
    }

    /// Lets the memory go.
    pub(crate) fn shrink(&mut self) {
        self.here = None;
    }
}

/// Completion of a storage write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageAppend {
    /// What to do when the write is durable, in this order.
    pub responses: Vec<Response>,
}

/// Completion of an application of committed entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageApply {
    /// To hand back when the entries are applied.
    pub ack: Ack,
}

/// What follows a storage write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// A message to send.
    Send(Message),
    /// A notice for the node itself: [`crate::RawNode::acknowledge`].
    Acknowledge(Ack),
}
