//! The format: one event a line, as etcd/raft's own tracer names and arranges its fields.

use raftcore::{Body, HardState, Message, RoleKind};
use serde::Serialize;

/// A line. What is outside of `event` is a log line's usual frame; etcd's script sorts by the time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    level: &'static str,
    ts: u64,
    msg: &'static str,
    tag: &'static str,
    pub(super) event: Event,
}

/// The first line's time; all times have the same number of digits.
const FIRST_TIME: u64 = 1_000_000_000;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) nid: String,
    pub(super) state: State,
    pub(super) role: &'static str,
    /// Last index of the log.
    pub(super) log: u64,
    pub(super) conf: [Vec<String>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) msg: Option<Msg>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct State {
    pub(super) term: u64,
    pub(super) vote: String,
    pub(super) commit: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Msg {
    #[serde(rename = "type")]
    kind: &'static str,
    term: u64,
    from: String,
    to: String,
    /// How many; of a snapshot, its index.
    entries: u64,
    #[serde(rename = "logTerm")]
    log_term: u64,
    index: u64,
    commit: u64,
    vote: String,
    reject: bool,
    #[serde(rename = "rejectHint")]
    reject_hint: u64,
}

/// A node at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) id: u64,
    pub(super) hard: HardState,
    pub(super) role: RoleKind,
    pub(super) last: u64,
}

impl Moment {
    /// Adds an event of this node, in this state.
    pub(super) fn tell(&self, name: &'static str, msg: Option<Msg>, lines: &mut Vec<Line>) {
        let HardState { term, vote, commit } = self.hard;
        let role = match self.role {
            RoleKind::Follower => "StateFollower",
            RoleKind::PreCandidate => "StatePreCandidate",
            RoleKind::Candidate => "StateCandidate",
            RoleKind::Leader => "StateLeader",
        };
        let event = Event {
            name,
            nid: self.id.to_string(),
            state: State { term, vote: vote.to_string(), commit },
            role,
            log: self.last,
            conf: [(1..=super::NODES).map(|id| id.to_string()).collect(), Vec::new()],
            msg,
        };
        let ts = FIRST_TIME + lines.len() as u64;
        lines.push(Line { level: "debug", ts, msg: "trace", tag: "trace", event });
    }
}

/// A message's part of an event's name, and its fields; None if the specification does not know it.
pub(super) fn translate(message: &Message) -> Option<(Rpc, Msg)> {
    let mut msg = Msg {
        kind: "",
        term: message.term,
        from: message.from.to_string(),
        to: message.to.to_string(),
        entries: 0,
        log_term: 0,
        index: 0,
        commit: 0,
        vote: "0".to_owned(),
        reject: false,
        reject_hint: 0,
    };
    let rpc = match &message.body {
        Body::Append(append) => {
            msg.kind = "MsgApp";
            (msg.log_term, msg.index) = (append.prev.term, append.prev.index);
            (msg.entries, msg.commit) = (append.entries.len() as u64, append.commit);
            Rpc::AppendEntriesRequest
        }
        Body::Heartbeat(heartbeat) => {
            (msg.kind, msg.commit) = ("MsgHeartbeat", heartbeat.commit);
            Rpc::AppendEntriesRequest
        }
        Body::Snapshot(snapshot) => {
            (msg.kind, msg.entries) = ("MsgSnap", snapshot.id.index);
            Rpc::AppendEntriesRequest
        }
        Body::AppendReply(reply) => {
            // A leader of an old term is told the later one by a reply that matches nothing; to the
            // specification that is a refusal.
            let refuses = reply.reject.is_some() || reply.index == 0;
            (msg.kind, msg.index, msg.reject) = ("MsgAppResp", reply.index, refuses);
            if let Some(reject) = reply.reject {
                (msg.reject_hint, msg.log_term) = (reject.hint.index, reject.hint.term);
            }
            Rpc::AppendEntriesResponse
        }
        Body::HeartbeatReply(_) => {
            msg.kind = "MsgHeartbeatResp";
            Rpc::AppendEntriesResponse
        }
        Body::Vote(vote) if !vote.pre => {
            (msg.kind, msg.log_term, msg.index) = ("MsgVote", vote.last.term, vote.last.index);
            Rpc::RequestVoteRequest
        }
        Body::VoteReply(reply) if !reply.pre => {
            (msg.kind, msg.reject) = ("MsgVoteResp", !reply.granted);
            Rpc::RequestVoteResponse
        }
        _ => return None,
    };
    Some((rpc, msg))
}

/// The specification's kinds of messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rpc {
    AppendEntriesRequest,
    AppendEntriesResponse,
    RequestVoteRequest,
    RequestVoteResponse,
}

impl Rpc {
    pub(super) fn sent(self) -> &'static str {
        match self {
            Self::AppendEntriesRequest => "SendAppendEntriesRequest",
            Self::AppendEntriesResponse => "SendAppendEntriesResponse",
            Self::RequestVoteRequest => "SendRequestVoteRequest",
            Self::RequestVoteResponse => "SendRequestVoteResponse",
        }
    }

    pub(super) fn received(self) -> &'static str {
        match self {
            Self::AppendEntriesRequest => "ReceiveAppendEntriesRequest",
            Self::AppendEntriesResponse => "ReceiveAppendEntriesResponse",
            Self::RequestVoteRequest => "ReceiveRequestVoteRequest",
            Self::RequestVoteResponse => "ReceiveRequestVoteResponse",
        }
    }
}
