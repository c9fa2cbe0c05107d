//! Checks that look at several nodes at once.

use raftcore::{
    Append, Body, ConfState, EntryId, HardState, Index, Message, NodeId, RoleKind, SoftState, Vote, VoteReply,
};

use super::host::Host;
use super::violation::{Check, Invariant};
use super::world::World;

/// What was just committed is in the logs of all leaders of newer terms, too.
pub(super) fn newer_leaders_have_it(world: &World) -> Check {
    let last = world.oracle.last_committed().id;
    for host in world.hosts().filter(|host| host.is_leader() && host.term() > last.term) {
        Invariant::LeaderCompleteness.require(host.log.contains(last), || {
            format!("{} leads in term {} without {last:?}", host.id, host.term())
        })?;
    }
    Ok(())
}

/// The sender's disk holds whatever the message promises, and what it says is true.
pub(super) fn may_be_sent(world: &mut World, message: &Message) -> Check {
    match &message.body {
        // Names the transferee as its sender, and promises nothing.
        Body::TransferLeader(_) => return Ok(()),
        Body::Append(append) => check_append(world, message, append)?,
        Body::Heartbeat(beat) => check_heartbeat(world, message, beat.commit)?,
        Body::Snapshot(snapshot) => check_committed(world, message, snapshot.id)?,
        Body::VoteReply(VoteReply { pre: false, granted: true, .. }) => check_vote(world, message)?,
        Body::Vote(Vote { commit, .. }) | Body::VoteReply(VoteReply { commit, .. })
            if *commit != EntryId::default() =>
        {
            check_committed(world, message, *commit)?;
        }
        _ => {}
    }
    check_promise(world, message)
}

fn check_append(world: &World, message: &Message, append: &Append) -> Check {
    let known = world.oracle.last_committed().id.index;
    Invariant::SentFromLog
        .require(append.commit <= known, || format!("not committed: {}", super::trace::describe(message)))?;
    // Who was deposed before the message left may have another log by now.
    let host = world.host(message.from).filter(|host| host.is_leader() && host.term() == message.term);
    let Some(host) = host else { return Ok(()) };
    let ends = [append.entries.first(), append.entries.last()];
    for id in ends.into_iter().flatten().map(|entry| entry.id).chain([append.prev]) {
        let mine = host.log.get(id.index).map(|link| link.id);
        Invariant::SentFromLog.require(mine.is_none_or(|mine| mine == id), || {
            format!("the log has {mine:?}: {}", super::trace::describe(message))
        })?;
    }
    Ok(())
}

/// A heartbeat tells of no more than its receiver has.
fn check_heartbeat(world: &World, message: &Message, commit: Index) -> Check {
    let Some(id) = world.oracle.committed_at(commit).map(|link| link.id) else {
        let known = world.oracle.last_committed().id.index;
        return Invariant::SentFromLog
            .require(commit <= known, || format!("not committed: {}", super::trace::describe(message)));
    };
    let has_it = world.oracle.disk(message.to).is_some_and(|disk| disk.holds(id));
    Invariant::SentFromLog.require(has_it, || {
        format!("{} does not have {id:?}: {}", message.to, super::trace::describe(message))
    })
}

fn check_committed(world: &World, message: &Message, id: EntryId) -> Check {
    let committed = world.oracle.committed_at(id.index).map(|link| link.id);
    Invariant::SentFromLog.require(committed == Some(id), || {
        format!("committed is {committed:?}: {}", super::trace::describe(message))
    })
}

/// While it campaigns, a candidate's log does not change.
fn check_vote(world: &World, message: &Message) -> Check {
    let Some(candidate) = world.host(message.to) else { return Ok(()) };
    let campaigns = candidate.role() == RoleKind::Candidate && candidate.term() == message.term;
    let (Some(disk), true) = (world.oracle.disk(message.from), campaigns) else { return Ok(()) };
    let (theirs, mine) = (candidate.log.last().id, disk.durable_last());
    // What the voter has of the vote's own term, that term's leader has sent it since, in time to be stored with the vote.
    let is_later = mine.term >= message.term;
    Invariant::VoteUpToDate.require(is_later || theirs.is_up_to_date(mine), || {
        format!("{} has {mine:?} and votes for {} with {theirs:?}", message.from, message.to)
    })
}

fn check_promise(world: &mut World, message: &Message) -> Check {
    let (from, to, term) = (message.from, message.to, message.term);
    let Some(disk) = world.oracle.disk(from) else {
        return Invariant::PersistBeforeSend.broken(format!("{from} sends, but there is no such node"));
    };
    let durable = disk.durable_hard_state();
    let last = disk.durable_last();
    let breach = |promise: &str| {
        let message = super::trace::describe(message);
        Invariant::PersistBeforeSend
            .broken(format!("{promise} is not durable: {durable:?}, log ends at {last:?}: {message}"))
    };
    let term_counts = match &message.body {
        Body::Vote(Vote { pre, .. }) | Body::VoteReply(VoteReply { pre, .. }) => !pre,
        // Only says that the sender knows of no newer term, which is as true if it forgets this one.
        Body::HeartbeatReply(_) => false,
        _ => true,
    };
    if term_counts && durable.term < term {
        return breach("the term");
    }
    match &message.body {
        Body::VoteReply(reply) if reply.granted && !reply.pre => {
            if durable.term == term && durable.vote != to {
                return breach("the vote");
            }
            world.oracle.observe_vote(from, HardState { term, vote: to, commit: 0 })
        }
        // Voters rely on the log that a candidate says it has. One that has lost may have another.
        Body::Vote(vote) if !vote.pre && durable.term == term => {
            let is_candidate = |host: &Host| host.role() == RoleKind::Candidate && host.term() == term;
            let campaigns = world.host(from).is_some_and(is_candidate);
            let is_true = durable.vote == from && (!campaigns || disk.holds(vote.last));
            if is_true { Ok(()) } else { breach("the candidacy") }
        }
        // A newer term's leader may have replaced what an older one's gets acknowledged late.
        Body::AppendReply(reply) if reply.reject.is_none() && durable.term == term => {
            let theirs = leader_term_at(world, to, term, reply.index);
            let mine = world.oracle.disk(from).and_then(|disk| disk.durable_term(reply.index));
            let differs = theirs.is_some() && mine.is_some() && theirs != mine;
            if last.index < reply.index || differs { breach("the entry") } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// The term of an entry in the log of the node `id`, if that leads in `term`.
fn leader_term_at(world: &World, id: NodeId, term: u64, index: u64) -> Option<u64> {
    let host = world.host(id)?;
    let leads = host.is_leader() && host.term() == term;
    if leads { Some(host.log.get(index)?.id.term) } else { None }
}

/// A node before a message that must change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Before {
    hard_state: HardState,
    soft_state: SoftState,
    last: EntryId,
    /// What the message tells to be committed, if it may tell that.
    told: Index,
}

impl Before {
    fn of(host: &Host, told: Index) -> Self {
        let status = host.raft.status();
        Self { hard_state: status.hard_state, soft_state: status.soft_state, last: status.last, told }
    }

    /// What may be left of it: the node may have learned what is committed, and that may end a candidacy.
    fn after(mut self, after: &Self) -> Self {
        let learned = self.hard_state.commit + 1..=self.told;
        if learned.contains(&after.hard_state.commit) {
            self.hard_state.commit = after.hard_state.commit;
            if matches!(self.soft_state.role, RoleKind::PreCandidate | RoleKind::Candidate) {
                self.soft_state.role = after.soft_state.role;
            }
        }
        self
    }
}

/// What the receiver of a message is like, if the message is of an older term or asks for a PreVote.
pub(super) fn before(host: &Host, message: &Message) -> Option<Before> {
    let is_older = message.term != 0 && message.term < host.term();
    let told = match message.body {
        _ if is_older => 0,
        Body::Vote(Vote { pre: true, commit, .. }) => commit.index,
        _ => return None,
    };
    Some(Before::of(host, told))
}

/// Such a message has changed nothing, but for what a PreVote tells to be committed.
pub(super) fn nothing_changed(world: &World, id: NodeId, before: Option<Before>) -> Check {
    let (Some(before), Some(host)) = (before, world.host(id)) else { return Ok(()) };
    let after = Before::of(host, before.told);
    let expected = before.clone().after(&after);
    Invariant::TermDiscipline.require(after == expected, || format!("{id} goes from {before:?} to {after:?}"))
}

/// Whether any quorum of one membership meets any quorum of the other: tried out with every set of
/// voters, and those who are not in it.
pub(super) fn quorums_meet(one: &ConfState, other: &ConfState) -> bool {
    let mut voters: Vec<_> = [one, other].iter().flat_map(|state| voter_sets(state).concat()).collect();
    voters.sort_unstable();
    voters.dedup();
    let has_quorum = |state: &ConfState, chosen: u64| {
        let place = |id: &NodeId| voters.binary_search(id).unwrap_or_default();
        let is_chosen = |id: &&NodeId| chosen >> place(id) & 1 == 1;
        let decides =
            |set: &&[NodeId]| set.is_empty() || set.iter().filter(is_chosen).count() * 2 > set.len();
        voter_sets(state).iter().all(decides)
    };
    // If two quorums do not meet, then one lies within what the other leaves out.
    (0..1u64 << voters.len()).all(|chosen| !(has_quorum(one, chosen) && has_quorum(other, !chosen)))
}

pub(super) fn voter_sets(membership: &ConfState) -> [&[NodeId]; 2] {
    [&membership.voters, &membership.voters_outgoing]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joint(voters: &[NodeId], outgoing: &[NodeId]) -> ConfState {
        ConfState { voters_outgoing: outgoing.to_vec(), ..ConfState::new(voters, []) }
    }

    #[test]
    fn quorums_meet_if_one_voter_changes_or_the_change_is_joint() {
        assert!(quorums_meet(&joint(&[1, 2, 3], &[]), &joint(&[1, 2, 3, 4], &[])));
        assert!(quorums_meet(&joint(&[1, 2, 3], &[]), &joint(&[4, 5, 6], &[1, 2, 3])));
        assert!(quorums_meet(&joint(&[4, 5, 6], &[1, 2, 3]), &joint(&[4, 5, 6], &[])));
        assert!(!quorums_meet(&joint(&[1, 2, 3], &[]), &joint(&[1, 2, 3, 4, 5], &[])));
        assert!(!quorums_meet(&joint(&[1, 2, 3], &[]), &joint(&[4, 5, 6], &[])));
        assert!(!quorums_meet(&joint(&[1], &[]), &joint(&[2], &[])));
    }
}
