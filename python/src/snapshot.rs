//! Snapshots.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raftcore as core;
use raftcore::wire;

use crate::error::decode_error;
use crate::membership::ConfState;
use crate::payload::{Payload, encoded, literal};
use crate::state::EntryId;

/// State of the replicated state machine at a point of the log.
#[pyclass(frozen, eq, from_py_object, module = "raftcore")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) core::Snapshot);

#[pymethods]
impl Snapshot {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str, &'static str) =
        ("term", "index", "conf_state", "data");

    #[new]
    #[pyo3(signature = (term, index, conf_state, data=Payload(Bytes::new())),
           text_signature = "(term, index, conf_state, data=b'')")]
    fn new(term: u64, index: u64, conf_state: ConfState, data: Payload) -> Self {
        let id = core::EntryId::new(term, index);
        Self(core::Snapshot { id, conf_state: conf_state.0, data: data.0 })
    }

    /// Reads what `encode` wrote. Raises DecodeError.
    #[staticmethod]
    fn decode(py: Python<'_>, data: Payload) -> PyResult<Self> {
        wire::decode_snapshot(&data.0).map(Self).map_err(|error| decode_error(py, &error))
    }

    /// The snapshot's protobuf encoding, data included: a form to store.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        encoded(py, self.0.data.len(), |out| *out = wire::encode_snapshot(&self.0))
    }

    /// The last entry that the snapshot covers.
    #[getter]
    fn id(&self) -> EntryId {
        EntryId(self.0.id)
    }

    /// Term of the last entry that the snapshot covers.
    #[getter]
    fn term(&self) -> u64 {
        self.0.id.term
    }

    /// Index of the last entry that the snapshot covers.
    #[getter]
    fn index(&self) -> u64 {
        self.0.id.index
    }

    /// The membership at that point.
    #[getter]
    fn conf_state(&self) -> ConfState {
        ConfState(self.0.conf_state.clone())
    }

    /// The host's data, as a new object each time.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }

    fn __repr__(&self) -> String {
        format!(
            "Snapshot(term={}, index={}, conf_state={}, data={})",
            self.0.id.term,
            self.0.id.index,
            self.conf_state().__repr__(),
            literal(&self.0.data),
        )
    }

    fn __hash__(&self) -> u64 {
        self.0.id.index ^ self.0.id.term.rotate_left(32)
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (u64, u64, ConfState, Bound<'py, PyBytes>) {
        (self.term(), self.index(), self.conf_state(), self.data(py))
    }
}
