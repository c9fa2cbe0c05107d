//! The messages of etcd/raft v3.7's `raft.proto` (proto2) that are encoded by prost, as prost
//! generates them. Committed so that building needs no protoc.
#![allow(missing_docs)]

use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfState {
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    pub(super) voters: Vec<u64>,
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    pub(super) learners: Vec<u64>,
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub(super) voters_outgoing: Vec<u64>,
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub(super) learners_next: Vec<u64>,
    #[prost(bool, optional, tag = "5")]
    pub(super) auto_leave: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SnapshotMetadata {
    #[prost(message, optional, tag = "1")]
    pub(super) conf_state: Option<ConfState>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) index: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) term: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Snapshot {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(super) data: Option<Bytes>,
    #[prost(message, optional, tag = "2")]
    pub(super) metadata: Option<SnapshotMetadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfChange {
    #[prost(uint64, optional, tag = "1")]
    pub(super) id: Option<u64>,
    #[prost(int32, optional, tag = "2")]
    pub(super) kind: Option<i32>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) node_id: Option<u64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) context: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct ConfChangeSingle {
    #[prost(int32, optional, tag = "1")]
    pub(super) kind: Option<i32>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) node_id: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConfChangeV2 {
    #[prost(int32, optional, tag = "1")]
    pub(super) transition: Option<i32>,
    #[prost(message, repeated, tag = "2")]
    pub(super) changes: Vec<ConfChangeSingle>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(super) context: Option<Bytes>,
}
