//! What an operator does with a storage while no node runs on it.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raftcore as core;
use raftcore::recovery::{LogPosition, Request};
use raftcore::{backup, recovery};

use crate::entry::Entry;
use crate::enums::Dialect;
use crate::error::{decode_error, to_python};
use crate::membership::ConfState;
use crate::payload::{Payload, encoded};
use crate::snapshot::Snapshot;
use crate::state::{EntryId, HardState};
use crate::storage::{Failure, HostStorage};

/// Node, term, last entry, commit index.
type Position = (u64, u64, EntryId, u64);

/// Entries, hard state; membership before, last entry, what was committed, changes in the log, whether
/// something may be missing.
type Planned<'py> = (Bound<'py, PyTuple>, Option<HardState>, ConfState, EntryId, u64, u64, bool);

/// Asks the core about a storage, and shows what the storage raised meanwhile.
fn of<R>(
    storage: &Bound<'_, PyAny>,
    applied: Option<u64>,
    ask: impl FnOnce(&HostStorage) -> Result<R, core::Error>,
) -> PyResult<R> {
    let failure = Failure::default();
    let host = HostStorage::new(storage, applied, failure.clone())?;
    ask(&host).map_err(|error| to_python(storage.py(), &error, failure.take()))
}

/// How far the log of a node reaches: what `raftcore.recovery.log_position` returns.
#[pyfunction]
pub(crate) fn log_position(storage: &Bound<'_, PyAny>, node: u64) -> PyResult<Position> {
    let position = of(storage, None, |host| recovery::log_position(node, host))?;
    let LogPosition { node, term, last, commit } = position;
    Ok((node, term, EntryId(last), commit))
}

/// What `raftcore.recovery.recover` makes its answer of.
#[pyfunction]
pub(crate) fn recover<'py>(
    storage: &Bound<'py, PyAny>,
    node: u64,
    applied: u64,
    members: ConfState,
    survivors: Vec<Position>,
    dialect: Dialect,
) -> PyResult<Planned<'py>> {
    let position = |(node, term, last, commit): Position| LogPosition { node, term, last: last.0, commit };
    let survivors = survivors.into_iter().map(position).collect();
    let request = Request { node, applied, members: members.0, survivors, dialect: dialect.0 };
    let plan = of(storage, Some(applied), |host| recovery::plan(host, &request))?;
    let entries = PyTuple::new(storage.py(), plan.write.entries.into_iter().map(Entry))?;
    let hard_state = plan.write.hard_state.map(HardState);
    let (before, last) = (ConfState(plan.before), EntryId(plan.last));
    Ok((entries, hard_state, before, last, plan.committed, plan.changes, plan.may_miss_committed))
}

/// The bytes of a backup of the snapshot.
#[pyfunction]
pub(crate) fn encode_backup<'py>(py: Python<'py>, snapshot: &Bound<'py, Snapshot>) -> Bound<'py, PyBytes> {
    let snapshot = &snapshot.get().0;
    encoded(py, snapshot.data.len(), |out| *out = backup::encode(snapshot))
}

/// What a backup holds. Raises DecodeError.
#[pyfunction]
pub(crate) fn decode_backup(py: Python<'_>, backup: Payload) -> PyResult<Snapshot> {
    backup::decode(&backup.0).map(Snapshot).map_err(|error| decode_error(py, &error))
}

/// Snapshot and hard state of each first member of a new group. Raises DecodeError, RecoveryRefused or
/// ConfChangeError.
#[pyfunction]
pub(crate) fn restore(
    py: Python<'_>,
    backup: Payload,
    members: ConfState,
) -> PyResult<(Option<Snapshot>, Option<HardState>)> {
    let write = backup::restore(&backup.0, members.0).map_err(|error| to_python(py, &error, None))?;
    Ok((write.snapshot.map(Snapshot), write.hard_state.map(HardState)))
}
