//! A node in a host's process.

use std::cell::RefCell;
use std::rc::Rc;

use raftcore::wire;
use raftcore::{
    Ack, Bytes, ConfChange, ConfChangeError, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Config,
    ConfigError, DecodeError, DropReason, Entry, EntryId, Error, HardState, Message, NO_NODE, NodeId,
    ProgressState, ProgressStatus, Proposed, ReadMode, ReadState, Ready, Response, Snapshot, SnapshotStatus,
    SoftState, Status, StorageAppend, StorageApply, StorageError, Transition,
};

use super::super::disk::Disk;
use super::super::node::{Node, sort_messages};
use super::frame::{Reader, Writer, broken};
use super::process::{Answer, HostProcess, State, read_role};

/// Numbers of the commands.
mod command {
    pub(super) const START: u8 = 1;
    pub(super) const FREE: u8 = 2;
    pub(super) const TICK: u8 = 3;
    pub(super) const STEP: u8 = 4;
    pub(super) const PROPOSE: u8 = 5;
    pub(super) const CONF_CHANGE: u8 = 6;
    pub(super) const CONF_CHANGE_V1: u8 = 7;
    pub(super) const APPLY_CONF_CHANGE: u8 = 8;
    pub(super) const CAMPAIGN: u8 = 9;
    pub(super) const TRANSFER: u8 = 10;
    pub(super) const FORGET_LEADER: u8 = 11;
    pub(super) const READ_INDEX: u8 = 12;
    pub(super) const UNREACHABLE: u8 = 13;
    pub(super) const SNAPSHOT_REPORT: u8 = 14;
    pub(super) const READY: u8 = 15;
    pub(super) const ADVANCE: u8 = 16;
    pub(super) const APPENDED: u8 = 17;
    pub(super) const APPLIED: u8 = 18;
    pub(super) const STATUS: u8 = 19;
}

#[derive(Debug)]
pub(super) struct HostedNode {
    process: Rc<RefCell<HostProcess>>,
    /// Its number in the process.
    number: u64,
    disk: Disk,
    is_async: bool,
    state: State,
}

impl HostedNode {
    pub(super) fn start(
        process: Rc<RefCell<HostProcess>>,
        config: &Config,
        disk: Disk,
    ) -> Result<Self, Error> {
        let number = process.borrow().nodes + 1;
        process.borrow_mut().nodes = number;
        let is_async = config.async_storage_writes;
        let mut node = Self { process, number, disk, is_async, state: State::default() };
        let started = node.call(command::START, |writer| write_config(writer, config));
        started.map(|_| node)
    }

    fn exchange(&self, op: u8, arguments: impl FnOnce(&mut Writer)) -> Answer {
        self.process.borrow_mut().exchange(self.number, &self.disk, |writer| {
            writer.byte(op);
            writer.number(self.number);
            arguments(writer);
        })
    }

    /// Gives a command, and takes over the state that it leads to.
    fn call(&mut self, op: u8, arguments: impl FnOnce(&mut Writer)) -> Result<Reader, Error> {
        let answer = self.exchange(op, arguments);
        self.state = answer.state.unwrap_or_default();
        result_of(answer)
    }

    /// As `call`, for commands that give nothing.
    fn order(&mut self, op: u8, arguments: impl FnOnce(&mut Writer)) -> Result<(), Error> {
        self.call(op, arguments).map(|value| value.end())
    }

    fn propose(&mut self, op: u8, arguments: impl FnOnce(&mut Writer)) -> Result<Proposed, Error> {
        let mut value = self.call(op, arguments)?;
        let place = value.entry_id();
        value.end();
        let is_placed = place != EntryId::default();
        Ok(if is_placed { Proposed::Appended(place) } else { Proposed::Forwarded(self.state.soft.leader) })
    }
}

impl Drop for HostedNode {
    fn drop(&mut self) {
        // In the middle of a command it was a panic that ended the run: the process will not be used again.
        if !self.process.borrow().is_busy() {
            self.exchange(command::FREE, |_| {});
        }
    }
}

impl Node for HostedNode {
    fn tick(&mut self) -> Result<(), Error> {
        self.order(command::TICK, |_| {})
    }

    fn step(&mut self, message: Message) -> Result<(), Error> {
        let mut bytes = Vec::new();
        wire::encode(&message, &mut bytes);
        self.order(command::STEP, |writer| writer.bytes(&bytes))
    }

    fn propose_batch(&mut self, payloads: Vec<Bytes>) -> Result<Proposed, Error> {
        self.propose(command::PROPOSE, |writer| {
            writer.number(payloads.len() as u64);
            payloads.iter().for_each(|payload| writer.bytes(payload));
        })
    }

    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Proposed, Error> {
        self.propose(command::CONF_CHANGE, |writer| {
            writer.byte(match change.transition {
                Transition::Auto => 0,
                Transition::Implicit => 1,
                Transition::Explicit => 2,
            });
            writer.number(change.ops.len() as u64);
            change.ops.iter().for_each(|op| write_op(writer, op));
            writer.bytes(&change.context);
        })
    }

    fn propose_conf_change_v1(&mut self, change: &ConfChange) -> Result<Proposed, Error> {
        self.propose(command::CONF_CHANGE_V1, |writer| {
            write_op(writer, &change.op);
            writer.bytes(&change.context);
        })
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Result<ConfState, Error> {
        let mut value = self.call(command::APPLY_CONF_CHANGE, |writer| writer.entry(entry))?;
        let conf_state = value.conf_state();
        value.end();
        Ok(conf_state)
    }

    fn campaign(&mut self) -> Result<(), Error> {
        self.order(command::CAMPAIGN, |_| {})
    }

    fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error> {
        self.order(command::TRANSFER, |writer| writer.number(to))
    }

    fn forget_leader(&mut self) -> Result<(), Error> {
        self.order(command::FORGET_LEADER, |_| {})
    }

    fn read_index(&mut self, context: Bytes) -> Result<(), Error> {
        self.order(command::READ_INDEX, |writer| writer.bytes(&context))
    }

    fn report_unreachable(&mut self, id: NodeId) -> Result<(), Error> {
        self.order(command::UNREACHABLE, |writer| writer.number(id))
    }

    fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<(), Error> {
        self.order(command::SNAPSHOT_REPORT, |writer| {
            writer.number(id);
            writer.flag(status == SnapshotStatus::Delivered);
        })
    }

    fn has_ready(&self) -> bool {
        self.state.has_ready
    }

    fn ready(&mut self) -> Result<Box<Ready>, Error> {
        let mut value = self.call(command::READY, |_| {})?;
        let mut ready = read_ready(&mut value, self.is_async);
        value.end();
        sort_messages(&mut ready);
        Ok(ready)
    }

    fn advance(&mut self, _ready: Box<Ready>) -> Result<(), Error> {
        self.order(command::ADVANCE, |_| {})
    }

    /// The host keeps the notices, and hands back those of the oldest Ready.
    fn appended(&mut self, done: StorageAppend, outbox: &mut Vec<Message>) -> Result<(), Error> {
        outbox.extend(done.responses.into_iter().filter_map(|response| match response {
            Response::Send(message) => Some(message),
            Response::Acknowledge(_) => None,
        }));
        self.order(command::APPENDED, |_| {})
    }

    fn applied(&mut self, _done: Ack) -> Result<(), Error> {
        self.order(command::APPLIED, |_| {})
    }

    fn hard_state(&self) -> HardState {
        self.state.hard
    }

    fn soft_state(&self) -> SoftState {
        self.state.soft
    }

    fn status(&self) -> Status {
        let answer = self.exchange(command::STATUS, |_| {});
        let mut value = result_of(answer).unwrap_or_else(|error| broken(format_args!("no status: {error}")));
        let status = read_status(&mut value);
        value.end();
        status
    }
}

fn write_config(writer: &mut Writer, config: &Config) {
    writer.number(config.id);
    writer.number(config.seed);
    writer.number(config.applied);
    writer.number(u64::from(config.election_ticks));
    writer.number(u64::from(config.heartbeat_ticks));
    writer.number(config.max_message_bytes);
    writer.number(u64::from(config.max_inflight_messages));
    writer.number(config.max_inflight_bytes);
    writer.number(config.max_uncommitted_bytes);
    writer.number(config.max_committed_bytes_per_ready);
    writer.number(config.log_cache_bytes);
    writer.number(u64::from_le_bytes(config.priority.to_le_bytes()));
    writer.byte(match config.read_mode {
        ReadMode::Safe => 0,
        ReadMode::Lease => 1,
    });
    writer.byte(match config.dialect {
        wire::Dialect::Etcd => 0,
        wire::Dialect::Tikv => 1,
    });
    for flag in [
        config.pre_vote,
        config.check_quorum,
        config.forward_proposals,
        config.validate_conf_changes,
        config.step_down_on_removal,
        config.async_storage_writes,
        config.apply_before_persist,
        config.eager_append,
    ] {
        writer.flag(flag);
    }
}

fn write_op(writer: &mut Writer, op: &ConfChangeOp) {
    writer.byte(match op.kind {
        ConfChangeKind::AddVoter => 0,
        ConfChangeKind::Remove => 1,
        ConfChangeKind::Update => 2,
        ConfChangeKind::AddLearner => 3,
    });
    writer.number(op.node);
}

fn read_ready(value: &mut Reader, is_async: bool) -> Box<Ready> {
    let mut ready = Box::<Ready>::default();
    ready.must_sync = value.flag();
    ready.soft_state = value.flag().then(|| SoftState { leader: value.number(), role: read_role(value) });
    ready.hard_state = value.flag().then(|| value.hard_state());
    ready.entries = value.list(Reader::entry).into();
    ready.snapshot = value.flag().then(|| Box::new(read_snapshot(value)));
    ready.committed_entries = value.list(Reader::entry).into();
    ready.read_states = value.list(|value| ReadState { index: value.number(), context: value.bytes() });
    let messages = value.list(|value| (value.flag(), read_message(value)));
    let has_append = value.flag();
    let has_apply = value.flag();
    if !is_async {
        if let Some((waits, message)) =
            messages.iter().find(|(waits, message)| *waits != message.requires_persistence())
        {
            broken(format_args!("whether it waits for the storage is said to be {waits}: {message:?}"));
        }
        ready.messages = messages.into_iter().map(|(_, message)| message).collect();
        return ready;
    }
    let (waiting, at_once): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(waits, _)| *waits);
    ready.messages = at_once.into_iter().map(|(_, message)| message).collect();
    if !waiting.is_empty() && !has_append {
        broken("messages wait for a storage write that is not there");
    }
    let responses = waiting.into_iter().map(|(_, message)| Response::Send(message)).collect();
    ready.storage_append = has_append.then_some(StorageAppend { responses });
    // The host keeps the real one.
    let ack = Ack::Applied { index: 0, bytes: 0, payload_bytes: 0 };
    ready.storage_apply = has_apply.then_some(StorageApply { ack });
    ready
}

/// The encoding must be the one that Rust hosts send.
fn read_message(value: &mut Reader) -> Message {
    let bytes = value.bytes();
    let message = wire::decode(&bytes).unwrap_or_else(|error| broken(format_args!("{bytes:?}: {error}")));
    let mut again = Vec::new();
    wire::encode(&message, &mut again);
    if again != bytes {
        broken(format_args!("a message is encoded in another way: {message:?}"));
    }
    message
}

/// A snapshot comes in parts and encoded, which must be the same.
fn read_snapshot(value: &mut Reader) -> Snapshot {
    let snapshot = value.snapshot();
    if value.bytes() != wire::encode_snapshot(&snapshot) {
        broken(format_args!("a snapshot is encoded in another way: {snapshot:?}"));
    }
    snapshot
}

fn read_status(value: &mut Reader) -> Status {
    Status {
        id: value.number(),
        hard_state: value.hard_state(),
        soft_state: SoftState { leader: value.number(), role: read_role(value) },
        applied: value.number(),
        stabled: value.number(),
        last: value.entry_id(),
        is_voter: value.flag(),
        transferee: Some(value.number()).filter(|id| *id != NO_NODE),
        conf_state: value.conf_state(),
        progress: value.list(read_progress),
    }
}

fn read_progress(value: &mut Reader) -> ProgressStatus {
    ProgressStatus {
        id: value.number(),
        matched: value.number(),
        next: value.number(),
        pending_snapshot: value.number(),
        inflight_messages: usize::try_from(value.number()).unwrap_or(usize::MAX),
        inflight_bytes: value.number(),
        state: match value.byte() {
            0 => ProgressState::Probe,
            1 => ProgressState::Replicate,
            2 => ProgressState::Snapshot,
            other => broken(format_args!("{other} is no state of progress")),
        },
        is_learner: value.flag(),
        is_paused: value.flag(),
        is_active: value.flag(),
        is_inflight_full: false,
    }
}

/// What the command gives, or its error: of the right kind, with made up details.
fn result_of(answer: Answer) -> Result<Reader, Error> {
    let Answer { status, text, value, failed_read, .. } = answer;
    Err(match status {
        0 => return Ok(value),
        -2 => Error::Config(ConfigError { field: "?", problem: "?" }),
        // Which read failed, nobody knows better than who made it fail.
        -3 => Error::Storage(failed_read.unwrap_or(StorageError::Contract(text))),
        -4 => Error::InconsistentStorage(text),
        -5 => Error::ProposalDropped(DropReason::NoLeader),
        -6 => Error::PeerNotFound(NO_NODE),
        -7 => Error::InvalidMessage("?"),
        -8 => Error::CommitBeyondLog { commit: 0, last: 0 },
        -9 => Error::CommittedConflict { index: 0, committed: 0 },
        -10 => Error::ConfChange(ConfChangeError::InvalidState("?")),
        -11 => Error::Decode(DecodeError::Invalid("?")),
        -12 => Error::ReadyOutstanding,
        -13 => Error::ForeignReady,
        -14 => Error::WrongWriteMode,
        -15 => Error::UnknownAck,
        -16 => Error::NoLeader,
        -22 => Error::InvalidTransferee(NO_NODE),
        other => broken(format_args!("status {other}: {text}")),
    })
}
