//! Checks that look at several nodes at once.

use raftcore::{Body, HardState, Message, NodeId, Vote, VoteReply};

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

/// The sender's disk holds whatever the message promises.
pub(super) fn may_be_sent(world: &mut World, message: &Message) -> Check {
    match message.body {
        // Names the transferee as its sender, and promises nothing.
        Body::TransferLeader(_) => Ok(()),
        _ => check_promise(world, message),
    }
}

fn check_promise(world: &mut World, message: &Message) -> Check {
    let (from, to, term) = (message.from, message.to, message.term);
    let Some(disk) = world.oracle.disk(from) else {
        return Invariant::PersistBeforeSend.broken(format!("{from} sends, but there is no such node"));
    };
    let durable = disk.durable_hard_state();
    let last = disk.durable_last_index();
    let breach = |promise: &str| {
        let message = super::trace::describe(message);
        Invariant::PersistBeforeSend
            .broken(format!("{promise} is not durable: {durable:?}, log ends at {last}: {message}"))
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
        // A newer term's leader may have replaced what an older one's gets acknowledged late.
        Body::AppendReply(reply) if reply.reject.is_none() && durable.term == term => {
            let theirs = leader_term_at(world, to, term, reply.index);
            let mine = world.oracle.disk(from).and_then(|disk| disk.durable_term(reply.index));
            let differs = theirs.is_some() && mine.is_some() && theirs != mine;
            if last < reply.index || differs { breach("the entry") } else { Ok(()) }
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
