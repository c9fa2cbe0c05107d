//! A look at everything that passes between a node and its host, to compare embeddings with.

use std::cell::RefCell;
use std::fmt::{self, Debug, Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use raftcore::{
    Ack, Bytes, ConfChange, ConfChangeV2, ConfState, Config, Entry, Error, HardState, Message, NodeId,
    Proposed, Ready, Response, SnapshotStatus, SoftState, Status, StorageAppend, wire,
};

use super::disk::Disk;
use super::node::{Driver, Node};
use super::trace::describe;

/// A node's status is looked at after so many calls.
const CALLS_PER_STATUS: u64 = 16;

/// What was seen: a hash for each call, in order.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) hashes: Vec<u64>,
    /// The call to tell in words, counted from 0.
    tell: Option<usize>,
    pub(super) told: Option<String>,
}

/// Everything that was seen, shared with the nodes.
pub(super) type SharedCalls = Rc<RefCell<Calls>>;

impl Calls {
    /// A record that tells one call in words, or none.
    pub(super) fn new(tell: Option<usize>) -> SharedCalls {
        Rc::new(RefCell::new(Self { tell, ..Self::default() }))
    }

    /// Depends on all that was seen.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hashes.hash(&mut hasher);
        hasher.finish()
    }

    fn note(&mut self, text: fmt::Arguments<'_>) {
        let mut hasher = Hashed(DefaultHasher::new());
        hasher.write_fmt(text).expect("hashing does not fail");
        if self.tell == Some(self.hashes.len()) {
            self.told = Some(text.to_string());
        }
        self.hashes.push(hasher.0.finish());
    }
}

/// Text that is hashed as it is written.
struct Hashed(DefaultHasher);

impl fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Starts nodes and keeps a record of their calls.
#[derive(Debug)]
pub(super) struct Recorded {
    driver: Box<dyn Driver>,
    record: SharedCalls,
}

impl Recorded {
    pub(super) fn new(driver: Box<dyn Driver>, record: &SharedCalls) -> Self {
        Self { driver, record: Rc::clone(record) }
    }
}

impl Driver for Recorded {
    fn start(&mut self, config: Config, disk: Disk) -> Result<Box<dyn Node>, Error> {
        let (id, is_async) = (config.id, config.async_storage_writes);
        match self.driver.start(config, disk.clone()) {
            Ok(node) => {
                let record = Rc::clone(&self.record);
                let mut node = RecordedNode { node, id, disk, record, calls: 0, is_async, is_busy: false };
                node.note("starts", &Ok(()));
                Ok(Box::new(node))
            }
            Err(error) => {
                self.record.borrow_mut().note(format_args!("{id} starts: {}", kind(&error)));
                Err(error)
            }
        }
    }
}

#[derive(Debug)]
struct RecordedNode {
    node: Box<dyn Node>,
    id: NodeId,
    disk: Disk,
    record: SharedCalls,
    calls: u64,
    is_async: bool,
    /// With synchronous writes: whether a Ready is out. Not every interface shows what comes next then.
    is_busy: bool,
}

impl RecordedNode {
    /// Notes a call, its outcome, and the node's state after it.
    fn note<T: Debug>(&mut self, call: impl Display, result: &Result<T, Error>) {
        let (id, node, reads) = (self.id, &self.node, self.disk.reads());
        let (hard, soft) = (node.hard_state(), node.soft_state());
        let has_ready = node.has_ready() && !self.is_busy;
        let outcome = Outcome(result);
        self.record.borrow_mut().note(format_args!(
            "{id} {call}: {outcome}; now {hard:?}, {soft:?}, has_ready: {has_ready}, storage read {reads} times"
        ));
        self.calls += 1;
        if self.calls % CALLS_PER_STATUS == 0 {
            self.note_status();
        }
    }

    fn note_status(&self) {
        let mut status = self.node.status();
        for progress in &mut status.progress {
            // Not every interface shows it; it follows from the rest.
            progress.is_inflight_full = false;
        }
        self.record.borrow_mut().note(format_args!("{status:?}"));
    }
}

struct Outcome<'a, T>(&'a Result<T, Error>);

impl<T: Debug> Display for Outcome<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => write!(f, "{value:?}"),
            Err(error) => f.write_str(kind(error)),
        }
    }
}

/// Errors count by their kind: the details are for people, and not every language has them all.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Config(_) => "Config",
        Error::Storage(_) => "Storage",
        Error::InconsistentStorage(_) => "InconsistentStorage",
        Error::ProposalDropped(_) => "ProposalDropped",
        Error::PeerNotFound(_) => "PeerNotFound",
        Error::InvalidMessage(_) => "InvalidMessage",
        Error::CommitBeyondLog { .. } => "CommitBeyondLog",
        Error::CommittedConflict { .. } => "CommittedConflict",
        Error::ConfChange(_) => "ConfChange",
        Error::Decode(_) => "Decode",
        Error::ReadyOutstanding => "ReadyOutstanding",
        Error::ForeignReady => "ForeignReady",
        Error::WrongWriteMode => "WrongWriteMode",
        Error::UnknownAck => "UnknownAck",
        Error::InvalidTransferee(_) => "InvalidTransferee",
        Error::NoLeader => "NoLeader",
        _ => "another error",
    }
}

/// A Ready with everything in it; payloads and messages by the hash of their encoding.
struct Contents<'a>(&'a Ready);

impl Debug for Contents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ready { soft_state, hard_state, read_states, must_sync, .. } = self.0;
        write!(f, "must_sync: {must_sync}, {soft_state:?}, {hard_state:?}, reads {read_states:?}, store")?;
        write_entries(f, self.0.entries.iter())?;
        if let Some(snapshot) = &self.0.snapshot {
            let (id, conf_state) = (snapshot.id, &snapshot.conf_state);
            let hash = hash_of(&wire::encode_snapshot(snapshot));
            write!(f, ", snapshot {id:?} {conf_state:?} #{hash:x}")?;
        }
        f.write_str(", apply")?;
        write_entries(f, self.0.committed_entries.iter())?;
        f.write_str(", send")?;
        write_messages(f, self.0.messages.iter())?;
        if let Some(append) = &self.0.storage_append {
            f.write_str(", when stored send")?;
            write_messages(f, append.responses.iter().filter_map(waiting_message))?;
        }
        write!(f, ", acknowledge applying: {}", self.0.storage_apply.is_some())
    }
}

fn waiting_message(response: &Response) -> Option<&Message> {
    match response {
        Response::Send(message) => Some(message),
        Response::Acknowledge(_) => None,
    }
}

fn write_entries<'a>(f: &mut fmt::Formatter<'_>, entries: impl Iterator<Item = &'a Entry>) -> fmt::Result {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.clear();
        wire::encode_entry(entry, &mut bytes);
        write!(f, " {entry:?} #{:x}", hash_of(&bytes))?;
    }
    Ok(())
}

fn write_messages<'a>(
    f: &mut fmt::Formatter<'_>,
    messages: impl Iterator<Item = &'a Message>,
) -> fmt::Result {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.clear();
        wire::encode(message, &mut bytes);
        write!(f, " [{} #{:x}]", describe(message), hash_of(&bytes))?;
    }
    Ok(())
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Node for RecordedNode {
    fn tick(&mut self) -> Result<(), Error> {
        let result = self.node.tick();
        self.note("ticks", &result);
        result
    }

    fn step(&mut self, message: Message) -> Result<(), Error> {
        let call = describe(&message);
        let result = self.node.step(message);
        self.note(format_args!("receives {call}"), &result);
        result
    }

    fn propose_batch(&mut self, payloads: Vec<Bytes>) -> Result<Proposed, Error> {
        let count = payloads.len();
        let result = self.node.propose_batch(payloads);
        self.note(format_args!("proposes {count}"), &result);
        result
    }

    fn propose_conf_change(&mut self, change: &ConfChangeV2) -> Result<Proposed, Error> {
        let result = self.node.propose_conf_change(change);
        self.note(format_args!("proposes {change:?}"), &result);
        result
    }

    fn propose_conf_change_v1(&mut self, change: &ConfChange) -> Result<Proposed, Error> {
        let result = self.node.propose_conf_change_v1(change);
        self.note(format_args!("proposes {change:?}"), &result);
        result
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Result<ConfState, Error> {
        let result = self.node.apply_conf_change(entry);
        self.note(format_args!("applies {entry:?}"), &result);
        result
    }

    fn campaign(&mut self) -> Result<(), Error> {
        let result = self.node.campaign();
        self.note("campaigns", &result);
        result
    }

    fn transfer_leader(&mut self, to: NodeId) -> Result<(), Error> {
        let result = self.node.transfer_leader(to);
        self.note(format_args!("transfers to {to}"), &result);
        result
    }

    fn forget_leader(&mut self) -> Result<(), Error> {
        let result = self.node.forget_leader();
        self.note("forgets its leader", &result);
        result
    }

    fn read_index(&mut self, context: Bytes) -> Result<(), Error> {
        let call = format!("reads {context:?}");
        let result = self.node.read_index(context);
        self.note(call, &result);
        result
    }

    fn report_unreachable(&mut self, id: NodeId) -> Result<(), Error> {
        let result = self.node.report_unreachable(id);
        self.note(format_args!("cannot reach {id}"), &result);
        result
    }

    fn report_snapshot(&mut self, id: NodeId, status: SnapshotStatus) -> Result<(), Error> {
        let result = self.node.report_snapshot(id, status);
        self.note(format_args!("snapshot to {id} {status:?}"), &result);
        result
    }

    fn has_ready(&self) -> bool {
        self.node.has_ready()
    }

    fn ready(&mut self) -> Result<Box<Ready>, Error> {
        let result = self.node.ready();
        self.is_busy = result.is_ok() && !self.is_async;
        match &result {
            Ok(ready) => self.note("takes", &Ok(Contents(ready))),
            Err(error) => self.note("takes", &Err::<(), _>(error.clone())),
        }
        result
    }

    fn advance(&mut self, ready: Box<Ready>) -> Result<(), Error> {
        let result = self.node.advance(ready);
        self.is_busy = false;
        self.note("advances", &result);
        result
    }

    fn appended(&mut self, done: StorageAppend, outbox: &mut Vec<Message>) -> Result<(), Error> {
        let result = self.node.appended(done, outbox);
        self.note("has stored", &result);
        result
    }

    fn applied(&mut self, done: Ack) -> Result<(), Error> {
        let result = self.node.applied(done);
        self.note("has applied", &result);
        result
    }

    fn hard_state(&self) -> HardState {
        self.node.hard_state()
    }

    fn soft_state(&self) -> SoftState {
        self.node.soft_state()
    }

    fn status(&self) -> Status {
        self.node.status()
    }
}
