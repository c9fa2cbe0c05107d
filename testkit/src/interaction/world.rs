//! The simulated world: nodes, their storages and threads, and the messages in flight.

use std::collections::VecDeque;

use raftcore::{Config, Entry, HardState, Message, NodeId, RawNode, Ready, Snapshot, wire};

use super::output::Output;
use super::packet::{Cargo, Endpoint, Packet};
use super::recording::{Event, Happened, Recording, Start};
use super::storage::ScriptStorage;
use super::{CommandError, Options, format};

/// Everything a script acts on.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) out: Output,
    /// Node `n` is at `n - 1`.
    nodes: Vec<ScriptNode>,
    /// Messages that some node has emitted and nobody has received.
    queue: Vec<Packet>,
    pub(super) recording: Recording,
}

#[derive(Debug)]
pub(super) struct ScriptNode {
    pub(super) raft: RawNode<ScriptStorage>,
    /// The hard state in the last Ready that had one.
    accepted: HardState,
    append_queue: VecDeque<Packet>,
    apply_queue: VecDeque<Packet>,
}

/// The two threads that a node has with asynchronous storage writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thread {
    Append,
    Apply,
}

/// Whose messages a delivery takes, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery<'a> {
    pub(super) to: NodeId,
    /// Only messages of this kind.
    pub(super) kind: Option<&'a str>,
    pub(super) drop: bool,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            out: Output::default(),
            nodes: Vec::new(),
            queue: Vec::new(),
            recording: Recording::default(),
        }
    }

    /// Creates the node that `config` names, which must be the next one.
    pub(super) fn add_node(&mut self, config: Config, snapshot: Snapshot) -> Result<(), CommandError> {
        self.recording.nodes.push(Start { snapshot: snapshot.clone(), config: config.clone() });
        let raft = RawNode::new(config, ScriptStorage::new(snapshot)).map_err(CommandError::fatal)?;
        self.nodes.push(ScriptNode {
            accepted: raft.hard_state(),
            raft,
            append_queue: VecDeque::new(),
            apply_queue: VecDeque::new(),
        });
        Ok(())
    }

    pub(super) fn node(&mut self, id: NodeId) -> Result<&mut ScriptNode, CommandError> {
        let position = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        position
            .and_then(|position| self.nodes.get_mut(position))
            .ok_or_else(|| CommandError::fatal(format!("there is no node {id}")))
    }

    /// Notes what happens to a node.
    pub(super) fn note(&mut self, node: NodeId, event: Event) {
        self.recording.events.push(Happened { node, event });
    }

    /// All nodes' ids, ascending.
    pub(super) fn ids(&self) -> Vec<NodeId> {
        (1..=self.nodes.len() as NodeId).collect()
    }

    /// Runs `step` in a section of its own.
    pub(super) fn section<T>(
        &mut self,
        header: &str,
        step: impl FnOnce(&mut Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let before = self.out.begin_section(header);
        let result = step(self);
        self.out.end_section(before);
        result
    }

    /// Takes one Ready of a node and does what it asks for.
    pub(super) fn process_ready(&mut self, id: NodeId) -> Result<(), CommandError> {
        self.note(id, Event::Work);
        let node = self.node(id)?;
        let mut ready = node.raft.ready()?;
        let must_sync = node.note_accepted(&ready);
        let threads = [Packet::storage_append(id, &ready), Packet::storage_apply(id, &ready)];
        let messages = std::mem::take(&mut ready.messages).into_iter().map(Packet::from);
        let messages: Vec<_> = messages.chain(threads.into_iter().flatten()).collect();
        self.out.print(&format::ready(&ready, must_sync, &messages));

        let node = self.node(id)?;
        if node.raft.config().async_storage_writes {
            self.dispatch(id, messages)
        } else {
            node.store(ready.hard_state, ready.snapshot.as_deref(), &ready.entries.clone().into_entries())?;
            node.apply(&ready.committed_entries)?;
            self.dispatch(id, messages)?;
            Ok(self.node(id)?.raft.advance(ready)?)
        }
    }

    fn dispatch(&mut self, id: NodeId, messages: Vec<Packet>) -> Result<(), CommandError> {
        for packet in messages {
            match packet.to {
                Endpoint::Node(_) => self.queue.push(packet),
                Endpoint::AppendThread => self.node(id)?.append_queue.push_back(packet),
                Endpoint::ApplyThread => self.node(id)?.apply_queue.push_back(packet),
            }
        }
        Ok(())
    }

    /// Does the oldest work of a node's thread.
    pub(super) fn process_thread(&mut self, id: NodeId, thread: Thread) -> Result<(), CommandError> {
        self.note(id, Event::Work);
        let Some(mut packet) = self.node(id)?.work(thread).pop_front() else {
            self.out.print(&format!("no {} work to perform", thread.name()));
            return Ok(());
        };
        let responses = std::mem::take(&mut packet.responses);
        self.out.print_line("Processing:");
        self.out.print_line(&format::packet(&packet));
        let node = self.node(id)?;
        match thread {
            Thread::Append => {
                let Packet { term, vote, commit, .. } = packet;
                let hard_state = Some(HardState { term, vote, commit });
                let hard_state = hard_state.filter(|state| !state.is_empty());
                node.store(hard_state, packet.snapshot.as_deref(), &packet.entries)?;
            }
            Thread::Apply => node.apply(&packet.entries)?,
        }
        self.out.print_line("Responses:");
        for response in &responses {
            self.out.print_line(&format::packet(response));
        }
        self.queue.extend(responses);
        Ok(())
    }

    /// Delivers or drops what is in flight to one recipient; says how many messages that were.
    pub(super) fn deliver(&mut self, delivery: Delivery<'_>) -> Result<usize, CommandError> {
        let is_wanted = |packet: &Packet| {
            packet.to == Endpoint::Node(delivery.to)
                && delivery.kind.is_none_or(|kind| kind == packet.kind)
                && !(delivery.drop && packet.is_local())
        };
        let (wanted, rest) = self.queue.drain(..).partition::<Vec<_>, _>(is_wanted);
        self.queue = rest;
        let count = wanted.len();
        for packet in wanted {
            if delivery.drop {
                self.out.print("dropped: ");
            }
            self.out.print_line(&format::packet(&packet));
            if !delivery.drop {
                self.hand_over(delivery.to, packet.cargo)?;
            }
        }
        Ok(count)
    }

    /// What the node answers is printed and does not end the delivery.
    fn hand_over(&mut self, to: NodeId, cargo: Cargo) -> Result<(), CommandError> {
        if let Cargo::Message(message) = &cargo {
            self.note(to, Event::Message(message.clone()));
        }
        let node = self.node(to)?;
        let result = match cargo {
            Cargo::Message(message) => node.raft.step(message),
            Cargo::Ack(ack) => node.raft.acknowledge(ack),
            Cargo::Work => return Err(CommandError::fatal("work for a thread is in the queue")),
        };
        match result.map_err(CommandError::from) {
            Err(CommandError::Answer(text)) => self.out.print_line(&text),
            other => other?,
        }
        Ok(())
    }

    /// Puts a message in flight that the library has not emitted.
    pub(super) fn inject(&mut self, message: Message) -> &Packet {
        let position = self.queue.len();
        self.queue.push(Packet::from(message));
        &self.queue[position]
    }

    /// Works on the given nodes until nothing is left to do.
    pub(super) fn stabilize(&mut self, ids: &[NodeId]) -> Result<(), CommandError> {
        const ENDLESS: usize = 100_000;
        for _ in 0..ENDLESS {
            if !self.stabilize_round(ids)? {
                return Ok(());
            }
        }
        Err(CommandError::fatal("stabilize does not come to an end"))
    }

    /// Says whether there was anything to do.
    fn stabilize_round(&mut self, ids: &[NodeId]) -> Result<bool, CommandError> {
        let mut worked = false;
        for &id in ids {
            if self.node(id)?.raft.has_ready() {
                worked = true;
                self.section(&format!("{id} handling Ready"), |world| world.process_ready(id))?;
            }
        }
        for &id in ids {
            if self.queue.iter().any(|packet| packet.to == Endpoint::Node(id)) {
                worked = true;
                let delivery = Delivery { to: id, kind: None, drop: false };
                self.section(&format!("{id} receiving messages"), |world| world.deliver(delivery))?;
            }
        }
        for thread in [Thread::Append, Thread::Apply] {
            for &id in ids {
                if self.node(id)?.work(thread).is_empty() {
                    continue;
                }
                worked = true;
                self.section(&thread.header(id), |world| {
                    while !world.node(id)?.work(thread).is_empty() {
                        world.process_thread(id, thread)?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(worked)
    }
}

impl Thread {
    fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Apply => "apply",
        }
    }

    /// Header of a section in which the thread works.
    pub(super) fn header(self, id: NodeId) -> String {
        format!("{id} processing {} thread", self.name())
    }
}

impl ScriptNode {
    /// Notes what was handed out; says whether the reference would have it synced. In contrast to
    /// [`Ready::must_sync`], a snapshot alone is none of its reasons.
    fn note_accepted(&mut self, ready: &Ready) -> bool {
        let Some(state) = ready.hard_state else {
            return ready.must_sync && !(ready.snapshot.is_some() && ready.entries.is_empty());
        };
        let changed = (state.term, state.vote) != (self.accepted.term, self.accepted.vote);
        self.accepted = state;
        if ready.snapshot.is_some() { changed || !ready.entries.is_empty() } else { ready.must_sync }
    }

    fn work(&mut self, thread: Thread) -> &mut VecDeque<Packet> {
        match thread {
            Thread::Append => &mut self.append_queue,
            Thread::Apply => &mut self.apply_queue,
        }
    }

    fn store(
        &mut self,
        hard_state: Option<HardState>,
        snapshot: Option<&Snapshot>,
        entries: &[Entry],
    ) -> Result<(), CommandError> {
        let storage = self.raft.storage_mut();
        if let Some(hard_state) = hard_state {
            storage.set_hard_state(hard_state);
        }
        match snapshot {
            Some(_) if !entries.is_empty() => {
                Err(CommandError::answer("can't apply snapshot and entries at the same time"))
            }
            Some(snapshot) => Ok(storage.install(snapshot)?),
            None => Ok(storage.append(entries)?),
        }
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), CommandError> {
        for entry in entries {
            if entry.is_conf_change() {
                let change =
                    wire::decode_conf_change(entry, wire::Dialect::Etcd).map_err(CommandError::fatal)?;
                let conf_state = self.raft.apply_conf_change(&change)?;
                self.raft.storage_mut().applied(entry, &change.context, Some(conf_state));
            } else {
                self.raft.storage_mut().applied(entry, &entry.data, None);
            }
        }
        Ok(())
    }
}
