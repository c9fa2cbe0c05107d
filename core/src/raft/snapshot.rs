//! Installing a snapshot on a follower (thesis chapter 5).

use crate::error::Error;
use crate::membership::Configuration;
use crate::message::{AppendReply, Body, Snapshot};
use crate::raft::Shared;
use crate::storage::Storage;
use crate::types::NodeId;

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

/// A follower's answer: how far its log reaches now.
pub(crate) fn answer<S: Storage>(
    shared: &mut Shared<S>,
    from: NodeId,
    snapshot: Box<Snapshot>,
) -> Result<(), Error> {
    match judge(shared, &snapshot)? {
        Verdict::Ignore => {}
        Verdict::Commit => shared.log.commit_to(snapshot.id.index)?,
        Verdict::Install(configuration) => {
            shared.log.restore(snapshot);
            shared.configuration = configuration;
        }
    }
    let reply = AppendReply { index: shared.log.committed(), reject: None };
    shared.send(from, Body::AppendReply(reply));
    Ok(())
}

fn judge<S: Storage>(shared: &Shared<S>, snapshot: &Snapshot) -> Result<Verdict, Error> {
    if snapshot.id.index <= shared.log.committed() || !snapshot.conf_state.contains(shared.config.id) {
        return Ok(Verdict::Ignore);
    }
    // The host is applying entries: one of them may be a membership change, which must not be put on
    // top of the snapshot's membership. The leader tries again.
    if shared.log.applying() > shared.log.applied() && !shared.config.eager_append {
        return Ok(Verdict::Ignore);
    }
    // Recorded scripts know senders that never heard of a term.
    let is_later = snapshot.id.term > shared.term && !shared.config.eager_append;
    if snapshot.id.index == u64::MAX || snapshot.id.term == 0 || is_later {
        return Err(Error::InvalidMessage("the snapshot's last entry is impossible"));
    }
    if shared.log.matches(snapshot.id)? {
        return Ok(Verdict::Commit);
    }
    Ok(Verdict::Install(Configuration::restore(&snapshot.conf_state)?))
}
