//! The bodies of messages as the dataclasses of `raftcore.rpc`.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};
use raftcore as core;
use raftcore::Body;

use crate::entry::{from_iterable, to_tuple};
use crate::payload::Payload;
use crate::snapshot::Snapshot;
use crate::state::EntryId;

const MODULE: &str = "raftcore.rpc";

/// A new object for `body`.
pub(crate) fn to_python<'py>(py: Python<'py>, body: &Body) -> PyResult<Bound<'py, PyAny>> {
    let bytes = |data: &[u8]| PyBytes::new(py, data);
    match body {
        Body::Propose(it) => new(py, "Propose", (to_tuple(py, it.entries.iter())?,)),
        Body::Append(it) => {
            new(py, "Append", (EntryId(it.prev), it.commit, to_tuple(py, it.entries.iter())?))
        }
        Body::AppendReply(it) => {
            new(py, "AppendReply", (it.index, it.reject.map(|reject| EntryId(reject.hint))))
        }
        Body::Vote(it) => {
            new(py, "Vote", (EntryId(it.last), it.pre, it.transfer, it.priority, EntryId(it.commit)))
        }
        Body::VoteReply(it) => new(py, "VoteReply", (it.granted, it.pre, EntryId(it.commit))),
        Body::Snapshot(it) => Ok(Bound::new(py, Snapshot((**it).clone()))?.into_any()),
        Body::Heartbeat(it) => new(py, "Heartbeat", (it.commit, bytes(&it.context))),
        Body::HeartbeatReply(it) => new(py, "HeartbeatReply", (bytes(&it.context),)),
        Body::TransferLeader(_) => new(py, "TransferLeader", ()),
        Body::TimeoutNow => new(py, "TimeoutNow", ()),
        Body::ReadIndex(it) => new(py, "ReadIndex", (bytes(&it.context),)),
        Body::ReadIndexReply(it) => new(py, "ReadIndexReply", (it.index, bytes(&it.context))),
    }
}

fn new<'py>(
    py: Python<'py>,
    class: &str,
    fields: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = py.import(MODULE)?.getattr(class)?.cast_into::<PyType>()?;
    class.call1(fields.into_pyobject(py).map_err(Into::into)?)
}

/// The body that a Python object stands for.
pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Body> {
    if let Ok(snapshot) = object.cast::<Snapshot>() {
        return Ok(Body::Snapshot(Box::new(snapshot.get().0.clone())));
    }
    let fields = Fields(object);
    let class = object.get_type();
    let name = class.name()?;
    if class.module()? != MODULE {
        return Err(no_body(&class));
    }
    Ok(match name.to_str()? {
        "Propose" => Body::Propose(core::Propose { entries: fields.entries()? }),
        "Append" => Body::Append(core::Append {
            prev: fields.id("prev")?,
            commit: fields.number("commit")?,
            entries: fields.entries()?,
        }),
        "AppendReply" => Body::AppendReply(core::AppendReply {
            index: fields.number("index")?,
            reject: object
                .getattr("hint")?
                .extract::<Option<EntryId>>()?
                .map(|hint| core::AppendReject { hint: hint.0 }),
        }),
        "Vote" => Body::Vote(core::Vote {
            pre: fields.flag("pre")?,
            last: fields.id("last")?,
            transfer: fields.flag("transfer")?,
            priority: object.getattr("priority")?.extract()?,
            commit: fields.id("commit")?,
        }),
        "VoteReply" => Body::VoteReply(core::VoteReply {
            pre: fields.flag("pre")?,
            granted: fields.flag("granted")?,
            commit: fields.id("commit")?,
        }),
        "Heartbeat" => {
            Body::Heartbeat(core::Heartbeat { commit: fields.number("commit")?, context: fields.context()? })
        }
        "HeartbeatReply" => Body::HeartbeatReply(core::HeartbeatReply { context: fields.context()? }),
        "TransferLeader" => Body::TransferLeader(core::TransferLeader),
        "TimeoutNow" => Body::TimeoutNow,
        "ReadIndex" => Body::ReadIndex(core::ReadIndex { context: fields.context()? }),
        "ReadIndexReply" => Body::ReadIndexReply(core::ReadIndexReply {
            index: fields.number("index")?,
            context: fields.context()?,
        }),
        _ => return Err(no_body(&class)),
    })
}

/// What a `repr` says of a body, beside its kind.
pub(crate) fn summary(body: &Body) -> String {
    let place = |id: core::EntryId| format!("{}/{}", id.term, id.index);
    match body {
        Body::Propose(it) => format!(" entries={}", it.entries.len()),
        Body::Append(it) => {
            format!(" prev={} commit={} entries={}", place(it.prev), it.commit, it.entries.len())
        }
        Body::AppendReply(it) => match it.reject {
            None => format!(" index={}", it.index),
            Some(reject) => format!(" rejected={} hint={}", it.index, place(reject.hint)),
        },
        Body::Vote(it) => format!(" last={}", place(it.last)),
        Body::VoteReply(it) => format!(" {}", if it.granted { "granted" } else { "refused" }),
        Body::Snapshot(it) => format!(" at={} bytes={}", place(it.id), it.data.len()),
        Body::Heartbeat(it) => format!(" commit={}", it.commit),
        Body::ReadIndexReply(it) => format!(" index={}", it.index),
        Body::HeartbeatReply(_) | Body::TransferLeader(_) | Body::TimeoutNow | Body::ReadIndex(_) => {
            String::new()
        }
    }
}

fn no_body(class: &Bound<'_, PyType>) -> PyErr {
    let name = class.fully_qualified_name().map_or_else(|_| "?".into(), |name| name.to_string());
    PyTypeError::new_err(format!("a Snapshot or an object of {MODULE} is required, not {name}"))
}

/// Typed access to the attributes of a dataclass.
struct Fields<'a, 'py>(&'a Bound<'py, PyAny>);

impl Fields<'_, '_> {
    fn number(&self, name: &str) -> PyResult<u64> {
        self.0.getattr(name)?.extract()
    }

    fn flag(&self, name: &str) -> PyResult<bool> {
        self.0.getattr(name)?.extract()
    }

    fn id(&self, name: &str) -> PyResult<core::EntryId> {
        Ok(self.0.getattr(name)?.extract::<EntryId>()?.0)
    }

    fn context(&self) -> PyResult<core::Bytes> {
        Ok(self.0.getattr("context")?.extract::<Payload>()?.0)
    }

    fn entries(&self) -> PyResult<core::Entries> {
        from_iterable(&self.0.getattr("entries")?).map(core::Entries::from)
    }
}
