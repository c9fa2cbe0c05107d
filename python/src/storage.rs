//! A node's storage: an object with the methods of `raftcore.Storage`.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::call::PyCallArgs;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use raftcore as core;
use raftcore::{Index, NodeId, StorageError, Term};

use crate::entry::from_iterable;
use crate::membership::ConfState;
use crate::memory::MemoryStorage;
use crate::snapshot::Snapshot;
use crate::state::HardState;

/// The methods that a storage must have.
const METHODS: [&str; 6] = ["initial_state", "entries", "term", "first_index", "last_index", "snapshot"];

/// What a Python storage raised last, and the answer that the core got in its place. Shared with
/// the node's handle, which shows the exception to the node's caller.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<(StorageError, PyErr)>>>);

impl Failure {
    /// What was raised since the last call of this function.
    pub(crate) fn take(&self) -> Option<(StorageError, PyErr)> {
        self.0.lock().take()
    }

    /// What was raised, if it is not for those who deal with failing storages: an interrupt, an exit.
    pub(crate) fn interrupt(&self, py: Python<'_>) -> Option<PyErr> {
        let (_, raised) = self.take()?;
        is_interrupt(py, &raised).then_some(raised)
    }

    /// Notes what was raised: the last failure, unless there was an interrupt before it.
    pub(crate) fn note(&self, py: Python<'_>, raised: PyErr) -> StorageError {
        let answer = answer_for(py, &raised);
        let mut noted = self.0.lock();
        let interrupted = noted.as_ref().is_some_and(|(_, before)| is_interrupt(py, before));
        let dropped = match interrupted {
            true => Some((answer.clone(), raised)),
            false => noted.replace((answer.clone(), raised)),
        };
        // Outside of the lock: dropping may run Python code.
        drop(noted);
        drop(dropped);
        answer
    }
}

/// Whether it is no `Exception`: KeyboardInterrupt, SystemExit. These are for no handler of errors, and
/// always reach the caller of the node.
pub(crate) fn is_interrupt(py: Python<'_>, raised: &PyErr) -> bool {
    !raised.is_instance_of::<PyException>(py)
}

/// A host's storage, as the core reads it.
pub(crate) enum HostStorage {
    /// The library's own storage, read without a detour through Python.
    Memory(Py<MemoryStorage>),
    /// Any other object.
    Python {
        object: Py<PyAny>,
        failure: Failure,
        /// What the node takes for applied, if the storage answers for a given index.
        applied: Option<u64>,
    },
    /// The garbage collector has taken the storage; nobody can call the node any more.
    Gone,
}

impl HostStorage {
    /// Accepts an object that has the methods of a storage; raises TypeError for any other. `applied` is
    /// the index that a node starts from.
    pub(crate) fn new(object: &Bound<'_, PyAny>, applied: Option<u64>, failure: Failure) -> PyResult<Self> {
        if let Ok(memory) = object.cast_exact::<MemoryStorage>() {
            return Ok(Self::Memory(memory.clone().unbind()));
        }
        for method in METHODS {
            if !object.getattr_opt(method)?.is_some_and(|found| found.is_callable()) {
                let class = object.get_type().fully_qualified_name()?;
                return Err(PyTypeError::new_err(format!("{class} has no method {method}()")));
            }
        }
        let answers_for_index = object.getattr_opt("initial_state_at")?.is_some();
        let applied = applied.filter(|_| answers_for_index);
        Ok(Self::Python { object: object.clone().unbind(), failure, applied })
    }

    /// The Python object.
    pub(crate) fn object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self {
            Self::Memory(memory) => Some(memory.clone_ref(py).into_any()),
            Self::Python { object, .. } => Some(object.clone_ref(py)),
            Self::Gone => None,
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Memory(memory) => visit.call(memory),
            Self::Python { object, .. } => visit.call(object),
            Self::Gone => Ok(()),
        }
    }

    /// Whether it makes snapshots for a peer: the method is optional.
    fn has_snapshot_for(&self) -> bool {
        let Self::Python { object, .. } = self else { return false };
        Python::attach(|py| object.bind(py).hasattr("snapshot_for").unwrap_or(false))
    }

    /// Answers from the storage in memory, or from a call of a Python method.
    fn ask<R, A>(
        &self,
        memory: impl FnOnce(&core::MemoryStorage) -> Result<R, StorageError>,
        method: &str,
        arguments: A,
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<R>,
    ) -> Result<R, StorageError>
    where
        A: for<'py> PyCallArgs<'py>,
    {
        match self {
            Self::Memory(storage) => storage.get().read(memory),
            Self::Python { object, failure, .. } => Python::attach(|py| {
                object
                    .bind(py)
                    .call_method1(method, arguments)
                    .and_then(|answer| read(&answer))
                    .map_err(|raised| failure.note(py, raised))
            }),
            Self::Gone => Err(StorageError::Host { code: 0, message: "it is gone".into() }),
        }
    }
}

impl core::Storage for HostStorage {
    fn initial_state(&self) -> Result<(core::HardState, core::ConfState), StorageError> {
        let memory = core::MemoryStorage::initial_state;
        let read = |answer: &Bound<'_, PyAny>| {
            let (hard_state, conf_state) = answer.extract::<(HardState, ConfState)>()?;
            Ok((hard_state.0, conf_state.0))
        };
        match self {
            Self::Python { applied: Some(index), .. } => {
                self.ask(memory, "initial_state_at", (*index,), read)
            }
            _ => self.ask(memory, "initial_state", (), read),
        }
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<core::Entries, StorageError> {
        self.ask(
            |memory| memory.entries(low, high, max_bytes),
            "entries",
            (low, high, max_bytes),
            |answer| from_iterable(answer).map(core::Entries::from),
        )
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.ask(|memory| memory.term(index), "term", (index,), |answer| answer.extract())
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.ask(core::MemoryStorage::first_index, "first_index", (), |answer| answer.extract())
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.ask(core::MemoryStorage::last_index, "last_index", (), |answer| answer.extract())
    }

    fn snapshot(&self) -> Result<core::Snapshot, StorageError> {
        self.ask(core::MemoryStorage::snapshot, "snapshot", (), |answer| Ok(answer.extract::<Snapshot>()?.0))
    }

    fn snapshot_for(&self, peer: NodeId) -> Result<core::Snapshot, StorageError> {
        if !self.has_snapshot_for() {
            return self.snapshot();
        }
        self.ask(core::MemoryStorage::snapshot, "snapshot_for", (peer,), |answer| {
            Ok(answer.extract::<Snapshot>()?.0)
        })
    }
}

/// What the core is told when a storage has raised something.
fn answer_for(py: Python<'_>, raised: &PyErr) -> StorageError {
    let known = [
        ("Compacted", StorageError::Compacted),
        ("Unavailable", StorageError::Unavailable),
        ("SnapshotUnavailable", StorageError::SnapshotUnavailable),
        ("SnapshotOutOfDate", StorageError::SnapshotOutOfDate),
    ];
    let is = |class| {
        let class = py.import("raftcore.errors").and_then(|module| module.getattr(class));
        class.is_ok_and(|class| raised.is_instance(py, &class))
    };
    match known.into_iter().find(|(class, _)| is(*class)) {
        Some((_, answer)) => answer,
        None => StorageError::Host { code: 0, message: raised.to_string() },
    }
}
