//! What must always hold within one node. Checked after every step in debug builds, tests and
//! fuzzing; the conditions have names, one each.

use crate::progress::ProgressState;
use crate::raft::Raft;
use crate::raft::role::Role;
use crate::storage::Storage;
use crate::types::NO_NODE;

pub(crate) fn check<S: Storage>(raft: &Raft<S>) {
    if cfg!(debug_assertions) {
        check_all(raft);
    }
}

fn check_all<S: Storage>(raft: &Raft<S>) {
    log_pointers_are_in_order(raft);
    only_members_lead(raft);
    progress_is_in_order(raft);
    committed_entries_are_not_beyond_the_term(raft);
}

fn log_pointers_are_in_order<S: Storage>(raft: &Raft<S>) {
    let log = &raft.shared.log;
    assert!(log.applied() <= log.applying(), "applied <= applying");
    assert!(log.applying() <= log.committed(), "applying <= committed");
    assert!(log.committed() <= log.last().index, "committed <= last");
    assert!(log.stabled() <= log.handed(), "stabled <= handed");
    assert!(log.handed() <= log.last().index, "handed <= last");
}

fn only_members_lead<S: Storage>(raft: &Raft<S>) {
    if matches!(raft.role, Role::Leader(_) | Role::Candidate(_)) {
        assert_eq!(raft.shared.vote, raft.shared.id(), "leaders and candidates voted for themselves");
        assert!(raft.shared.term > 0, "leaders and candidates have a term");
    }
    if raft.shared.vote != NO_NODE {
        assert!(raft.shared.term > 0, "a vote is given in a term");
    }
}

fn progress_is_in_order<S: Storage>(raft: &Raft<S>) {
    let Role::Leader(leader) = &raft.role else { return };
    for (id, progress) in leader.progress.iter() {
        assert!(progress.matched < progress.next, "matched < next of {id}");
        assert!(progress.matched <= raft.shared.log.last().index, "matched <= last of {id}");
        assert!(raft.shared.configuration.contains(*id), "{id} is a member");
        if progress.state() != ProgressState::Replicate {
            assert_eq!(progress.inflights().len(), 0, "nothing in flight to {id}");
        }
    }
}

fn committed_entries_are_not_beyond_the_term<S: Storage>(raft: &Raft<S>) {
    let last = raft.shared.log.last().term;
    assert!(last <= raft.shared.term || raft.shared.term == 0, "the log is not newer than the term");
}
