//! Applying a membership change: a pure function from one configuration to the next.

use crate::error::ConfChangeError;
use crate::membership::{ConfChangeKind, ConfChangeOp, ConfChangeV2, Configuration, MAX_MEMBERS};
use crate::node_set::NodeSet;
use crate::quorum::Majority;
use crate::types::{NO_NODE, NodeId};

/// The outcome of a change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) configuration: Configuration,
    /// Members of which nothing known before may be believed: new ones, and those that were removed
    /// and added again in one change.
    pub(crate) fresh: NodeSet,
}

/// The configuration that `change` leads to from `current`.
pub(crate) fn apply(current: &Configuration, change: &ConfChangeV2) -> Result<Changed, ConfChangeError> {
    // Each member goes, and another one comes: there is no reason for more.
    if change.ops.len() > 2 * MAX_MEMBERS {
        return Err(ConfChangeError::TooManyMembers);
    }
    if change.leaves_joint() {
        return leave_joint(current);
    }
    match change.enters_joint() {
        Some(auto_leave) => enter_joint(current, &change.ops, auto_leave),
        None => simple(current, &change.ops),
    }
}

/// Whether a host may propose `change` while `current` is in force: it can be applied, and does something.
/// A voter or learner to be what it is already, or the removal of a stranger, would be reported to the host
/// as done. An update does what the host means by it, to a member.
pub(crate) fn check(current: &Configuration, change: &ConfChangeV2) -> Result<(), ConfChangeError> {
    if change.ops.iter().any(|op| op.node == NO_NODE) {
        return Err(ConfChangeError::NoNode);
    }
    let next = apply(current, change)?.configuration;
    let updates = |op: &ConfChangeOp| op.kind == ConfChangeKind::Update && next.contains(op.node);
    // Entering a joint configuration alone is no effect.
    let is_same = next.voters.incoming == current.voters.incoming
        && next.learners == current.learners
        && next.learners_next == current.learners_next;
    if change.leaves_joint() || !is_same || change.ops.iter().any(updates) {
        return Ok(());
    }
    Err(ConfChangeError::NoEffect)
}

fn enter_joint(
    current: &Configuration,
    ops: &[ConfChangeOp],
    auto_leave: bool,
) -> Result<Changed, ConfChangeError> {
    if current.is_joint() {
        return Err(ConfChangeError::AlreadyJoint);
    }
    if current.voters.incoming.is_empty() {
        return Err(ConfChangeError::NoVoters);
    }
    let mut draft = Draft::new(current);
    draft.next.voters.outgoing = current.voters.incoming.clone();
    draft.run(ops)?;
    draft.next.auto_leave = auto_leave;
    draft.finish()
}

fn leave_joint(current: &Configuration) -> Result<Changed, ConfChangeError> {
    if !current.is_joint() {
        return Err(ConfChangeError::NotJoint);
    }
    let mut draft = Draft::new(current);
    for id in std::mem::take(&mut draft.next.learners_next).iter() {
        draft.next.learners.insert(*id);
    }
    draft.next.voters.outgoing = Majority::default();
    draft.next.auto_leave = false;
    draft.finish()
}

/// A change of at most one voter (thesis section 4.1): any two quorums before and after it overlap.
fn simple(current: &Configuration, ops: &[ConfChangeOp]) -> Result<Changed, ConfChangeError> {
    if current.is_joint() {
        return Err(ConfChangeError::AlreadyJoint);
    }
    let mut draft = Draft::new(current);
    draft.run(ops)?;
    let (old, new) = (&current.voters.incoming, &draft.next.voters.incoming);
    let removed = old.ids().iter().filter(|id| !new.contains(**id)).count();
    let added = new.ids().iter().filter(|id| !old.contains(**id)).count();
    if removed + added > 1 {
        return Err(ConfChangeError::TooManyVotersChanged);
    }
    draft.finish()
}

struct Draft {
    next: Configuration,
    fresh: NodeSet,
}

impl Draft {
    fn new(current: &Configuration) -> Self {
        Self { next: current.clone(), fresh: NodeSet::default() }
    }

    fn run(&mut self, ops: &[ConfChangeOp]) -> Result<(), ConfChangeError> {
        for op in ops.iter().filter(|op| op.node != NO_NODE) {
            match op.kind {
                ConfChangeKind::AddVoter => self.make_voter(op.node),
                ConfChangeKind::AddLearner => self.make_learner(op.node),
                ConfChangeKind::Remove => self.remove(op.node),
                ConfChangeKind::Update => {}
            }
        }
        if self.next.voters.incoming.is_empty() {
            return Err(ConfChangeError::NoVoters);
        }
        Ok(())
    }

    fn make_voter(&mut self, id: NodeId) {
        self.note_if_new(id);
        self.next.learners.remove(id);
        self.next.learners_next.remove(id);
        self.next.voters.incoming.insert(id);
    }

    /// A voter of the outgoing half cannot be a learner yet: it is staged until that half is left.
    fn make_learner(&mut self, id: NodeId) {
        if self.next.is_learner(id) {
            return;
        }
        self.note_if_new(id);
        self.next.voters.incoming.remove(id);
        if self.next.voters.outgoing.contains(id) {
            self.next.learners_next.insert(id);
        } else {
            self.next.learners.insert(id);
        }
    }

    fn remove(&mut self, id: NodeId) {
        self.next.voters.incoming.remove(id);
        self.next.learners.remove(id);
        self.next.learners_next.remove(id);
        self.fresh.remove(id);
    }

    fn note_if_new(&mut self, id: NodeId) {
        if !self.next.contains(id) {
            self.fresh.insert(id);
        }
    }

    fn finish(self) -> Result<Changed, ConfChangeError> {
        self.next.check()?;
        Ok(Changed { configuration: self.next, fresh: self.fresh })
    }
}

#[cfg(test)]
mod tests;
