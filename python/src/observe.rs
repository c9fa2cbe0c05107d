//! Watching a node: words for people, and a dict for each thing that happens.
//!
//! Fields and words are those of the C interface's `raft_observer`.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use raftcore as core;
use raftcore::trace::{EtcdTracer, etcd_line};

use crate::enums::{MessageType, Role};
use crate::node::CoreNode;
use crate::storage::is_interrupt;

/// The levels of Python's `logging`.
const DEBUG: u32 = 10;
const INFO: u32 = 20;
const WARNING: u32 = 30;
const ERROR: u32 = 40;

/// A node, and who watches it.
pub(crate) struct Watched {
    pub(crate) raw: CoreNode,
    /// A Ready on its way out: kept if an interrupt comes out of the call in its place.
    pub(crate) outgoing: Option<Box<core::Ready>>,
    observer: Option<Observer>,
    /// What the `logging` module raised that shall come out of the call.
    interrupt: Option<PyErr>,
}

/// What an observer is called by.
pub(crate) struct Callbacks {
    pub(crate) log: Option<Py<PyAny>>,
    pub(crate) trace: Option<Py<PyAny>>,
    pub(crate) etcd_trace: Option<Py<PyAny>>,
    pub(crate) etcd_time: Option<Py<PyAny>>,
}

/// Who watches, and what was told last.
pub(crate) struct Observer {
    callbacks: Callbacks,
    level: u32,
    /// Tells `etcd_trace`, if there is one.
    tracer: Option<EtcdTracer>,
    seen: Option<Seen>,
    /// What a callback raised that is not for `sys.unraisablehook`: an interrupt, an exit.
    interrupt: Option<PyErr>,
}

/// What is watched of a node.
struct Seen {
    hard: core::HardState,
    soft: core::SoftState,
    last: core::EntryId,
    applied: u64,
    members: core::ConfState,
}

#[derive(IntoPyObject)]
struct StateEvent {
    kind: &'static str,
    node: u64,
    term: u64,
    role: String,
    leader: u64,
    vote: u64,
    commit: u64,
}

#[derive(IntoPyObject)]
struct LogEvent {
    kind: &'static str,
    node: u64,
    last: LogPlace,
}

#[derive(IntoPyObject)]
struct LogPlace {
    term: u64,
    index: u64,
}

#[derive(IntoPyObject)]
struct AppliedEvent {
    kind: &'static str,
    node: u64,
    index: u64,
}

#[derive(IntoPyObject)]
struct MembersEvent<'a> {
    kind: &'static str,
    node: u64,
    voters: &'a [u64],
    outgoing: &'a [u64],
    learners: &'a [u64],
}

#[derive(IntoPyObject)]
struct DeliverEvent {
    kind: &'static str,
    node: u64,
    from: u64,
    term: u64,
    r#type: String,
}

#[derive(IntoPyObject)]
struct SendEvent {
    kind: &'static str,
    node: u64,
    to: u64,
    term: u64,
    r#type: String,
}

impl Watched {
    pub(crate) fn new(raw: CoreNode) -> Self {
        Self { raw, outgoing: None, observer: None, interrupt: None }
    }

    /// Puts an observer in the place of the one before. That one is to be dropped with nothing locked.
    pub(crate) fn watch(&mut self, py: Python<'_>, mut observer: Observer) -> Option<Observer> {
        let status = self.raw.status();
        if observer.callbacks.etcd_trace.is_some() {
            let mut events = Vec::new();
            let tracer = EtcdTracer::start(&status, &mut |event| events.push(event.to_owned()));
            observer.tracer = Some(tracer);
            observer.etcd_events(py, &events);
        }
        observer.seen = Some(Seen::of(status));
        self.observer.replace(observer)
    }

    /// Nobody watches any more. Who did is to be dropped with nothing locked.
    pub(crate) fn unwatch(&mut self) -> Option<Observer> {
        self.observer.take()
    }

    /// Tells that a message came in.
    pub(crate) fn tell_delivery(&mut self, py: Python<'_>, message: &core::Message) {
        let Some(observer) = &mut self.observer else { return };
        observer.etcd(py, |tracer, tell| tracer.receives(message, tell));
        observer.trace(py, || DeliverEvent {
            kind: "deliver",
            node: self.raw.id(),
            from: message.from,
            term: message.term,
            r#type: type_name(&message.body),
        });
    }

    /// Tells which members cannot be sent what they need, and why, each once for a cause: the observer that
    /// logs or, if there is none, the logger "raftcore".
    pub(crate) fn tell_unserved(&mut self, py: Python<'_>) {
        for unserved in self.raw.take_unserved() {
            let level = match unserved.error {
                core::StorageError::SnapshotUnavailable => INFO,
                _ => WARNING,
            };
            let text = format!("node {}: {unserved}", self.raw.id());
            match &mut self.observer {
                Some(observer) if observer.callbacks.log.is_some() => observer.log(py, level, || text),
                _ => self.interrupt = log_by_module(py, level, &text).or(self.interrupt.take()),
            }
        }
    }

    /// Tells that messages go out: those of a Ready, and those that wait until it is stored.
    pub(crate) fn tell_sending(&mut self, py: Python<'_>, ready: &core::Ready) {
        let Some(observer) = &mut self.observer else { return };
        observer.etcd(py, |tracer, tell| tracer.takes(&self.raw.status(), ready, tell));
        let later = ready.storage_append.iter().flat_map(|append| &append.responses);
        let later = later.filter_map(|response| match response {
            core::Response::Send(message) => Some(message),
            core::Response::Acknowledge(_) => None,
        });
        for message in ready.messages.iter().chain(later) {
            observer.trace(py, || SendEvent {
                kind: "send",
                node: self.raw.id(),
                to: message.to,
                term: message.term,
                r#type: type_name(&message.body),
            });
        }
    }

    /// Tells that work is about to count as done.
    pub(crate) fn tell_advance(&mut self, py: Python<'_>) {
        let Some(observer) = &mut self.observer else { return };
        observer.etcd(py, |tracer, tell| tracer.advances(&self.raw.status(), tell));
    }

    /// Tells what a call has changed.
    pub(crate) fn tell_changes(&mut self, py: Python<'_>) {
        let Some(observer) = &mut self.observer else { return };
        let status = self.raw.status();
        observer.etcd(py, |tracer, tell| tracer.changed(&status, tell));
        let now = Seen::of(status);
        if let Some(before) = observer.seen.take() {
            now.tell(py, self.raw.id(), &before, observer);
        }
        observer.seen = Some(now);
    }

    /// Says that a call failed, and why.
    pub(crate) fn tell_failure(&mut self, py: Python<'_>, error: &core::Error) {
        let Some(observer) = &mut self.observer else { return };
        let level = match error {
            core::Error::CommitBeyondLog { .. } | core::Error::CommittedConflict { .. } => ERROR,
            core::Error::Storage(_) => WARNING,
            _ => DEBUG,
        };
        observer.log(py, level, || error.to_string());
    }

    /// What an observer raised that shall come out of the call.
    pub(crate) fn take_interrupt(&mut self) -> Option<PyErr> {
        self.interrupt.take().or_else(|| self.observer.as_mut()?.interrupt.take())
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.raw.storage().traverse(visit)?;
        let Some(observer) = &self.observer else { return Ok(()) };
        observer.callbacks.named().into_iter().try_for_each(|(_, callback)| visit.call(callback))
    }
}

impl Callbacks {
    fn named(&self) -> [(&'static str, &Option<Py<PyAny>>); 4] {
        [
            ("log", &self.log),
            ("trace", &self.trace),
            ("etcd_trace", &self.etcd_trace),
            ("etcd_time", &self.etcd_time),
        ]
    }
}

impl Observer {
    /// An observer with these callbacks; none if there are none. Raises TypeError for what cannot be
    /// called.
    pub(crate) fn new(py: Python<'_>, callbacks: Callbacks, level: u32) -> PyResult<Option<Self>> {
        for (name, callback) in callbacks.named() {
            if callback.as_ref().is_some_and(|callback| !callback.bind(py).is_callable()) {
                return Err(PyTypeError::new_err(format!("{name} is not callable")));
            }
        }
        let any = callbacks.named()[..3].iter().any(|(_, callback)| callback.is_some());
        Ok(any.then_some(Self { callbacks, level, tracer: None, seen: None, interrupt: None }))
    }

    fn log(&mut self, py: Python<'_>, level: u32, text: impl FnOnce() -> String) {
        let Some(log) = self.callbacks.log.as_ref().filter(|_| level >= self.level) else { return };
        let result = log.bind(py).call1((level, text()));
        let raised = result.err().map(|raised| (raised, log.clone_ref(py)));
        self.note(py, raised);
    }

    fn trace<T: for<'py> IntoPyObject<'py>>(&mut self, py: Python<'_>, event: impl FnOnce() -> T) {
        let Some(trace) = &self.callbacks.trace else { return };
        let result = trace.bind(py).call1((event(),));
        let raised = result.err().map(|raised| (raised, trace.clone_ref(py)));
        self.note(py, raised);
    }

    /// Has the tracer in etcd/raft's format tell something, if there is one.
    fn etcd(&mut self, py: Python<'_>, f: impl FnOnce(&mut EtcdTracer, &mut dyn FnMut(&str))) {
        let Some(tracer) = &mut self.tracer else { return };
        let mut events = Vec::new();
        f(tracer, &mut |event| events.push(event.to_owned()));
        self.etcd_events(py, &events);
    }

    fn etcd_events(&mut self, py: Python<'_>, events: &[String]) {
        for event in events {
            let Callbacks { etcd_trace: Some(trace), etcd_time, .. } = &self.callbacks else { return };
            let time = etcd_time.as_ref().map(|time| time.bind(py).call0()?.extract::<u64>()).transpose();
            let result = time.and_then(|time| trace.bind(py).call1((etcd_line(event, time),)));
            let raised = result.err().map(|raised| (raised, trace.clone_ref(py)));
            self.note(py, raised);
        }
    }

    /// An observer cannot make a call fail. What is no error but an interrupt is kept for the caller.
    fn note(&mut self, py: Python<'_>, raised: Option<(PyErr, Py<PyAny>)>) {
        match raised {
            None => {}
            Some((raised, callback)) if !is_interrupt(py, &raised) => {
                raised.write_unraisable(py, Some(callback.bind(py)));
            }
            Some((raised, _)) => self.interrupt = Some(raised),
        }
    }
}

impl Seen {
    fn of(status: core::Status) -> Self {
        Self {
            hard: status.hard_state,
            soft: status.soft_state,
            last: status.last,
            applied: status.applied,
            members: status.conf_state,
        }
    }

    /// Tells in what it differs from what was before.
    fn tell(&self, py: Python<'_>, node: u64, before: &Self, observer: &mut Observer) {
        if (before.hard, before.soft) != (self.hard, self.soft) {
            observer.trace(py, || self.state(node));
        }
        if before.soft != self.soft || before.hard.term != self.hard.term {
            observer.log(py, INFO, || self.state_text(node));
        }
        if before.last != self.last {
            let last = LogPlace { term: self.last.term, index: self.last.index };
            observer.trace(py, || LogEvent { kind: "log", node, last });
        }
        if before.applied != self.applied {
            observer.trace(py, || AppliedEvent { kind: "applied", node, index: self.applied });
        }
        if before.members != self.members {
            observer.trace(py, || self.members(node));
            observer.log(py, INFO, || self.members_text(node));
        }
    }

    fn state(&self, node: u64) -> StateEvent {
        StateEvent {
            kind: "state",
            node,
            term: self.hard.term,
            role: role_name(self.soft.role),
            leader: self.soft.leader,
            vote: self.hard.vote,
            commit: self.hard.commit,
        }
    }

    fn state_text(&self, node: u64) -> String {
        let leader = match self.soft.leader {
            core::NO_NODE => ", no leader known".to_owned(),
            leader if leader == node => String::new(),
            leader => format!(", leader {leader}"),
        };
        format!("node {node}: {} in term {}{leader}", role_name(self.soft.role), self.hard.term)
    }

    fn members(&self, node: u64) -> MembersEvent<'_> {
        let core::ConfState { voters, learners, voters_outgoing, .. } = &self.members;
        MembersEvent { kind: "members", node, voters, outgoing: voters_outgoing, learners }
    }

    fn members_text(&self, node: u64) -> String {
        let core::ConfState { voters, learners, voters_outgoing, .. } = &self.members;
        let part = |name: &str, ids: &[u64]| match ids {
            [] => String::new(),
            ids => format!(", {name} {ids:?}"),
        };
        let more = part("outgoing", voters_outgoing) + &part("learners", learners);
        format!("node {node}: voters {voters:?}{more}")
    }
}

fn role_name(role: core::RoleKind) -> String {
    Role(role).name().trim_start_matches("Role.").to_lowercase()
}

fn type_name(body: &core::Body) -> String {
    MessageType::of(body).name().to_lowercase()
}

/// Logs by the `logging` module. What it raises that is an interrupt or an exit is the answer.
fn log_by_module(py: Python<'_>, level: u32, text: &str) -> Option<PyErr> {
    let log = || {
        py.import("logging")?
            .call_method1("getLogger", ("raftcore",))?
            .call_method1("log", (level, "%s", text))
    };
    match log() {
        Err(raised) if !is_interrupt(py, &raised) => {
            raised.write_unraisable(py, None);
            None
        }
        result => result.err(),
    }
}
