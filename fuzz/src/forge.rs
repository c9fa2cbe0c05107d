//! Things that no honest peer or host would say, made so that they often matter to the node at hand.

use raftcore::{
    Ack, Append, AppendReject, AppendReply, Body, Bytes, ConfChange, ConfChangeKind, ConfChangeOp,
    ConfChangeV2, ConfState, Entry, EntryId, EntryKind, Heartbeat, HeartbeatReply, Message, NodeId, Propose,
    ReadIndex, ReadIndexReply, Snapshot, Status, TransferLeader, Transition, Vote, VoteReply, wire,
};

use crate::source::Source;

/// A message to the node whose state is `status`.
pub(crate) fn message(source: &mut Source<'_>, status: &Status) -> Message {
    let body = body(source, status);
    let to = if source.byte() == 255 { node(source) } else { status.id };
    Message { from: node(source), to, term: source.near(status.hard_state.term), body }
}

fn body(source: &mut Source<'_>, status: &Status) -> Body {
    match source.below(14) {
        0..=2 => Body::Append(append(source, status)),
        3 => {
            let reject = source.flag().then(|| AppendReject { hint: id(source, status) });
            Body::AppendReply(AppendReply { index: source.near(status.last.index), reject })
        }
        4 => Body::AppendReply(AppendReply { index: source.near(status.last.index), reject: None }),
        5 => Body::Vote(Vote {
            pre: source.flag(),
            transfer: source.flag(),
            last: id(source, status),
            priority: i64::from(source.byte() as i8),
            commit: if source.flag() { id(source, status) } else { EntryId::default() },
        }),
        6 => Body::VoteReply(VoteReply {
            pre: source.flag(),
            granted: !source.flag(),
            commit: if source.flag() { id(source, status) } else { EntryId::default() },
        }),
        7 => Body::Snapshot(Box::new(snapshot(source, status))),
        8 => {
            let commit = source.near(status.hard_state.commit);
            Body::Heartbeat(Heartbeat { commit, context: source.payload() })
        }
        9 => {
            let context = if source.flag() {
                Bytes::from(source.near(0).to_le_bytes().to_vec())
            } else {
                source.payload()
            };
            Body::HeartbeatReply(HeartbeatReply { context })
        }
        10 => Body::TransferLeader(TransferLeader),
        11 => Body::TimeoutNow,
        12 => {
            let entries: Vec<_> = (0..source.below(4)).map(|_| entry(source, EntryId::default())).collect();
            Body::Propose(Propose { entries: entries.into() })
        }
        _ if source.flag() => Body::ReadIndex(ReadIndex { context: source.payload() }),
        _ => {
            let index = source.near(status.hard_state.commit);
            Body::ReadIndexReply(ReadIndexReply { index, context: source.payload() })
        }
    }
}

fn append(source: &mut Source<'_>, status: &Status) -> Append {
    let prev = id(source, status);
    let commit = source.near(prev.index);
    let mut next = prev;
    let mut entries = Vec::new();
    for _ in 0..source.below(5) {
        next = match source.byte() {
            0..=199 => EntryId::new(next.term, next.index.wrapping_add(1)),
            200..=239 => EntryId::new(status.hard_state.term, next.index.wrapping_add(1)),
            _ => EntryId::new(source.near(next.term), source.near(next.index)),
        };
        entries.push(entry(source, next));
    }
    Append { prev, commit, entries: entries.into() }
}

/// An entry: a payload, a membership change, or what only claims to be one.
fn entry(source: &mut Source<'_>, id: EntryId) -> Entry {
    match source.below(8) {
        0 => {
            let data = wire::encode_conf_change(&change(source), wire::Dialect::Etcd);
            Entry::new(id, EntryKind::ConfChangeV2, data)
        }
        1 => {
            let op = op(source);
            let change = ConfChange { id: 0, op, context: Bytes::new() };
            Entry::new(id, EntryKind::ConfChange, wire::encode_conf_change_v1(&change, wire::Dialect::Etcd))
        }
        2 => {
            let kind = source.choose([EntryKind::Normal, EntryKind::ConfChange, EntryKind::ConfChangeV2]);
            Entry::new(id, kind, source.payload()).with_kind_stated(true)
        }
        _ => Entry::new(id, EntryKind::Normal, source.payload()),
    }
}

/// Near the end of the log or the commit index, most often with a term that fits.
fn id(source: &mut Source<'_>, status: &Status) -> EntryId {
    match source.below(4) {
        0 => status.last,
        1 => EntryId::new(status.last.term, source.near(status.last.index)),
        2 => EntryId::new(status.last.term, source.near(status.hard_state.commit)),
        _ => EntryId::new(source.near(status.last.term), source.near(status.last.index)),
    }
}

fn snapshot(source: &mut Source<'_>, status: &Status) -> Snapshot {
    let conf_state = if source.flag() { status.conf_state.clone() } else { conf_state(source) };
    Snapshot { id: id(source, status), conf_state, data: source.payload() }
}

fn conf_state(source: &mut Source<'_>) -> ConfState {
    ConfState {
        voters: nodes(source, 5),
        learners: nodes(source, 3),
        voters_outgoing: nodes(source, 3),
        learners_next: nodes(source, 2),
        auto_leave: source.flag(),
    }
}

fn nodes(source: &mut Source<'_>, most: u8) -> Vec<NodeId> {
    (0..source.below(most + 1)).map(|_| node(source)).collect()
}

/// One of a few nodes; seldom nobody, or a number that nobody has.
pub(crate) fn node(source: &mut Source<'_>) -> NodeId {
    match source.byte() {
        255 => source.near(0),
        254 => 0,
        choice => 1 + NodeId::from(choice % 6),
    }
}

fn op(source: &mut Source<'_>) -> ConfChangeOp {
    let kind = source.choose([
        ConfChangeKind::AddVoter,
        ConfChangeKind::Remove,
        ConfChangeKind::AddLearner,
        ConfChangeKind::Update,
    ]);
    ConfChangeOp { kind, node: node(source) }
}

/// Any membership change; often one that leaves a joint configuration.
pub(crate) fn change(source: &mut Source<'_>) -> ConfChangeV2 {
    let transition = source.choose([Transition::Auto, Transition::Implicit, Transition::Explicit]);
    let ops = (0..source.below(4)).map(|_| op(source)).collect();
    ConfChangeV2 { transition, ops, context: Bytes::new() }
}

/// A change of the first version.
pub(crate) fn change_v1(source: &mut Source<'_>) -> ConfChange {
    ConfChange { id: 0, op: op(source), context: Bytes::new() }
}

/// An acknowledgement of work that was perhaps never handed out.
pub(crate) fn ack(source: &mut Source<'_>, status: &Status) -> Ack {
    let term = source.near(status.hard_state.term);
    match source.below(4) {
        0 => Ack::OwnAppend { term, index: source.near(status.last.index) },
        1 => Ack::OwnVote { term, pre: source.flag() },
        2 => Ack::Stored {
            term,
            last: source.flag().then(|| id(source, status)),
            snapshot: source.flag().then(|| source.near(status.last.index)),
        },
        _ => Ack::Applied {
            index: source.near(status.applied),
            bytes: source.near(0),
            payload_bytes: source.near(0),
        },
    }
}
