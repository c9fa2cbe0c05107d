//! Membership, and its changes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raftcore as core;
use raftcore::wire;

use crate::entry::Entry;
use crate::enums::{ConfChangeKind, Dialect, Transition};
use crate::error::decode_error;
use crate::payload::Payload;

/// Node ids taken from any iterable, a set for example.
#[derive(Default)]
pub(crate) struct Ids(Vec<core::NodeId>);

impl<'py> FromPyObject<'_, 'py> for Ids {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.try_iter()?.map(|id| id?.extract()).collect::<PyResult<_>>().map(Self)
    }
}

/// A group's membership in the form that snapshots and storages keep.
///
/// Equal if the same ids come in the same order; what the library hands out is ascending.
#[pyclass(frozen, eq, hash, from_py_object, module = "raftcore")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConfState(pub(crate) core::ConfState);

#[pymethods]
impl ConfState {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str, &'static str, &'static str, &'static str) =
        ("voters", "learners", "voters_outgoing", "learners_next", "auto_leave");

    #[new]
    #[pyo3(signature = (voters=Ids::default(), learners=Ids::default(), voters_outgoing=Ids::default(), learners_next=Ids::default(), auto_leave=false),
           text_signature = "(voters=(), learners=(), voters_outgoing=(), learners_next=(), auto_leave=False)")]
    fn new(voters: Ids, learners: Ids, voters_outgoing: Ids, learners_next: Ids, auto_leave: bool) -> Self {
        Self(core::ConfState {
            voters: voters.0,
            learners: learners.0,
            voters_outgoing: voters_outgoing.0,
            learners_next: learners_next.0,
            auto_leave,
        })
    }

    /// Reads what `encode` wrote. Raises DecodeError.
    #[staticmethod]
    fn decode(py: Python<'_>, data: Payload) -> PyResult<Self> {
        wire::decode_conf_state(&data.0).map(Self).map_err(|error| decode_error(py, &error))
    }

    /// The protobuf encoding: a form to store, the same as inside snapshots.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &wire::encode_conf_state(&self.0))
    }

    /// Voters; while joint, those of the incoming half.
    #[getter]
    fn voters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.voters)
    }

    /// Members that get the log and do not count.
    #[getter]
    fn learners<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.learners)
    }

    /// Voters of the outgoing half; empty unless joint.
    #[getter]
    fn voters_outgoing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.voters_outgoing)
    }

    /// Voters of the outgoing half that become learners when it is left.
    #[getter]
    fn learners_next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.learners_next)
    }

    /// Whether the leader leaves the joint configuration by itself.
    #[getter]
    fn auto_leave(&self) -> bool {
        self.0.auto_leave
    }

    /// Whether the node is a member in any way.
    fn __contains__(&self, node: u64) -> bool {
        self.0.contains(node)
    }

    pub(crate) fn __repr__(&self) -> String {
        let core::ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = &self.0;
        let mut text = format!("ConfState(voters={voters:?}");
        for (name, ids) in
            [("learners", learners), ("voters_outgoing", voters_outgoing), ("learners_next", learners_next)]
        {
            if !ids.is_empty() {
                text.push_str(&format!(", {name}={ids:?}"));
            }
        }
        if *auto_leave {
            text.push_str(", auto_leave=True");
        }
        text.push(')');
        text
    }

    fn __getnewargs__(&self) -> (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>, bool) {
        let core::ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = self.0.clone();
        (voters, learners, voters_outgoing, learners_next, auto_leave)
    }
}

/// A `raftcore.ConfChange`, read by its attributes.
#[derive(FromPyObject)]
pub(crate) struct ConfChange {
    ops: Vec<ConfChangeOp>,
    transition: Transition,
    context: Payload,
}

#[derive(FromPyObject)]
struct ConfChangeOp {
    kind: ConfChangeKind,
    node: u64,
}

impl From<ConfChange> for core::ConfChangeV2 {
    fn from(change: ConfChange) -> Self {
        let ops = change.ops.into_iter();
        Self {
            transition: change.transition.0,
            ops: ops.map(|op| core::ConfChangeOp { kind: op.kind.0, node: op.node }).collect(),
            context: change.context.0,
        }
    }
}

impl ConfChange {
    /// The change in its first version, which knows one operation and no transition.
    pub(crate) fn into_v1(self, id: u64) -> PyResult<core::ConfChange> {
        let change = core::ConfChangeV2::from(self);
        match (change.ops.as_slice(), change.transition) {
            ([op], core::Transition::Auto) => Ok(core::ConfChange { id, op: *op, context: change.context }),
            _ => Err(PyValueError::new_err(
                "the first version of membership changes has one operation, and no transition but AUTO",
            )),
        }
    }
}

/// What `RawNode.apply_conf_change` accepts: the change, or the entry that carries it.
#[derive(FromPyObject)]
pub(crate) enum ChangeOrEntry {
    #[pyo3(transparent, annotation = "Entry")]
    Entry(Entry),
    #[pyo3(transparent, annotation = "ConfChange")]
    Change(ConfChange),
}

impl ChangeOrEntry {
    pub(crate) fn into_change(self, py: Python<'_>, dialect: wire::Dialect) -> PyResult<core::ConfChangeV2> {
        match self {
            Self::Change(change) => Ok(change.into()),
            Self::Entry(entry) => {
                wire::decode_conf_change(&entry.0, dialect).map_err(|error| decode_error(py, &error))
            }
        }
    }
}

/// The payload of an entry that carries the change.
#[pyfunction]
pub(crate) fn encode_conf_change(py: Python<'_>, change: ConfChange, dialect: Dialect) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &wire::encode_conf_change(&change.into(), dialect.0))
}

/// The payload of an entry that carries the change in its first version.
#[pyfunction]
pub(crate) fn encode_conf_change_v1(
    py: Python<'_>,
    change: ConfChange,
    dialect: Dialect,
    id: u64,
) -> PyResult<Bound<'_, PyBytes>> {
    Ok(PyBytes::new(py, &wire::encode_conf_change_v1(&change.into_v1(id)?, dialect.0)))
}

type Fields<'py> = (Vec<(ConfChangeKind, u64)>, Transition, Bound<'py, PyBytes>);

/// Operations, transition and context of the change that the entry carries. Raises DecodeError.
#[pyfunction]
pub(crate) fn decode_conf_change(py: Python<'_>, entry: Entry, dialect: Dialect) -> PyResult<Fields<'_>> {
    let change = wire::decode_conf_change(&entry.0, dialect.0).map_err(|error| decode_error(py, &error))?;
    let ops = change.ops.iter().map(|op| (ConfChangeKind(op.kind), op.node)).collect();
    Ok((ops, Transition(change.transition), PyBytes::new(py, &change.context)))
}
