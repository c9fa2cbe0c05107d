//! Asynchronous storage writes: notices that work is done.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use raftcore as core;

use crate::message::Message;

/// Notice that storage work is done, with `Config.async_storage_writes`: it comes with a Ready and
/// goes back with `RawNode.acknowledge`. What is in it is the library's own.
#[pyclass(frozen, eq, hash, from_py_object, module = "raftcore")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ack(pub(crate) core::Ack);

#[pymethods]
impl Ack {
    fn __repr__(&self) -> String {
        match self.0 {
            core::Ack::OwnAppend { term, index } => format!("<Ack own append term={term} index={index}>"),
            core::Ack::OwnVote { term, pre } => {
                format!("<Ack own {} term={term}>", if pre { "pre-vote" } else { "vote" })
            }
            core::Ack::Stored { term, last, snapshot } => {
                let last = last.map_or_else(|| "-".into(), |id| format!("{}/{}", id.term, id.index));
                let snapshot = snapshot.map_or_else(|| "-".into(), |index| index.to_string());
                format!("<Ack stored term={term} last={last} snapshot={snapshot}>")
            }
            core::Ack::Applied { index, .. } => format!("<Ack applied index={index}>"),
        }
    }
}

/// What follows a storage write: messages to send and notices to give back, in order.
pub(crate) fn responses_to_python<'py>(
    py: Python<'py>,
    responses: &[core::Response],
) -> PyResult<Bound<'py, PyTuple>> {
    let objects = responses.iter().map(|response| match response {
        core::Response::Send(message) => Ok(Bound::new(py, Message(message.clone()))?.into_any()),
        core::Response::Acknowledge(ack) => Ok(Bound::new(py, Ack(ack.clone()))?.into_any()),
    });
    PyTuple::new(py, objects.collect::<PyResult<Vec<_>>>()?)
}
