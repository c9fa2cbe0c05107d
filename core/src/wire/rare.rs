//! What is encoded seldom: membership and snapshots, by prost.

use bytes::Bytes;
use prost::Message as _;

use crate::entry::{Entry, EntryKind};
use crate::error::DecodeError;
use crate::membership::{ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Transition};
use crate::message::Snapshot;
use crate::types::EntryId;
use crate::wire::{Dialect, raftpb};

/// The encoding of a membership (raftpb `ConfState`).
pub fn encode_conf_state(state: &ConfState) -> Vec<u8> {
    conf_state_to_pb(state).encode_to_vec()
}

/// The membership that `bytes` encode.
pub fn decode_conf_state(bytes: &[u8]) -> Result<ConfState, DecodeError> {
    raftpb::ConfState::decode(bytes).map(conf_state_from_pb).map_err(malformed)
}

/// The encoding of what describes a snapshot (raftpb `SnapshotMetadata`).
pub(super) fn encode_snapshot_metadata(snapshot: &Snapshot) -> Vec<u8> {
    let metadata = raftpb::SnapshotMetadata {
        conf_state: Some(conf_state_to_pb(&snapshot.conf_state)),
        index: Some(snapshot.id.index),
        term: Some(snapshot.id.term),
    };
    metadata.encode_to_vec()
}

/// The snapshot that `bytes` encode; its data shares their memory.
pub fn decode_snapshot(bytes: &Bytes) -> Result<Snapshot, DecodeError> {
    let snapshot = raftpb::Snapshot::decode(bytes.clone()).map_err(malformed)?;
    let metadata = snapshot.metadata.unwrap_or_default();
    Ok(Snapshot {
        id: EntryId::new(metadata.term.unwrap_or(0), metadata.index.unwrap_or(0)),
        conf_state: conf_state_from_pb(metadata.conf_state.unwrap_or_default()),
        data: snapshot.data.unwrap_or_default(),
    })
}

/// The payload of a [`EntryKind::ConfChangeV2`] entry.
pub fn encode_conf_change(change: &ConfChangeV2, dialect: Dialect) -> Bytes {
    let transition = match change.transition {
        Transition::Auto => 0,
        Transition::Implicit => 1,
        Transition::Explicit => 2,
    };
    let single = |op: &ConfChangeOp| raftpb::ConfChangeSingle {
        kind: Some(op_number(op.kind, dialect)),
        node_id: Some(op_node(*op, dialect)),
    };
    let change = raftpb::ConfChangeV2 {
        transition: Some(transition),
        changes: change.ops.iter().map(single).collect(),
        context: (!change.context.is_empty()).then(|| change.context.clone()),
    };
    change.encode_to_vec().into()
}

/// The payload of a [`EntryKind::ConfChange`] entry.
pub fn encode_conf_change_v1(change: &ConfChange, dialect: Dialect) -> Bytes {
    let change = raftpb::ConfChange {
        id: (change.id != 0).then_some(change.id),
        kind: Some(op_number(change.op.kind, dialect)),
        node_id: Some(op_node(change.op, dialect)),
        context: (!change.context.is_empty()).then(|| change.context.clone()),
    };
    change.encode_to_vec().into()
}

/// The membership change of an entry, in either version. An empty payload leaves a joint
/// configuration. An error for entries that are no membership change.
pub fn decode_conf_change(entry: &Entry, dialect: Dialect) -> Result<ConfChangeV2, DecodeError> {
    match entry.kind {
        EntryKind::Normal => Err(DecodeError::Invalid("the entry is no membership change")),
        EntryKind::ConfChange => {
            let change = raftpb::ConfChange::decode(entry.data.clone()).map_err(malformed)?;
            Ok(ConfChangeV2 {
                transition: Transition::Auto,
                ops: vec![op(change.kind, change.node_id, dialect)?],
                context: change.context.unwrap_or_default(),
            })
        }
        EntryKind::ConfChangeV2 => {
            let change = raftpb::ConfChangeV2::decode(entry.data.clone()).map_err(malformed)?;
            let transition = match change.transition.unwrap_or(0) {
                0 => Transition::Auto,
                1 => Transition::Implicit,
                2 => Transition::Explicit,
                _ => return Err(DecodeError::Invalid("a membership change of unknown transition")),
            };
            let ops = change.changes.iter().map(|single| op(single.kind, single.node_id, dialect));
            Ok(ConfChangeV2 {
                transition,
                ops: ops.collect::<Result<_, _>>()?,
                context: change.context.unwrap_or_default(),
            })
        }
    }
}

fn op(kind: Option<i32>, node: Option<u64>, dialect: Dialect) -> Result<ConfChangeOp, DecodeError> {
    let kind = match (kind.unwrap_or(0), dialect) {
        (0, _) => ConfChangeKind::AddVoter,
        (1, _) => ConfChangeKind::Remove,
        (2, Dialect::Etcd) => ConfChangeKind::Update,
        (3, Dialect::Etcd) | (2, Dialect::Tikv) => ConfChangeKind::AddLearner,
        _ => return Err(DecodeError::Invalid("a membership change of unknown kind")),
    };
    Ok(ConfChangeOp { kind, node: node.unwrap_or(0) })
}

/// TiKV's dialect has no operation that changes nothing; there it is an addition of node 0, which
/// is void.
fn op_number(kind: ConfChangeKind, dialect: Dialect) -> i32 {
    match (kind, dialect) {
        (ConfChangeKind::AddVoter, _) => 0,
        (ConfChangeKind::Remove, _) => 1,
        (ConfChangeKind::Update, Dialect::Etcd) => 2,
        (ConfChangeKind::Update, Dialect::Tikv) => 0,
        (ConfChangeKind::AddLearner, Dialect::Etcd) => 3,
        (ConfChangeKind::AddLearner, Dialect::Tikv) => 2,
    }
}

fn op_node(op: ConfChangeOp, dialect: Dialect) -> u64 {
    match (op.kind, dialect) {
        (ConfChangeKind::Update, Dialect::Tikv) => 0,
        _ => op.node,
    }
}

fn conf_state_to_pb(state: &ConfState) -> raftpb::ConfState {
    raftpb::ConfState {
        voters: state.voters.clone(),
        learners: state.learners.clone(),
        voters_outgoing: state.voters_outgoing.clone(),
        learners_next: state.learners_next.clone(),
        auto_leave: Some(state.auto_leave),
    }
}

fn conf_state_from_pb(state: raftpb::ConfState) -> ConfState {
    ConfState {
        voters: state.voters,
        learners: state.learners,
        voters_outgoing: state.voters_outgoing,
        learners_next: state.learners_next,
        auto_leave: state.auto_leave.unwrap_or(false),
    }
}

fn malformed(_: prost::DecodeError) -> DecodeError {
    DecodeError::Malformed("it is not the protobuf encoding of what it should be")
}
