//! Identity of entries, and the small states of a node.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raftcore as core;

use crate::enums::Role;
use crate::payload::{Payload, literal};

/// Term and index of a log entry. They identify its content and everything before it.
///
/// Ordered as elections compare logs: by term, then by index.
#[pyclass(frozen, eq, ord, hash, from_py_object, module = "raftcore")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(pub(crate) core::EntryId);

#[pymethods]
impl EntryId {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str) = ("term", "index");

    #[new]
    fn new(term: u64, index: u64) -> Self {
        Self(core::EntryId::new(term, index))
    }

    /// Term in which the entry was created.
    #[getter]
    fn term(&self) -> u64 {
        self.0.term
    }

    /// Position in the log.
    #[getter]
    fn index(&self) -> u64 {
        self.0.index
    }

    fn __repr__(&self) -> String {
        format!("EntryId(term={}, index={})", self.0.term, self.0.index)
    }

    fn __getnewargs__(&self) -> (u64, u64) {
        (self.0.term, self.0.index)
    }
}

/// What a node must find again after a restart, besides its log (thesis section 3.8).
#[pyclass(frozen, eq, hash, from_py_object, module = "raftcore")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HardState(pub(crate) core::HardState);

#[pymethods]
impl HardState {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str) = ("term", "vote", "commit");

    #[new]
    #[pyo3(signature = (term=0, vote=0, commit=0))]
    fn new(term: u64, vote: u64, commit: u64) -> Self {
        Self(core::HardState { term, vote, commit })
    }

    /// Latest term the node has seen.
    #[getter]
    fn term(&self) -> u64 {
        self.0.term
    }

    /// Candidate that got the node's vote in `term`; 0 if nobody did.
    #[getter]
    fn vote(&self) -> u64 {
        self.0.vote
    }

    /// Highest index known to be committed.
    #[getter]
    fn commit(&self) -> u64 {
        self.0.commit
    }

    fn __repr__(&self) -> String {
        let core::HardState { term, vote, commit } = self.0;
        format!("HardState(term={term}, vote={vote}, commit={commit})")
    }

    fn __getnewargs__(&self) -> (u64, u64, u64) {
        (self.0.term, self.0.vote, self.0.commit)
    }
}

/// What a node knows of the group right now; not persisted, good for logs and routing.
#[pyclass(frozen, eq, hash, module = "raftcore")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SoftState(pub(crate) core::SoftState);

#[pymethods]
impl SoftState {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str) = ("leader", "role");

    #[new]
    fn new(leader: Option<u64>, role: Role) -> Self {
        Self(core::SoftState { leader: leader.unwrap_or(core::NO_NODE), role: role.0 })
    }

    /// Leader of the current term, or None while unknown.
    #[getter]
    fn leader(&self) -> Option<u64> {
        known(self.0.leader)
    }

    /// The node's own role.
    #[getter]
    fn role(&self) -> Role {
        Role(self.0.role)
    }

    fn __repr__(&self) -> String {
        let leader = self.leader().map_or_else(|| "None".into(), |id| id.to_string());
        format!("SoftState(leader={leader}, role={})", self.role().name())
    }

    fn __getnewargs__(&self) -> (Option<u64>, Role) {
        (self.leader(), self.role())
    }
}

/// A read that is linearizable once the state machine has applied `index` (thesis section 6.4).
#[pyclass(frozen, eq, hash, module = "raftcore")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReadState {
    index: u64,
    context: bytes::Bytes,
}

impl From<core::ReadState> for ReadState {
    fn from(state: core::ReadState) -> Self {
        Self { index: state.index, context: state.context }
    }
}

#[pymethods]
impl ReadState {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str) = ("index", "context");

    #[new]
    fn new(index: u64, context: Payload) -> Self {
        Self { index, context: context.0 }
    }

    /// Serve the read when this index is applied.
    #[getter]
    fn index(&self) -> u64 {
        self.index
    }

    /// The token that the read was requested with.
    #[getter]
    fn context<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.context)
    }

    fn __repr__(&self) -> String {
        format!("ReadState(index={}, context={})", self.index, literal(&self.context))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (u64, Bound<'py, PyBytes>) {
        (self.index, self.context(py))
    }
}

/// `None` for the id that stands for nobody.
pub(crate) fn known(id: core::NodeId) -> Option<u64> {
    (id != core::NO_NODE).then_some(id)
}
