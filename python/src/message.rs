//! Messages between nodes.

use std::hash::{Hash, Hasher};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raftcore as core;
use raftcore::wire;

use crate::body;
use crate::enums::MessageType;
use crate::error::decode_error;
use crate::payload::{Payload, encoded};

/// A message between two nodes of a group.
#[pyclass(frozen, eq, hash, from_py_object, module = "raftcore")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message(pub(crate) core::Message);

impl Hash for Message {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.from, self.0.to, self.0.term, MessageType::of(&self.0.body).number()).hash(state);
    }
}

#[pymethods]
impl Message {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str, &'static str) =
        ("from_", "to", "term", "body");

    #[new]
    fn new(from_: u64, to: u64, term: u64, body: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(core::Message { from: from_, to, term, body: body::from_python(body)? }))
    }

    /// Reads what a peer encoded. Big payloads share the memory of `data`. Raises DecodeError,
    /// whatever the bytes are.
    #[staticmethod]
    fn decode(py: Python<'_>, data: Payload) -> PyResult<Self> {
        wire::decode(&data.0).map(Self).map_err(|error| decode_error(py, &error))
    }

    /// The protobuf encoding: etcd's `raftpb.Message`, which TiKV's peers read as well.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        encoded(py, wire::encoded_len(&self.0), |out| wire::encode(&self.0, out))
    }

    /// Who sends it.
    #[getter]
    fn from_(&self) -> u64 {
        self.0.from
    }

    /// Who shall get it.
    #[getter]
    fn to(&self) -> u64 {
        self.0.to
    }

    /// The sender's term; 0 in messages that are independent of terms; in a vote request, the term
    /// that is campaigned for.
    #[getter]
    fn term(&self) -> u64 {
        self.0.term
    }

    /// Which RPC it is.
    #[getter]
    fn r#type(&self) -> MessageType {
        MessageType::of(&self.0.body)
    }

    /// The RPC's own fields: an object of a class in `raftcore.rpc`, or a Snapshot. Made anew each
    /// time.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        body::to_python(py, &self.0.body)
    }

    /// Whether the message promises something that must be on disk before it is sent.
    #[getter]
    fn requires_persistence(&self) -> bool {
        self.0.requires_persistence()
    }

    fn __repr__(&self) -> String {
        let core::Message { from, to, term, body } = &self.0;
        let name = MessageType::of(body).name();
        format!("<Message {name} {from}->{to} term={term}{}>", body::summary(body))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(u64, u64, u64, Bound<'py, PyAny>)> {
        Ok((self.0.from, self.0.to, self.0.term, self.body(py)?))
    }
}
