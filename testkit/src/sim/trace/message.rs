//! Messages and entries as a trace tells them.

use raftcore::wire::{Dialect, decode_conf_change};
use raftcore::{Body, Entry, EntryId, EntryKind, Message};
use serde_json::{Value, json};

use super::happening::{Told, ToldEntry};

/// Bytes of a payload that a trace shows.
const SHOWN_BYTES: usize = 8;

/// A message in a line.
pub(crate) fn describe(message: &Message) -> String {
    let id = |id: EntryId| format!("{}/{}", id.term, id.index);
    let body = match &message.body {
        Body::Append(append) => {
            let (prev, count) = (id(append.prev), append.entries.len());
            format!("Append after {prev}, {count} entries, commit {}", append.commit)
        }
        Body::Snapshot(snapshot) => format!("Snapshot {}", id(snapshot.id)),
        Body::Propose(propose) => format!("Propose, {} entries", propose.entries.len()),
        Body::AppendReply(reply) => match reply.reject {
            None => format!("AppendReply, matches up to {}", reply.index),
            Some(reject) => format!("AppendReply, rejects {}, try {}", reply.index, id(reject.hint)),
        },
        Body::Vote(vote) => {
            let (name, last) = (if vote.pre { "PreVote" } else { "Vote" }, id(vote.last));
            format!("{name}, log ends at {last}{}", if vote.transfer { ", transfer" } else { "" })
        }
        Body::VoteReply(reply) => {
            let name = if reply.pre { "PreVoteReply" } else { "VoteReply" };
            format!("{name}, {}", if reply.granted { "granted" } else { "refused" })
        }
        Body::Heartbeat(heartbeat) => format!("Heartbeat, commit {}", heartbeat.commit),
        Body::HeartbeatReply(_) => "HeartbeatReply".to_owned(),
        Body::TransferLeader(_) => "TransferLeader".to_owned(),
        Body::TimeoutNow => "TimeoutNow".to_owned(),
        Body::ReadIndex(read) => format!("ReadIndex, context {}", hex(&read.context)),
        Body::ReadIndexReply(reply) => {
            format!("ReadIndexReply, index {}, context {}", reply.index, hex(&reply.context))
        }
    };
    format!("{}->{} term {}: {body}", message.from, message.to, message.term)
}

/// A message in full.
pub(in super::super) fn tell(message: &Message, id: u64, copies: usize) -> Told {
    let (kind, body) = tell_body(&message.body);
    let (node, to, term) = (message.from, message.to, message.term);
    Told { node, to, id, term, copies, kind, body, text: describe(message) }
}

fn tell_body(body: &Body) -> (&'static str, Value) {
    match body {
        Body::Propose(propose) => ("propose", json!({ "entries": tell_entries(&propose.entries) })),
        Body::Append(append) => {
            let entries = tell_entries(&append.entries);
            ("append", json!({ "prev": place(append.prev), "commit": append.commit, "entries": entries }))
        }
        Body::AppendReply(reply) => {
            let hint = reply.reject.map(|reject| place(reject.hint));
            ("append_reply", json!({ "index": reply.index, "reject": hint }))
        }
        Body::Vote(vote) => {
            let kind = if vote.pre { "pre_vote" } else { "vote" };
            let (last, commit, transfer) = (place(vote.last), place(vote.commit), vote.transfer);
            (kind, json!({ "last": last, "commit": commit, "transfer": transfer, "priority": vote.priority }))
        }
        Body::VoteReply(reply) => {
            let kind = if reply.pre { "pre_vote_reply" } else { "vote_reply" };
            (kind, json!({ "granted": reply.granted, "commit": place(reply.commit) }))
        }
        Body::Snapshot(snapshot) => {
            let members = &snapshot.conf_state;
            let (voters, outgoing) = (&members.voters, &members.voters_outgoing);
            ("snapshot", json!({ "last": place(snapshot.id), "voters": voters, "outgoing": outgoing }))
        }
        Body::Heartbeat(heartbeat) => ("heartbeat", json!({ "commit": heartbeat.commit })),
        Body::HeartbeatReply(_) => ("heartbeat_reply", json!({})),
        Body::TransferLeader(_) => ("transfer_leader", json!({})),
        Body::TimeoutNow => ("timeout_now", json!({})),
        Body::ReadIndex(read) => ("read_index", json!({ "context": hex(&read.context) })),
        Body::ReadIndexReply(reply) => {
            ("read_index_reply", json!({ "index": reply.index, "context": hex(&reply.context) }))
        }
    }
}

fn place(id: EntryId) -> Value {
    json!({ "term": id.term, "index": id.index })
}

fn tell_entries(entries: &[Entry]) -> Vec<ToldEntry> {
    entries.iter().map(tell_entry).collect()
}

pub(super) fn tell_entry(entry: &Entry) -> ToldEntry {
    let kind = match entry.kind {
        EntryKind::Normal if entry.data.is_empty() => "empty",
        EntryKind::Normal => "normal",
        EntryKind::ConfChange | EntryKind::ConfChangeV2 => "conf_change",
    };
    let text = if entry.is_conf_change() { tell_change(entry) } else { hex(&entry.data) };
    ToldEntry { term: entry.term(), index: entry.index(), kind, size: entry.data.len(), text }
}

fn tell_change(entry: &Entry) -> String {
    let Ok(change) = decode_conf_change(entry, Dialect::Etcd) else { return "cannot be decoded".into() };
    if change.ops.is_empty() {
        return "leave the joint membership".into();
    }
    let ops: Vec<_> = change.ops.iter().map(|op| format!("{:?} {}", op.kind, op.node)).collect();
    ops.join(", ")
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_BYTES);
    let mut text: String = shown.map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > SHOWN_BYTES {
        text.push('…');
    }
    text
}
