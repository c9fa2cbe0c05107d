//! What travels in a script's world: messages between nodes, and between a node and its threads.

use raftcore::{Ack, Body, Entries, EntryId, Index, Message, NodeId, Ready, Response, Snapshot, Term};

/// Who sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Node(NodeId),
    AppendThread,
    ApplyThread,
}

/// What its recipient does with a packet.
#[derive(Clone, Debug)]
pub(super) enum Cargo {
    /// A node steps it.
    Message(Message),
    /// A node takes note of it.
    Ack(Ack),
    /// A thread stores or applies what the packet shows.
    Work,
}

/// A message as scripts show it: one set of fields for all kinds, as raftpb has it.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    /// One of [`KINDS`].
    pub(super) kind: &'static str,
    pub(super) term: Term,
    pub(super) log: EntryId,
    /// The hint, if the message is a rejection.
    pub(super) rejected: Option<Index>,
    pub(super) commit: Index,
    pub(super) vote: NodeId,
    pub(super) entries: Entries,
    pub(super) snapshot: Option<Box<Snapshot>>,
    pub(super) responses: Vec<Packet>,
    pub(super) cargo: Cargo,
}

/// The names of all kinds of messages, those included that never travel between nodes.
pub(super) const KINDS: [&str; 24] = [
    "MsgHup",
    "MsgBeat",
    "MsgProp",
    "MsgApp",
    "MsgAppResp",
    "MsgVote",
    "MsgVoteResp",
    "MsgSnap",
    "MsgHeartbeat",
    "MsgHeartbeatResp",
    "MsgUnreachable",
    "MsgSnapStatus",
    "MsgCheckQuorum",
    "MsgTransferLeader",
    "MsgTimeoutNow",
    "MsgReadIndex",
    "MsgReadIndexResp",
    "MsgPreVote",
    "MsgPreVoteResp",
    "MsgStorageAppend",
    "MsgStorageAppendResp",
    "MsgStorageApply",
    "MsgStorageApplyResp",
    "MsgForgetLeader",
];

impl Packet {
    fn new(from: Endpoint, to: Endpoint, kind: &'static str, term: Term, cargo: Cargo) -> Self {
        Self {
            from,
            to,
            kind,
            term,
            log: EntryId::default(),
            rejected: None,
            commit: 0,
            vote: 0,
            entries: Entries::new(),
            snapshot: None,
            responses: Vec::new(),
            cargo,
        }
    }

    /// Whether it never leaves its node.
    pub(super) fn is_local(&self) -> bool {
        let is_thread = |endpoint| !matches!(endpoint, Endpoint::Node(_));
        self.from == self.to || is_thread(self.from) || is_thread(self.to)
    }

    /// The work for a node's append thread, if `ready` has any.
    pub(super) fn storage_append(node: NodeId, ready: &Ready) -> Option<Self> {
        let work = ready.storage_append.as_ref()?;
        let hard_state = ready.hard_state.unwrap_or_default();
        let from = Endpoint::Node(node);
        let response = |response: &Response| match response {
            Response::Send(message) => Self::from(message.clone()),
            Response::Acknowledge(ack) => Self::acknowledgement(node, ack.clone(), ready),
        };
        Some(Self {
            commit: hard_state.commit,
            vote: hard_state.vote,
            entries: ready.entries.clone().into_entries(),
            snapshot: ready.snapshot.clone(),
            responses: work.responses.iter().map(response).collect(),
            ..Self::new(from, Endpoint::AppendThread, "MsgStorageAppend", hard_state.term, Cargo::Work)
        })
    }

    /// The work for a node's apply thread, if `ready` has any.
    pub(super) fn storage_apply(node: NodeId, ready: &Ready) -> Option<Self> {
        let work = ready.storage_apply.as_ref()?;
        let from = Endpoint::Node(node);
        Some(Self {
            entries: ready.committed_entries.clone(),
            responses: vec![Self::acknowledgement(node, work.ack.clone(), ready)],
            ..Self::new(from, Endpoint::ApplyThread, "MsgStorageApply", 0, Cargo::Work)
        })
    }

    /// How a notice to the node itself shows.
    fn acknowledgement(node: NodeId, ack: Ack, ready: &Ready) -> Self {
        let to = Endpoint::Node(node);
        let packet = |from, kind, term| Self::new(from, to, kind, term, Cargo::Ack(ack.clone()));
        match ack {
            Ack::OwnAppend { term, index } => {
                Self { log: EntryId::new(0, index), ..packet(to, "MsgAppResp", term) }
            }
            Ack::OwnVote { term, pre: false } => packet(to, "MsgVoteResp", term),
            Ack::OwnVote { term, pre: true } => packet(to, "MsgPreVoteResp", term),
            Ack::Stored { term, last, snapshot } => Self {
                log: last.unwrap_or_default(),
                snapshot: snapshot.and(ready.snapshot.clone()),
                ..packet(Endpoint::AppendThread, "MsgStorageAppendResp", term)
            },
            Ack::Applied { .. } => Self {
                entries: ready.committed_entries.clone(),
                ..packet(Endpoint::ApplyThread, "MsgStorageApplyResp", 0)
            },
        }
    }
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        let (from, to) = (Endpoint::Node(message.from), Endpoint::Node(message.to));
        let cargo = Cargo::Message(message.clone());
        let packet = |kind| Self::new(from, to, kind, message.term, cargo);
        let context = |context| Entries::from(vec![raftcore::Entry::normal(context)]);
        match message.body {
            Body::Propose(propose) => Self { entries: propose.entries, ..packet("MsgProp") },
            Body::Append(append) => {
                Self { log: append.prev, commit: append.commit, entries: append.entries, ..packet("MsgApp") }
            }
            Body::AppendReply(reply) => Self {
                log: EntryId::new(reply.reject.unwrap_or_default().hint.term, reply.index),
                rejected: reply.reject.map(|reject| reject.hint.index),
                ..packet("MsgAppResp")
            },
            Body::Vote(vote) => {
                Self { log: vote.last, ..packet(if vote.pre { "MsgPreVote" } else { "MsgVote" }) }
            }
            Body::VoteReply(reply) => Self {
                rejected: (!reply.granted).then_some(0),
                ..packet(if reply.pre { "MsgPreVoteResp" } else { "MsgVoteResp" })
            },
            Body::Snapshot(snapshot) => Self { snapshot: Some(snapshot), ..packet("MsgSnap") },
            Body::Heartbeat(heartbeat) => Self { commit: heartbeat.commit, ..packet("MsgHeartbeat") },
            Body::HeartbeatReply(_) => packet("MsgHeartbeatResp"),
            Body::TransferLeader(_) => packet("MsgTransferLeader"),
            Body::TimeoutNow => packet("MsgTimeoutNow"),
            Body::ReadIndex(read) => Self { entries: context(read.context), ..packet("MsgReadIndex") },
            Body::ReadIndexReply(reply) => Self {
                log: EntryId::new(0, reply.index),
                entries: context(reply.context),
                ..packet("MsgReadIndexResp")
            },
        }
    }
}
