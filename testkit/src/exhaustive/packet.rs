//! Messages in the network, as bytes: they can be compared and hashed.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use raftcore::{Bytes, Message, NodeId, wire};

use crate::sim::describe;

/// A message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packet {
    hash: u64,
    pub(super) to: NodeId,
    bytes: Bytes,
}

impl Packet {
    pub(super) fn new(message: &Message) -> Self {
        let mut bytes = Vec::new();
        wire::encode(message, &mut bytes);
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { hash: hasher.finish(), to: message.to, bytes: bytes.into() }
    }

    pub(super) fn message(&self) -> Message {
        wire::decode(&self.bytes).expect("it was encoded here")
    }
}

impl Hash for Packet {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.message()))
    }
}
