//! The core's status and answers as the dataclasses of `raftcore.status`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use raftcore as core;

use crate::enums::{ProgressState, Role, TransferResult};
use crate::membership::ConfState;
use crate::state::{EntryId, known};

const MODULE: &str = "raftcore.status";

/// Keyword arguments of the dataclass `BasicStatus`, and of `Status`, which has more.
#[derive(IntoPyObject)]
struct BasicStatus {
    id: u64,
    term: u64,
    vote: u64,
    commit: u64,
    leader: Option<u64>,
    role: Role,
    applied: u64,
    persisted: u64,
    last: EntryId,
    is_voter: bool,
    transferee: Option<u64>,
}

/// Keyword arguments of the dataclass `Progress`.
#[derive(IntoPyObject)]
struct Progress {
    id: u64,
    state: ProgressState,
    matched: u64,
    next: u64,
    is_learner: bool,
    is_paused: bool,
    is_active: bool,
    pending_snapshot: u64,
    inflight_messages: usize,
    inflight_bytes: u64,
    is_inflight_full: bool,
}

/// What the core's two kinds of status have in common.
macro_rules! basic_fields {
    ($status:ident) => {
        BasicStatus {
            id: $status.id,
            term: $status.hard_state.term,
            vote: $status.hard_state.vote,
            commit: $status.hard_state.commit,
            leader: known($status.soft_state.leader),
            role: Role($status.soft_state.role),
            applied: $status.applied,
            persisted: $status.stabled,
            last: EntryId($status.last),
            is_voter: $status.is_voter,
            transferee: $status.transferee,
        }
    };
}

/// The dataclass `Status`.
pub(crate) fn status_to_python(py: Python<'_>, status: core::Status) -> PyResult<Bound<'_, PyAny>> {
    let progress = PyDict::new(py);
    for member in &status.progress {
        progress.set_item(member.id, progress_to_python(py, member)?)?;
    }
    let fields = basic_fields!(status).into_pyobject(py)?;
    fields.set_item("conf_state", ConfState(status.conf_state))?;
    fields.set_item("progress", progress)?;
    class(py, "Status")?.call((), Some(&fields))
}

/// The dataclass `TransferOutcome`.
pub(crate) fn transfer_outcome_to_python(
    py: Python<'_>,
    outcome: core::TransferOutcome,
) -> PyResult<Bound<'_, PyAny>> {
    class(py, "TransferOutcome")?.call1((outcome.to, TransferResult(outcome.result)))
}

/// The dataclass `BasicStatus`.
pub(crate) fn basic_status_to_python(
    py: Python<'_>,
    status: core::BasicStatus,
) -> PyResult<Bound<'_, PyAny>> {
    let fields = basic_fields!(status);
    class(py, "BasicStatus")?.call((), Some(&fields.into_pyobject(py)?))
}

fn progress_to_python<'py>(py: Python<'py>, member: &core::ProgressStatus) -> PyResult<Bound<'py, PyAny>> {
    let fields = Progress {
        id: member.id,
        state: ProgressState(member.state),
        matched: member.matched,
        next: member.next,
        is_learner: member.is_learner,
        is_paused: member.is_paused,
        is_active: member.is_active,
        pending_snapshot: member.pending_snapshot,
        inflight_messages: member.inflight_messages,
        inflight_bytes: member.inflight_bytes,
        is_inflight_full: member.is_inflight_full,
    };
    class(py, "Progress")?.call((), Some(&fields.into_pyobject(py)?))
}

/// An `EntryId`, or the dataclass `Forwarded`.
pub(crate) fn proposed_to_python(py: Python<'_>, proposed: core::Proposed) -> PyResult<Bound<'_, PyAny>> {
    match proposed {
        core::Proposed::Appended(id) => Ok(Bound::new(py, EntryId(id))?.into_any()),
        core::Proposed::Forwarded(leader) => class(py, "Forwarded")?.call1((leader,)),
    }
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(py.import(MODULE)?.getattr(name)?.cast_into()?)
}
