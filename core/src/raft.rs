//! The state machine: how messages and local events reach the role, and the one place where a role
//! changes.

pub(crate) mod election;
mod heartbeat;
pub(crate) mod invariants;
pub(crate) mod membership;
mod outbox;
mod read_index;
mod replication;
pub(crate) mod role;
mod shared;
mod snapshot;
mod term_gate;
mod transfer;
mod validate;

pub(crate) use outbox::Deferred;
pub(crate) use shared::Shared;

use crate::config::{Config, ReadMode};
use crate::error::{DropReason, Error};
use crate::input::{Ack, Proposed, SnapshotStatus};
use crate::message::{Body, Message, Propose, ReadIndex, TransferLeader, VoteReply};
use crate::storage::Storage;
use crate::types::{EntryId, NO_NODE, NodeId, RoleKind, SoftState, Term};
use election::{Campaign, Learned};
use replication::Proposals;
use role::{Candidate, Follower, Leader, Role};
use term_gate::Admission;
use validate::Finding;

/// What shall become of the node's role.
#[derive(Debug)]
pub(crate) enum Next {
    Stay,
    Follow { term: Term, leader: NodeId },
    Campaign(Campaign),
    Lead,
}

#[derive(Clone, Debug)]
pub(crate) struct Raft<S> {
    pub(crate) role: Role,
    pub(crate) shared: Shared<S>,
}

impl<S: Storage> Raft<S> {
    pub(crate) fn new(config: Config, storage: S) -> Result<Self, Error> {
        let shared = Shared::new(config, storage)?;
        Ok(Self { shared, role: Role::Follower(Follower::of(NO_NODE)) })
    }

    #[inline]
    pub(crate) fn soft_state(&self) -> SoftState {
        // One look at the role for both: every look for work asks.
        let (leader, role) = match &self.role {
            Role::Follower(follower) => (follower.leader, RoleKind::Follower),
            Role::PreCandidate(_) => (NO_NODE, RoleKind::PreCandidate),
            Role::Candidate(_) => (NO_NODE, RoleKind::Candidate),
            Role::Leader(_) => (self.shared.id(), RoleKind::Leader),
        };
        SoftState { leader, role }
    }

    /// A message from a peer. An error changes nothing.
    pub(crate) fn step(&mut self, message: Message) -> Result<(), Error> {
        // As a network loses messages: the host is not taking what answers the ones before.
        self.shared.check_waiting()?;
        term_gate::check_envelope(&self.shared, &message)?;
        let follow = match term_gate::admit(&self.shared, &self.role, &message) {
            Admission::Ignore => return Ok(()),
            Admission::Answer(body) => {
                self.shared.send(message.from, body);
                return Ok(());
            }
            Admission::Follow { term, leader } => Next::Follow { term, leader },
            Admission::Proceed => Next::Stay,
        };
        let (from, term, follows) = (message.from, message.term, !matches!(follow, Next::Stay));
        let found = validate::body(&mut self.shared, &self.role, follows, &message)?;
        if follows {
            self.become_(follow);
        }
        match self.carry_out(from, term, message.body, found)? {
            Next::Stay => {}
            next => self.become_(next),
        }
        invariants::check(self);
        Ok(())
    }

    // Inlined: else the body and what was found are copied once more.
    #[inline(always)]
    fn carry_out(&mut self, from: NodeId, term: Term, body: Body, found: Finding) -> Result<Next, Error> {
        let Self { shared, role } = self;
        match (role, body) {
            (role, Body::Propose(Propose { entries })) => {
                role.propose(shared, from, entries.into_vec())?;
            }
            (role, Body::ReadIndex(ReadIndex { context })) => {
                // A reader whose request gets lost on the way asks again; there is nobody to tell.
                let _ = role.read_index(shared, from, context);
            }
            (_, Body::Vote(vote)) => {
                self.learn(&found);
                let leader = self.role.leader(self.shared.id());
                election::answer_vote(&mut self.shared, leader, from, term, vote);
            }
            (_, Body::VoteReply(reply)) => {
                self.learn(&found);
                if matches!(found, Finding::Repeats(_)) {
                    self.campaign_again();
                } else {
                    return Ok(self.count(from, reply));
                }
            }
            (Role::Follower(follower), body) => return Ok(follower.step(shared, from, term, body, found)),
            (Role::Leader(leader), body) => leader.step(shared, from, body)?,
            _ => {}
        }
        Ok(Next::Stay)
    }

    /// Takes over a commit index. A candidacy ends if a membership change has to be applied first.
    fn learn(&mut self, found: &Finding) {
        let (Finding::Learned(Some(learned)) | Finding::Repeats(Some(learned))) = found else { return };
        let Learned { committed, ends_candidacy } = *learned;
        self.shared.log.commit_to(committed);
        if ends_candidacy {
            self.become_(Next::Follow { term: self.shared.term, leader: NO_NODE });
        }
    }

    fn campaign_again(&mut self) {
        self.become_(Next::Campaign(self.first_campaign()));
        if let Role::PreCandidate(candidate) | Role::Candidate(candidate) = &mut self.role {
            candidate.may_repeat = false;
        }
    }

    /// Counts a vote, if it is one that the candidacy is about.
    fn count(&mut self, from: NodeId, reply: VoteReply) -> Next {
        match &mut self.role {
            Role::PreCandidate(candidate) if reply.pre => {
                candidate.count(&self.shared, from, reply.granted, Next::Campaign(Campaign::Election))
            }
            Role::Candidate(candidate) if !reply.pre => {
                candidate.count(&self.shared, from, reply.granted, Next::Lead)
            }
            _ => Next::Stay,
        }
    }

    /// The one place where a role changes.
    pub(crate) fn become_(&mut self, next: Next) {
        match next {
            Next::Stay => {}
            Next::Follow { term, leader } => {
                let elapsed = self.shared.election_elapsed;
                self.shared.reset(term);
                // Only a leader or a vote given starts the timer anew (section 3.4), not every later
                // term: else one whose clock is fast, and whose log is too old, keeps all others from
                // campaigning. The timeout is drawn anew: nobody shall be the slowest for ever.
                let heard_nobody = leader == NO_NODE && self.role.kind() == RoleKind::Follower;
                if heard_nobody && !self.shared.config.eager_append {
                    self.shared.election_elapsed = elapsed;
                }
                if let Role::Leader(former) = &self.role {
                    self.shared.handed_over_to = former.transferee.unwrap_or(NO_NODE);
                }
                self.role = Role::Follower(Follower::of(leader));
                transfer::conclude(&mut self.shared, leader);
            }
            Next::Campaign(Campaign::Pre) => {
                // Neither term nor vote nor timer change: asking must not disturb anybody.
                self.role = Role::PreCandidate(Box::new(Candidate::new(!self.shared.config.eager_append)));
                election::ask_for_votes(&mut self.shared, Campaign::Pre);
            }
            Next::Campaign(campaign) => {
                // Nobody campaigns at the last term: see `election::may_campaign`.
                self.shared.reset(self.shared.term + 1);
                self.shared.vote = self.shared.id();
                let may_repeat = match &self.role {
                    Role::PreCandidate(candidate) => candidate.may_repeat,
                    _ => campaign == Campaign::Election && !self.shared.config.eager_append,
                };
                self.role = Role::Candidate(Box::new(Candidate::new(may_repeat)));
                election::ask_for_votes(&mut self.shared, campaign);
            }
            Next::Lead => {
                self.shared.reset(self.shared.term);
                let own = self.shared.id();
                transfer::conclude(&mut self.shared, own);
                let leader = Leader::elected(&mut self.shared);
                self.role = Role::Leader(Box::new(leader));
            }
        }
    }

    /// One tick of the host's clock.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        self.shared.pass(1);
        if let Role::Leader(leader) = &mut self.role {
            let next = leader.tick(&mut self.shared)?;
            self.become_(next);
            return Ok(());
        }
        if self.shared.election_elapsed < self.shared.randomized_timeout || !self.shared.is_promotable() {
            return Ok(());
        }
        self.shared.election_elapsed = 0;
        self.campaign()
    }

    /// How many of the next ticks would do nothing but count, if nothing else happens to the node.
    pub(crate) fn quiet_ticks(&self) -> u32 {
        match self.role.kind() {
            RoleKind::Leader => 0,
            _ if !self.shared.is_promotable() => u32::MAX,
            _ => {
                self.shared.randomized_timeout.saturating_sub(self.shared.election_elapsed.saturating_add(1))
            }
        }
    }

    /// Starts an election, as an expired timer does.
    pub(crate) fn campaign(&mut self) -> Result<(), Error> {
        if self.role.kind() == RoleKind::Leader || self.shared.check_waiting().is_err() {
            return Ok(());
        }
        let campaign = self.first_campaign();
        let next = election::start(&mut self.shared, campaign)?;
        self.become_(next);
        Ok(())
    }

    fn first_campaign(&self) -> Campaign {
        if self.shared.config.pre_vote { Campaign::Pre } else { Campaign::Election }
    }

    pub(crate) fn propose(&mut self, entries: impl Proposals) -> Result<Proposed, Error> {
        let from = self.shared.id();
        let proposed = self.role.propose(&mut self.shared, from, entries)?;
        invariants::check(self);
        Ok(proposed)
    }

    pub(crate) fn read_index(&mut self, context: bytes::Bytes) -> Result<(), Error> {
        let from = self.shared.id();
        self.role.read_index(&mut self.shared, from, context)
    }

    pub(crate) fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error> {
        match &mut self.role {
            Role::Leader(leader) => {
                // Ending a pending one sends nothing.
                if to != self.shared.id() {
                    self.shared.check_waiting()?;
                }
                transfer::start(&mut self.shared, leader, to)
            }
            Role::Follower(follower) if follower.leader != NO_NODE => {
                if !self.shared.configuration.is_voter(to) && !self.shared.config.eager_append {
                    return Err(Error::InvalidTransferee(to));
                }
                self.shared.check_waiting()?;
                let term = self.shared.term;
                self.shared.forward(to, follower.leader, term, Body::TransferLeader(TransferLeader));
                Ok(())
            }
            _ => Err(Error::NoLeader),
        }
    }

    /// A follower forgets its leader: it may vote at once. A lease must not be given up like that.
    pub(crate) fn forget_leader(&mut self) {
        if self.shared.config.read_mode == ReadMode::Lease {
            return;
        }
        if let Role::Follower(follower) = &mut self.role {
            follower.leader = NO_NODE;
        }
    }

    pub(crate) fn report_unreachable(&mut self, id: NodeId) {
        match &mut self.role {
            Role::Leader(leader) => replication::unreachable(&mut self.shared, leader, id),
            Role::Follower(follower) => follower.unreachable(&mut self.shared, id),
            Role::PreCandidate(_) | Role::Candidate(_) => {}
        }
    }

    pub(crate) fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) {
        if let Role::Leader(leader) = &mut self.role {
            if let Some(progress) = leader.progress.get_mut(id) {
                progress.snapshot_reported(status == SnapshotStatus::Delivered);
            }
        }
    }

    /// Notice of finished storage work.
    pub(crate) fn acknowledge(&mut self, ack: &Ack) -> Result<(), Error> {
        match *ack {
            Ack::OwnAppend { term, index } => self.own_append(term, index)?,
            Ack::OwnVote { term, pre } => self.own_vote(term, pre),
            Ack::Stored { term, last, snapshot } => self.stored(term, last, snapshot)?,
            Ack::Applied { index, bytes, payload_bytes } => {
                self.applied(index, bytes)?;
                if let Role::Leader(leader) = &mut self.role {
                    leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(payload_bytes);
                }
            }
        }
        invariants::check(self);
        Ok(())
    }

    fn own_append(&mut self, term: Term, index: u64) -> Result<(), Error> {
        match &mut self.role {
            Role::Leader(leader) if term == self.shared.term => {
                let own = self.shared.id();
                replication::accepted(&mut self.shared, leader, own, index)
            }
            _ => Ok(()),
        }
    }

    fn own_vote(&mut self, term: Term, pre: bool) {
        let own = self.shared.id();
        let next = match &mut self.role {
            Role::PreCandidate(candidate) if pre && term >= self.shared.term => {
                candidate.count(&self.shared, own, true, Next::Campaign(Campaign::Election))
            }
            Role::Candidate(candidate) if !pre && term == self.shared.term => {
                candidate.count(&self.shared, own, true, Next::Lead)
            }
            _ => Next::Stay,
        };
        self.become_(next);
    }

    fn stored(&mut self, term: Term, last: Option<EntryId>, snapshot: Option<u64>) -> Result<(), Error> {
        // In a later term the same entry may have been overwritten and written again: the write that
        // finished is then not the last one under way (the ABA problem). A later notice will do.
        if term == self.shared.term {
            if let Some(last) = last {
                let cache_bytes = self.shared.config.log_cache_bytes;
                self.shared.log.stored(last, cache_bytes);
            }
        }
        if let Some(index) = snapshot {
            self.shared.log.snapshot_stored(index);
            self.applied(index, 0)?;
        }
        Ok(())
    }

    fn applied(&mut self, index: u64, bytes: u64) -> Result<(), Error> {
        if index > self.shared.log.committed() {
            return Err(Error::UnknownAck);
        }
        let max_bytes = self.shared.config.max_committed_bytes_per_ready;
        self.shared.log.applied_to(index, bytes, max_bytes);
        match &mut self.role {
            Role::Leader(leader) => membership::leave_joint_if_due(&mut self.shared, leader),
            Role::Follower(follower) => snapshot::resume(&mut self.shared, &mut follower.waiting)?,
            _ => {}
        }
        Ok(())
    }

    /// Builds the messages that are due. Called when a `Ready` is taken.
    pub(crate) fn flush(&mut self) {
        if let Role::Leader(leader) = &mut self.role {
            replication::flush(&mut self.shared, leader);
        }
    }

    /// Whether [`Self::flush`] would send something.
    pub(crate) fn has_messages_due(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => replication::is_due(&self.shared, leader),
            _ => false,
        }
    }
}

/// Refuses a proposal.
fn dropped<T>(reason: DropReason) -> Result<T, Error> {
    Err(Error::ProposalDropped(reason))
}
