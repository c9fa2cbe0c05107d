//! What a node reads from its host's storage.

pub mod check;
pub(crate) mod memory;

pub use memory::MemoryStorage;

use crate::entry::Entries;
use crate::error::StorageError;
use crate::membership::ConfState;
use crate::message::Snapshot;
use crate::types::{HardState, Index, NodeId, Term};

/// The host's durable log, as the node reads it. The node never writes: all that must be stored is
/// in a `Ready`, and the host stores it.
///
/// The log holds consecutive entries `first_index()..=last_index()`, preceded by a compacted prefix
/// that a snapshot covers. A log that holds nothing has `last_index() == first_index() - 1`.
///
/// A group starts from a snapshot: the first members' storages hold the membership, and a log that is
/// compacted up to index 1 of term 1 ([`MemoryStorage::with_conf_state`] is such a storage). A node
/// that joins later starts with an empty storage and is sent that snapshot, or a later one. If it
/// could replay the log from its first entry instead, it would never learn who the members were.
///
/// The snapshot may have any index and any term; the hard state says so: its term is at least the
/// snapshot's ([`MemoryStorage::with_snapshot`]). A log and no hard state, or one of an earlier term, is a
/// storage that lost what the node promised: [`crate::RawNode::new`] refuses it with
/// [`crate::Error::InconsistentStorage`]. Only a snapshot of term 1, with nothing behind it, needs none.
/// What else a group may start from, as etcd does it or from a backup, is in `docs/operations.md`.
///
/// Contract:
/// - What a `Ready` handed out for storing is visible here from the moment the host advances
///   (or acknowledges) it, and not lost by a restart.
/// - Entries stored at an index replace what was stored there and everything after it.
/// - The answers change only by what the host stores, by compaction, and by installing a snapshot.
/// - A snapshot that is older than the one that is there is refused: installing it would take back what
///   this node has acknowledged. The same one once more changes nothing.
/// - Compaction forgets only entries that a snapshot of this storage covers and that are applied, by a
///   `Ready` that was advanced (or acknowledged). Until then the node may read them.
/// - An error is handed to whoever called the node; the node stays usable and asks again later.
pub trait Storage {
    /// What was saved: the hard state, and the membership as it was after entry `Config::applied`
    /// (after `first_index() - 1` if that is 0). Both empty for a node that has yet to join a group.
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError>;

    /// Entries `low..high` (`low < high`): a prefix of them with an encoded size of at most
    /// `max_bytes`, and at least one. [`StorageError::Compacted`] if `low` is below the first index,
    /// [`StorageError::Unavailable`] if `high - 1` is beyond the last.
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError>;

    /// Term of the entry at `index`. Known for `first_index() - 1` too, the last compacted one.
    fn term(&self, index: Index) -> Result<Term, StorageError>;

    /// Index of the first entry that is there; 1 for an empty storage.
    fn first_index(&self) -> Result<Index, StorageError>;

    /// Index of the last entry; 0 for an empty storage.
    fn last_index(&self) -> Result<Index, StorageError>;

    /// A snapshot to be sent to a peer that needs compacted entries. Its index is at least
    /// `first_index() - 1`, and its membership lists the peer: one that is older than the change that
    /// added the peer is of no use to it. Best made when asked, of what is applied. [`StorageError::SnapshotUnavailable`] to be asked again later.
    fn snapshot(&self) -> Result<Snapshot, StorageError>;

    /// The same for this peer: for hosts that make snapshots on demand. The answer's membership lists the
    /// peer, as the host's own does by then. Its data may be made when it is sent, together with an index
    /// and a membership that are newer: the leader goes on from the index that the peer reports.
    fn snapshot_for(&self, peer: NodeId) -> Result<Snapshot, StorageError> {
        let _ = peer;
        self.snapshot()
    }
}

impl<S: Storage + ?Sized> Storage for Box<S> {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        (**self).initial_state()
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        (**self).entries(low, high, max_bytes)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        (**self).term(index)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        (**self).first_index()
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        (**self).last_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        (**self).snapshot()
    }

    fn snapshot_for(&self, peer: NodeId) -> Result<Snapshot, StorageError> {
        (**self).snapshot_for(peer)
    }
}
