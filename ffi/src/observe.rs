//! Watching a node: words for people, and one line of JSON for each thing that happens.

use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, Release};

use parking_lot::Mutex;
use raftcore::trace::{EtcdTracer, etcd_line};
use raftcore::{ConfState, HardState, Message, Ready, Response, SoftState, Status, StorageError};

use crate::handle::{State, call, raft_node};
use crate::json::{ids, role_name, type_name};
use crate::sized::{self, SizedStruct};
use crate::status::{Failure, RAFT_ERR_COMMIT_BEYOND_LOG, RAFT_ERR_COMMITTED_CONFLICT, raft_status};
use crate::storage::NodeStorage;

/// Log level: nothing.
pub const RAFT_LOG_NONE: i32 = 0;
/// Log level: data was lost, or the library has a defect.
pub const RAFT_LOG_ERROR: i32 = 1;
/// Log level: a callback or the storage failed; a member cannot be sent what it needs (once for each
/// member and cause, and again if the cause went away and came back).
pub const RAFT_LOG_WARN: i32 = 2;
/// Log level: roles, leaders and memberships change.
pub const RAFT_LOG_INFO: i32 = 3;
/// Log level: calls are refused, and why.
pub const RAFT_LOG_DEBUG: i32 = 4;

/// Trace format: the lines that docs/abi.md lists.
pub const RAFT_TRACE_RAFTCORE: i32 = 0;
/// Trace format: that of etcd/raft's own tracer (NDJSON), for etcd/raft's TLA+ specification. See
/// docs/trace.md for what the specification knows, and how the host has to work.
pub const RAFT_TRACE_ETCD: i32 = 1;

/// What a host wants to hear of a node: see raft_node_set_observer. Set unused bytes to zero.
///
/// The callbacks are called by whichever thread calls the node, perhaps several at a time, often with
/// the node locked: any call on the node in them answers RAFT_ERR_REENTRANT. They must not throw, and
/// not longjmp. What they get is borrowed until they return.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_observer {
    /// sizeof(raft_observer).
    pub struct_size: usize,
    /// Handed to every callback; may be NULL. Not used otherwise.
    pub context: *mut c_void,
    /// Gets words for people, without a newline at the end. NULL: nothing is logged.
    pub log: Option<unsafe extern "C" fn(context: *mut c_void, level: i32, text: *const c_char, len: usize)>,
    /// Gets one JSON object, without a newline, for each thing that happens: see trace_format. For
    /// debugging and checking; it costs time. NULL: nothing is traced.
    pub trace: Option<unsafe extern "C" fn(context: *mut c_void, json: *const c_char, len: usize)>,
    /// Called once, when the node needs the context no more. NULL: nothing is called.
    pub release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    /// How much is logged: a RAFT_LOG_ constant, that level and those above it.
    pub log_level: i32,
    /// RAFT_TRACE_ETCD: tells the time of a line, by which the lines of all nodes are brought in order: a
    /// number that does not go back, with as many digits in all lines. NULL: the lines have no time, and
    /// the order in which they came counts.
    pub time: Option<unsafe extern "C" fn(context: *mut c_void) -> u64>,
    /// How `trace` gets what happens: RAFT_TRACE_RAFTCORE (0) or RAFT_TRACE_ETCD.
    pub trace_format: i32,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_observer {
    const MIN_SIZE: usize = offset_of!(Self, log_level) + size_of::<i32>();
}

const NOBODY: raft_observer = raft_observer {
    struct_size: size_of::<raft_observer>(),
    context: std::ptr::null_mut(),
    log: None,
    trace: None,
    release: None,
    log_level: RAFT_LOG_NONE,
    time: None,
    trace_format: RAFT_TRACE_RAFTCORE,
};

/// An observer, released when nobody needs it any more.
pub(crate) struct Observer(raft_observer);

// SAFETY: the header says that any thread may call the callbacks, with this context.
unsafe impl Send for Observer {}
// SAFETY: the same, several at a time too.
unsafe impl Sync for Observer {}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: the host's callback with the host's context, once: it is not cloned.
            unsafe { release(self.0.context) }
        }
    }
}

/// Has a node watched from now on, or no longer.
///
/// `observer` is copied; NULL: nobody watches. The observer before, if there is one, is released: at
/// once, or when the last of its callbacks that is being called by another thread returns.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT (and observer->release has been called, unless its
/// struct_size is unknown), RAFT_ERR_REENTRANT and RAFT_ERR_POISONED (the same).
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_node_set_observer(
    node: *mut raft_node,
    observer: *const raft_observer,
) -> raft_status {
    // SAFETY: the header demands NULL or an observer of the size that it states, and NULL or a live
    // node.
    unsafe {
        let observer = Observer::read(observer);
        call(node, |node| {
            let observer = observer?;
            // Dropped here, with nothing locked: a release callback may do what it likes.
            let _before = node.lock(|state| {
                state.busy().observed = observer.as_deref().map(|observer| {
                    let status = state.raw.status();
                    Box::new(Observed::begin(&status, observer))
                });
                Ok(node.watch(observer))
            })?;
            Ok(())
        })
    }
}

impl Observer {
    /// # Safety
    /// `observer` is NULL or points to an observer of the size that it states.
    unsafe fn read(observer: *const raft_observer) -> Result<Option<Arc<Self>>, Failure> {
        if observer.is_null() {
            return Ok(None);
        }
        // SAFETY: the same contract.
        let observer = Self(unsafe { sized::read(observer, NOBODY, "observer") }?);
        let raft_observer { log_level, trace_format, .. } = observer.0;
        if !(RAFT_LOG_NONE..=RAFT_LOG_DEBUG).contains(&log_level) {
            return Err(Failure::argument("observer.log_level", format!("is unknown: {log_level}")));
        }
        if ![RAFT_TRACE_RAFTCORE, RAFT_TRACE_ETCD].contains(&trace_format) {
            return Err(Failure::argument("observer.trace_format", format!("is unknown: {trace_format}")));
        }
        Ok(Some(Arc::new(observer)))
    }

    /// Whether it wants etcd/raft's format.
    fn traces_as_etcd(&self) -> bool {
        self.0.trace.is_some() && self.0.trace_format == RAFT_TRACE_ETCD
    }

    /// Hands on an event in etcd/raft's format.
    fn trace_etcd(&self, event: &str) {
        // SAFETY: the host's callback with the host's context.
        let time = self.0.time.map(|time| unsafe { time(self.0.context) });
        self.trace(&etcd_line(event, time));
    }

    fn log(&self, level: i32, text: &str) {
        let Some(log) = self.0.log.filter(|_| level <= self.0.log_level) else { return };
        // SAFETY: the host's callback with the host's context, and a text that outlives the call.
        unsafe { log(self.0.context, level, text.as_ptr().cast(), text.len()) }
    }

    fn trace(&self, json: &str) {
        let Some(trace) = self.0.trace else { return };
        // SAFETY: the host's callback with the host's context, and a text that outlives the call.
        unsafe { trace(self.0.context, json.as_ptr().cast(), json.len()) }
    }
}

/// Who watches a node, and whether anybody does: the latter is cheap to see.
#[derive(Default)]
pub(crate) struct Watch {
    observer: Mutex<Option<Arc<Observer>>>,
    is_on: AtomicBool,
}

impl raft_node {
    /// Puts an observer in the place of the one before.
    fn watch(&self, observer: Option<Arc<Observer>>) -> Option<Arc<Observer>> {
        let is_on = observer.is_some();
        let watch = &self.told().watch;
        let before = std::mem::replace(&mut *watch.observer.lock(), observer);
        watch.is_on.store(is_on, Release);
        before
    }

    /// Who watches; nothing is paid for if nobody does.
    pub(crate) fn watcher(&self) -> Option<Arc<Observer>> {
        if !self.is_watched() {
            return None;
        }
        self.known_told()?.watch.observer.lock().clone()
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.known_told().is_some_and(|told| told.watch.is_on.load(Relaxed))
    }

    /// Says that a call failed.
    pub(crate) fn log_failure(&self, failure: &Failure) {
        let Some(observer) = self.watcher() else { return };
        let level = match failure {
            Failure::Panic(_) | Failure::Invariant(_) => RAFT_LOG_ERROR,
            Failure::Core(_) => match failure.status() {
                RAFT_ERR_COMMIT_BEYOND_LOG | RAFT_ERR_COMMITTED_CONFLICT => RAFT_LOG_ERROR,
                crate::status::RAFT_ERR_STORAGE => RAFT_LOG_WARN,
                _ => RAFT_LOG_DEBUG,
            },
            Failure::Callback { .. } => RAFT_LOG_WARN,
            _ => RAFT_LOG_DEBUG,
        };
        observer.log(level, &failure.to_string());
    }
}

/// What an observer knows of its node.
pub(crate) struct Observed {
    seen: Seen,
    /// Tells it in etcd/raft's format, if the observer wants that.
    tracer: Option<EtcdTracer>,
}

impl Observed {
    fn begin(status: &Status, observer: &Observer) -> Self {
        let start = || EtcdTracer::start(status, &mut |event| observer.trace_etcd(event));
        Self { seen: Seen::of(status), tracer: observer.traces_as_etcd().then(start) }
    }
}

/// What is watched of a node.
struct Seen {
    hard: HardState,
    soft: SoftState,
    last: raftcore::EntryId,
    applied: u64,
    members: ConfState,
}

impl Seen {
    fn of(status: &Status) -> Self {
        Self {
            hard: status.hard_state,
            soft: status.soft_state,
            last: status.last,
            applied: status.applied,
            members: status.conf_state.clone(),
        }
    }
}

impl State {
    /// Tells what a call has changed. Called before the node is unlocked, so that the order is right.
    pub(crate) fn tell_changes(&mut self, observer: &Observer) {
        let status = self.raw.status();
        let Some(observed) = self.observed() else { return };
        let now = Seen::of(&status);
        let id = status.id;
        let before = &observed.seen;
        match &mut observed.tracer {
            Some(tracer) => tracer.changed(&status, &mut |event| observer.trace_etcd(event)),
            None => now.trace_changes(before, id, observer),
        }
        if before.soft != now.soft || before.hard.term != now.hard.term {
            observer.log(RAFT_LOG_INFO, &now.state_text(id));
        }
        if before.members != now.members {
            observer.log(RAFT_LOG_INFO, &now.members_text(id));
        }
        observed.seen = now;
    }

    fn observed(&mut self) -> Option<&mut Observed> {
        self.busy.as_deref_mut()?.observed.as_deref_mut()
    }

    fn tracer(&mut self) -> Option<&mut EtcdTracer> {
        self.observed()?.tracer.as_mut()
    }

    /// Tells that a message came in.
    pub(crate) fn tell_delivery(&mut self, observer: &Observer, message: &Message) {
        if let Some(tracer) = self.tracer() {
            tracer.receives(message, &mut |event| observer.trace_etcd(event));
        } else if observer.0.trace.is_some() {
            observer.trace(&format!(
                r#"{{"kind":"deliver","node":{},"from":{},"term":{},"type":"{}"}}"#,
                self.raw.id(),
                message.from,
                message.term,
                type_name(&message.body),
            ));
        }
    }

    /// Tells which members cannot be sent what they need, and why: each once for a cause.
    pub(crate) fn tell_unserved(&mut self, observer: &Observer) {
        for unserved in self.raw.take_unserved() {
            let level = match unserved.error {
                StorageError::SnapshotUnavailable => RAFT_LOG_INFO,
                _ => RAFT_LOG_WARN,
            };
            observer.log(level, &format!("node {}: {unserved}", self.raw.id()));
        }
    }

    /// Tells that messages go out.
    pub(crate) fn tell_ready(&mut self, observer: &Observer, ready: &Ready) {
        if self.tracer().is_some() {
            let status = self.raw.status();
            let tell = |tracer: &mut EtcdTracer| {
                tracer.takes(&status, ready, &mut |event| observer.trace_etcd(event))
            };
            return self.tracer().map(tell).unwrap_or_default();
        }
        if observer.0.trace.is_none() {
            return;
        }
        let later = ready.storage_append.iter().flat_map(|append| &append.responses);
        let later = later.filter_map(|response| match response {
            Response::Send(message) => Some(message),
            Response::Acknowledge(_) => None,
        });
        for message in ready.messages.iter().chain(later) {
            observer.trace(&format!(
                r#"{{"kind":"send","node":{},"to":{},"term":{},"type":"{}"}}"#,
                self.raw.id(),
                message.to,
                message.term,
                type_name(&message.body),
            ));
        }
    }

    /// Tells that work is about to count as done.
    pub(crate) fn tell_advance(&mut self, node: &raft_node) {
        if let Some(observer) = node.watcher().filter(|_| self.tracer().is_some()) {
            let status = self.raw.status();
            let tell =
                |tracer: &mut EtcdTracer| tracer.advances(&status, &mut |event| observer.trace_etcd(event));
            self.tracer().map(tell).unwrap_or_default();
        }
    }

    /// Whether the node keeps its own log.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.raw.storage(), NodeStorage::Memory(_))
    }
}

impl Seen {
    fn trace_changes(&self, before: &Self, id: u64, observer: &Observer) {
        if (before.hard, before.soft) != (self.hard, self.soft) {
            observer.trace(&self.state_json(id));
        }
        if before.last != self.last {
            let (term, index) = (self.last.term, self.last.index);
            observer
                .trace(&format!(r#"{{"kind":"log","node":{id},"last":{{"term":{term},"index":{index}}}}}"#));
        }
        if before.applied != self.applied {
            observer.trace(&format!(r#"{{"kind":"applied","node":{id},"index":{}}}"#, self.applied));
        }
        if before.members != self.members {
            observer.trace(&self.members_json(id));
        }
    }

    fn state_json(&self, id: u64) -> String {
        format!(
            r#"{{"kind":"state","node":{id},"term":{},"role":"{}","leader":{},"vote":{},"commit":{}}}"#,
            self.hard.term,
            role_name(self.soft.role),
            self.soft.leader,
            self.hard.vote,
            self.hard.commit,
        )
    }

    fn state_text(&self, id: u64) -> String {
        let mut text = format!("node {id}: {} in term {}", role_name(self.soft.role), self.hard.term);
        // Writing to a string does not fail.
        let _ = match self.soft.leader {
            0 => write!(text, ", no leader known"),
            leader if leader == id => Ok(()),
            leader => write!(text, ", leader {leader}"),
        };
        text
    }

    fn members_json(&self, id: u64) -> String {
        format!(
            r#"{{"kind":"members","node":{id},"voters":{},"outgoing":{},"learners":{}}}"#,
            ids(&self.members.voters),
            ids(&self.members.voters_outgoing),
            ids(&self.members.learners),
        )
    }

    fn members_text(&self, id: u64) -> String {
        let ConfState { voters, learners, voters_outgoing, .. } = &self.members;
        let mut text = format!("node {id}: voters {}", ids(voters));
        if !voters_outgoing.is_empty() {
            text += &format!(", outgoing {}", ids(voters_outgoing));
        }
        if !learners.is_empty() {
            text += &format!(", learners {}", ids(learners));
        }
        text
    }
}
