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

pub use decode::{decode, decode_entry, decode_with};
pub use encode::{encode, encode_entry, encode_snapshot, encoded_len};
pub use rare::{
    decode_conf_change, decode_conf_state, decode_snapshot, encode_conf_change, encode_conf_change_v1,
    encode_conf_state,
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

/// How a field's value is written.
mod wire_type {
    pub(super) const VARINT: u64 = 0;
    pub(super) const FIXED64: u64 = 1;
    pub(super) const BYTES: u64 = 2;
    pub(super) const FIXED32: u64 = 5;
}

/// What stands before the value of a number field.
const fn number(field: u64) -> u64 {
    field << 3 | wire_type::VARINT
}

/// What stands before the value of a field that has a length.
const fn bytes(field: u64) -> u64 {
    field << 3 | wire_type::BYTES
}

/// Tags of the fields of raftpb `Message`.
mod field {
    use super::{bytes, number};

    pub(super) const KIND: u64 = number(1);
    pub(super) const TO: u64 = number(2);
    pub(super) const FROM: u64 = number(3);
    pub(super) const TERM: u64 = number(4);
    pub(super) const LOG_TERM: u64 = number(5);
    pub(super) const INDEX: u64 = number(6);
    pub(super) const ENTRIES: u64 = bytes(7);
    pub(super) const COMMIT: u64 = number(8);
    pub(super) const SNAPSHOT: u64 = bytes(9);
    pub(super) const REJECT: u64 = number(10);
    pub(super) const REJECT_HINT: u64 = number(11);
    pub(super) const CONTEXT: u64 = bytes(12);
    /// Of the TiKV dialect, as is the next; etcd/raft passes both over.
    pub(super) const COMMIT_TERM: u64 = number(15);
    pub(super) const PRIORITY: u64 = number(16);

    /// Whether one of them has this number.
    pub(super) const fn is_known(number: u64) -> bool {
        matches!(number, 1..=12 | 15 | 16)
    }
}

/// Tags of the fields of raftpb `Entry`.
mod entry_field {
    use super::{bytes, number};

    pub(super) const KIND: u64 = number(1);
    pub(super) const TERM: u64 = number(2);
    pub(super) const INDEX: u64 = number(3);
    pub(super) const DATA: u64 = bytes(4);

    /// Whether one of them has this number.
    pub(super) const fn is_known(number: u64) -> bool {
        matches!(number, 1..=4)
    }
}

/// Tags of the fields of raftpb `Snapshot`.
mod snapshot_field {
    use super::bytes;

    pub(super) const DATA: u64 = bytes(1);
    pub(super) const METADATA: u64 = bytes(2);
}

/// The context that marks a vote request as part of a leadership transfer.
const TRANSFER_CONTEXT: &[u8] = b"CampaignTransfer";

#[cfg(test)]
mod tests;
