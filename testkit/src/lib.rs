//! How we know that raftcore works.
//!
//! - [`interaction`] runs scripts in the format of etcd/raft's data-driven tests: what a small
//!   cluster does, message by message, as text that a reviewer can read.
//! - [`etcd_trace`] writes traces that etcd/raft's TLA+ specification can check.
//! - [`exhaustive`] looks at every state that a group of three can be in, within bounds.
//! - [`linearizability`] checks histories of what clients saw.
//! - [`output`] is how the programs print.
//! - [`sim`] runs groups of nodes under faults and checks what must hold, all from one seed.
//! - [`view`] makes a page of what happened in such a run.

pub mod etcd_trace;
pub mod exhaustive;
pub mod interaction;
pub mod linearizability;
pub mod output;
mod rng;
pub mod sim;
pub mod view;
