//! The node.

mod calls;
mod ticks;

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::PyBaseException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use raftcore as core;
use raftcore::wire;

use self::ticks::Ticks;
use crate::ack::Ack;
use crate::config::Config;
use crate::enums::EntryKind;
use crate::error::{decode_error, raise, storage_error, to_python};
use crate::guard::Guard;
use crate::membership::{ChangeOrEntry, ConfChange, ConfState};
use crate::message::Message;
use crate::observe::{Callbacks, Observer, Watched};
use crate::payload::Payload;
use crate::ready::Ready;
use crate::state::{HardState, SoftState};
use crate::status::{
    basic_status_to_python, proposed_to_python, status_to_python, transfer_outcome_to_python,
};
use crate::storage::{Failure, HostStorage, is_interrupt};

pub(crate) type CoreNode = core::RawNode<HostStorage>;

/// One node of a Raft group: a state machine that its host drives.
///
/// The host calls `tick` at a steady pace, `step` with every message that arrives, `propose` and
/// the like; and while `has_ready` it takes a Ready, does what that asks for, and hands it back
/// with `advance`.
///
/// The storage is read from within these calls. What it raises, the caller gets as a StorageError
/// with the exception as `__cause__`. A storage that calls its own node gets Reentrant. An
/// interrupt (what is no Exception: KeyboardInterrupt, SystemExit) always comes out of the call that
/// it was raised in, as it is. What the call had to do is done then, or has failed and is tried again.
///
/// Threads: every method may be called from any thread; calls wait for each other. A node that a
/// process has inherited by `fork` raises InheritedByFork.
///
/// Errors: every method raises Poisoned once a defect of the library was caught inside the node.
/// Otherwise a node is, after an exception, as it was before the call.
///
/// Raises ConfigError, StorageError, or InconsistentStorage if the storage holds what does not fit
/// together; TypeError if `storage` lacks a method.
#[pyclass(frozen, weakref, module = "raftcore")]
pub(crate) struct RawNode {
    node: Guard<Watched>,
    config: Py<PyAny>,
    failure: Failure,
    id: u64,
    dialect: wire::Dialect,
    identity: Arc<()>,
    /// The last failure of the storage that made no call fail.
    kept: Mutex<Option<Py<PyBaseException>>>,
}

fn wrong_write_mode(py: Python<'_>) -> PyErr {
    to_python(py, &core::Error::WrongWriteMode, None)
}

#[pymethods]
impl RawNode {
    #[new]
    fn new(py: Python<'_>, config: &Bound<'_, PyAny>, storage: &Bound<'_, PyAny>) -> PyResult<Self> {
        let given = config.clone().unbind();
        let config = config.extract::<Config>()?.0;
        let (id, dialect) = (config.id, config.dialect);
        let failure = Failure::default();
        let storage = HostStorage::new(storage, Some(config.applied), failure.clone())?;
        let node = CoreNode::new(config, storage);
        let node = match (node, failure.take()) {
            (_, Some((_, interrupt))) if is_interrupt(py, &interrupt) => return Err(interrupt),
            (node, cause) => node.map_err(|error| to_python(py, &error, cause))?,
        };
        Ok(Self {
            node: Guard::new(Watched::new(node)),
            config: given,
            failure,
            id,
            dialect,
            identity: Arc::default(),
            kept: Mutex::default(),
        })
    }

    /// This node's id.
    #[getter]
    fn id(&self) -> u64 {
        self.id
    }

    /// The configuration that the node was made with.
    #[getter]
    fn config(&self, py: Python<'_>) -> Py<PyAny> {
        self.config.clone_ref(py)
    }

    /// The storage that the node was made with.
    #[getter]
    fn storage(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.look(py, |node| node.storage().object(py))
    }

    /// Term, vote and commit index; perhaps not stored yet.
    #[getter]
    fn hard_state(&self, py: Python<'_>) -> PyResult<HardState> {
        self.look(py, |node| HardState(node.hard_state()))
    }

    /// Leader and role.
    #[getter]
    fn soft_state(&self, py: Python<'_>) -> PyResult<SoftState> {
        self.look(py, |node| SoftState(node.soft_state()))
    }

    /// Lets time pass: elections and heartbeats are counted in ticks. For a host that was late,
    /// `count` of them. An exception does not stop the clock: all ticks count.
    ///
    /// Raises ValueError if `count` is not from 0 to 1048576; then none was counted.
    #[pyo3(signature = (count=Ticks(1)), text_signature = "($self, count=1)")]
    fn tick(&self, py: Python<'_>, count: Ticks) -> PyResult<()> {
        self.call(py, |node| {
            let mut first_error = Ok(());
            for _ in 0..count.0 {
                let result = node.tick();
                first_error = first_error.and(result);
            }
            first_error
        })
    }

    /// Takes a message from a peer: a Message, or its bytes.
    ///
    /// The bytes may come from anybody. An exception changes nothing, neither term nor leader nor log.
    /// Raises DecodeError, PeerNotFound, InvalidMessage, ProposalDropped, ConfChangeError, LimitReached
    /// or StorageError: log it and go on. Raises CommitBeyondLog or CommittedConflict if a member says
    /// that data was lost: stop the node.
    ///
    /// Messages are not authenticated: the transport knows who speaks, and of which group
    /// (Config.handshake).
    fn step(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let message = match message.cast::<Message>() {
            Ok(message) => message.get().0.clone(),
            Err(_) => {
                let bytes = message.extract::<Payload>()?;
                wire::decode(&bytes.0).map_err(|error| decode_error(py, &error))?
            }
        };
        self.call_watched(py, |node| {
            node.tell_delivery(py, &message);
            node.raw.step(message)
        })
    }

    /// Proposes an entry. On the leader, returns the EntryId that it got: it is committed once an
    /// entry with this very id is handed out as committed, and lost once another one is at its
    /// index. On a follower, returns Forwarded.
    ///
    /// Raises ProposalDropped or LimitReached.
    fn propose<'py>(&self, py: Python<'py>, data: Payload) -> PyResult<Bound<'py, PyAny>> {
        let proposed = self.call(py, |node| node.propose(data.0))?;
        proposed_to_python(py, proposed)
    }

    /// Proposes entries that get consecutive places in the log. Returns the EntryId of the first,
    /// or Forwarded.
    ///
    /// Raises ProposalDropped or LimitReached: then none of them was taken.
    fn propose_batch<'py>(
        &self,
        py: Python<'py>,
        payloads: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let payloads = payloads
            .try_iter()?
            .map(|data| Ok(data?.extract::<Payload>()?.0))
            .collect::<PyResult<Vec<_>>>()?;
        let proposed = self.call(py, |node| node.propose_batch(payloads))?;
        proposed_to_python(py, proposed)
    }

    /// Proposes a change of the membership. It is in force where it is applied. Returns as
    /// `propose` does.
    ///
    /// Raises ConfChangeError if the leader knows that the change would come to nothing: another
    /// may be pending, it cannot be applied, or it changes no member. It never enters the log then
    /// (with `etcd_compat` an empty entry of kind NORMAL takes its place). Raises ProposalDropped or
    /// LimitReached.
    fn propose_conf_change<'py>(&self, py: Python<'py>, change: ConfChange) -> PyResult<Bound<'py, PyAny>> {
        let change = change.into();
        let proposed = self.call(py, |node| node.propose_conf_change(&change))?;
        proposed_to_python(py, proposed)
    }

    /// Proposes a change of the membership in the encoding of the first version, for groups with
    /// members that know no other. `id` is the host's own number for it, which travels in the entry; 0:
    /// none. Otherwise as `propose_conf_change`.
    ///
    /// Raises ProposalDropped, LimitReached; ValueError if the change has not exactly one operation, or a
    /// transition.
    #[pyo3(signature = (change, *, id=0))]
    fn propose_conf_change_v1<'py>(
        &self,
        py: Python<'py>,
        change: ConfChange,
        id: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let change = change.into_v1(id)?;
        let proposed = self.call(py, |node| node.propose_conf_change_v1(&change))?;
        proposed_to_python(py, proposed)
    }

    /// Proposes an entry of a kind with a payload that the host has encoded itself:
    /// `ConfChange.encode`, or bytes of another implementation. Returns as `propose` does.
    ///
    /// Raises LimitReached; ProposalDropped, also if the payload of a membership change is none.
    fn propose_entry<'py>(
        &self,
        py: Python<'py>,
        kind: EntryKind,
        data: Payload,
    ) -> PyResult<Bound<'py, PyAny>> {
        let proposed = self.call(py, |node| node.propose_entry(kind.0, data.0))?;
        proposed_to_python(py, proposed)
    }

    /// Brings a committed change of the membership in force: to be called when its entry is
    /// applied. Takes the entry, or the change that it carries. Returns the new membership, which
    /// the host stores.
    ///
    /// At any time from when the entry is handed out until it counts as applied: that is until `advance`,
    /// or until the notice of `Ready.storage_apply` goes back. The node may be ticked and stepped in
    /// between, by the old membership. Later would be too late, and is not noticed: with two changes that
    /// count as applied and are not in force, majorities need not overlap any more.
    ///
    /// Raises DecodeError or ConfChangeError if the entry cannot be carried out: it changes nothing,
    /// here and on every other node; go on with the next entry.
    fn apply_conf_change(&self, py: Python<'_>, change: ChangeOrEntry) -> PyResult<ConfState> {
        let change = change.into_change(py, self.dialect)?;
        self.call(py, |node| node.apply_conf_change(&change)).map(ConfState)
    }

    /// Campaigns without waiting for the election timeout. Without effect on a leader, on a node
    /// that does not vote, and while a snapshot or a membership change waits to be applied; with
    /// lease-based reads also while a lease may run that this node has granted.
    fn campaign(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, CoreNode::campaign)
    }

    /// Hands leadership to a voter; a follower passes the wish on. `take_transfer_outcome` of the node that
    /// led has the outcome. Given up after an election timeout; proposals are refused meanwhile. The same
    /// target once more gets no more time, another one replaces it, and this node itself ends it.
    ///
    /// Raises InvalidTransferee, NoLeader or LimitReached.
    fn transfer_leader(&self, py: Python<'_>, to: u64) -> PyResult<()> {
        self.call(py, |node| node.transfer_leader(to))
    }

    /// Makes a follower forget its leader, so that it votes for others at once. Without effect on
    /// other roles, and with lease-based reads.
    fn forget_leader(&self, py: Python<'_>) -> PyResult<()> {
        self.look(py, CoreNode::forget_leader)
    }

    /// Asks for the index at which a linearizable read may be served. The answer comes in
    /// `Ready.read_states` with the same context, or never: ask again after a while. Use contexts
    /// that no earlier life of the node has used: an answer to it may still arrive.
    ///
    /// Raises NoLeader or LimitReached.
    fn read_index(&self, py: Python<'_>, context: Payload) -> PyResult<()> {
        self.call(py, |node| node.read_index(context.0))
    }

    /// Reports that a message to the given node was lost, as far as the host knows. Call it on every
    /// node for every loss, as soon as it is known, whatever the message was: a leader sends again at
    /// once what may be lost, and a follower makes its leader ask for acknowledgements that may be. Both
    /// only a few times until they hear from that node: one that is dead may be reported, too.
    fn report_unreachable(&self, py: Python<'_>, id: u64) -> PyResult<()> {
        self.look(py, |node| node.report_unreachable(id))
    }

    /// Reports how the delivery of a snapshot to the given node ended. It is delivered when the
    /// receiver has handed it to its node; a transport that cannot know reports every failure that
    /// it sees, and True otherwise. A host must do so: until then the leader sends that node nothing
    /// else. A report that is wrong costs time only.
    fn report_snapshot(&self, py: Python<'_>, id: u64, delivered: bool) -> PyResult<()> {
        let status = match delivered {
            true => core::SnapshotStatus::Delivered,
            false => core::SnapshotStatus::Failed,
        };
        self.look(py, |node| node.report_snapshot(id, status))
    }

    /// Whether there is work: then `ready` returns it.
    fn has_ready(&self, py: Python<'_>) -> PyResult<bool> {
        self.enter(py, |node| node.outgoing.is_some() || node.raw.has_ready())
    }

    /// Takes the work that has gathered; perhaps there is none. Keep it until it is advanced: work
    /// that was dropped is not handed out again, and then only a new node, made from the storage,
    /// goes on. When an interrupt comes out of this call, the next one returns the work.
    ///
    /// Raises ReadyOutstanding if the last one was not advanced (not with asynchronous writes), and
    /// StorageError.
    fn ready(&self, py: Python<'_>) -> PyResult<Ready> {
        loop {
            self.call_watched(py, |node| {
                if node.outgoing.is_none() {
                    let work = node.raw.ready()?;
                    node.tell_unserved(py);
                    node.tell_sending(py, &work);
                    node.outgoing = Some(work);
                }
                Ok(())
            })?;
            // Unless another thread was faster.
            if let Some(work) = self.node.call(py, |node| node.outgoing.take())? {
                return Ok(Ready::new(work, Arc::clone(&self.identity)));
            }
        }
    }

    /// Takes note that the work is done: all of it is stored, and the committed entries are
    /// applied.
    ///
    /// Raises ForeignReady if it is another node's, or was advanced before, and WrongWriteMode with
    /// asynchronous writes. Any other exception
    /// reports what went wrong in consequence; the work counts as done all the same.
    fn advance(&self, py: Python<'_>, ready: &Bound<'_, Ready>) -> PyResult<()> {
        let Some(work) = ready.get().take(&self.identity) else {
            let text = "this Ready is another node's, or was advanced before";
            return Err(raise(py, "ForeignReady", (text,)));
        };
        self.call_watched(py, |node| {
            node.tell_advance(py);
            node.raw.advance(work)
        })
    }

    /// Takes back a Ready that was not begun: nothing of it was applied. The work is not lost; the next
    /// `ready` has it, with what has come since. Messages that were sent are sent again, and what was stored
    /// is handed out again; both do no harm if the storage passes over a snapshot that it has already.
    ///
    /// Raises ForeignReady if it is another node's, or was advanced or given back before, and
    /// WrongWriteMode with asynchronous writes.
    fn give_back(&self, py: Python<'_>, ready: &Bound<'_, Ready>) -> PyResult<()> {
        self.look(py, |node| node.config().async_storage_writes)
            .and_then(|is_async| if is_async { Err(wrong_write_mode(py)) } else { Ok(()) })?;
        let Some(work) = ready.get().take_whole(&self.identity) else {
            let text = "this Ready is another node's, or was advanced or given back before";
            return Err(raise(py, "ForeignReady", (text,)));
        };
        self.call(py, |node| node.give_back(work))
    }

    /// Takes note that a part of the work is done, with `Config.async_storage_writes`: takes the
    /// notices of a Ready back.
    ///
    /// Raises WrongWriteMode with synchronous writes, UnknownAck if the work was never handed out, and
    /// PeerNotFound if the node is no member any more and what it stored does not count.
    fn acknowledge(&self, py: Python<'_>, ack: Ack) -> PyResult<()> {
        self.call(py, |node| node.acknowledge(ack.0))
    }

    /// The last StorageError that made no call fail, once; None if there was none. It kept the
    /// leader from sending a member what it needs, and the leader tries again by itself. The observer's
    /// `log`, or else the logger "raftcore", gets a warning too: once for each member and cause, and again
    /// if the cause went away and came back.
    fn take_storage_error(&self, py: Python<'_>) -> PyResult<Option<Py<PyBaseException>>> {
        if let Some(kept) = self.kept.lock().take() {
            return Ok(Some(kept));
        }
        let error = self.look(py, CoreNode::take_storage_error)?;
        Ok(error.map(|error| storage_error(py, &error).into_value(py)))
    }

    /// How the last leadership transfer that this node began as a leader ended, once; None if there is
    /// nothing to report. To be asked after `tick` and `advance` while a transfer is pending; if the node
    /// lost its leadership meanwhile, there is an outcome when it knows the next leader.
    fn take_transfer_outcome<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let outcome = self.look(py, CoreNode::take_transfer_outcome)?;
        outcome.map(|outcome| transfer_outcome_to_python(py, outcome)).transpose()
    }

    /// The node's state as far as it knows it by itself: without membership and progress, and without
    /// a look into the storage. For hosts that look often.
    fn basic_status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let status = self.look(py, |node| node.basic_status())?;
        basic_status_to_python(py, status)
    }

    /// The node's state, for people and for metrics.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let status = self.look(py, |node| node.status())?;
        status_to_python(py, status)
    }

    /// Has the node watched from now on, by these instead of whom there was; by nobody if there is none.
    ///
    /// `log` gets a level of `logging` and words for people: INFO when role, leader or membership
    /// change, WARNING when the storage fails, ERROR when data was lost, DEBUG when a call is refused;
    /// nothing below `log_level`. The method `log` of a `logging.Logger` is one. `trace` gets a dict
    /// for each thing that happens, which json can write: docs/abi.md lists them. It costs time.
    ///
    /// `etcd_trace` gets lines in the format of etcd/raft's own tracer, for its TLA+ specification:
    /// docs/trace.md says what that knows, and how the host has to work. `etcd_time` tells the time of
    /// a line, by which lines of several processes are brought in order: `time.time_ns`, say.
    ///
    /// All are called from within the calls of the node, in order. They cannot make those fail: an
    /// Exception goes to `sys.unraisablehook`, and only what is none (KeyboardInterrupt, SystemExit)
    /// comes out of the call, whose work is done. What calls the node from within gets Reentrant.
    ///
    /// Raises TypeError for what is not callable.
    #[pyo3(signature = (*, log=None, trace=None, etcd_trace=None, etcd_time=None, log_level=20))]
    fn set_observer(
        &self,
        py: Python<'_>,
        log: Option<Py<PyAny>>,
        trace: Option<Py<PyAny>>,
        etcd_trace: Option<Py<PyAny>>,
        etcd_time: Option<Py<PyAny>>,
        log_level: u32,
    ) -> PyResult<()> {
        let callbacks = Callbacks { log, trace, etcd_trace, etcd_time };
        let observer = Observer::new(py, callbacks, log_level)?;
        // Dropped here, with nothing locked.
        let _before = self.enter(py, |node| match observer {
            Some(observer) => node.watch(py, observer),
            None => node.unwatch(),
        })?;
        Ok(())
    }

    /// Checks that what must hold within every node does. For tests of programs, and of this library.
    ///
    /// Raises BrokenInvariant, which names the condition, if not: a defect of the library.
    fn check_invariants(&self, py: Python<'_>) -> PyResult<()> {
        let checked = self.look(py, |node| node.check_invariants())?;
        checked.map_err(|condition| raise(py, "BrokenInvariant", (format!("it does not hold: {condition}"),)))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.look(py, |node| (node.soft_state(), node.hard_state())) {
            Ok((soft, hard)) => {
                format!("<RawNode id={} {:?} term={}>", self.id, soft.role, hard.term)
            }
            Err(_) => format!("<RawNode id={}>", self.id),
        }
    }

    /// A node that is in use right now is not garbage: what it holds need not be visited.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(kept) = self.kept.try_lock() {
            visit.call(&*kept)?;
        }
        visit.call(&self.config)?;
        self.node.try_call(|node| node.traverse(visit)).unwrap_or(Ok(()))
    }

    fn __clear__(&self) {
        let held = self
            .node
            .try_call(|node| (node.unwatch(), std::mem::replace(node.raw.storage_mut(), HostStorage::Gone)));
        drop(held);
        let kept = self.kept.lock().take();
        drop(kept);
    }
}
