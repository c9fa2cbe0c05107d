//! The public API: inputs go in, a [`Ready`] comes out.

mod idle;
mod node;

use bytes::Bytes;

use crate::config::Config;
use crate::entry::{Entry, EntryKind};
use crate::error::{Error, StorageError};
use crate::input::{Ack, Proposed, SnapshotStatus};
use crate::membership::{ConfChange, ConfChangeV2, ConfState};
use crate::message::Message;
use crate::raft::role::Role;
use crate::raft::{invariants, membership};
use crate::ready::Ready;
use crate::status::{BasicStatus, ProgressStatus, Status, TransferOutcome, Unserved};
use crate::storage::Storage;
use crate::types::{EntryId, HardState, NodeId, SoftState};
use crate::wire;
use idle::IdleTicks;
use node::Node;

/// A node of a Raft group. See the crate's documentation for the loop that drives it.
///
/// A clone is a node in the same state, to see what would become of it: model checkers need that. Only
/// one of the two may go on as the member of its group.
///
/// Small itself, so that a host of many groups can keep their nodes side by side: the ticks of an idle one
/// touch nothing else.
#[derive(Clone, Debug)]
pub struct RawNode<S: Storage> {
    idle: IdleTicks,
    node: Box<Node<S>>,
}

impl<S: Storage> RawNode<S> {
    /// A node that continues from what `storage` holds, as a follower.
    ///
    /// [`Error::Config`] if the configuration is not usable, [`Error::Storage`] if the storage cannot
    /// be read, [`Error::InconsistentStorage`] or [`Error::ConfChange`] if what it holds does not fit
    /// together.
    pub fn new(config: Config, storage: S) -> Result<Self, Error> {
        Ok(Self { idle: IdleTicks::default(), node: Box::new(Node::new(config, storage)?) })
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.node.raft.shared.id()
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.node.raft.shared.config
    }

    /// The host's storage.
    pub fn storage(&self) -> &S {
        self.node.raft.shared.log.storage()
    }

    /// The host's storage, to store what a [`Ready`] hands out.
    pub fn storage_mut(&mut self) -> &mut S {
        self.node.raft.shared.log.storage_mut()
    }

    /// One tick of the clock: elections and heartbeats are counted in ticks.
    #[inline]
    pub fn tick(&mut self) -> Result<(), Error> {
        if self.idle.count() { Ok(()) } else { self.tick_awake() }
    }

    #[inline(never)]
    fn tick_awake(&mut self) -> Result<(), Error> {
        let node = self.awake();
        let done = node.tick();
        let quiet = node.raft.quiet_ticks();
        self.idle.allow(quiet);
        done
    }

    /// The node, knowing of all ticks, for something to happen to it.
    fn awake(&mut self) -> &mut Node<S> {
        let ticks = self.idle.end();
        if ticks > 0 {
            self.node.raft.shared.pass(ticks);
        }
        &mut self.node
    }

    /// A message from a peer.
    ///
    /// Whoever sent it: an error changes nothing, neither term nor leader, neither log nor timers.
    /// - The message was refused: [`Error::InvalidMessage`], [`Error::PeerNotFound`],
    ///   [`Error::ProposalDropped`], [`Error::ConfChange`] (a snapshot whose membership contradicts itself, or
    ///   a forwarded change that is refused). Log it and go on.
    /// - The storage cannot be read now: [`Error::Storage`]. Log it and go on; peers repeat their messages.
    /// - Data was lost, or two groups with the same ids were mixed up: [`Error::CommitBeyondLog`],
    ///   [`Error::CommittedConflict`]. Only a member's message causes these. Stop the node.
    pub fn step(&mut self, message: Message) -> Result<(), Error> {
        self.awake().raft.step(message)
    }

    /// Proposes an entry. On a leader the answer is the entry's place in the log, with which the
    /// host recognises it among the committed entries; a follower passes it on.
    pub fn propose(&mut self, data: impl Into<Bytes>) -> Result<Proposed, Error> {
        self.awake().raft.propose([Entry::normal(data)])
    }

    /// Proposes entries that get consecutive places; the answer is the first one's. All or none are
    /// taken.
    pub fn propose_batch(&mut self, payloads: impl IntoIterator<Item = Bytes>) -> Result<Proposed, Error> {
        let entries: Vec<_> = payloads.into_iter().map(Entry::normal).collect();
        self.awake().raft.propose(entries)
    }

    /// Proposes a membership change. [`Error::ConfChange`] if the leader knows that it would come to nothing:
    /// another change may be pending, it cannot be applied, or it changes no member. Such a change never
    /// enters the log. A forwarded one that the leader refuses is lost, as any forwarded proposal may be. (With
    /// `eager_append` an empty entry takes its place; without `validate_conf_changes` every change is taken.)
    pub fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Proposed, Error> {
        self.propose_kind(EntryKind::ConfChangeV2, wire::encode_conf_change(change, self.config().dialect))
    }

    /// Proposes a membership change in the encoding of the first version, for groups with members
    /// that know no other.
    pub fn propose_conf_change_v1(&mut self, change: &ConfChange) -> Result<Proposed, Error> {
        self.propose_kind(EntryKind::ConfChange, wire::encode_conf_change_v1(change, self.config().dialect))
    }

    /// Proposes an entry of a kind whose payload the host has encoded itself: [`wire::encode_conf_change`]
    /// and its like, or bytes of another implementation. A membership change that cannot be decoded is
    /// refused ([`crate::DropReason::MalformedConfChange`]), and the others as by
    /// [`Self::propose_conf_change`].
    pub fn propose_entry(&mut self, kind: EntryKind, data: impl Into<Bytes>) -> Result<Proposed, Error> {
        self.propose_kind(kind, data.into())
    }

    fn propose_kind(&mut self, kind: EntryKind, data: Bytes) -> Result<Proposed, Error> {
        self.awake().raft.propose([Entry::new(EntryId::default(), kind, data)])
    }

    /// Puts a committed membership change into force; [`wire::decode_conf_change`] reads it from its
    /// entry. Called on every node, once and in the order of the log, unless the host decides to withdraw the
    /// change. The answer is the membership to save.
    ///
    /// At any time from when the entry is handed out until it counts as applied: that is until
    /// [`Self::advance`], or until the notice of `storage_apply` goes back. The node may be ticked and
    /// stepped in between, by the old membership. The library cannot see whether it comes later. Then it
    /// would be too late: once the entry counts as applied, the node may campaign, and a leader takes the
    /// next change; with two changes that are not in force, majorities need not overlap any more.
    ///
    /// [`Error::ConfChange`] if it cannot be applied, which leaders prevent where they can. It then changes
    /// nothing, here and on every other node: the host skips the entry and goes on with the next.
    pub fn apply_conf_change(&mut self, change: &ConfChangeV2) -> Result<ConfState, Error> {
        membership::apply(&mut self.awake().raft, change)
    }

    /// Starts an election now. Without effect on a leader, on a node that does not vote, and while a
    /// snapshot or a membership change waits to be applied; with lease-based reads also while a lease
    /// may run that this node has granted, for the candidate's own vote would break it.
    pub fn campaign(&mut self) -> Result<(), Error> {
        // Even the only voter may have: to a leader that is removed by what this node has applied already.
        let raft = &mut self.awake().raft;
        if raft.shared.lease_ticks > 0 { Ok(()) } else { raft.campaign() }
    }

    /// Hands leadership to a voter; a follower passes the wish on. [`Error::InvalidTransferee`] if the node
    /// knows that this cannot be granted, [`Error::NoLeader`] if there is nobody to ask.
    ///
    /// Given up after an election timeout; the leader refuses proposals meanwhile, and asks the target again
    /// each time that it hears from it. The same target once more gets no more time; another one replaces it;
    /// the leader itself ends a pending transfer. [`Self::take_transfer_outcome`] of the node that led has the
    /// outcome. A follower that passed the wish on sees the new leader, or none, in [`Ready::soft_state`].
    pub fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error> {
        self.awake().raft.transfer_leader(to)
    }

    /// How the last leadership transfer that this node began as a leader ended, once. To be asked after a tick
    /// or a [`Ready`]. If this node lost its leadership meanwhile, the outcome is there when the next leader is
    /// known. An older outcome that was not taken gives way.
    pub fn take_transfer_outcome(&mut self) -> Option<TransferOutcome> {
        // No ticks are in it: an idle node stays idle.
        self.node.raft.shared.transfer_outcome.take().map(|outcome| *outcome)
    }

    /// A follower forgets its leader and may vote at once, although it heard from it lately. Without
    /// effect on other roles, and with lease-based reads.
    pub fn forget_leader(&mut self) {
        self.awake().raft.forget_leader();
    }

    /// Requests a linearizable read. No other life of this node may have used the context: an answer to
    /// that one may still arrive. A [`crate::ReadState`] with the same context comes in a later
    /// `Ready`; it never comes if leadership or messages are lost: ask again after a while.
    /// [`Error::NoLeader`] if there is nobody to ask.
    pub fn read_index(&mut self, context: impl Into<Bytes>) -> Result<(), Error> {
        self.awake().raft.read_index(context.into())
    }

    /// A message to peer `id` was lost, as far as the host knows. Report every loss, whatever the message
    /// was, as soon as it is known: a connection that broke, a queue that was full. A leader sends again at
    /// once what the peer has not acknowledged, and the commit index. A follower that reports its leader
    /// makes it ask for the acknowledgements that may be lost. Both only a few times until they hear from
    /// `id`, so that a peer may be reported although it is dead.
    pub fn report_unreachable(&mut self, id: NodeId) {
        self.awake().raft.report_unreachable(id);
    }

    /// What became of a snapshot that was sent to a peer. A leader waits for this, or for the peer's
    /// answer, before it sends that peer anything else; a report that is wrong or lost costs time only.
    pub fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) {
        self.awake().raft.report_snapshot(id, status);
    }

    /// The last failure to read from the storage what was to be sent to a member, once. Such a
    /// failure stops nothing else, and the read is tried again.
    pub fn take_storage_error(&mut self) -> Option<StorageError> {
        self.awake().raft.shared.storage_error.take().map(|error| *error)
    }

    /// The members that this leader cannot send what they need, and why, for the host's log: each member
    /// once for a cause, and again if the cause went away and came back. Each such failure also comes from
    /// [`Self::take_storage_error`], except [`StorageError::SnapshotUnavailable`].
    pub fn take_unserved(&mut self) -> Vec<Unserved> {
        std::mem::take(&mut self.node.raft.shared.unserved)
    }

    /// Whether there is work for the host.
    pub fn has_ready(&self) -> bool {
        self.node.has_ready()
    }

    /// Takes the work that there is; perhaps none. With synchronous writes it has to be advanced
    /// before the next is taken, else [`Error::ReadyOutstanding`]. [`Error::Storage`] if entries to
    /// apply cannot be read: nothing is taken then.
    pub fn ready(&mut self) -> Result<Box<Ready>, Error> {
        self.awake().ready()
    }

    /// The work of `ready` is done (synchronous writes). [`Error::ForeignReady`] if it is not the
    /// outstanding one, [`Error::WrongWriteMode`] with asynchronous writes.
    ///
    /// Other errors are of what followed, and the work counts as done: [`Error::Storage`] (tried again later),
    /// [`Error::CommittedConflict`] (a member's snapshot that waited for this contradicts what is committed:
    /// stop the node, as after [`Self::step`]).
    pub fn advance(&mut self, ready: Box<Ready>) -> Result<(), Error> {
        self.awake().advance(ready)
    }

    /// Takes back work that has not been begun (synchronous writes): nothing of `ready` was applied, and
    /// nothing was taken out of it. It is not lost: the next [`Self::ready`] has it, with what has come
    /// since. Messages that were sent are sent again, and what was stored is handed out again; both do no harm
    /// if the storage passes over a snapshot that it has already. [`Error::ForeignReady`] and
    /// [`Error::WrongWriteMode`] as [`Self::advance`].
    pub fn give_back(&mut self, ready: Box<Ready>) -> Result<(), Error> {
        self.awake().give_back(ready)
    }

    /// Storage work is done (asynchronous writes): hands back the notice that came with it.
    /// [`Error::WrongWriteMode`] with synchronous writes; [`Error::PeerNotFound`] if the node is no
    /// member any more and its own acknowledgement does not count; [`Error::Storage`] and
    /// [`Error::CommittedConflict`] as [`Self::advance`].
    pub fn acknowledge(&mut self, ack: Ack) -> Result<(), Error> {
        self.awake().acknowledge(ack)
    }

    /// Term, vote and commit index as they are now, perhaps not stored yet.
    pub fn hard_state(&self) -> HardState {
        self.node.raft.shared.hard_state()
    }

    /// Leader and role.
    pub fn soft_state(&self) -> SoftState {
        self.node.raft.soft_state()
    }

    /// The node's state as far as its own fields tell: no storage call, no memory. For hosts that look
    /// often.
    pub fn basic_status(&self) -> BasicStatus {
        let shared = &self.node.raft.shared;
        BasicStatus {
            id: self.id(),
            hard_state: shared.hard_state(),
            soft_state: self.node.raft.soft_state(),
            applied: shared.log.applied(),
            stabled: shared.log.stabled(),
            last: shared.log.last(),
            is_voter: shared.configuration.is_voter(self.id()),
            transferee: match &self.node.raft.role {
                Role::Leader(leader) => leader.transferee,
                _ => None,
            },
        }
    }

    /// The node's state, for people and for metrics.
    pub fn status(&self) -> Status {
        let basic = self.basic_status();
        let progress = match &self.node.raft.role {
            Role::Leader(leader) => leader.progress.iter().map(progress_status).collect(),
            _ => Vec::new(),
        };
        Status {
            id: basic.id,
            hard_state: basic.hard_state,
            soft_state: basic.soft_state,
            applied: basic.applied,
            stabled: basic.stabled,
            last: basic.last,
            conf_state: self.node.raft.shared.configuration.to_conf_state(),
            is_voter: basic.is_voter,
            transferee: basic.transferee,
            progress,
        }
    }

    /// Whether everything holds that must hold within a node, whatever peers and hosts do; else the
    /// name of a condition that does not. Debug builds check by themselves, and panic. Takes time in
    /// proportion to the number of members.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        invariants::verify(&self.node.raft)
    }

    /// Sets the current election timeout until the next one is drawn. For scripted tests.
    #[doc(hidden)]
    pub fn set_randomized_election_timeout(&mut self, ticks: u32) {
        self.awake().raft.shared.randomized_timeout = ticks;
    }
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
