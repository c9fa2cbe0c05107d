//! What a message's term means before anybody looks into it: a decision that changes nothing.

use crate::config::Config;
use crate::error::Error;
use crate::message::{AppendReply, Body, Message};
use crate::raft::role::Role;
use crate::raft::{Shared, election};
use crate::storage::Storage;
use crate::types::{MAX_TERM, MAX_TERM_LEAD, NO_NODE, NodeId, RoleKind, Term};

/// What is done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Nothing.
    Ignore,
    /// It is answered like this, and otherwise ignored.
    Answer(Body),
    /// The node follows, then the message is handled.
    Follow { term: Term, leader: NodeId },
    /// It is handled.
    Proceed,
}

/// Whether the envelope can be genuine.
pub(crate) fn check_envelope<S: Storage>(shared: &Shared<S>, message: &Message) -> Result<(), Error> {
    if message.to != shared.id() {
        return Err(Error::InvalidMessage("it is for another node"));
    }
    // Nearly all that a follower hears. The rest is about other messages.
    let is_usual = message.term != 0 && message.term <= shared.term && is_from_leader(&message.body);
    if is_usual && message.from != shared.id() && message.from != NO_NODE {
        return Ok(());
    }
    check_terms(shared.term, message)?;
    // Forwarded requests may come back to where they began.
    let may_be_own = || is_termless(&message.body) || matches!(message.body, Body::TransferLeader(_));
    if message.from == shared.id() && !may_be_own() {
        return Err(Error::InvalidMessage("it claims to be from this node itself"));
    }
    if message.from == NO_NODE {
        return Err(Error::InvalidMessage("it has no sender"));
    }
    // Terms begin at 1. Recorded scripts know senders that never heard of a term.
    if message.term == 0 && !message.is_reply() && !may_be_own() {
        let is_known = shared.config.eager_append && !matches!(message.body, Body::Vote(_));
        if !is_known {
            return Err(Error::InvalidMessage("it has no term"));
        }
    }
    let is_reply =
        message.is_reply() || (shared.config.eager_append && matches!(message.body, Body::ReadIndexReply(_)));
    if is_reply && !shared.configuration.contains(message.from) {
        return Err(Error::PeerNotFound(message.from));
    }
    Ok(())
}

/// Refuses terms that no honest group reaches: a node that took one over could have no next election. And
/// those in a candidate's log that it cannot have.
fn check_terms(own: Term, message: &Message) -> Result<(), Error> {
    if message.term > own && message.term > MAX_TERM.min(own.saturating_add(MAX_TERM_LEAD)) {
        return Err(Error::InvalidMessage("its term is too far ahead"));
    }
    match &message.body {
        Body::Vote(vote) if vote.last.term > message.term => {
            Err(Error::InvalidMessage("the candidate's log ends in a later term than it asks for"))
        }
        _ => Ok(()),
    }
}

/// What the message's term means (thesis section 3.3, with sections 6.2 and 9.6).
pub(crate) fn admit<S: Storage>(shared: &Shared<S>, role: &Role, message: &Message) -> Admission {
    if is_termless(&message.body) || message.term == shared.term {
        return same_term(role, message);
    }
    if message.term == 0 && shared.config.eager_append {
        return without_term(role, message);
    }
    if message.term > shared.term { later_term(shared, role, message) } else { earlier_term(shared, message) }
}

fn same_term(role: &Role, message: &Message) -> Admission {
    let electing = matches!(role.kind(), RoleKind::Candidate | RoleKind::PreCandidate);
    match message.body {
        // Somebody else has won this term's election.
        _ if is_from_leader(&message.body) && electing => {
            Admission::Follow { term: message.term, leader: message.from }
        }
        _ => Admission::Proceed,
    }
}

/// The reference takes what has no term for a local event, of whatever term it is in. Recorded scripts
/// know such snapshots, and the answers to them.
fn without_term(role: &Role, message: &Message) -> Admission {
    match (&message.body, role.kind()) {
        (Body::AppendReply(_), _) => Admission::Proceed,
        (Body::Snapshot(_), RoleKind::Follower | RoleKind::Leader) => Admission::Proceed,
        _ => Admission::Ignore,
    }
}

fn later_term<S: Storage>(shared: &Shared<S>, role: &Role, message: &Message) -> Admission {
    match &message.body {
        // A node that hears from its leader does not help to replace it (section 4.2.3), unless the
        // leader itself wants that.
        Body::Vote(vote) if !vote.transfer && is_leased(shared, role) => Admission::Ignore,
        // A PreVote asks about a term that does not exist yet.
        Body::Vote(vote) if vote.pre => Admission::Proceed,
        Body::VoteReply(reply) if reply.pre && reply.granted => Admission::Proceed,
        body if is_from_leader(body) => Admission::Follow { term: message.term, leader: message.from },
        _ => Admission::Follow { term: message.term, leader: NO_NODE },
    }
}

fn earlier_term<S: Storage>(shared: &Shared<S>, message: &Message) -> Admission {
    match &message.body {
        // A node with a higher term whose candidacy the others ignore, or that does not know that it
        // may be a candidate, would never get back in: its answer makes the leader step down, once,
        // and a new election lets it in (section 3.3).
        Body::Append(_) | Body::Heartbeat(_) if answers_old_leaders(&shared.config) => {
            Admission::Answer(Body::AppendReply(AppendReply { index: 0, reject: None }))
        }
        // A pre-candidate with an old term has to learn of the new one, or it asks for ever.
        Body::Vote(vote) if vote.pre => Admission::Answer(Body::VoteReply(election::refusal(shared, true))),
        // So has a candidate (section 3.4), or it may count its way up while others are always ahead.
        Body::Vote(_) if !shared.config.eager_append => {
            Admission::Answer(Body::VoteReply(election::refusal(shared, false)))
        }
        _ => Admission::Ignore,
    }
}

/// Our model answers only if it also takes measures against disruption.
fn answers_old_leaders(config: &Config) -> bool {
    !config.eager_append || config.check_quorum || config.pre_vote
}

/// Whether the node has heard from a leader within the shortest election timeout, or has granted a lease.
pub(super) fn is_leased<S: Storage>(shared: &Shared<S>, role: &Role) -> bool {
    let hears = role.leader(shared.id()) != NO_NODE && shared.election_elapsed < shared.config.election_ticks;
    shared.config.check_quorum && (hears || shared.lease_ticks > 0)
}

/// Forwarded requests belong to no term: whoever leads takes them.
fn is_termless(body: &Body) -> bool {
    matches!(body, Body::Propose(_) | Body::ReadIndex(_))
}

fn is_from_leader(body: &Body) -> bool {
    matches!(body, Body::Append(_) | Body::Heartbeat(_) | Body::Snapshot(_))
}
