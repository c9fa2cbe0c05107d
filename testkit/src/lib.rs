//! How we know that raftcore works.
//!
//! - [`interaction`] runs scripts in the format of etcd/raft's data-driven tests: what a small
//!   cluster does, message by message, as text that a reviewer can read.

pub mod interaction;
