//! The C ABI of raftcore. `include/raftcore.h` is generated from this crate: the `mod` lines below
//! are its table of contents, and the doc comments are written for its readers.
//!
//! Every function checks its arguments, calls the core, converts the result, and does nothing else.
//! What the header demands of its callers is what the `SAFETY` comments here rely on: a pointer is
//! NULL or points to a live object of its type (of as many as the length says), and nothing else
//! writes to it during the call.
#![allow(non_camel_case_types, reason = "the types have their names in C")]
#![allow(clippy::missing_safety_doc, reason = "the comments are those of the C header")]

mod args;
mod busy;
mod copies;
mod cycle;
mod door;
mod fork;
mod handle;
mod json;
mod lazy;
mod lend;
mod object;
mod sized;
mod work;

// The chapters of the header, in its order (blank lines keep the formatter from sorting them).
mod status;

mod types;

mod config;

mod storage;

mod sink;

mod node;

mod propose;

mod step;

mod snapshot;

mod ready;

mod ack;

mod drive;

mod memory;

mod memory_storage;

mod memory_storage_use;

mod message;

mod codec;

mod entry;

mod membership;

mod conf_change;

mod introspect;

mod observe;

mod storage_check;

mod recovery;

mod transfer;

pub use ack::*;
pub use codec::*;
pub use conf_change::*;
pub use config::*;
pub use drive::*;
pub use entry::*;
pub use handle::raft_node;
pub use introspect::*;
pub use membership::*;
pub use memory::*;
pub use memory_storage::*;
pub use memory_storage_use::*;
pub use message::*;
pub use node::*;
pub use observe::*;
pub use propose::*;
pub use ready::*;
pub use recovery::*;
pub use sink::*;
pub use snapshot::*;
pub use status::*;
pub use step::*;
pub use storage::*;
pub use storage_check::*;
pub use transfer::*;
pub use types::*;
