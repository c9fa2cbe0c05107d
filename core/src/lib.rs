//! The Raft consensus protocol as a deterministic state machine.
//!
//! No I/O, no clock, no threads, no global state: a host feeds ticks, messages and proposals in,
//! and takes work out. The loop that drives a [`RawNode`]:
//!
//! ```
//! use raftcore::{Config, ConfState, MemoryStorage, RawNode};
//!
//! let storage = MemoryStorage::with_conf_state(ConfState::new([1], []));
//! let mut node = RawNode::new(Config::new(1), storage)?;
//! let mut applied = Vec::new();
//! node.campaign()?;
//! while node.has_ready() {
//!     let ready = node.ready()?;
//!     // 1. Messages that promise nothing may leave at once, the others after step 2.
//!     // 2. Store. A real host writes one batch to disk here and syncs it if `ready.must_sync`.
//!     if let Some(snapshot) = ready.snapshot.as_deref() {
//!         node.storage_mut().apply_snapshot(snapshot.clone())?;
//!     }
//!     node.storage_mut().append(&ready.entries)?;
//!     if let Some(hard_state) = ready.hard_state {
//!         node.storage_mut().set_hard_state(hard_state);
//!     }
//!     // 3. Apply.
//!     applied.extend(ready.committed_entries.iter().map(|entry| entry.data.clone()));
//!     // 4. Done.
//!     let became_leader = ready.soft_state.is_some_and(|state| state.leader == 1);
//!     node.advance(ready)?;
//!     if became_leader {
//!         node.propose("hello")?;
//!     }
//! }
//! assert_eq!(applied, ["", "hello"]); // a term starts with an empty entry
//! # Ok::<(), raftcore::Error>(())
//! ```
//!
//! # Map
//!
//! - [`RawNode`], [`Ready`], [`Status`]: the API. [`Config`], [`Error`].
//! - [`Message`] and what is in it: the wire. [`wire`] encodes it.
//! - [`Storage`], [`MemoryStorage`]: what the node reads from its host. [`storage::check`] tries a
//!   host's own.
//! - [`ConfState`], [`ConfChangeV2`]: membership.
//! - [`recovery`], [`backup`]: what an operator does when a quorum is lost.
//! - [`trace`]: what a node does, for etcd/raft's TLA+ specification.
#![forbid(unsafe_code)]

pub mod backup;
mod config;
mod entry;
mod error;
mod input;
mod log;
mod membership;
mod message;
mod node_set;
mod progress;
mod quorum;
mod raft;
mod raw_node;
mod ready;
pub mod recovery;
mod status;
pub mod storage;
pub mod trace;
mod types;
pub mod wire;

pub use bytes::Bytes;

pub use config::{Config, HANDSHAKE_BYTES, NO_LIMIT, ReadMode};
pub use entry::{Entries, Entry, EntryKind, EntryRuns, EntryRunsIter, encoded_len, fitting, payload_len};
pub use error::{
    ConfChangeError, ConfigError, DecodeError, DropReason, Error, Limit, RecoveryError, StorageError,
};
pub use input::{Ack, Proposed, SnapshotStatus};
pub use membership::{
    ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Configuration, MAX_MEMBERS, Transition,
};
pub use message::{
    Append, AppendReject, AppendReply, Body, Heartbeat, HeartbeatReply, Message, Propose, ReadIndex,
    ReadIndexReply, Snapshot, TransferLeader, Vote, VoteReply,
};
pub use progress::ProgressState;
pub use raw_node::RawNode;
pub use ready::{ReadState, Ready, Response, StorageAppend, StorageApply};
pub use status::{BasicStatus, ProgressStatus, Status, TransferOutcome, TransferResult, Unserved};
pub use storage::{MemoryStorage, Storage};
pub use types::{
    EntryId, HardState, Index, MAX_INDEX, MAX_TERM, MAX_TERM_LEAD, NO_NODE, NodeId, RoleKind, SoftState, Term,
};
