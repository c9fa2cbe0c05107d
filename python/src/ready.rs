//! Work for the host.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use raftcore as core;

use crate::ack::{Ack, responses_to_python};
use crate::entry::to_tuple;
use crate::message::Message;
use crate::snapshot::Snapshot;
use crate::state::{HardState, ReadState, SoftState};

/// Work for the host, in this order:
///
/// 1. send the messages for which `requires_persistence` is false (now or later);
/// 2. store `snapshot`, `entries` and `hard_state` (one batch; synced if `must_sync`);
/// 3. send the other messages, and apply `committed_entries`;
/// 4. hand it back: `RawNode.advance`.
///
/// With `Config.async_storage_writes`, `storage_append` and `storage_apply` take the place of steps 2
/// to 4: each is done in the order in which it was handed out, independently of the other, and further
/// Readys may be taken meanwhile. `messages` may leave at once.
///
/// It owns its data: another thread may store it while the node goes on, and it can be read after
/// `advance` too.
#[pyclass(frozen, module = "raftcore")]
pub(crate) struct Ready {
    /// What `advance` takes; the rest is for reading.
    work: Mutex<Option<Box<core::Ready>>>,
    /// The node that it came from.
    node: Arc<()>,
    soft_state: Option<SoftState>,
    hard_state: Option<HardState>,
    must_sync: bool,
    snapshot: Option<Box<core::Snapshot>>,
    entries: core::EntryRuns,
    committed_entries: core::Entries,
    messages: Vec<core::Message>,
    read_states: Vec<core::ReadState>,
    storage_append: Option<core::StorageAppend>,
    storage_apply: Option<core::StorageApply>,
    tuples: Tuples,
}

/// The lists as Python gets them.
#[derive(Default)]
struct Tuples {
    entries: LazyTuple,
    committed_entries: LazyTuple,
    messages: LazyTuple,
    read_states: LazyTuple,
    storage_append: LazyTuple,
}

/// A tuple made when it is first asked for.
struct LazyTuple(PyOnceLock<Py<PyTuple>>);

impl Default for LazyTuple {
    fn default() -> Self {
        Self(PyOnceLock::new())
    }
}

impl LazyTuple {
    fn get<'py>(
        &self,
        py: Python<'py>,
        make: impl FnOnce() -> PyResult<Bound<'py, PyTuple>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let tuple = self.0.get_or_try_init(py, || make().map(Bound::unbind))?;
        Ok(tuple.bind(py).clone())
    }
}

impl Ready {
    pub(crate) fn new(mut work: Box<core::Ready>, node: Arc<()>) -> Self {
        Self {
            node,
            soft_state: work.soft_state.map(SoftState),
            hard_state: work.hard_state.map(HardState),
            must_sync: work.must_sync,
            snapshot: work.snapshot.clone(),
            entries: work.entries.clone(),
            committed_entries: work.committed_entries.clone(),
            messages: std::mem::take(&mut work.messages),
            read_states: std::mem::take(&mut work.read_states),
            storage_append: work.storage_append.take(),
            storage_apply: work.storage_apply.take(),
            work: Mutex::new(Some(work)),
            tuples: Tuples::default(),
        }
    }

    /// What the node takes back, once, and only the node that it came from.
    pub(crate) fn take(&self, node: &Arc<()>) -> Option<Box<core::Ready>> {
        if !Arc::ptr_eq(&self.node, node) {
            return None;
        }
        self.work.lock().take()
    }

    /// The same as it came from the node, to be given back.
    pub(crate) fn take_whole(&self, node: &Arc<()>) -> Option<Box<core::Ready>> {
        let mut work = self.take(node)?;
        work.messages.clone_from(&self.messages);
        work.read_states.clone_from(&self.read_states);
        Some(work)
    }

    pub(crate) fn core_snapshot(&self) -> Option<&core::Snapshot> {
        self.snapshot.as_deref()
    }

    pub(crate) fn core_entries(&self) -> &core::EntryRuns {
        &self.entries
    }

    pub(crate) fn core_hard_state(&self) -> Option<core::HardState> {
        self.hard_state.map(|hard_state| hard_state.0)
    }
}

#[pymethods]
impl Ready {
    /// Leader and role, if one of them changed.
    #[getter]
    fn soft_state(&self) -> Option<SoftState> {
        self.soft_state
    }

    /// The hard state to store, if it changed.
    #[getter]
    fn hard_state(&self) -> Option<HardState> {
        self.hard_state
    }

    /// Reads that may be served.
    #[getter]
    fn read_states<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.tuples
            .read_states
            .get(py, || PyTuple::new(py, self.read_states.iter().cloned().map(ReadState::from)))
    }

    /// Entries to store. They replace stored ones at their indexes and after.
    #[getter]
    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.tuples.entries.get(py, || to_tuple(py, self.entries.iter()))
    }

    /// A snapshot to install in log and state machine.
    #[getter]
    fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.as_deref().cloned().map(Snapshot)
    }

    /// Entries to apply.
    #[getter]
    fn committed_entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.tuples.committed_entries.get(py, || to_tuple(py, self.committed_entries.iter()))
    }

    /// Messages to send.
    #[getter]
    fn messages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.tuples.messages.get(py, || PyTuple::new(py, self.messages.iter().cloned().map(Message)))
    }

    /// Whether what is stored must be durable before going on. A commit index alone may be lost.
    #[getter]
    fn must_sync(&self) -> bool {
        self.must_sync
    }

    /// With asynchronous writes: what to do once `snapshot`, `entries` and `hard_state` are stored, in
    /// this order: messages to send, and notices to give back with `RawNode.acknowledge`. None if there
    /// is nothing to store.
    #[getter]
    fn storage_append<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(append) = &self.storage_append else { return Ok(None) };
        self.tuples.storage_append.get(py, || responses_to_python(py, &append.responses)).map(Some)
    }

    /// With asynchronous writes: the notice to give back once `committed_entries` are applied. None
    /// if there are none.
    #[getter]
    fn storage_apply(&self) -> Option<Ack> {
        self.storage_apply.as_ref().map(|apply| Ack(apply.ack.clone()))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Ready entries={} committed_entries={} messages={} must_sync={}>",
            self.entries.len(),
            self.committed_entries.len(),
            self.messages.len(),
            if self.must_sync { "True" } else { "False" },
        )
    }
}
