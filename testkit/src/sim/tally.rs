//! What happened in a run: a simulation that never gets to the hard cases proves nothing.

use std::fmt;
use std::ops::AddAssign;

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
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { committed, elections, membership_changes, joint_memberships, .. } = self;
        let Self { snapshots, reads, crashes, overwritten, .. } = self;
        write!(f, "committed: {committed}, overwritten: {overwritten}, elections: {elections}, ")?;
        write!(f, "membership changes: {membership_changes} ({joint_memberships} joint), ")?;
        write!(f, "snapshots: {snapshots}, reads: {reads}, crashes: {crashes}")
    }
}
