//! What a message does, found before it does anything: all that can be refused and all that has to be read
//! from the storage comes first. So an error changes nothing, neither the term nor the leader.

use crate::error::Error;
use crate::log::Fit;
use crate::message::{Body, Message, VoteReply};
use crate::raft::election::{self, Learned};
use crate::raft::role::Role;
use crate::raft::snapshot::{self, Verdict};
use crate::raft::{Shared, heartbeat, replication};
use crate::storage::Storage;
use crate::types::{EntryId, RoleKind, Term};

/// What carrying a message out needs to know besides its body. After that nothing can fail any more, except
/// what a leader does: its own handlers change nothing before they have read what they need, and no change of
/// role or term came before them.
#[derive(Debug)]
pub(crate) enum Finding {
    Nothing,
    Append(Fit),
    Snapshot(Verdict),
    /// Of a request for a vote, or of an answer.
    Learned(Option<Learned>),
    /// The candidacy that the answer refuses is tried once more.
    Repeats(Option<Learned>),
    /// The node may campaign, as the leader wants it to.
    MayCampaign,
}

/// Validates the body of a message. `follows` says whether the node becomes a follower of the message's term
/// before it is carried out.
pub(crate) fn body<S: Storage>(
    shared: &mut Shared<S>,
    role: &Role,
    follows: bool,
    message: &Message,
) -> Result<Finding, Error> {
    let Message { from, term, ref body, .. } = *message;
    let is_follower = follows || matches!(role, Role::Follower(_));
    Ok(match body {
        Body::Append(append) if is_follower => Finding::Append(replication::fit(shared, from, term, append)?),
        Body::Heartbeat(beat) if is_follower => {
            heartbeat::check(shared, from, beat)?;
            Finding::Nothing
        }
        Body::Snapshot(snapshot) if is_follower => {
            Finding::Snapshot(snapshot::judge(shared, from, term, snapshot)?)
        }
        Body::Vote(vote) => Finding::Learned(learned(shared, role_after(role, follows), vote.commit)?),
        Body::VoteReply(reply) if reply.granted => Finding::Nothing,
        Body::VoteReply(reply) => refusal(shared, role, follows.then_some(term), reply)?,
        // The leader knows that this log is complete; there is no need to ask first.
        Body::TimeoutNow if is_follower => {
            match election::may_campaign(shared, term, shared.log.committed())? {
                true => Finding::MayCampaign,
                false => Finding::Nothing,
            }
        }
        _ => Finding::Nothing,
    })
}

/// The role in which the node carries a message out.
fn role_after(role: &Role, follows: bool) -> RoleKind {
    if follows { RoleKind::Follower } else { role.kind() }
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
    reply: &VoteReply,
) -> Result<Finding, Error> {
    let learned = learned(shared, role_after(role, later_term.is_some()), reply.commit)?;
    let committed = learned.map_or(shared.log.committed(), |learned| learned.committed);
    let repeats = match (later_term, role) {
        (Some(term), Role::PreCandidate(candidate) | Role::Candidate(candidate)) if candidate.may_repeat => {
            election::may_campaign(shared, term, committed)?
        }
        _ => false,
    };
    Ok(if repeats { Finding::Repeats(learned) } else { Finding::Learned(learned) })
}
