//! raftcore and raft-rs: the same types, the same bytes, one group.
//!
//! [`convert`] is between the types of the two libraries; [`peer`] puts a node of either behind one
//! trait; [`cluster`] runs groups of both under faults that are drawn from a seed.

pub mod cluster;
pub mod convert;
pub mod peer;
