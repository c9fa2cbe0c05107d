//! What a node does as lines of text, in the format of etcd/raft's own tracer (NDJSON), so that
//! etcd/raft's TLA+ specification can check it. Pure: the host says what it does with the node, shows
//! the node's status, and gets the lines.
//!
//! The specification knows elections, replication, heartbeats, restarts and loss; no PreVote, CheckQuorum,
//! reads, transfers or joint memberships. It takes for atomic what follows an input: the host stores, sends
//! and advances all of it before the next input comes, and writes are not asynchronous.

use std::fmt::Write;

use crate::message::{AppendReply, Body, Message, VoteReply};
use crate::ready::Ready;
use crate::status::Status;
use crate::types::{HardState, Index, NodeId, RoleKind};

/// Tells what a node does. Each method gives the events that it is about to `tell`, as JSON objects
/// without a frame ([`etcd_line`]); in this order, for each input:
///
/// 1. [`Self::receives`], if the input is a message; then the input; then [`Self::changed`];
/// 2. while there is work: after `RawNode::ready`, [`Self::takes`]; before `RawNode::advance`,
///    [`Self::advances`]; and after it, [`Self::changed`].
#[derive(Clone, Debug)]
pub struct EtcdTracer {
    seen: Moment,
    /// What the node says to itself: its own vote, or that it has its own entries. In etcd/raft these are
    /// messages, and here they are not.
    own: Option<Message>,
}

/// A node at a moment.
#[derive(Clone, Debug)]
struct Moment {
    id: NodeId,
    hard: HardState,
    role: RoleKind,
    last: Index,
    /// The members as text; of a joint configuration both halves.
    conf: String,
}

impl EtcdTracer {
    /// For a node that starts, for the first time or again.
    pub fn start(status: &Status, tell: &mut dyn FnMut(&str)) -> Self {
        let seen = Moment::of(status);
        seen.tell("InitState", None, tell);
        Self { seen, own: None }
    }

    /// A message is about to be stepped.
    pub fn receives(&self, message: &Message, tell: &mut dyn FnMut(&str)) {
        if let Some((rpc, fields)) = translate(message) {
            self.seen.tell(rpc.received(), Some(&fields), tell);
        }
    }

    /// A call has returned: what it has changed, which has one explanation.
    pub fn changed(&mut self, status: &Status, tell: &mut dyn FnMut(&str)) {
        let before = std::mem::replace(&mut self.seen, Moment::of(status));
        let after = &self.seen;
        tell_changes(&before, after, tell);
        if after.role == RoleKind::Candidate && after.hard.term != before.hard.term {
            self.own =
                Some(after.to_itself(Body::VoteReply(VoteReply { granted: true, ..VoteReply::default() })));
        }
    }

    /// A `Ready` was taken: its messages are about to be sent, and what it wants stored is stored.
    pub fn takes(&mut self, status: &Status, ready: &Ready, tell: &mut dyn FnMut(&str)) {
        self.seen = Moment::of(status);
        let now = &self.seen;
        if now.role == RoleKind::Leader && !ready.entries.is_empty() {
            self.own = Some(now.to_itself(Body::AppendReply(AppendReply { index: now.last, reject: None })));
        }
        for message in self.own.iter().chain(&ready.messages) {
            if let Some((rpc, fields)) = translate(message) {
                now.tell(rpc.sent(), Some(&fields), tell);
            }
        }
        now.tell("Ready", None, tell);
    }

    /// The `Ready` is about to be advanced.
    pub fn advances(&mut self, status: &Status, tell: &mut dyn FnMut(&str)) {
        self.seen = Moment::of(status);
        if let Some(own) = self.own.take() {
            self.receives(&own, tell);
        }
    }
}

/// An event as a line, without a newline at its end. etcd/raft's script brings the lines of all nodes in
/// the order of their `time`: a number that does not go back, with the same number of digits in all of them.
/// `None`: the line has none, and the file's order counts.
pub fn etcd_line(event: &str, time: Option<u64>) -> String {
    let ts = time.map(|time| format!(r#""ts":{time},"#)).unwrap_or_default();
    format!(r#"{{"level":"debug",{ts}"msg":"trace","tag":"trace","event":{event}}}"#)
}

impl Moment {
    fn of(status: &Status) -> Self {
        let ids = |ids: &[NodeId]| -> String {
            ids.iter().map(|id| format!(r#""{id}""#)).collect::<Vec<_>>().join(",")
        };
        let conf = &status.conf_state;
        Self {
            id: status.id,
            hard: status.hard_state,
            role: status.soft_state.role,
            last: status.last.index,
            conf: format!("[[{}],[{}]]", ids(&conf.voters), ids(&conf.voters_outgoing)),
        }
    }

    fn to_itself(&self, body: Body) -> Message {
        Message { from: self.id, to: self.id, term: self.hard.term, body }
    }

    /// Tells an event of this node, in this state.
    fn tell(&self, name: &str, msg: Option<&Fields>, tell: &mut dyn FnMut(&str)) {
        let HardState { term, vote, commit } = self.hard;
        let role = match self.role {
            RoleKind::Follower => "StateFollower",
            RoleKind::PreCandidate => "StatePreCandidate",
            RoleKind::Candidate => "StateCandidate",
            RoleKind::Leader => "StateLeader",
        };
        let mut event = format!(
            concat!(
                r#"{{"name":"{}","nid":"{}","state":{{"term":{},"vote":"{}","commit":{}}},"#,
                r#""role":"{}","log":{},"conf":{}"#
            ),
            name, self.id, term, vote, commit, role, self.last, self.conf
        );
        if let Some(msg) = msg {
            msg.write(&mut event);
        }
        event.push('}');
        tell(&event);
    }
}

/// Tells how a node came from one moment to another, which are one call apart.
fn tell_changes(before: &Moment, after: &Moment, tell: &mut dyn FnMut(&str)) {
    let (old, new) = (before.hard, after.hard);
    let is_new = before.role != after.role || old.term != new.term;
    // Role and term change first, then the log, then the commit index.
    let turn =
        |vote, last| Moment { hard: HardState { vote, commit: old.commit, ..new }, last, ..after.clone() };
    match after.role {
        RoleKind::Follower if is_new => {
            let vote = if old.term == new.term { old.vote } else { 0 };
            turn(vote, before.last).tell("BecomeFollower", None, tell);
        }
        RoleKind::Candidate if is_new => turn(new.vote, before.last).tell("BecomeCandidate", None, tell),
        RoleKind::Leader if is_new => turn(new.vote, before.last).tell("BecomeLeader", None, tell),
        _ => {}
    }
    if after.role != RoleKind::Leader {
        return;
    }
    for last in before.last.saturating_add(1)..=after.last {
        turn(new.vote, last).tell("Replicate", None, tell);
    }
    if new.commit > old.commit {
        after.tell("Commit", None, tell);
    }
}

/// The specification's kinds of messages.
#[derive(Clone, Copy, Debug)]
enum Rpc {
    AppendEntriesRequest,
    AppendEntriesResponse,
    RequestVoteRequest,
    RequestVoteResponse,
}

impl Rpc {
    fn sent(self) -> &'static str {
        match self {
            Self::AppendEntriesRequest => "SendAppendEntriesRequest",
            Self::AppendEntriesResponse => "SendAppendEntriesResponse",
            Self::RequestVoteRequest => "SendRequestVoteRequest",
            Self::RequestVoteResponse => "SendRequestVoteResponse",
        }
    }

    fn received(self) -> &'static str {
        match self {
            Self::AppendEntriesRequest => "ReceiveAppendEntriesRequest",
            Self::AppendEntriesResponse => "ReceiveAppendEntriesResponse",
            Self::RequestVoteRequest => "ReceiveRequestVoteRequest",
            Self::RequestVoteResponse => "ReceiveRequestVoteResponse",
        }
    }
}

/// What the format says of a message.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    kind: &'static str,
    term: u64,
    from: NodeId,
    to: NodeId,
    /// How many; of a snapshot, its index.
    entries: u64,
    log_term: u64,
    index: u64,
    commit: u64,
    reject: bool,
    reject_hint: u64,
}

impl Fields {
    fn write(&self, event: &mut String) {
        // Writing to a string does not fail.
        let _ = write!(
            event,
            concat!(
                r#","msg":{{"type":"{}","term":{},"from":"{}","to":"{}","entries":{},"logTerm":{},"#,
                r#""index":{},"commit":{},"vote":"0","reject":{},"rejectHint":{}}}"#
            ),
            self.kind,
            self.term,
            self.from,
            self.to,
            self.entries,
            self.log_term,
            self.index,
            self.commit,
            self.reject,
            self.reject_hint,
        );
    }
}

/// A message's part of an event's name, and its fields; None if the specification does not know it.
fn translate(message: &Message) -> Option<(Rpc, Fields)> {
    let all = Fields { term: message.term, from: message.from, to: message.to, ..Fields::default() };
    Some(match &message.body {
        Body::Append(append) => {
            let (log_term, index) = (append.prev.term, append.prev.index);
            let (entries, commit) = (append.entries.len() as u64, append.commit);
            let fields = Fields { kind: "MsgApp", log_term, index, entries, commit, ..all };
            (Rpc::AppendEntriesRequest, fields)
        }
        Body::Heartbeat(heartbeat) => {
            (Rpc::AppendEntriesRequest, Fields { kind: "MsgHeartbeat", commit: heartbeat.commit, ..all })
        }
        Body::Snapshot(snapshot) => {
            (Rpc::AppendEntriesRequest, Fields { kind: "MsgSnap", entries: snapshot.id.index, ..all })
        }
        Body::AppendReply(reply) => {
            // A leader of an old term is told the later one by a reply that matches nothing; to the
            // specification that is a refusal.
            let refuses = reply.reject.is_some() || reply.index == 0;
            let hint = reply.reject.unwrap_or_default().hint;
            let (index, reject_hint, log_term) = (reply.index, hint.index, hint.term);
            let fields = Fields { kind: "MsgAppResp", index, reject: refuses, reject_hint, log_term, ..all };
            (Rpc::AppendEntriesResponse, fields)
        }
        Body::HeartbeatReply(_) => (Rpc::AppendEntriesResponse, Fields { kind: "MsgHeartbeatResp", ..all }),
        Body::Vote(vote) if !vote.pre => {
            let (log_term, index) = (vote.last.term, vote.last.index);
            (Rpc::RequestVoteRequest, Fields { kind: "MsgVote", log_term, index, ..all })
        }
        Body::VoteReply(reply) if !reply.pre => {
            (Rpc::RequestVoteResponse, Fields { kind: "MsgVoteResp", reject: !reply.granted, ..all })
        }
        _ => return None,
    })
}
