//! What a node has in every role: its term and vote, its log, its timers, what it wants to send.

use crate::config::Config;
use crate::error::{Error, Limit, StorageError};
use crate::log::RaftLog;
use crate::membership::{ConfState, Configuration};
use crate::message::{Body, Message};
use crate::raft::outbox::Outbox;
use crate::ready::ReadState;
use crate::status::TransferOutcome;
use crate::status::Unserved;
use crate::storage::Storage;
use crate::types::{HardState, Index, MAX_TERM, NO_NODE, NodeId, Term};

/// What every role has.
#[derive(Clone, Debug)]
pub(crate) struct Shared<S> {
    /// Ticks since the leader was heard from, a vote was given, a campaign began; on a leader, since
    /// the last quorum check.
    pub(crate) election_elapsed: u32,
    pub(crate) randomized_timeout: u32,
    /// Ticks in which somebody may read by a lease that this node has granted, by hearing a leader or,
    /// which it does not remember, before its start. A later term does not end it: its leader may not
    /// have heard of that.
    pub(crate) lease_ticks: u32,
    /// Ticks since a leader was heard from, since this node led, or since its start. Unlike
    /// `election_elapsed` no vote, campaign or term starts it again.
    pub(crate) leaderless_ticks: u32,
    /// Election timeouts drawn so far.
    draws: u32,
    /// How many `Ready`s were taken since the last tick: a node at rest has one, for a heartbeat.
    pub(crate) readies_since_tick: u32,
    pub(crate) outbox: Outbox,
    pub(crate) term: Term,
    pub(crate) vote: NodeId,
    pub(crate) log: RaftLog<S>,
    pub(crate) configuration: Configuration,
    pub(crate) config: Config,
    /// The last failure to read what was to be sent to a member.
    pub(crate) storage_error: Option<Box<StorageError>>,
    /// Whom this node was transferring its leadership to when it lost it, until the next leader is known.
    pub(crate) handed_over_to: NodeId,
    /// How the last leadership transfer ended.
    pub(crate) transfer_outcome: Option<Box<TransferOutcome>>,
    /// Members that cannot be sent what they need, and why: the news of each.
    pub(crate) unserved: Vec<Unserved>,
}

/// Whether the saved term can be that of the node which wrote the log. Without this a node that lost its
/// hard state gives votes again that it has given. Only a group's first storage, which holds nothing but
/// the snapshot of term 1 that the group starts from, may have none yet: nobody has voted.
fn check_term<S: Storage>(log: &RaftLog<S>, hard_state: HardState) -> Result<(), Error> {
    let last = log.last();
    let is_first = hard_state.is_empty() && last.term <= 1 && !log.has_entries();
    if last.term <= hard_state.term || is_first {
        return Ok(());
    }
    let text = format!("the log ends in term {}, but the saved term is {}", last.term, hard_state.term);
    Err(Error::InconsistentStorage(match hard_state.is_empty() {
        true => {
            text + ": the hard state was lost, or not stored with a snapshot that the group is to start from"
        }
        false => text,
    }))
}

impl<S: Storage> Shared<S> {
    /// What a node continues from.
    pub(crate) fn new(config: Config, storage: S) -> Result<Self, Error> {
        config.validate()?;
        let (hard_state, conf_state) = storage.initial_state()?;
        let configuration = Configuration::restore(&conf_state)?;
        let mut log = RaftLog::new(storage)?;
        if log.last().index == 0 && conf_state != ConfState::default() {
            return Err(Error::InconsistentStorage(
                "there are members, but no log: a group starts from a snapshot at index 1 of term 1".into(),
            ));
        }
        if hard_state.term > MAX_TERM {
            let text = format!("the saved term is {}, beyond the last possible one", hard_state.term);
            return Err(Error::InconsistentStorage(text));
        }
        check_term(&log, hard_state)?;
        log.restart_at(hard_state.commit, config.applied)?;
        let mut shared = Self {
            lease_ticks: config.lease_ticks(),
            leaderless_ticks: 0,
            draws: 0,
            readies_since_tick: 0,
            config,
            log,
            term: hard_state.term,
            vote: hard_state.vote,
            configuration,
            election_elapsed: 0,
            randomized_timeout: 0,
            outbox: Outbox::default(),
            storage_error: None,
            handed_over_to: NO_NODE,
            transfer_outcome: None,
            unserved: Vec::new(),
        };
        shared.draw_election_timeout();
        Ok(shared)
    }

    /// Keeps for the host that `peer` cannot be sent what it needs: the latest cause of each.
    pub(crate) fn note_unserved(&mut self, peer: NodeId, error: &StorageError) {
        self.unserved.retain(|known| known.peer != peer);
        self.unserved.push(Unserved { peer, error: error.clone() });
    }

    pub(crate) fn id(&self) -> NodeId {
        self.config.id
    }

    /// Queues a message in the node's own term.
    pub(crate) fn send(&mut self, to: NodeId, body: Body) {
        self.send_in_term(to, self.term, body);
    }

    pub(crate) fn send_in_term(&mut self, to: NodeId, term: Term, body: Body) {
        self.forward(self.config.id, to, term, body);
    }

    /// Queues a message on behalf of another node.
    pub(crate) fn forward(&mut self, from: NodeId, to: NodeId, term: Term, body: Body) {
        self.outbox.push(Message { from, to, term, body }, &self.config);
    }

    /// A read of this host's may be served.
    pub(crate) fn serve_read(&mut self, read: ReadState) {
        self.outbox.serve(read);
    }

    /// Refuses what would make more wait for the next `Ready` than may.
    #[inline]
    pub(crate) fn check_waiting(&self) -> Result<(), Limit> {
        if self.outbox.len() >= self.config.max_waiting_messages as usize {
            return Err(Limit::WaitingMessages);
        }
        if self.outbox.bytes() >= self.config.max_waiting_bytes {
            return Err(Limit::WaitingBytes);
        }
        Ok(())
    }

    /// Whether the node may campaign: it votes, and no snapshot is about to change its log.
    pub(crate) fn is_promotable(&self) -> bool {
        self.configuration.is_voter(self.config.id) && !self.log.has_pending_snapshot()
    }

    /// Whether a membership change up to `committed` waits to be applied.
    pub(crate) fn has_unapplied_conf_change(&mut self, committed: Index) -> Result<bool, StorageError> {
        self.log.has_unapplied_conf_change(committed, self.config.max_committed_bytes_per_ready)
    }

    /// Lost data is reported only where a member says so: what a stranger sends may be of another
    /// group, and is no more than a message to refuse.
    #[cold]
    pub(crate) fn contradiction(&self, from: NodeId, error: Error) -> Error {
        let says_lost = matches!(error, Error::CommitBeyondLog { .. } | Error::CommittedConflict { .. });
        if says_lost && !self.configuration.contains(from) {
            return Error::InvalidMessage("a node that is no member contradicts what is committed here");
        }
        error
    }

    pub(crate) fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed() }
    }

    /// So many ticks have passed.
    pub(crate) fn pass(&mut self, ticks: u32) {
        self.election_elapsed = self.election_elapsed.saturating_add(ticks);
        self.lease_ticks = self.lease_ticks.saturating_sub(ticks);
        self.leaderless_ticks = self.leaderless_ticks.saturating_add(ticks);
        self.readies_since_tick = 0;
    }

    /// Begins a term, or the same one anew.
    pub(super) fn reset(&mut self, term: Term) {
        if self.term != term {
            self.term = term;
            self.vote = NO_NODE;
        }
        self.election_elapsed = 0;
        self.draw_election_timeout();
    }

    /// Draws from [election, 2 x election) ticks, so that elections seldom collide (thesis section
    /// 3.4). The generator is SplitMix64, whose state follows from the number of draws.
    fn draw_election_timeout(&mut self) {
        self.draws = self.draws.wrapping_add(1);
        let seed = match self.config.seed {
            // Groups whose host gives no seed must not all elect the same node in the same tick.
            0 => mix(self.config.group_id),
            seed => seed,
        };
        let own = seed ^ self.config.id.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let z = mix(own.wrapping_add(u64::from(self.draws).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let span = u64::from(self.config.election_ticks);
        self.randomized_timeout = self.config.election_ticks + (z % span.max(1)) as u32;
    }
}

/// Spreads the bits of `z`, and leaves 0 as it is: the last step of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
