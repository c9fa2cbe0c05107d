//! The storage suite for storages written in Python.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raftcore as core;
use raftcore::storage::check::{self, CheckedStorage, Outcome, Reopen, Write};
use raftcore::{Index, NodeId, Storage as _, StorageError, Term};

use crate::entry::Entry;
use crate::membership::ConfState;
use crate::snapshot::Snapshot;
use crate::state::HardState;
use crate::storage::{Failure, HostStorage, is_interrupt};

/// A rule's name, what it demands, its outcome, what was expected, what came.
type Row = (&'static str, &'static str, &'static str, String, String);

/// Tries the storages that `make` gives; `write` is the class of what they are asked to store. What
/// `raftcore.storage_check` makes its findings of.
#[pyfunction]
pub(crate) fn check_storage(make: Py<PyAny>, write: Py<PyAny>, py: Python<'_>) -> PyResult<Vec<Row>> {
    let failure = Failure::default();
    let mut host = CheckedHost {
        make,
        write,
        object: py.None(),
        reads: HostStorage::Gone,
        failure: failure.clone(),
        stopped: None,
    };
    host.start_over(py)?;
    let report = check::run(&mut host);
    match host.stopped.or_else(|| failure.interrupt(py)) {
        Some(stopped) => Err(stopped),
        None => Ok(report.findings.into_iter().map(row).collect()),
    }
}

fn row(finding: check::Finding) -> Row {
    let (outcome, expected, got) = match finding.outcome {
        Outcome::Kept => ("kept", String::new(), String::new()),
        Outcome::NotChecked(reason) => ("not_checked", String::new(), reason.to_owned()),
        Outcome::Broken { expected, got } => ("broken", expected, got),
    };
    (finding.rule, finding.demand, outcome, expected, got)
}

struct CheckedHost {
    make: Py<PyAny>,
    write: Py<PyAny>,
    object: Py<PyAny>,
    reads: HostStorage,
    failure: Failure,
    /// An interrupt or an exit: it ends the check.
    stopped: Option<PyErr>,
}

impl CheckedHost {
    fn start_over(&mut self, py: Python<'_>) -> PyResult<()> {
        let object = self.make.bind(py).call0()?;
        for method in ["persist", "compact"] {
            if !object.getattr_opt(method)?.is_some_and(|found| found.is_callable()) {
                let class = object.get_type().fully_qualified_name()?;
                return Err(PyTypeError::new_err(format!("{class} has no method {method}()")));
            }
        }
        self.reads = HostStorage::new(&object, None, self.failure.clone())?;
        self.object = object.unbind();
        Ok(())
    }

    /// Calls Python, and turns what it raises into the answer that the core understands.
    fn call<R>(&mut self, f: impl FnOnce(&mut Self, Python<'_>) -> PyResult<R>) -> Result<R, StorageError> {
        if self.stopped.is_some() {
            return Err(StorageError::Host { code: 0, message: "the check was stopped".into() });
        }
        Python::attach(|py| {
            f(self, py).map_err(|raised| {
                if !is_interrupt(py, &raised) {
                    return self.failure.note(py, raised);
                }
                let answer = StorageError::Host { code: 0, message: raised.to_string() };
                self.stopped = Some(raised);
                answer
            })
        })
    }
}

impl CheckedStorage for CheckedHost {
    fn reset(&mut self) -> Result<(), StorageError> {
        self.call(Self::start_over)
    }

    fn persist(&mut self, write: &Write) -> Result<(), StorageError> {
        self.call(|host, py| {
            let entries = PyTuple::new(py, write.entries.iter().cloned().map(Entry))?;
            let fields = PyDict::new(py);
            fields.set_item("snapshot", write.snapshot.clone().map(Snapshot))?;
            fields.set_item("entries", entries)?;
            fields.set_item("hard_state", write.hard_state.map(HardState))?;
            fields.set_item("must_sync", write.must_sync)?;
            let write = host.write.bind(py).call((), Some(&fields))?;
            host.object.bind(py).call_method1("persist", (write,)).map(drop)
        })
    }

    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        let state = self.reads.initial_state();
        let covered = self.reads.snapshot().is_ok_and(|snapshot| snapshot.id.index >= index);
        self.call(|host, py| {
            let object = host.object.bind(py);
            if object.hasattr("create_snapshot")? && !covered {
                let members = ConfState(state.map(|(_, members)| members).unwrap_or_default());
                object.call_method1("create_snapshot", (index, members, b"state".as_slice()))?;
            }
            object.call_method1("compact", (index,)).map(drop)
        })
    }

    fn reopen(&mut self, how: Reopen) -> Result<bool, StorageError> {
        self.call(|host, py| {
            let Some(reopen) = host.object.bind(py).getattr_opt("reopen")? else { return Ok(false) };
            let answer = reopen.call1((how == Reopen::Crashed,))?;
            if answer.is_none() {
                return Ok(false);
            }
            host.reads = HostStorage::new(&answer, None, host.failure.clone())?;
            host.object = answer.unbind();
            Ok(true)
        })
    }

    fn open_twice(&mut self) -> Option<Result<(), StorageError>> {
        self.call(|host, py| {
            let Some(open) = host.object.bind(py).getattr_opt("open_twice")? else { return Ok(None) };
            open.call0().map(|_| Some(Ok(())))
        })
        .unwrap_or_else(|error| Some(Err(error)))
    }

    fn set_failing(&mut self, failing: bool) -> bool {
        let called = self.call(|host, py| {
            let Some(method) = host.object.bind(py).getattr_opt("set_failing")? else { return Ok(false) };
            method.call1((failing,)).map(|_| true)
        });
        called.unwrap_or(false)
    }
}

impl core::Storage for CheckedHost {
    fn initial_state(&self) -> Result<(core::HardState, core::ConfState), StorageError> {
        self.reads.initial_state()
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<core::Entries, StorageError> {
        self.reads.entries(low, high, max_bytes)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.reads.term(index)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.reads.first_index()
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.reads.last_index()
    }

    fn snapshot(&self) -> Result<core::Snapshot, StorageError> {
        self.reads.snapshot()
    }

    fn snapshot_for(&self, peer: NodeId) -> Result<core::Snapshot, StorageError> {
        self.reads.snapshot_for(peer)
    }
}
