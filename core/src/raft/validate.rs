//! What a message does, found before it does anything: all that can be refused and all that has to be read
//! from the storage comes first. So an error changes nothing, neither the term nor the leader.

use crate::error::Error;
use crate::message::{Body, Heartbeat, Message, Vote, VoteReply};
use crate::raft::election::{self, Learned};
use crate::raft::replication::{self, FittedAppend};
use crate::raft::role::Role;
use crate::raft::{Shared, heartbeat, snapshot};
use crate::storage::Storage;
use crate::types::{EntryId, RoleKind, Term};

/// A message's body with all that carrying it out needs to know. Nothing in it can fail any more, except in
/// [`Valid::Other`] what a leader does: its own handlers change nothing before they have read what they need,
/// and no change of role or term came before them.
#[derive(Debug)]
pub(crate) enum Valid {
    Append(FittedAppend),
    Heartbeat(Heartbeat),
    Snapshot(snapshot::Judged),
    Vote(Vote, Option<Learned>),
    /// With whether the candidacy that it refuses is tried once more.
    VoteReply(VoteReply, Option<Learned>, bool),
    /// With whether the node may campaign.
    TimeoutNow(bool),
    Other(Body),
}

/// Validates the body of a message. `follows` says whether the node becomes a follower of the message's term
/// before it is carried out.
pub(crate) fn body<S: Storage>(
    shared: &mut Shared<S>,
    role: &Role,
    follows: bool,
    message: Message,
) -> Result<Valid, Error> {
    let Message { from, term, body, .. } = message;
    let kind = if follows { RoleKind::Follower } else { role.kind() };
    Ok(match body {
        Body::Append(append) if kind == RoleKind::Follower => {
            Valid::Append(replication::fit(shared, from, term, append)?)
        }
        Body::Heartbeat(beat) if kind == RoleKind::Follower => {
            heartbeat::check(shared, from, &beat)?;
            Valid::Heartbeat(beat)
        }
        Body::Snapshot(snapshot) if kind == RoleKind::Follower => {
            Valid::Snapshot(snapshot::judge(shared, from, term, snapshot)?)
        }
        Body::Vote(vote) => Valid::Vote(vote, learned(shared, kind, vote.commit)?),
        Body::VoteReply(reply) if reply.granted => Valid::VoteReply(reply, None, false),
        Body::VoteReply(reply) => refusal(shared, role, follows.then_some(term), reply)?,
        // The leader knows that this log is complete; there is no need to ask first.
        Body::TimeoutNow if kind == RoleKind::Follower => {
            Valid::TimeoutNow(election::may_campaign(shared, term, shared.log.committed())?)
        }
        other => Valid::Other(other),
    })
}

fn learned<S: Storage>(
    shared: &mut Shared<S>,
    kind: RoleKind,
    commit: EntryId,
) -> Result<Option<Learned>, Error> {
    match kind {
        RoleKind::Leader => Ok(None),
        RoleKind::Follower => Ok(election::learn_commit(shared, commit, false)?),
        RoleKind::PreCandidate | RoleKind::Candidate => Ok(election::learn_commit(shared, commit, true)?),
    }
}

/// A refused vote. If it is of a later term, which ends the candidacy, that is tried once more before the
/// timer expires: as far as one can see it was refused because its term was taken already. Without this a
/// node could ask for ever for terms that are taken: one with an old membership and a fast clock asks the
/// others and not this node, which hears of the later term only by their refusal. (PreVote keeps terms from
/// running away like that, section 9.6, but not all groups use it.) Only once, so that those who cannot win
/// do not chase each other through the terms.
fn refusal<S: Storage>(
    shared: &mut Shared<S>,
    role: &Role,
    later_term: Option<Term>,
    reply: VoteReply,
) -> Result<Valid, Error> {
    let kind = if later_term.is_some() { RoleKind::Follower } else { role.kind() };
    let learned = learned(shared, kind, reply.commit)?;
    let committed = learned.map_or(shared.log.committed(), |learned| learned.committed);
    let repeats = match (later_term, role) {
        (Some(term), Role::PreCandidate(candidate) | Role::Candidate(candidate)) if candidate.may_repeat => {
            election::may_campaign(shared, term, committed)?
        }
        _ => false,
    };
    Ok(Valid::VoteReply(reply, learned, repeats))
}
