//! Log replication (thesis section 3.5): from a proposal to the commit index.

use crate::entry::{Entries, Entry, payload_len};
use crate::error::{DropReason, Error, StorageError};
use crate::log::{Fit, LogSlice};
use crate::message::{Append, AppendReject, AppendReply, Body, Snapshot};
use crate::progress::{Due, Progress, ProgressState};
use crate::raft::role::Leader;
use crate::raft::{Shared, dropped, membership, read_index, transfer};
use crate::storage::Storage;
use crate::types::{EntryId, Index, MAX_INDEX, NodeId, Term};

/// Appends proposals to the leader's log: all or none. Returns the id of the first.
pub(crate) fn propose<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    mut entries: impl Proposals,
) -> Result<EntryId, Error> {
    if leader.progress.get(shared.id()).is_none() {
        return dropped(DropReason::Removed);
    }
    if leader.transferee.is_some() {
        return dropped(DropReason::Transferring);
    }
    let last = shared.log.last().index;
    let end = last.checked_add(entries.as_mut().len() as u64).filter(|end| *end <= MAX_INDEX);
    let Some(next) = end.map(|end| end + 1) else {
        return dropped(DropReason::LogFull);
    };
    let changes_membership = entries.as_mut().iter().any(Entry::is_conf_change);
    let pending_conf_index = match changes_membership {
        true => membership::validate(shared, leader, entries.as_mut())?,
        false => leader.pending_conf_index,
    };
    if shared.config.eager_append {
        // The reference takes note of a change even if it is too large to be taken.
        leader.pending_conf_index = pending_conf_index;
    }
    let payload = payload_len(entries.as_mut());
    let exceeds = leader.uncommitted_bytes.saturating_add(payload) > shared.config.max_uncommitted_bytes;
    // An empty payload is always taken: a term's first entry, leaving a joint configuration. And so
    // is any first one, whatever its size.
    if leader.uncommitted_bytes > 0 && payload > 0 && exceeds {
        return dropped(DropReason::TooManyUncommittedBytes);
    }
    leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_add(payload);
    leader.pending_conf_index = pending_conf_index;
    for (index, entry) in (last + 1..next).zip(entries.as_mut()) {
        entry.id = EntryId::new(shared.term, index);
    }
    entries.into_iter().for_each(|entry| shared.log.push(entry));
    shared.outbox.own_append(shared.term, next - 1, !shared.config.eager_append);
    broadcast(shared, leader, Due::Append);
    Ok(EntryId::new(shared.term, last + 1))
}

/// Entries to propose: one, or any number of them.
pub(crate) trait Proposals: AsMut<[Entry]> + IntoIterator<Item = Entry> {}

impl<T: AsMut<[Entry]> + IntoIterator<Item = Entry>> Proposals for T {}

/// Sends to all other members, now or when the next `Ready` is taken.
pub(crate) fn broadcast<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, due: Due) {
    if !shared.config.eager_append {
        leader.due = leader.due.max(due);
        return;
    }
    let own = shared.config.id;
    for (id, progress) in leader.progress.iter_mut().filter(|(id, _)| *id != own) {
        send_append(shared, *id, progress, due == Due::Append);
    }
}

/// Sends to one member, now or when the next `Ready` is taken: an Append, empty if need be, or as
/// many as it takes for all its entries.
fn send<S: Storage>(shared: &mut Shared<S>, id: NodeId, progress: &mut Progress, due: Due) {
    if !shared.config.eager_append {
        if !progress.is_paused() {
            progress.due = due_to(progress, due, shared.log.last().index);
        }
    } else if due == Due::Append {
        send_append(shared, id, progress, true);
    } else {
        while send_append(shared, id, progress, false) {}
    }
}

/// What is due to a member, given what was before and what is now.
fn due_to(progress: &Progress, due: Due, last: Index) -> Due {
    let is_useful = due == Due::Append || progress.next <= last;
    if is_useful { progress.due.max(due) } else { progress.due }
}

/// Whether [`flush`] would send something.
pub(crate) fn is_due<S: Storage>(shared: &Shared<S>, leader: &Leader) -> bool {
    let (own, last) = (shared.config.id, shared.log.last().index);
    let is_due = |(id, progress): &(NodeId, Progress)| {
        *id != own && due_to(progress, leader.due, last) != Due::Nothing && !progress.is_paused()
    };
    leader.reads.is_round_due() || leader.progress.iter().any(is_due)
}

/// Sends what is due: however many proposals came, each member gets as few Appends as fit them.
pub(crate) fn flush<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    let (own, last) = (shared.config.id, shared.log.last().index);
    let due_to_all = std::mem::take(&mut leader.due);
    for (id, progress) in leader.progress.iter_mut().filter(|(id, _)| *id != own) {
        let due = due_to(progress, due_to_all, last);
        progress.due = Due::Nothing;
        if due != Due::Nothing && send_append(shared, *id, progress, due == Due::Append) {
            while progress.next <= last && send_append(shared, *id, progress, false) {}
        }
    }
    read_index::begin_round(shared, leader);
}

/// Sends one Append, or a snapshot if the entries are gone. Returns whether a message went out.
fn send_append<S: Storage>(
    shared: &mut Shared<S>,
    id: NodeId,
    progress: &mut Progress,
    if_empty: bool,
) -> bool {
    if progress.is_paused() {
        return false;
    }
    match try_send_append(shared, id, progress, if_empty) {
        Ok(sent) => {
            if sent {
                progress.served();
            }
            sent
        }
        Err(error) => {
            // The other members must not suffer; the next answer of this one leads here again.
            if progress.fails_anew(&error) {
                shared.note_unserved(id, &error);
            }
            if error != StorageError::SnapshotUnavailable {
                shared.storage_error = Some(Box::new(error));
            }
            false
        }
    }
}

fn try_send_append<S: Storage>(
    shared: &mut Shared<S>,
    id: NodeId,
    progress: &mut Progress,
    if_empty: bool,
) -> Result<bool, StorageError> {
    let prev = progress.next - 1;
    let Some(prev_term) = shared.log.term(prev)? else {
        return send_snapshot(shared, id, progress);
    };
    let mut entries = Entries::new();
    if progress.may_send_entries() {
        match shared.log.tail(progress.next, shared.config.max_message_bytes)? {
            Some(tail) => entries = tail,
            None => return send_snapshot(shared, id, progress),
        }
    }
    if entries.is_empty() && !if_empty {
        return Ok(false);
    }
    let commit = shared.log.committed();
    progress.sent_entries(entries.len(), entries.payload_len());
    progress.sent_commit(commit);
    let prev = EntryId::new(prev_term, prev);
    shared.send(id, Body::Append(Append { prev, commit, entries }));
    Ok(true)
}

/// Sends the host's snapshot to a member that was heard from lately.
fn send_snapshot<S: Storage>(
    shared: &mut Shared<S>,
    id: NodeId,
    progress: &mut Progress,
) -> Result<bool, StorageError> {
    if !progress.is_active {
        return Ok(false);
    }
    let snapshot = shared.log.snapshot_to_send(id)?;
    check_snapshot(shared, id, progress.matched, &snapshot)?;
    progress.become_snapshot(snapshot.id.index);
    shared.send(id, Body::Snapshot(Box::new(snapshot)));
    Ok(true)
}

/// How an Append from the leader of `term` fits. Changes nothing.
#[inline]
pub(crate) fn fit<S: Storage>(
    shared: &Shared<S>,
    from: NodeId,
    term: Term,
    append: &Append,
) -> Result<Fit, Error> {
    let slice = LogSlice::new(append, term)?;
    shared.log.fit(slice).map_err(|error| shared.contradiction(from, error))
}

/// Whether a snapshot helps a member that has the log up to `matched`. One that does not would be refused,
/// or leave a gap, and would be sent again and again: wait for a newer one.
fn check_snapshot<S: Storage>(
    shared: &Shared<S>,
    id: NodeId,
    matched: Index,
    snapshot: &Snapshot,
) -> Result<(), StorageError> {
    let index = snapshot.id.index;
    if index <= matched {
        let text = "entries are gone, and the snapshot is older than what the member has";
        return Err(StorageError::Contract(text.into()));
    }
    if shared.config.eager_append {
        return Ok(());
    }
    if !snapshot.conf_state.contains(id) {
        let text = format!("the snapshot is older than the membership of node {id}");
        return Err(StorageError::Contract(text));
    }
    let first = shared.log.first_index()?;
    if index.saturating_add(1) < first {
        let text = format!("the snapshot ends at {index}, but the log begins at {first}");
        return Err(StorageError::Contract(text));
    }
    Ok(())
}

/// A follower's answer to an Append of its leader.
pub(crate) fn answer_append<S: Storage>(
    shared: &mut Shared<S>,
    from: NodeId,
    term: Term,
    append: Append,
    fit: Fit,
) {
    let had = shared.log.committed();
    let reply = match fit {
        Fit::BelowCommitted => AppendReply { index: had, reject: None },
        Fit::Mismatch { hint } => {
            AppendReply { index: append.prev.index, reject: Some(AppendReject { hint }) }
        }
        fit => {
            let last = append.last_index();
            let tells_only_commit = tells_only_commit(&append, term);
            if let Fit::New { from } = fit {
                let entries = append.entries.skip(from);
                shared.outbox.hold(entries.encoded_len());
                shared.log.append(entries);
            }
            shared.log.commit_to(append.commit.min(last));
            if tells_only_commit && shared.log.committed() > had && !shared.config.eager_append {
                return;
            }
            AppendReply { index: last, reject: None }
        }
    };
    shared.send(from, Body::AppendReply(reply));
}

/// Whether an Append that fits has nothing to acknowledge: it is empty, and what it comes after is of the
/// leader's own term, so that it came from this leader, who has got an answer then. If that one was lost,
/// the leader asks again after the next heartbeat, with a commit index that is known by then.
fn tells_only_commit(append: &Append, term: Term) -> bool {
    append.entries.is_empty() && append.prev.term == term
}

/// A member's log, or the leader's own, matches up to `index`. An error changes nothing.
pub(crate) fn accepted<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    index: Index,
) -> Result<(), Error> {
    if index > shared.log.last().index {
        return Err(Error::InvalidMessage("it acknowledges entries that the leader does not have"));
    }
    // What is committed anyway commits nothing more.
    let commits = index > shared.log.committed();
    let commit = if commits { commit_after(shared, leader, from, index)? } else { None };
    let Some(progress) = leader.progress.get_mut(from) else { return Ok(()) };
    // Whatever the index of the snapshot that it got: the log can go on from there.
    let goes_on = progress.state() == ProgressState::Snapshot
        && progress.matched.max(index) + 1 >= shared.log.first_index()?;
    progress.heard();
    let resumes = progress.matched == index && progress.state() == ProgressState::Probe;
    if !progress.accepted(index) && !resumes {
        return Ok(());
    }
    match progress.state() {
        ProgressState::Probe => progress.become_replicate(),
        ProgressState::Replicate => progress.free_inflights(index),
        ProgressState::Snapshot if goes_on => {
            progress.become_probe();
            progress.become_replicate();
        }
        ProgressState::Snapshot => {}
    }
    if let Some(commit) = commit {
        shared.log.commit_to(commit);
        read_index::release(shared, leader);
        broadcast(shared, leader, Due::Append);
    }
    if from != shared.config.id {
        continue_with(shared, leader, from);
    }
    Ok(())
}

/// Sends what a member's acknowledgement made room for.
fn continue_with<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, from: NodeId) {
    let Some(progress) = leader.progress.get_mut(from) else { return };
    if progress.can_bump_commit(shared.log.committed()) {
        send(shared, from, progress, Due::Append);
    }
    send(shared, from, progress, Due::Entries);
    if leader.transferee == Some(from) && progress.matched == shared.log.last().index {
        transfer::ask(shared, from);
    }
}

/// A member's log does not match at `index`; it may at the hint. An error changes nothing.
pub(crate) fn rejected<S: Storage>(
    shared: &mut Shared<S>,
    leader: &mut Leader,
    from: NodeId,
    index: Index,
    hint: EntryId,
) -> Result<(), Error> {
    // Where the hint's term is known, this log tells how far back the two can at most agree.
    let guess = if hint.term > 0 { shared.log.conflict_hint(hint)?.index } else { hint.index };
    let Some(progress) = leader.progress.get_mut(from) else { return Ok(()) };
    progress.heard();
    if progress.rejected(index, guess) {
        if progress.state() == ProgressState::Replicate {
            progress.become_probe();
        }
        send(shared, from, progress, Due::Append);
    }
    Ok(())
}

/// Sends one Append to a member, empty if need be.
pub(crate) fn send_to<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, id: NodeId) {
    if let Some(progress) = leader.progress.get_mut(id) {
        send(shared, id, progress, Due::Append);
    }
}

/// A heartbeat's answer arrived: a member that lacks entries is tried again.
pub(crate) fn wake<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, from: NodeId) {
    let Some(progress) = leader.progress.get_mut(from) else { return };
    progress.heard();
    progress.resume();
    if progress.matched < shared.log.last().index || progress.state() == ProgressState::Probe {
        send(shared, from, progress, Due::Append);
    }
}

/// The host says that something sent to a member was lost. The reference only becomes careful.
pub(crate) fn unreachable<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader, id: NodeId) {
    let Some(progress) = leader.progress.get_mut(id) else { return };
    if shared.config.eager_append {
        if progress.state() == ProgressState::Replicate {
            progress.become_probe();
        }
    } else if id != shared.config.id && progress.lost() {
        leader.reads.repeat_round();
    }
}

/// Commits what a quorum has. Returns whether the commit index moved.
pub(crate) fn commit<S: Storage>(shared: &mut Shared<S>, leader: &Leader) -> Result<bool, Error> {
    let commit = commit_after(shared, leader, shared.id(), 0)?;
    if let Some(index) = commit {
        shared.log.commit_to(index);
    }
    Ok(commit.is_some())
}

/// The commit index to which the leader's moves when `from` has the log up to `index`: what a quorum has,
/// if its last entry is of this term (thesis section 3.6.2).
fn commit_after<S: Storage>(
    shared: &Shared<S>,
    leader: &Leader,
    from: NodeId,
    index: Index,
) -> Result<Option<Index>, StorageError> {
    let known = |id| leader.progress.get(id).map_or(0, |progress| progress.matched);
    let matched = |id| if id == from { index.max(known(id)) } else { known(id) };
    let index = shared.configuration.voters().committed(matched);
    if index <= shared.log.committed() || shared.log.term(index)? != Some(shared.term) {
        return Ok(None);
    }
    Ok(Some(index))
}

/// Whether the leader has committed an entry of its own term: before that its commit index may be
/// behind what former leaders have acknowledged.
pub(crate) fn has_committed_in_term<S: Storage>(shared: &Shared<S>) -> Result<bool, StorageError> {
    Ok(shared.log.term(shared.log.committed())? == Some(shared.term))
}
