//! The wire format as prost reads it: what the library's own decoder is compared with.

/// raftpb `Message`. Numbers are plain, and the snapshot stays encoded: the library takes the last
/// of several, where protobuf would merge them; no encoder writes more than one.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Message {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) kind: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) to: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) from: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) term: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) log_term: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) index: Option<u64>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) entries: Vec<Entry>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) commit: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(crate) snapshot: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "10")]
    pub(crate) reject: Option<bool>,
    #[prost(uint64, optional, tag = "11")]
    pub(crate) reject_hint: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "12")]
    pub(crate) context: Option<Vec<u8>>,
}

/// The field of raftpb `Message` that only the TiKV dialect has. To others it is an unknown field,
/// of whatever type.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Priority {
    #[prost(int64, optional, tag = "16")]
    pub(crate) priority: Option<i64>,
}

/// raftpb `Entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) kind: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) term: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) index: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) data: Option<Vec<u8>>,
}

impl Entry {
    /// Whether `entry` says the same.
    pub(crate) fn is(&self, entry: &raftcore::Entry) -> bool {
        self.kind.unwrap_or(0) == entry.kind as u64
            && self.term.unwrap_or(0) == entry.id.term
            && self.index.unwrap_or(0) == entry.id.index
            && self.data.as_deref().unwrap_or_default() == entry.data
    }
}
