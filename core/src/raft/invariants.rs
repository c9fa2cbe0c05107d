//! What must always hold within one node, each condition by its name. Checked after every step in debug
//! builds, tests and fuzzing, and by hosts that want to: [`crate::RawNode::check_invariants`].

use crate::progress::{Progress, ProgressState};
use crate::raft::Raft;
use crate::raft::role::{Leader, Role};
use crate::storage::Storage;
use crate::types::{Index, NO_NODE, NodeId};

/// The name of a condition that does not hold, or nothing.
type Checked = Result<(), &'static str>;

pub(crate) fn check<S: Storage>(raft: &Raft<S>) {
    if cfg!(debug_assertions) {
        if let Err(broken) = verify(raft) {
            panic!("{broken}");
        }
    }
}

/// All conditions; takes time in proportion to the number of members and of pending reads.
pub(crate) fn verify<S: Storage>(raft: &Raft<S>) -> Checked {
    log_pointers_are_in_order(raft)?;
    terms_and_votes_fit_the_role(raft)?;
    raft.shared.configuration.check().map_err(|_| "the configuration is valid")?;
    match &raft.role {
        Role::Leader(leader) => {
            leader_is_in_order(raft, leader)?;
            leader.progress.iter().try_for_each(|(id, progress)| progress_is_in_order(raft, *id, progress))
        }
        _ => Ok(()),
    }
}

fn require(holds: bool, name: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(name) }
}

fn log_pointers_are_in_order<S: Storage>(raft: &Raft<S>) -> Checked {
    let log = &raft.shared.log;
    require(log.applied() <= log.applying(), "applied <= applying")?;
    require(log.applying() <= log.committed(), "applying <= committed")?;
    require(log.committed() <= log.last().index, "committed <= last")?;
    require(log.stabled() <= log.handed(), "stabled <= handed")?;
    require(log.handed() <= log.last().index, "handed <= last")?;
    require(
        log.cache_is_within(raft.shared.config.log_cache_bytes),
        "stored entries in memory <= log_cache_bytes",
    )
}

fn terms_and_votes_fit_the_role<S: Storage>(raft: &Raft<S>) -> Checked {
    let (shared, own) = (&raft.shared, raft.shared.id());
    let (term, last) = (shared.term, shared.log.last().term);
    require(last <= term || term == 0, "the log is not newer than the term")?;
    require(shared.vote == NO_NODE || term > 0, "a vote is given in a term")?;
    match &raft.role {
        Role::Leader(_) | Role::Candidate(_) => {
            require(shared.vote == own, "leaders and candidates voted for themselves")?;
            require(term > 0, "leaders and candidates have a term")
        }
        Role::Follower(follower) => require(follower.leader != own, "a follower follows another"),
        Role::PreCandidate(_) => Ok(()),
    }
}

fn leader_is_in_order<S: Storage>(raft: &Raft<S>, leader: &Leader) -> Checked {
    let shared = &raft.shared;
    let log = &shared.log;
    require(log.last().term == shared.term, "a leader's log ends in its own term")?;
    // Where the reference does otherwise, so does `eager_append`.
    let eager = shared.config.eager_append;
    let is_pending = leader.pending_conf_index <= log.last().index;
    require(is_pending || eager, "pending membership change <= last")?;
    let transferee =
        leader.transferee.is_none_or(|id| id != shared.id() && (shared.configuration.is_voter(id) || eager));
    require(transferee, "a transfer goes to another voter")?;
    let max_reads = u64::from(shared.config.max_pending_reads);
    require(leader.reads.are_within(max_reads), "pending reads are counted, and within their limit")?;
    let is_known = |id| id == shared.id() || shared.configuration.contains(id);
    require(leader.reads.acknowledgers().all(is_known), "only members acknowledge reads")?;
    let members = leader.progress.iter().map(|(id, _)| *id);
    require(members.eq(shared.configuration.members()), "a leader knows the progress of all members")
}

fn progress_is_in_order<S: Storage>(raft: &Raft<S>, id: NodeId, progress: &Progress) -> Checked {
    let last = raft.shared.log.last().index;
    require(progress.matched < progress.next, "matched < next")?;
    require(progress.matched <= last, "matched <= last")?;
    let is_learner = raft.shared.configuration.is_learner(id);
    require(progress.is_learner == is_learner, "a learner is known as one")?;
    let (state, window) = (progress.state(), progress.inflights());
    let is_probing = state == ProgressState::Snapshot || progress.pending_snapshot() == 0;
    require(is_probing, "a snapshot is on its way only in state Snapshot")?;
    if state != ProgressState::Replicate {
        return require(window.len() == 0 && window.bytes() == 0, "nothing in flight unless replicating");
    }
    require(progress.next <= last + 1, "next <= last + 1")?;
    window_is_in_order(window.ends(), progress)?;
    require(window.is_bounded(), "in flight <= the limits")
}

/// What is on its way is in order, and was neither acknowledged nor is it still to be sent.
fn window_is_in_order(ends: impl Iterator<Item = Index>, progress: &Progress) -> Checked {
    let mut before = progress.matched;
    for end in ends {
        require(before < end && end < progress.next, "matched < in flight < next, ascending")?;
        before = end;
    }
    Ok(())
}
