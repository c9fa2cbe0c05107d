//! Membership changes (thesis chapter 4): which a leader takes, and putting an applied one into force.

use crate::entry::{Entry, EntryKind};
use crate::error::{ConfChangeError, DropReason, Error};
use crate::membership::change::{self, Changed};
use crate::membership::{ConfChangeV2, ConfState};
use crate::progress::Due;
use crate::raft::role::{Leader, Role};
use crate::raft::{Next, Raft, Shared, dropped, replication, transfer};
use crate::status::TransferResult;
use crate::storage::Storage;
use crate::types::{EntryId, Index, NO_NODE};
use crate::wire;

/// Tries the membership changes among `entries`, which are about to enter the log. Returns the place of the
/// last one: until that is applied, the leader takes no other. [`Error::ConfChange`] if one of them would come
/// to nothing; with `eager_append` it is replaced by an empty entry, as in the reference.
pub(crate) fn validate<S: Storage>(
    shared: &Shared<S>,
    leader: &Leader,
    entries: &mut [Entry],
) -> Result<Index, Error> {
    let mut pending_conf_index = leader.pending_conf_index;
    for (place, entry) in entries.iter_mut().enumerate().filter(|(_, entry)| entry.is_conf_change()) {
        let Ok(change) = wire::decode_conf_change(entry, shared.config.dialect) else {
            return dropped(DropReason::MalformedConfChange);
        };
        let is_pending = pending_conf_index > shared.log.applied();
        match fits(shared, is_pending, &change) {
            Ok(()) => pending_conf_index = shared.log.last().index + 1 + place as u64,
            Err(_) if shared.config.eager_append => *entry = Entry::refused(),
            Err(reason) => return Err(reason.into()),
        }
    }
    Ok(pending_conf_index)
}

/// Whether a change can follow the current state, so far as the leader has to look.
fn fits<S: Storage>(
    shared: &Shared<S>,
    is_pending: bool,
    change: &ConfChangeV2,
) -> Result<(), ConfChangeError> {
    if !shared.config.validate_conf_changes {
        return Ok(());
    }
    if is_pending {
        return Err(ConfChangeError::Pending);
    }
    if !shared.config.eager_append {
        return change::check(&shared.configuration, change);
    }
    // The reference lets through what it cannot apply, an empty change with a transition among it.
    match (shared.configuration.is_joint(), change.ops.is_empty()) {
        (true, false) => Err(ConfChangeError::AlreadyJoint),
        (false, true) => Err(ConfChangeError::NotJoint),
        _ => Ok(()),
    }
}

/// Applies a committed change. Returns the membership that it leads to.
pub(crate) fn apply<S: Storage>(raft: &mut Raft<S>, change: &ConfChangeV2) -> Result<ConfState, Error> {
    let Changed { configuration, fresh } = change::apply(&raft.shared.configuration, change)?;
    let Raft { shared, role } = raft;
    shared.configuration = configuration;
    let mut next = Next::Stay;
    if let Role::Leader(leader) = role {
        let last = shared.log.last().index;
        leader.progress.reconcile(&shared.configuration, &fresh, last, &shared.config);
        leader.reads.retain_members(|id| shared.configuration.contains(id));
        // The change is in force, whatever can be read now: what fails here is tried again when the
        // next acknowledgement comes.
        next = react(shared, leader).unwrap_or_else(|error| {
            if let Error::Storage(error) = error {
                shared.note_unserved(NO_NODE, &error);
                shared.storage_error = Some(Box::new(error));
            }
            Next::Stay
        });
    }
    let conf_state = raft.shared.configuration.to_conf_state();
    raft.become_(next);
    Ok(conf_state)
}

/// A leader in a new configuration.
fn react<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) -> Result<Next, Error> {
    // The reference does not look at this if the leader itself was removed.
    let looks = !shared.config.eager_append || shared.configuration.is_voter(shared.config.id);
    if looks && leader.transferee.is_some_and(|id| !shared.configuration.is_voter(id)) {
        transfer::end(shared, leader, TransferResult::NotVoter);
    }
    if !shared.configuration.is_voter(shared.config.id) {
        // Removed or demoted: it may lead until its successor is found, or step down.
        if !shared.config.step_down_on_removal {
            return Ok(Next::Stay);
        }
        if !shared.config.eager_append {
            // It alone may know that the change is committed, and its vote may be needed by those who
            // do not: tell them before going.
            replication::broadcast(shared, leader, Due::Append);
            replication::flush(shared, leader);
        }
        return Ok(Next::Follow { term: shared.term, leader: NO_NODE });
    }
    // A smaller quorum may have more.
    if replication::commit(shared, leader)? {
        replication::broadcast(shared, leader, Due::Append);
    } else {
        replication::broadcast(shared, leader, Due::Entries);
    }
    Ok(Next::Stay)
}

/// Leaves a joint configuration that is to be left automatically, as soon as the change that entered it is
/// applied. What refuses to now, a pending leadership transfer, does not for ever: each applied entry leads
/// here again, and each tick of the leader, for the group may be idle.
pub(crate) fn leave_joint_if_due<S: Storage>(shared: &mut Shared<S>, leader: &mut Leader) {
    if !shared.configuration.auto_leave() || shared.log.applied() < leader.pending_conf_index {
        return;
    }
    // An empty change has no payload, so that no limit can refuse it.
    let leave = Entry::new(EntryId::default(), EntryKind::ConfChangeV2, bytes::Bytes::new());
    let _ = replication::propose(shared, leader, [leave]);
}
