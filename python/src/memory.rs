//! The storage in memory.

use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raftcore as core;
use raftcore::Storage;

use crate::entry::{from_iterable, to_tuple};
use crate::error::{raise, storage_error};
use crate::fork::Origin;
use crate::membership::ConfState;
use crate::payload::Payload;
use crate::ready::Ready;
use crate::snapshot::Snapshot;
use crate::state::HardState;

/// A storage in memory: for tests, and for groups that need not survive their process.
///
/// An empty one is for a node that has yet to join a group. With `conf_state`, it is that of a
/// member of a group that starts: an empty state, snapshotted at index 1 of term 1. With `snapshot`,
/// it starts from that.
///
/// Threads: every method may be called from any thread. A storage that a process has inherited by
/// `fork` raises InheritedByFork.
#[pyclass(frozen, subclass, module = "raftcore")]
pub(crate) struct MemoryStorage {
    inner: Mutex<core::MemoryStorage>,
    origin: Origin,
}

impl MemoryStorage {
    /// The node's own way in, without Python between.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&core::MemoryStorage) -> R) -> R {
        f(&self.inner.lock())
    }

    fn ask<R>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut core::MemoryStorage) -> Result<R, core::StorageError>,
    ) -> PyResult<R> {
        self.origin.check(py)?;
        f(&mut self.inner.lock()).map_err(|error| storage_error(py, &error))
    }
}

#[pymethods]
impl MemoryStorage {
    #[new]
    #[pyo3(signature = (conf_state=None, *, snapshot=None))]
    fn new(conf_state: Option<ConfState>, snapshot: Option<Snapshot>) -> PyResult<Self> {
        let storage = match (conf_state, snapshot) {
            (None, None) => core::MemoryStorage::new(),
            (Some(state), None) => core::MemoryStorage::with_conf_state(state.0),
            (None, Some(snapshot)) => core::MemoryStorage::with_snapshot(snapshot.0),
            (Some(_), Some(_)) => {
                return Err(PyValueError::new_err("a snapshot brings its own conf_state"));
            }
        };
        Ok(Self { inner: Mutex::new(storage), origin: Origin::here() })
    }

    /// Stores what a Ready (or a StorageWrite) asks to store: its snapshot, its entries and its hard
    /// state. Raises SnapshotOutOfDate and Unavailable as `apply_snapshot` and `append` do; but the
    /// snapshot that is there already, of a Ready that was given back, changes nothing.
    fn persist(&self, py: Python<'_>, ready: &Bound<'_, PyAny>) -> PyResult<()> {
        let (snapshot, entries, hard_state) = match ready.cast::<Ready>() {
            Ok(ready) => {
                let ready = ready.get();
                (ready.core_snapshot().cloned(), ready.core_entries().clone(), ready.core_hard_state())
            }
            Err(_) => {
                let snapshot = ready.getattr("snapshot")?.extract::<Option<Snapshot>>()?;
                let entries = from_iterable(&ready.getattr("entries")?)?;
                let hard_state = ready.getattr("hard_state")?.extract::<Option<HardState>>()?;
                (snapshot.map(|snapshot| snapshot.0), entries.into(), hard_state.map(|state| state.0))
            }
        };
        self.ask(py, |storage| {
            if let Some(snapshot) = snapshot {
                if storage.snapshot()?.id != snapshot.id {
                    storage.apply_snapshot(snapshot)?;
                }
            }
            storage.append(&entries)?;
            if let Some(hard_state) = hard_state {
                storage.set_hard_state(hard_state);
            }
            Ok(())
        })
    }

    /// Stores entries: they replace what is stored at their indexes and after. Those already
    /// compacted are passed over. Raises Unavailable if they leave a gap.
    fn append(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        let entries = from_iterable(entries)?;
        self.ask(py, |storage| storage.append(&entries))
    }

    /// Saves the hard state.
    fn set_hard_state(&self, py: Python<'_>, hard_state: HardState) -> PyResult<()> {
        self.ask(py, |storage| {
            storage.set_hard_state(hard_state.0);
            Ok(())
        })
    }

    /// Saves the membership that applying a change led to.
    fn set_conf_state(&self, py: Python<'_>, conf_state: ConfState) -> PyResult<()> {
        self.ask(py, |storage| {
            storage.set_conf_state(conf_state.0);
            Ok(())
        })
    }

    /// Installs a snapshot received from a leader: it replaces the log.
    /// Raises SnapshotOutOfDate if the storage has one at least as new.
    fn apply_snapshot(&self, py: Python<'_>, snapshot: Snapshot) -> PyResult<()> {
        self.ask(py, |storage| storage.apply_snapshot(snapshot.0))
    }

    /// Makes a snapshot of the state after `index`, which must be stored and applied.
    /// Raises SnapshotOutOfDate, Compacted or Unavailable.
    fn create_snapshot(
        &self,
        py: Python<'_>,
        index: u64,
        conf_state: ConfState,
        data: Payload,
    ) -> PyResult<Snapshot> {
        self.ask(py, |storage| storage.create_snapshot(index, conf_state.0, data.0).cloned()).map(Snapshot)
    }

    /// Forgets the entries up to and including `index`, which the snapshot covers. Raises Compacted if
    /// they are gone already, Unavailable if they are not there yet, StorageError if the snapshot does
    /// not cover them: nobody could be sent what is in them.
    fn compact(&self, py: Python<'_>, index: u64) -> PyResult<()> {
        let covered = self.ask(py, |storage| {
            let covered = storage.snapshot()?.id.index;
            let goes_beyond = covered < index && index <= storage.last_index()?;
            if !goes_beyond {
                storage.compact(index)?;
            }
            Ok(goes_beyond.then_some(covered))
        })?;
        covered.map_or(Ok(()), |covered| {
            let text = format!("entries up to {index} cannot go: the snapshot covers those up to {covered}");
            Err(raise(py, "StorageError", (text,)))
        })
    }

    /// The hard state and the membership saved last.
    fn initial_state(&self, py: Python<'_>) -> PyResult<(HardState, ConfState)> {
        let (hard_state, conf_state) = self.ask(py, |storage| storage.initial_state())?;
        Ok((HardState(hard_state), ConfState(conf_state)))
    }

    /// Entries `low .. high - 1`: a prefix of at most `max_bytes` encoded bytes, and at least one
    /// entry. Raises Compacted or Unavailable.
    #[pyo3(signature = (low, high, max_bytes=core::NO_LIMIT), text_signature = "($self, low, high, max_bytes=18446744073709551615)")]
    fn entries<'py>(
        &self,
        py: Python<'py>,
        low: u64,
        high: u64,
        max_bytes: u64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let entries = self.ask(py, |storage| storage.entries(low, high, max_bytes))?;
        to_tuple(py, entries.iter())
    }

    /// Term of the entry at `index`, `first_index() - 1` included. Raises Compacted or Unavailable.
    fn term(&self, py: Python<'_>, index: u64) -> PyResult<u64> {
        self.ask(py, |storage| storage.term(index))
    }

    /// Index of the first entry that is there; 1 for an empty storage.
    fn first_index(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, |storage| storage.first_index())
    }

    /// Index of the last entry; 0 for an empty storage.
    fn last_index(&self, py: Python<'_>) -> PyResult<u64> {
        self.ask(py, |storage| storage.last_index())
    }

    /// The latest snapshot.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Snapshot> {
        self.ask(py, |storage| storage.snapshot()).map(Snapshot)
    }

    fn __repr__(&self) -> String {
        let (first, last) = self.read(|storage| (storage.first_index(), storage.last_index()));
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        format!("<MemoryStorage entries {first}..{last}>")
    }
}
