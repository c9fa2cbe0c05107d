//! A host as the library expects it: it stores exactly what a `Ready` hands out, in that order, and
//! may lose power between any two steps. Every call is followed by a check of what must hold within
//! one node.

use std::collections::{BTreeMap, VecDeque};

use raftcore::{
    Ack, Body, Bytes, ConfChangeV2, Config, Entries, Entry, Error, HardState, Index, MemoryStorage, Message,
    NO_NODE, NodeId, RawNode, ReadState, Ready, Response, Snapshot, Storage, StorageApply, Term, wire,
};

/// The state machine: a hash over everything that was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) applied: Index,
    pub(crate) chain: u64,
}

impl Machine {
    fn of(snapshot: &Snapshot) -> Self {
        let chain = <[u8; 8]>::try_from(snapshot.data.as_ref()).map_or(0, u64::from_le_bytes);
        Self { applied: snapshot.id.index, chain }
    }

    fn apply(&mut self, entry: &Entry) {
        self.applied = entry.id.index;
        for number in [entry.id.index, entry.id.term, entry.kind as u64] {
            self.mix(&number.to_le_bytes());
        }
        self.mix(&entry.data);
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.chain = (self.chain ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// How far a synchronous host is with its `Ready`.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    Taken(Box<Ready>),
    Stored(Box<Ready>),
    Applied(Box<Ready>),
}

#[derive(Debug)]
struct Write {
    hard_state: Option<HardState>,
    entries: Entries,
    snapshot: Option<Box<Snapshot>>,
    must_sync: bool,
    responses: Vec<Response>,
}

/// What a host remembers to check the node against.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    hard_state: HardState,
    applied: Index,
}

/// What is lost in a restart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Losses {
    /// Writes that need not have been synced: a commit index.
    pub(crate) unsynced: bool,
    /// The state machine's progress since its snapshot.
    pub(crate) machine: bool,
}

/// Everything that a node knows.
fn state(mut node: RawNode<MemoryStorage>) -> String {
    // Has no effect but that ticks which were only counted become known.
    node.report_unreachable(NO_NODE);
    format!("{node:?}")
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) node: RawNode<MemoryStorage>,
    pub(crate) machine: Machine,
    /// Messages on their way out.
    pub(crate) outbox: Vec<Message>,
    /// Applied since somebody looked.
    pub(crate) applied: Vec<Machine>,
    /// Answered reads since somebody looked.
    pub(crate) reads: Vec<ReadState>,
    /// The host keeps its contract: then storage and node must fit together.
    pub(crate) is_trusted: bool,
    durable: HardState,
    stage: Stage,
    writes: VecDeque<Write>,
    applies: VecDeque<(Entries, StorageApply)>,
    handed_to_apply: Index,
    seen: Seen,
    /// Whom the node has promised its vote, over restarts.
    votes: BTreeMap<Term, NodeId>,
}

impl Host {
    pub(crate) fn new(config: Config, storage: MemoryStorage) -> Result<Self, Error> {
        let machine = Machine::of(&storage.snapshot()?);
        let durable = storage.hard_state();
        let mut host = Self {
            node: RawNode::new(config, storage)?,
            machine,
            outbox: Vec::new(),
            applied: Vec::new(),
            reads: Vec::new(),
            is_trusted: true,
            durable,
            stage: Stage::Idle,
            writes: VecDeque::new(),
            applies: VecDeque::new(),
            handed_to_apply: 0,
            seen: Seen::default(),
            votes: BTreeMap::new(),
        };
        host.handed_to_apply = host.node.status().applied;
        Ok(host)
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node.id()
    }

    /// Calls the node, and checks what must hold after any call.
    pub(crate) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut RawNode<MemoryStorage>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = call(&mut self.node);
        if let (true, Err(error)) = (self.is_trusted, &result) {
            let blames_storage = matches!(error, Error::Storage(_) | Error::InconsistentStorage(_));
            assert!(!blames_storage, "node {} blames an honest storage: {error}", self.id());
        }
        self.check();
        result
    }

    /// Steps a message by `step`. An error changes nothing at all.
    pub(crate) fn step(
        &mut self,
        step: impl FnOnce(&mut RawNode<MemoryStorage>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let before = self.node.clone();
        let result = self.call(step);
        if let Err(error) = &result {
            assert_eq!(state(self.node.clone()), state(before), "the answer was: {error}");
        }
        result
    }

    /// What a node never takes back in one life.
    fn check(&mut self) {
        let status = self.node.status();
        let (now, before) = (status.hard_state, self.seen.hard_state);
        assert!(now.term >= before.term, "the term went back: {before:?} {now:?}");
        assert!(now.commit >= before.commit, "the commit index went back: {before:?} {now:?}");
        if now.term == before.term && before.vote != NO_NODE {
            assert_eq!(now.vote, before.vote, "a second vote in term {}", now.term);
        }
        assert!(status.applied >= self.seen.applied, "the applied index went back");
        assert!(status.applied <= now.commit && now.commit <= status.last.index, "{status:?}");
        self.seen = Seen { hard_state: now, applied: status.applied };
    }

    /// Takes a `Ready`. With asynchronous writes its work is queued.
    pub(crate) fn take(&mut self) -> Result<(), Error> {
        let mut ready = self.call(RawNode::ready)?;
        if self.is_trusted {
            self.check_ready(&ready);
        }
        if let Some(last) = ready.committed_entries.last() {
            self.handed_to_apply = last.id.index;
        }
        self.reads.append(&mut ready.read_states);
        if !self.node.config().async_storage_writes {
            let (held, free) =
                std::mem::take(&mut ready.messages).into_iter().partition(Message::requires_persistence);
            ready.messages = held;
            self.send(free);
            self.stage = Stage::Taken(ready);
            return Ok(());
        }
        self.send(std::mem::take(&mut ready.messages));
        if let Some(append) = ready.storage_append.take() {
            self.writes.push_back(Write {
                hard_state: ready.hard_state,
                entries: std::mem::take(&mut ready.entries).into_entries(),
                snapshot: ready.snapshot.take(),
                must_sync: ready.must_sync,
                responses: append.responses,
            });
        }
        if let Some(apply) = ready.storage_apply.take() {
            self.applies.push_back((std::mem::take(&mut ready.committed_entries), apply));
        }
        Ok(())
    }

    fn check_ready(&mut self, ready: &Ready) {
        if let Some(snapshot) = &ready.snapshot {
            assert!(snapshot.id.index >= self.handed_to_apply, "a snapshot of what was handed out already");
            self.handed_to_apply = snapshot.id.index;
        }
        for (entry, index) in ready.committed_entries.iter().zip(self.handed_to_apply + 1..) {
            assert_eq!(entry.id.index, index, "committed entries with a gap, or twice");
        }
        let term = self.node.hard_state().term;
        let mut previous = None;
        for entry in ready.entries.iter() {
            assert!(entry.id.term <= term, "an entry of a coming term: {entry:?}");
            if let Some(previous) = previous.replace(entry.id) {
                assert_eq!(entry.id.index, previous.index + 1, "entries with a gap");
                assert!(entry.id.term >= previous.term, "terms go down in the log");
            }
        }
    }

    /// Does the next step of the work in hand; takes a `Ready` if there is none. Whether there was
    /// something to do.
    pub(crate) fn work(&mut self) -> bool {
        match std::mem::take(&mut self.stage) {
            Stage::Idle if self.node.config().async_storage_writes => self.work_async(),
            Stage::Idle => self.node.has_ready() && self.take().is_ok(),
            Stage::Taken(mut ready) => {
                let entries = std::mem::take(&mut ready.entries).into_entries();
                self.store(ready.hard_state, &entries, ready.snapshot.as_deref(), ready.must_sync);
                self.stage = Stage::Stored(ready);
                true
            }
            Stage::Stored(mut ready) => {
                self.send(std::mem::take(&mut ready.messages));
                let entries = std::mem::take(&mut ready.committed_entries);
                self.apply(&entries);
                self.stage = Stage::Applied(ready);
                true
            }
            Stage::Applied(ready) => {
                let result = self.call(|node| node.advance(ready));
                assert!(result.is_ok() || !self.is_trusted, "advance: {result:?}");
                true
            }
        }
    }

    fn work_async(&mut self) -> bool {
        if self.node.has_ready() {
            return self.take().is_ok();
        }
        self.finish_write() || self.finish_apply()
    }

    /// Finishes the oldest write.
    pub(crate) fn finish_write(&mut self) -> bool {
        let Some(write) = self.writes.pop_front() else { return false };
        self.store(write.hard_state, &write.entries, write.snapshot.as_deref(), write.must_sync);
        for response in write.responses {
            match response {
                Response::Send(message) => self.send(vec![message]),
                Response::Acknowledge(ack) => self.acknowledge(ack),
            }
        }
        true
    }

    /// Applies the oldest run of committed entries.
    pub(crate) fn finish_apply(&mut self) -> bool {
        let Some((entries, StorageApply { ack, .. })) = self.applies.pop_front() else { return false };
        self.apply(&entries);
        self.acknowledge(ack);
        true
    }

    fn acknowledge(&mut self, ack: Ack) {
        let result = self.call(|node| node.acknowledge(ack));
        let is_fine = matches!(result, Ok(()) | Err(Error::PeerNotFound(_)));
        assert!(is_fine || !self.is_trusted, "acknowledge: {result:?}");
    }

    /// One write: all of it or nothing, durable at once if it must be.
    fn store(
        &mut self,
        hard_state: Option<HardState>,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
        must_sync: bool,
    ) {
        let storage = self.node.storage_mut();
        if let Some(snapshot) = snapshot {
            let result = storage.apply_snapshot(snapshot.clone());
            assert!(result.is_ok() || !self.is_trusted, "a snapshot that cannot be stored: {result:?}");
            if snapshot.id.index > self.machine.applied {
                self.machine = Machine::of(snapshot);
                self.applied.push(self.machine);
            }
        }
        let result = storage.append(entries);
        assert!(result.is_ok() || !self.is_trusted, "entries that cannot be stored: {result:?}");
        if let Some(hard_state) = hard_state {
            storage.set_hard_state(hard_state);
        }
        if must_sync {
            self.durable = storage.hard_state();
        }
    }

    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            if entry.id.index <= self.machine.applied {
                continue;
            }
            self.machine.apply(entry);
            self.applied.push(self.machine);
            if let Ok(change) = wire::decode_conf_change(entry, self.node.config().dialect) {
                self.change_membership(&change);
            }
        }
    }

    /// Puts a change into force, or leaves everything as it is where it cannot be.
    pub(crate) fn change_membership(&mut self, change: &ConfChangeV2) {
        if let Ok(conf_state) = self.call(|node| node.apply_conf_change(change)) {
            self.node.storage_mut().set_conf_state(conf_state);
            // A member that this adds needs a snapshot that knows it.
            self.compact(u64::MAX);
        }
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.check_promise(&message);
            let mut out = Vec::new();
            wire::encode(&message, &mut out);
            assert_eq!(wire::encoded_len(&message), out.len());
            assert_eq!(wire::decode(&Bytes::from(out)).as_ref(), Ok(&message), "what is sent can be read");
            self.outbox.push(message);
        }
    }

    /// A vote is given once a term, restarts or not.
    fn check_promise(&mut self, message: &Message) {
        let candidate = match &message.body {
            Body::Vote(vote) if !vote.pre => message.from,
            Body::VoteReply(reply) if !reply.pre && reply.granted => message.to,
            _ => return,
        };
        let promised = *self.votes.entry(message.term).or_insert(candidate);
        let is_kept = promised == candidate || !self.is_trusted;
        assert!(is_kept, "two votes in term {}: {promised} and {candidate}", message.term);
    }

    /// Saves a snapshot of the state machine and forgets the entries that it covers, but the last few.
    pub(crate) fn compact(&mut self, keep: u64) {
        let Machine { applied, chain } = self.machine;
        let Ok((_, conf_state)) = self.node.storage().initial_state() else { return };
        let storage = self.node.storage_mut();
        if storage.create_snapshot(applied, conf_state, chain.to_le_bytes().to_vec()).is_ok() {
            // An error says that it is compacted already.
            let _ = storage.compact(applied.saturating_sub(keep));
        }
    }

    /// Power fails, and the node starts again from what is durable.
    pub(crate) fn restart(&mut self, losses: Losses) -> Result<(), Error> {
        let mut storage = self.node.storage().clone();
        if losses.unsynced {
            storage.set_hard_state(self.durable);
        }
        let mut config = self.node.config().clone();
        // A state machine that may be ahead of the log must not survive on its own.
        if losses.machine || self.machine.applied > storage.last_index()? {
            let snapshot = storage.snapshot()?;
            self.machine = Machine::of(&snapshot);
            storage.set_conf_state(snapshot.conf_state);
        }
        config.applied = self.machine.applied;
        let before = std::mem::take(&mut self.votes);
        let result = Self::new(config, storage);
        assert!(result.is_ok() || !self.is_trusted, "no restart: {:?}", result.err());
        let machine = self.machine;
        *self = Self { machine, votes: before, is_trusted: self.is_trusted, ..result? };
        Ok(())
    }

    /// Does all the work that there is, up to a bound that only a node that never rests reaches.
    pub(crate) fn drive(&mut self) {
        for _ in 0..1000 {
            if !self.work() {
                return;
            }
        }
        panic!("node {} never rests", self.id());
    }

    /// Forgets the work in hand, as no honest host would.
    pub(crate) fn forget_work(&mut self) {
        self.stage = Stage::Idle;
        self.writes.clear();
        self.applies.clear();
    }

    /// Hands over the `Ready` in hand, if there is one.
    pub(crate) fn ready_in_hand(&mut self) -> Option<Box<Ready>> {
        match std::mem::take(&mut self.stage) {
            Stage::Idle => None,
            Stage::Taken(ready) | Stage::Stored(ready) | Stage::Applied(ready) => Some(ready),
        }
    }
}
