//! The core's errors as the exceptions of `raftcore.errors`.

use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use raftcore as core;

/// The exception of `raftcore.errors` with this name and these arguments.
pub(crate) fn raise<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Error: Into<PyErr>>,
) -> PyErr {
    let build = || {
        let class = py.import("raftcore.errors")?.getattr(class)?.cast_into::<PyType>()?;
        let arguments = arguments.into_pyobject(py).map_err(Into::into)?;
        class.call1(arguments.into_bound())
    };
    match build() {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// The exception for `error`. `cause` is what a Python storage raised meanwhile, with the answer
/// that the core got in its place.
pub(crate) fn to_python(
    py: Python<'_>,
    error: &core::Error,
    cause: Option<(core::StorageError, PyErr)>,
) -> PyErr {
    let core::Error::Storage(answer) = error else {
        return of_kind(py, error);
    };
    match cause {
        Some((given, cause)) if given == *answer => {
            let raised = storage_error(py, answer);
            raised.set_cause(py, Some(cause));
            raised
        }
        _ => storage_error(py, answer),
    }
}

/// The exception for an answer of a storage.
pub(crate) fn storage_error(py: Python<'_>, error: &core::StorageError) -> PyErr {
    let class = match error {
        core::StorageError::Compacted => "Compacted",
        core::StorageError::Unavailable => "Unavailable",
        core::StorageError::SnapshotUnavailable => "SnapshotUnavailable",
        core::StorageError::SnapshotOutOfDate => "SnapshotOutOfDate",
        _ => "StorageError",
    };
    let text = match error {
        core::StorageError::Host { message, .. } => format!("the storage failed: {message}"),
        other => other.to_string(),
    };
    raise(py, class, (text,))
}

/// The exception for bytes that cannot be decoded.
pub(crate) fn decode_error(py: Python<'_>, error: &core::DecodeError) -> PyErr {
    raise(py, "DecodeError", (error.to_string(),))
}

/// The exception for a configuration that is not usable.
pub(crate) fn config_error(py: Python<'_>, error: core::ConfigError) -> PyErr {
    raise(py, "ConfigError", (error.to_string(), error.field))
}

fn of_kind(py: Python<'_>, error: &core::Error) -> PyErr {
    let class = match error {
        core::Error::Config(problem) => return config_error(py, *problem),
        core::Error::ProposalDropped(reason) => return dropped(py, *reason),
        core::Error::PeerNotFound(id) => return raise(py, "PeerNotFound", (error.to_string(), *id)),
        core::Error::InvalidTransferee(id) => {
            return raise(py, "InvalidTransferee", (error.to_string(), *id));
        }
        core::Error::Decode(error) => return decode_error(py, error),
        core::Error::InconsistentStorage(_) => "InconsistentStorage",
        core::Error::InvalidMessage(_) => "InvalidMessage",
        core::Error::CommitBeyondLog { .. } => "CommitBeyondLog",
        core::Error::CommittedConflict { .. } => "CommittedConflict",
        core::Error::ConfChange(_) => "ConfChangeError",
        core::Error::ReadyOutstanding => "ReadyOutstanding",
        core::Error::ForeignReady => "ForeignReady",
        core::Error::WrongWriteMode => "WrongWriteMode",
        core::Error::UnknownAck => "UnknownAck",
        core::Error::NoLeader => "NoLeader",
        core::Error::LimitReached(_) => "LimitReached",
        core::Error::Recovery(_) => "RecoveryRefused",
        _ => "RaftError",
    };
    raise(py, class, (error.to_string(),))
}

fn dropped(py: Python<'_>, reason: core::DropReason) -> PyErr {
    let name = match reason {
        core::DropReason::NoLeader => "NO_LEADER",
        core::DropReason::NotLeader => "NOT_LEADER",
        core::DropReason::Removed => "REMOVED",
        core::DropReason::Transferring => "TRANSFERRING",
        core::DropReason::TooManyUncommittedBytes => "TOO_MANY_UNCOMMITTED_BYTES",
        core::DropReason::TooManyUncommittedEntries => "TOO_MANY_UNCOMMITTED_ENTRIES",
        core::DropReason::Empty => "EMPTY",
        core::DropReason::MalformedConfChange => "MALFORMED_CONF_CHANGE",
        core::DropReason::LogFull => "LOG_FULL",
        _ => "OTHER",
    };
    let member = py
        .import("raftcore.errors")
        .and_then(|module| module.getattr("DropReason"))
        .and_then(|class| class.getattr(name));
    match member {
        Ok(member) => raise(py, "ProposalDropped", (reason.to_string(), member)),
        Err(error) => error,
    }
}
