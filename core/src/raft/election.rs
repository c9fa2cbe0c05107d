//! Elections: asking for votes, and giving them (thesis sections 3.4, 3.6.1 and 9.6).

use crate::error::StorageError;
use crate::message::{Body, Vote, VoteReply};
use crate::raft::{Next, Shared};
use crate::storage::Storage;
use crate::types::{EntryId, Index, MAX_INDEX, MAX_TERM, NO_NODE, NodeId, Term};

/// Why and how a node campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Campaign {
    /// Ask first whether an election could be won.
    Pre,
    /// Ask for votes.
    Election,
    /// Ask for votes because the leader wants it: no PreVote, and leases do not protect it.
    Transfer,
}

/// The campaign that a node that does not lead may begin now, if it may.
pub(crate) fn start<S: Storage>(shared: &mut Shared<S>, campaign: Campaign) -> Result<Next, StorageError> {
    let (term, committed) = (shared.term, shared.log.committed());
    Ok(if may_campaign(shared, term, committed)? { Next::Campaign(campaign) } else { Next::Stay })
}

/// Whether a node that does not lead may campaign, in the term after `term`. Silently not if it does not
/// vote, is about to install a snapshot, or has a membership change up to `committed` to apply: that
/// one might have removed it, or might have added voters that it must ask. Nor if there is no such term, or
/// no index for its first entry.
pub(crate) fn may_campaign<S: Storage>(
    shared: &mut Shared<S>,
    term: Term,
    committed: Index,
) -> Result<bool, StorageError> {
    let can_lead = term < MAX_TERM && shared.log.last().index < MAX_INDEX;
    if !shared.is_promotable() || !can_lead {
        return Ok(false);
    }
    Ok(!shared.has_unapplied_conf_change(committed)?)
}

/// Asks all voters, itself included.
pub(crate) fn ask_for_votes<S: Storage>(shared: &mut Shared<S>, campaign: Campaign) {
    let pre = campaign == Campaign::Pre;
    let term = shared.term + u64::from(pre);
    let vote = Vote {
        pre,
        last: shared.log.last(),
        transfer: campaign == Campaign::Transfer,
        priority: shared.config.priority,
        commit: if shared.config.eager_append { EntryId::default() } else { last_committed(shared) },
    };
    for id in shared.configuration.voters().ids() {
        if id == shared.id() {
            shared.outbox.own_vote(term, pre);
        } else {
            shared.send_in_term(id, term, Body::Vote(vote));
        }
    }
}

/// Whether a vote may be given: once a term, and to no one while there is a leader; a PreVote for a
/// coming term is free. Only to logs that are up-to-date. Learners vote too: one may have been made
/// a voter without knowing it yet.
fn may_vote<S: Storage>(shared: &Shared<S>, leader: NodeId, from: NodeId, term: Term, vote: &Vote) -> bool {
    let free = shared.vote == from
        || (shared.vote == NO_NODE && leader == NO_NODE)
        || (vote.pre && term > shared.term);
    free && vote.last.is_up_to_date(shared.log.last()) && is_preferred(shared, vote)
}

/// Whether the candidate need not give way to this node, which has a higher priority and could lead
/// as well. Only for two election timeouts without a leader: by then this node has campaigned, and if it
/// does not lead, perhaps it cannot reach a quorum that the candidate reaches.
fn is_preferred<S: Storage>(shared: &Shared<S>, vote: &Vote) -> bool {
    vote.priority >= shared.config.priority
        || shared.leaderless_ticks >= 2 * shared.config.election_ticks
        || vote.transfer
        || vote.last != shared.log.last()
        || !shared.is_promotable()
}

/// Answers a request for a vote.
pub(crate) fn answer_vote<S: Storage>(
    shared: &mut Shared<S>,
    leader: NodeId,
    from: NodeId,
    term: Term,
    vote: Vote,
) {
    if !may_vote(shared, leader, from, term, &vote) {
        // Who asks for a PreVote may be of a later term than this node, and would pass over an answer from
        // an older one.
        let theirs = if vote.pre && !shared.config.eager_append { term.saturating_sub(1) } else { 0 };
        let reply = refusal(shared, vote.pre);
        shared.send_in_term(from, shared.term.max(theirs), Body::VoteReply(reply));
        return;
    }
    // A granted PreVote names the term that was asked about, else the candidate would take the
    // answer for an outdated one.
    let reply = VoteReply { pre: vote.pre, granted: true, ..VoteReply::default() };
    shared.send_in_term(from, term, Body::VoteReply(reply));
    if !vote.pre {
        shared.election_elapsed = 0;
        shared.vote = from;
    }
}

/// The answer to a candidate that does not get the vote. A node that is no voter tells what is committed:
/// who asks it does not know that. Without this a group could be stuck: a leader that demotes itself may
/// stop to lead before anybody else knows that this is committed, and then neither campaign, being no
/// voter, nor vote for those who still need its vote, its log being longer.
pub(crate) fn refusal<S: Storage>(shared: &Shared<S>, pre: bool) -> VoteReply {
    let tells = !shared.configuration.is_voter(shared.config.id) && !shared.config.eager_append;
    let commit = if tells { last_committed(shared) } else { EntryId::default() };
    VoteReply { pre, granted: false, commit }
}

/// The last entry that the node knows to be committed; a zero id if its term cannot be read now.
fn last_committed<S: Storage>(shared: &Shared<S>) -> EntryId {
    let index = shared.log.committed();
    let term = shared.log.term(index).ok().flatten();
    term.map_or(EntryId::default(), |term| EntryId::new(term, index))
}

/// What a vote request or a refusal says to be committed, if that is news and the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Learned {
    pub(crate) committed: Index,
    /// A candidacy has to end: a membership change is to be applied first.
    pub(crate) ends_candidacy: bool,
}

/// What a node that does not lead learns from the commit index of a candidate, or of a voter that refuses:
/// there may be no leader left to send it, and who votes may depend on it. Changes nothing.
pub(crate) fn learn_commit<S: Storage>(
    shared: &mut Shared<S>,
    commit: EntryId,
    is_candidate: bool,
) -> Result<Option<Learned>, StorageError> {
    if shared.config.eager_append || commit.index <= shared.log.committed() || !shared.log.matches(commit)? {
        return Ok(None);
    }
    let ends_candidacy = is_candidate && shared.has_unapplied_conf_change(commit.index)?;
    Ok(Some(Learned { committed: commit.index, ends_candidacy }))
}
