//! What happened in a run: a simulation that never gets to the hard cases proves nothing.

use std::ops::AddAssign;

use super::situations::{Situation, Situations};
use super::workload::Outcomes;

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries that were committed.
    pub committed: u64,
    /// Terms that had a leader.
    pub elections: u64,
    /// Times that the membership was another after an entry than before it.
    pub membership_changes: u64,
    /// Of these, times that it was joint.
    pub joint_memberships: u64,
    /// Snapshots that a node installed.
    pub snapshots: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Nodes that crashed.
    pub crashes: u64,
    /// Stored entries that other ones replaced.
    pub overwritten: u64,
    /// What became of clients' operations.
    pub operations: Outcomes,
    /// Rare situations.
    pub situations: Situations,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.committed += other.committed;
        self.elections += other.elections;
        self.membership_changes += other.membership_changes;
        self.joint_memberships += other.joint_memberships;
        self.snapshots += other.snapshots;
        self.reads += other.reads;
        self.crashes += other.crashes;
        self.overwritten += other.overwritten;
        self.operations += other.operations;
        self.situations += other.situations;
    }
}

impl Tally {
    /// Everything that is counted, by name.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let Outcomes { answered, failed, unknown, histories, .. } = self.operations;
        let mut counts = vec![
            ("committed", self.committed),
            ("overwritten", self.overwritten),
            ("elections", self.elections),
            ("membership changes", self.membership_changes),
            ("joint memberships", self.joint_memberships),
            ("snapshots", self.snapshots),
            ("reads", self.reads),
            ("crashes", self.crashes),
            ("operations answered", answered),
            ("operations failed", failed),
            ("operations unknown", unknown),
            ("histories checked", histories),
        ];
        let situation = |situation: &Situation| (situation.name(), self.situations.count(*situation));
        counts.extend(Situation::ALL.iter().map(situation));
        counts
    }
}
