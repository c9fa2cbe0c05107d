//! Log entries.

use std::hash::{Hash, Hasher};

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use raftcore as core;
use raftcore::wire;

use crate::enums::EntryKind;
use crate::error::decode_error;
use crate::payload::{Payload, encoded, literal};
use crate::state::EntryId;

/// One entry of the log.
#[pyclass(frozen, eq, hash, from_py_object, module = "raftcore")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry(pub(crate) core::Entry);

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.id, self.0.kind, &self.0.data).hash(state);
    }
}

#[pymethods]
impl Entry {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str, &'static str) =
        ("term", "index", "data", "kind");

    #[new]
    #[pyo3(signature = (term, index, data=Payload(Bytes::new()), kind=EntryKind(core::EntryKind::Normal), *, kind_stated=None),
           text_signature = "(term, index, data=b'', kind=EntryKind.NORMAL, *, kind_stated=None)")]
    fn new(term: u64, index: u64, data: Payload, kind: EntryKind, kind_stated: Option<bool>) -> Self {
        let entry = core::Entry::new(core::EntryId::new(term, index), kind.0, data.0);
        Self(match kind_stated {
            Some(stated) => entry.with_kind_stated(stated),
            None => entry,
        })
    }

    /// Reads what `encode` wrote. Raises DecodeError.
    #[staticmethod]
    fn decode(py: Python<'_>, data: Payload) -> PyResult<Self> {
        wire::decode_entry(&data.0).map(Self).map_err(|error| decode_error(py, &error))
    }

    /// The entry's protobuf encoding: a form to store, the same as inside messages.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        encoded(py, self.encoded_len() as usize, |out| wire::encode_entry(&self.0, out))
    }

    /// Term and index of the entry.
    #[getter]
    fn id(&self) -> EntryId {
        EntryId(self.0.id)
    }

    /// Term of the entry.
    #[getter]
    fn term(&self) -> u64 {
        self.0.id.term
    }

    /// Index of the entry.
    #[getter]
    fn index(&self) -> u64 {
        self.0.id.index
    }

    /// The payload, as a new object each time.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }

    /// What the payload means.
    #[getter]
    fn kind(&self) -> EntryKind {
        EntryKind(self.0.kind)
    }

    /// Whether the encoding states the kind even where it is the default. A storage that keeps the fields of
    /// an entry instead of its encoding keeps this one too: peers of the etcd family count encoded bytes.
    /// It says how the bytes were, and nothing about the entry: peers of the TiKV family never state a
    /// default kind, and an entry that went through one of them comes without it.
    #[getter]
    fn kind_stated(&self) -> bool {
        self.0.kind_stated()
    }

    /// Whether the entry changes the membership.
    #[getter]
    fn is_conf_change(&self) -> bool {
        self.0.is_conf_change()
    }

    /// Bytes of the encoding, the unit of all limits on log data.
    #[getter]
    fn encoded_len(&self) -> u64 {
        self.0.encoded_len()
    }

    fn __repr__(&self) -> String {
        let core::Entry { id, data, .. } = &self.0;
        let kind = match self.0.kind {
            core::EntryKind::Normal => String::new(),
            _ => format!(", kind={}", self.kind().name()),
        };
        format!("Entry(term={}, index={}, data={}{kind})", id.term, id.index, literal(data))
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Positional<'py>, Bound<'py, PyDict>)> {
        let keywords = PyDict::new(py);
        keywords.set_item("kind_stated", self.kind_stated())?;
        Ok(((self.term(), self.index(), self.data(py), self.kind()), keywords))
    }
}

/// Term, index, data and kind.
type Positional<'py> = (u64, u64, Bound<'py, PyBytes>, EntryKind);

/// A run of entries as a tuple. The payloads stay shared.
pub(crate) fn to_tuple<'py, 'a>(
    py: Python<'py>,
    entries: impl ExactSizeIterator<Item = &'a core::Entry>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, entries.map(|entry| Entry(entry.clone())))
}

/// The entries that a Python iterable yields.
pub(crate) fn from_iterable(entries: &Bound<'_, PyAny>) -> PyResult<Vec<core::Entry>> {
    entries.try_iter()?.map(|entry| Ok(entry?.extract::<Entry>()?.0)).collect()
}
