//! Installing a snapshot on a follower (thesis chapter 5).

use crate::error::Error;
use crate::membership::Configuration;
use crate::message::{AppendReply, Body, Snapshot};
use crate::raft::Shared;
use crate::storage::Storage;
use crate::types::{MAX_INDEX, NodeId, Term};

/// A snapshot from a leader, and what a follower does with it.
#[derive(Debug)]
pub(crate) struct Judged {
    snapshot: Box<Snapshot>,
    verdict: Verdict,
}

/// What a follower does with a snapshot.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It covers nothing new, or a group without this node.
    Ignore,
    /// The log has its last entry, and so all that it covers: it only tells that this is committed.
    Commit,
    /// It replaces the log, whatever conflicting entries that has.
    Install(Configuration),
}

/// What a follower does with a snapshot from the leader of `term`. Changes nothing.
pub(crate) fn judge<S: Storage>(
    shared: &Shared<S>,
    from: NodeId,
    term: Term,
    snapshot: Box<Snapshot>,
) -> Result<Judged, Error> {
    const IMPOSSIBLE: Error = Error::InvalidMessage("the snapshot's last entry is impossible");
    // Recorded scripts know senders that never heard of a term, and snapshots of theirs that are ignored.
    let (has_term, latest) = if term == 0 { (false, shared.term) } else { (true, term) };
    let is_possible = snapshot.id.index <= MAX_INDEX && (1..=latest).contains(&snapshot.id.term);
    if !is_possible && has_term {
        return Err(IMPOSSIBLE);
    }
    if let Err(conflict) = shared.log.check_against_committed(snapshot.id) {
        return Err(shared.contradiction(from, conflict));
    }
    let verdict = verdict(shared, &snapshot)?;
    if !is_possible && verdict != Verdict::Ignore {
        return Err(IMPOSSIBLE);
    }
    Ok(Judged { snapshot, verdict })
}

fn verdict<S: Storage>(shared: &Shared<S>, snapshot: &Snapshot) -> Result<Verdict, Error> {
    if snapshot.id.index <= shared.log.committed() || !snapshot.conf_state.contains(shared.config.id) {
        return Ok(Verdict::Ignore);
    }
    // The host is applying entries: one of them may be a membership change, which must not be put on
    // top of the snapshot's membership. The leader tries again.
    if shared.log.applying() > shared.log.applied() && !shared.config.eager_append {
        return Ok(Verdict::Ignore);
    }
    if shared.log.matches(snapshot.id)? {
        return Ok(Verdict::Commit);
    }
    Ok(Verdict::Install(Configuration::restore(&snapshot.conf_state)?))
}

/// A follower's answer: how far its log reaches now.
pub(crate) fn answer<S: Storage>(shared: &mut Shared<S>, from: NodeId, judged: Judged) {
    match judged.verdict {
        Verdict::Ignore => {}
        Verdict::Commit => shared.log.commit_to(judged.snapshot.id.index),
        Verdict::Install(configuration) => {
            shared.log.restore(judged.snapshot);
            shared.configuration = configuration;
        }
    }
    let reply = AppendReply { index: shared.log.committed(), reject: None };
    shared.send(from, Body::AppendReply(reply));
}
