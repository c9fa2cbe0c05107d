//! Installing a snapshot on a follower (thesis chapter 5).

use crate::error::Error;
use crate::membership::Configuration;
use crate::message::{AppendReply, Body, Snapshot};
use crate::raft::Shared;
use crate::storage::Storage;
use crate::types::{MAX_INDEX, NodeId, Term};

/// What a follower does with a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It covers nothing new, or a group without this node.
    Ignore,
    /// The log has its last entry, and so all that it covers: it only tells that this is committed.
    Commit,
    /// It replaces the log, whatever conflicting entries that has.
    Install(Box<Configuration>),
    /// It is to be installed, but the host is applying entries: one of them may be a membership change, which
    /// must not be put on top of the snapshot's membership.
    Wait,
}

/// A snapshot that waits until the host has applied what it was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    from: NodeId,
    snapshot: Box<Snapshot>,
}

/// What a follower does with a snapshot from the leader of `term`. Changes nothing.
pub(crate) fn judge<S: Storage>(
    shared: &Shared<S>,
    from: NodeId,
    term: Term,
    snapshot: &Snapshot,
) -> Result<Verdict, Error> {
    const IMPOSSIBLE: Error = Error::InvalidMessage("the snapshot's last entry is impossible");
    let latest = if term == 0 { shared.term } else { term };
    let is_possible = snapshot.id.index <= MAX_INDEX && (1..=latest).contains(&snapshot.id.term);
    // Recorded scripts know impossible snapshots of senders that never heard of a term, and for groups without
    // this node. The reference ignores them.
    let is_foreign = shared.config.eager_append && !snapshot.conf_state.contains(shared.config.id);
    if !is_possible && term != 0 && !is_foreign {
        return Err(IMPOSSIBLE);
    }
    if let Err(conflict) = shared.log.check_against_committed(snapshot.id) {
        return Err(shared.contradiction(from, conflict));
    }
    let verdict = verdict(shared, snapshot)?;
    if !is_possible && verdict != Verdict::Ignore {
        return Err(IMPOSSIBLE);
    }
    Ok(verdict)
}

fn verdict<S: Storage>(shared: &Shared<S>, snapshot: &Snapshot) -> Result<Verdict, Error> {
    if snapshot.id.index <= shared.log.committed() || !snapshot.conf_state.contains(shared.config.id) {
        return Ok(Verdict::Ignore);
    }
    if shared.log.matches(snapshot.id)? {
        return Ok(Verdict::Commit);
    }
    let configuration = Configuration::restore(&snapshot.conf_state)?;
    if shared.log.applying() > shared.log.applied() && !shared.config.eager_append {
        return Ok(Verdict::Wait);
    }
    Ok(Verdict::Install(Box::new(configuration)))
}

/// Does with a snapshot what was judged, and answers how far the log reaches now. One that has to wait is
/// not answered yet; `waiting` keeps the newest.
pub(crate) fn answer<S: Storage>(
    shared: &mut Shared<S>,
    waiting: &mut Option<Box<Waiting>>,
    from: NodeId,
    snapshot: Box<Snapshot>,
    verdict: Verdict,
) {
    match verdict {
        Verdict::Ignore => {}
        Verdict::Commit => shared.log.commit_to(snapshot.id.index),
        Verdict::Install(configuration) => {
            shared.log.restore(snapshot);
            shared.configuration = *configuration;
        }
        Verdict::Wait => {
            if waiting.as_ref().is_none_or(|kept| kept.snapshot.id.index <= snapshot.id.index) {
                *waiting = Some(Box::new(Waiting { from, snapshot }));
            }
            return;
        }
    }
    reply(shared, from);
}

fn reply<S: Storage>(shared: &mut Shared<S>, to: NodeId) {
    let reply = AppendReply { index: shared.log.committed(), reject: None };
    shared.send(to, Body::AppendReply(reply));
}

/// Entries were applied: a snapshot that waited for that is judged as if it came now. Without effect while
/// others are being applied.
pub(crate) fn resume<S: Storage>(
    shared: &mut Shared<S>,
    waiting: &mut Option<Box<Waiting>>,
) -> Result<(), Error> {
    if shared.log.applying() > shared.log.applied() {
        return Ok(());
    }
    let Some(kept) = waiting.take() else { return Ok(()) };
    let Waiting { from, snapshot } = *kept;
    match judge(shared, from, shared.term, &snapshot) {
        Ok(verdict) => answer(shared, waiting, from, snapshot, verdict),
        // The leader learns how far the log reaches, and sends it again.
        Err(Error::Storage(error)) => {
            shared.storage_error = Some(Box::new(error));
            reply(shared, from);
        }
        // What a stranger sent contradicts what is committed by now. The host that finishes its work has no
        // part in that.
        Err(Error::InvalidMessage(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
