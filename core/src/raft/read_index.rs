//! Linearizable reads without a log entry (thesis section 6.4).
//!
//! A read may be served at the commit index that the leader had when it was asked, provided that it
//! was still the leader then. That is confirmed by a heartbeat sent after the request and answered
//! by a quorum, or taken for granted while a lease holds. Heartbeats carry the number of the last
//! read they confirm: a number only this leader counts, and never twice in a term, so that answers
//! that are late or repeated cannot confirm what came after them.
//!
//! With leases, heartbeats also ask for one: they carry the leader's tick and its election timeout.
//! A follower that counts leases, for at least as long, grants it with an answer that repeats the tick,
//! and helps to elect nobody for an election timeout from then on. So the leader holds a lease until that
//! has nearly passed since the last heartbeat that a quorum granted. A follower that counts none, or
//! shorter ones, repeats the request as it came; so do etcd/raft and raft-rs. That answer confirms reads
//! and grants nothing. Where there is no lease, a read is confirmed by a round.
//!
//! ```text
//! heartbeat   number | tick | election timeout | mark      (leases)    number   (none)
//! answer      number | tick                                granted
//!             number | tick | election timeout | mark      not granted
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::ReadMode;
use crate::error::{Error, Limit};
use crate::message::{Body, ReadIndexReply};
use crate::raft::role::Leader;
use crate::raft::{Shared, heartbeat, replication};
use crate::ready::ReadState;
use crate::storage::Storage;
use crate::types::{Index, NodeId};

#[derive(Clone, Debug)]
struct Request {
    from: NodeId,
    context: Bytes,
}

impl Request {
    /// How much of the limit it takes.
    fn weight(&self) -> u64 {
        1 + self.context.len() as u64 / 1024
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// Requests that came before the term's first commit.
    early: Vec<Request>,
    /// Requests waiting for confirmation, each with the commit index at its time.
    waiting: VecDeque<(Index, Request)>,
    /// Weight of both.
    pending: u64,
    /// Number of requests confirmed so far; the first one waiting has the next number.
    confirmed: u64,
    /// What each member has confirmed.
    acks: Vec<(NodeId, Acknowledged)>,
    round_due: bool,
}

/// The highest that a member's answers have named.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    number: u64,
    tick: u64,
}

/// Ticks by which a lease ends before the election timeout of those who granted it: two because
/// nobody's ticks are in step, one for clocks that do not run alike.
const LEASE_MARGIN_TICKS: u64 = 3;

/// Marks a heartbeat's context as a request for a lease: contexts of other leaders are repeated as they
/// are.
const LEASE_MARK: [u8; 4] = *b"lea\xfe";

/// Bytes of a number with a tick: what an answer that grants a lease carries.
const GRANT_BYTES: usize = 16;

/// Bytes of a request for a lease.
const LEASE_REQUEST_BYTES: usize = 24;

impl Reads {
    /// Number of the last request waiting.
    fn last_number(&self) -> u64 {
        self.confirmed + self.waiting.len() as u64
    }

    /// What heartbeats carry: the last request's number if one is waiting, and with leases always, with
    /// the request for a lease of so many ticks from this tick on.
    pub(crate) fn round_context(&self, tick: u64, lease_ticks: u32) -> Bytes {
        let number = self.last_number().to_le_bytes();
        if lease_ticks > 0 {
            let (tick, ticks) = (tick.to_le_bytes(), lease_ticks.to_le_bytes());
            return Bytes::from([&number[..], &tick, &ticks, &LEASE_MARK].concat());
        }
        if self.waiting.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(&number) }
    }

    /// The heartbeats that confirm the requests waiting are sent again, if there are any.
    pub(crate) fn repeat_round(&mut self) {
        self.round_due |= !self.waiting.is_empty();
    }

    pub(crate) fn is_round_due(&self) -> bool {
        self.round_due
    }

    fn acknowledged(&mut self, from: NodeId, number: u64, tick: u64) {
        let place = match self.acks.iter().position(|(id, _)| *id == from) {
            Some(place) => place,
            None => {
                self.acks.push((from, Acknowledged::default()));
                self.acks.len() - 1
            }
        };
        // A number that was never given is not an answer of an honest member.
        let number = if number > self.last_number() { 0 } else { number };
        if let Some((_, highest)) = self.acks.get_mut(place) {
            highest.number = highest.number.max(number);
            highest.tick = highest.tick.max(tick);
        }
    }

    /// The membership has changed: what others have confirmed counts no more.
    pub(crate) fn retain_members(&mut self, is_member: impl Fn(NodeId) -> bool) {
        self.acks.retain(|(id, _)| is_member(*id));
    }

    /// Whether the pending requests are counted as what they are, and no more than may be.
    pub(crate) fn are_within(&self, max_pending: u64) -> bool {
        let waiting = self.waiting.iter().map(|(_, request)| request);
        let weight: u64 = self.early.iter().chain(waiting).map(Request::weight).sum();
        weight == self.pending && weight <= max_pending
    }

    /// Whose acknowledgements are kept.
    pub(crate) fn acknowledgers(&self) -> impl Iterator<Item = NodeId> {
        self.acks.iter().map(|(id, _)| *id)
    }

    fn highest_of(&self, id: NodeId) -> Acknowledged {
        self.acks.iter().find(|(member, _)| *member == id).map_or_else(Acknowledged::default, |(_, ack)| *ack)
    }
}

/// A read is requested, by this host or by a follower's.
pub(crate) fn request<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    context: Bytes,
) -> Result<(), Error> {
    let request = Request { from, context };
    if from == shared.config.id {
        shared.check_waiting()?;
    }
    if leader.reads.pending + request.weight() > u64::from(shared.config.max_pending_reads) {
        return Err(Limit::PendingReads.into());
    }
    let voters = shared.configuration.voters();
    if shared.config.eager_append && voters.outgoing.is_empty() && voters.incoming.ids().len() == 1 {
        // The reference does not wait for the term's first commit here.
        respond(shared, shared.log.committed(), request);
    } else if replication::has_committed_in_term(shared)? {
        admit(shared, leader, request);
    } else {
        leader.reads.pending += request.weight();
        leader.reads.early.push(request);
    }
    Ok(())
}

/// The term's first entry is committed: requests that waited for it go on.
pub(crate) fn release<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    for request in std::mem::take(&mut leader.reads.early) {
        leader.reads.pending -= request.weight();
        admit(shared, leader, request);
    }
}

fn admit<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, request: Request) {
    let (own, index) = (shared.config.id, shared.log.committed());
    if has_lease(shared, leader) {
        respond(shared, index, request);
        return;
    }
    leader.reads.pending += request.weight();
    leader.reads.waiting.push_back((index, request));
    let number = leader.reads.last_number();
    leader.reads.acknowledged(own, number, leader.ticks);
    if shared.config.eager_append {
        return heartbeat::broadcast(shared, leader);
    }
    // A leader that is a quorum by itself has confirmed it.
    respond_to_confirmed(shared, &mut leader.reads);
    leader.reads.round_due = !leader.reads.waiting.is_empty();
}

/// Whether nobody else can have been elected yet.
fn has_lease<S: Storage>(shared: &Shared<S>, leader: &Leader) -> bool {
    if shared.config.read_mode != ReadMode::Lease {
        return false;
    }
    if leader.lease_given_up || shared.config.eager_append {
        return shared.config.eager_append;
    }
    let granted = |id| match id == shared.config.id {
        true => leader.ticks,
        false => leader.reads.highest_of(id).tick,
    };
    let since = shared.configuration.voters().committed(granted).min(leader.ticks);
    since > 0 && leader.ticks - since + LEASE_MARGIN_TICKS <= u64::from(shared.config.election_ticks)
}

/// Sends the heartbeats that confirm all requests waiting: one round, however many there are.
pub(crate) fn begin_round<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    if std::mem::take(&mut leader.reads.round_due) {
        heartbeat::broadcast(shared, leader);
    }
}

/// What a follower that grants leases of `granted_ticks` (0: none) answers to a heartbeat's context.
#[inline]
pub(crate) fn grant(context: Bytes, granted_ticks: u32) -> Bytes {
    match asked_for(&context) {
        Some(ticks) if ticks <= granted_ticks => context.slice(..GRANT_BYTES),
        _ => context,
    }
}

/// The length of the lease that a heartbeat's context asks for.
fn asked_for(context: &[u8]) -> Option<u32> {
    if context.len() != LEASE_REQUEST_BYTES || !context.ends_with(&LEASE_MARK) {
        return None;
    }
    context.get(16..20)?.try_into().ok().map(u32::from_le_bytes)
}

/// A member has answered a heartbeat.
pub(crate) fn confirm<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    context: &Bytes,
) {
    let mut numbers =
        context.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
    let (Some(number), 8 | GRANT_BYTES | LEASE_REQUEST_BYTES) = (numbers.next(), context.len()) else {
        return;
    };
    let is_granted = context.len() == GRANT_BYTES;
    // A tick that has not been is not an answer of an honest member.
    let tick = numbers.next().filter(|tick| is_granted && *tick <= leader.ticks).unwrap_or(0);
    leader.reads.acknowledged(from, number, tick);
    respond_to_confirmed(shared, &mut leader.reads);
}

fn respond_to_confirmed<S: Storage>(shared: &mut Shared<S>, reads: &mut Reads) {
    let acknowledged = |id| reads.highest_of(id).number;
    let confirmed = shared.configuration.voters().committed(acknowledged).min(reads.last_number());
    while reads.confirmed < confirmed {
        let Some((index, request)) = reads.waiting.pop_front() else { break };
        reads.confirmed += 1;
        reads.pending -= request.weight();
        respond(shared, index, request);
    }
}

fn respond<S: Storage>(shared: &mut Shared<S>, index: Index, request: Request) {
    let Request { from, context } = request;
    if from == shared.config.id {
        shared.serve_read(ReadState { index, context });
    } else {
        shared.send(from, Body::ReadIndexReply(ReadIndexReply { index, context }));
    }
}
