//! The core's enumerations as members of the Python enumerations in `raftcore.enums`.

use std::convert::Infallible;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use raftcore as core;

/// A wrapper that turns into a member of the Python `IntEnum` of the same name, and can be taken
/// from one. A variant's number and name are those of the Python member.
macro_rules! python_enum {
    ($name:ident($core:ty) { $($variant:ident = $number:literal $member:literal,)* }) => {
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $core);

        impl $name {
            /// The member as `repr` of a class shows it.
            #[allow(dead_code, reason = "not every enumeration is part of a repr")]
            pub(crate) fn name(self) -> &'static str {
                match self.0 { $(<$core>::$variant => concat!(stringify!($name), ".", $member),)* }
            }
        }

        impl<'py> IntoPyObject<'py> for $name {
            type Target = PyAny;
            type Output = Bound<'py, PyAny>;
            type Error = PyErr;

            fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
                let number = match self.0 { $(<$core>::$variant => $number,)* };
                CLASS.import(py, "raftcore.enums", stringify!($name))?.call1((number,))
            }
        }

        impl<'py> FromPyObject<'_, 'py> for $name {
            type Error = PyErr;

            fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
                match object.extract::<i64>()? {
                    $($number => Ok(Self(<$core>::$variant)),)*
                    number => Err(PyValueError::new_err(format!(
                        concat!("{} is not a valid ", stringify!($name)), number
                    ))),
                }
            }
        }
    };
}

python_enum!(Role(core::RoleKind) {
    Follower = 0 "FOLLOWER",
    PreCandidate = 1 "PRE_CANDIDATE",
    Candidate = 2 "CANDIDATE",
    Leader = 3 "LEADER",
});

python_enum!(EntryKind(core::EntryKind) {
    Normal = 0 "NORMAL",
    ConfChange = 1 "CONF_CHANGE",
    ConfChangeV2 = 2 "CONF_CHANGE_V2",
});

python_enum!(ProgressState(core::ProgressState) {
    Probe = 0 "PROBE",
    Replicate = 1 "REPLICATE",
    Snapshot = 2 "SNAPSHOT",
});

python_enum!(TransferResult(core::TransferResult) {
    Done = 1 "DONE",
    TimedOut = 2 "TIMED_OUT",
    Cancelled = 3 "CANCELLED",
    NotVoter = 4 "NOT_VOTER",
    OtherLeader = 5 "OTHER_LEADER",
});

python_enum!(ReadMode(core::ReadMode) {
    Safe = 0 "SAFE",
    Lease = 1 "LEASE",
});

python_enum!(ConfChangeKind(core::ConfChangeKind) {
    AddVoter = 0 "ADD_VOTER",
    Remove = 1 "REMOVE",
    Update = 2 "UPDATE",
    AddLearner = 3 "ADD_LEARNER",
});

python_enum!(Transition(core::Transition) {
    Auto = 0 "AUTO",
    Implicit = 1 "IMPLICIT",
    Explicit = 2 "EXPLICIT",
});

/// Which family of peers a group is shared with: `"etcd"` or `"tikv"`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Dialect(pub(crate) core::wire::Dialect);

impl<'py> FromPyObject<'_, 'py> for Dialect {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&str>()? {
            "etcd" => Ok(Self(core::wire::Dialect::Etcd)),
            "tikv" => Ok(Self(core::wire::Dialect::Tikv)),
            other => Err(PyValueError::new_err(format!(
                "dialect must be 'etcd' or 'tikv', not '{}'",
                other.escape_debug()
            ))),
        }
    }
}

impl<'py> IntoPyObject<'py> for Dialect {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Bound<'py, PyString>, Infallible> {
        Ok(PyString::new(
            py,
            match self.0 {
                core::wire::Dialect::Etcd => "etcd",
                core::wire::Dialect::Tikv => "tikv",
            },
        ))
    }
}

/// The kind of a message, with etcd's numbers.
#[derive(Clone, Copy)]
pub(crate) struct MessageType(u8, &'static str);

impl MessageType {
    pub(crate) fn of(body: &core::Body) -> Self {
        match body {
            core::Body::Propose(_) => Self(2, "PROPOSE"),
            core::Body::Append(_) => Self(3, "APPEND"),
            core::Body::AppendReply(_) => Self(4, "APPEND_REPLY"),
            core::Body::Vote(vote) if vote.pre => Self(17, "PRE_VOTE"),
            core::Body::Vote(_) => Self(5, "VOTE"),
            core::Body::VoteReply(reply) if reply.pre => Self(18, "PRE_VOTE_REPLY"),
            core::Body::VoteReply(_) => Self(6, "VOTE_REPLY"),
            core::Body::Snapshot(_) => Self(7, "SNAPSHOT"),
            core::Body::Heartbeat(_) => Self(8, "HEARTBEAT"),
            core::Body::HeartbeatReply(_) => Self(9, "HEARTBEAT_REPLY"),
            core::Body::TransferLeader(_) => Self(13, "TRANSFER_LEADER"),
            core::Body::TimeoutNow => Self(14, "TIMEOUT_NOW"),
            core::Body::ReadIndex(_) => Self(15, "READ_INDEX"),
            core::Body::ReadIndexReply(_) => Self(16, "READ_INDEX_REPLY"),
        }
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// The member's bare name.
    pub(crate) fn name(self) -> &'static str {
        self.1
    }
}

impl<'py> IntoPyObject<'py> for MessageType {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        CLASS.import(py, "raftcore.enums", "MessageType")?.call1((self.0,))
    }
}
