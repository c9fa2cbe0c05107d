//! The encoding of messages and of what storages keep: `raftpb` of etcd/raft v3.7 (protobuf).
//!
//! [`encode`] and [`decode`] are a small codec of their own, because they are the hot path; what is
//! rare (membership, snapshot metadata) is left to prost. Unknown fields are skipped; anything else
//! that is not as it should be is an error, and no input makes the decoder allocate more than a
//! small multiple of its own size.

mod decode;
mod encode;
mod raftpb;
mod rare;

pub use decode::{decode, decode_entry};
pub use encode::{encode, encode_entry, encoded_len};
pub use rare::{
    decode_conf_change, decode_conf_state, decode_snapshot, encode_conf_change, encode_conf_change_v1,
    encode_conf_state, encode_snapshot,
};

/// Which family of peers is spoken to. Both number the fields that peers exchange alike; they
/// differ in the number of the operation that adds a learner, which only travels inside entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// etcd/raft v3.
    #[default]
    Etcd,
    /// raft-rs, TiKV.
    Tikv,
}

/// Numbers of the message types (raftpb `MessageType`).
mod kind {
    pub(super) const PROPOSE: u64 = 2;
    pub(super) const APPEND: u64 = 3;
    pub(super) const APPEND_REPLY: u64 = 4;
    pub(super) const VOTE: u64 = 5;
    pub(super) const VOTE_REPLY: u64 = 6;
    pub(super) const SNAPSHOT: u64 = 7;
    pub(super) const HEARTBEAT: u64 = 8;
    pub(super) const HEARTBEAT_REPLY: u64 = 9;
    pub(super) const TRANSFER_LEADER: u64 = 13;
    pub(super) const TIMEOUT_NOW: u64 = 14;
    pub(super) const READ_INDEX: u64 = 15;
    pub(super) const READ_INDEX_REPLY: u64 = 16;
    pub(super) const PRE_VOTE: u64 = 17;
    pub(super) const PRE_VOTE_REPLY: u64 = 18;
}

/// Numbers of the fields of raftpb `Message`.
mod field {
    pub(super) const KIND: u32 = 1;
    pub(super) const TO: u32 = 2;
    pub(super) const FROM: u32 = 3;
    pub(super) const TERM: u32 = 4;
    pub(super) const LOG_TERM: u32 = 5;
    pub(super) const INDEX: u32 = 6;
    pub(super) const ENTRIES: u32 = 7;
    pub(super) const COMMIT: u32 = 8;
    pub(super) const SNAPSHOT: u32 = 9;
    pub(super) const REJECT: u32 = 10;
    pub(super) const REJECT_HINT: u32 = 11;
    pub(super) const CONTEXT: u32 = 12;
    /// Of the TiKV dialect, as is the next; etcd/raft passes both over.
    pub(super) const COMMIT_TERM: u32 = 15;
    pub(super) const PRIORITY: u32 = 16;
}

/// Numbers of the fields of raftpb `Entry`.
mod entry_field {
    pub(super) const KIND: u32 = 1;
    pub(super) const TERM: u32 = 2;
    pub(super) const INDEX: u32 = 3;
    pub(super) const DATA: u32 = 4;
}

/// The context that marks a vote request as part of a leadership transfer.
const TRANSFER_CONTEXT: &[u8] = b"CampaignTransfer";

#[cfg(test)]
mod tests;
