//! Between raftcore's types and raft-rs' (which protobuf made).

use raft::eraftpb;
use raftcore::{Bytes, ConfState, Entry, EntryId, EntryKind, HardState, Snapshot};

/// raft-rs' entry.
pub fn entry_to_theirs(entry: &Entry) -> eraftpb::Entry {
    let mut out = eraftpb::Entry::default();
    out.set_entry_type(match entry.kind {
        EntryKind::Normal => eraftpb::EntryType::EntryNormal,
        EntryKind::ConfChange => eraftpb::EntryType::EntryConfChange,
        EntryKind::ConfChangeV2 => eraftpb::EntryType::EntryConfChangeV2,
    });
    out.set_term(entry.term());
    out.set_index(entry.index());
    out.set_data(entry.data.clone());
    out
}

/// raftcore's entry.
pub fn entry_to_ours(entry: &eraftpb::Entry) -> Entry {
    let kind = match entry.get_entry_type() {
        eraftpb::EntryType::EntryNormal => EntryKind::Normal,
        eraftpb::EntryType::EntryConfChange => EntryKind::ConfChange,
        eraftpb::EntryType::EntryConfChangeV2 => EntryKind::ConfChangeV2,
    };
    Entry::new(EntryId::new(entry.term, entry.index), kind, Bytes::copy_from_slice(&entry.data))
}

/// raft-rs' membership.
pub fn conf_state_to_theirs(state: &ConfState) -> eraftpb::ConfState {
    let mut out = eraftpb::ConfState::default();
    out.set_voters(state.voters.clone());
    out.set_learners(state.learners.clone());
    out.set_voters_outgoing(state.voters_outgoing.clone());
    out.set_learners_next(state.learners_next.clone());
    out.set_auto_leave(state.auto_leave);
    out
}

/// raftcore's membership.
pub fn conf_state_to_ours(state: &eraftpb::ConfState) -> ConfState {
    ConfState {
        voters: state.voters.clone(),
        learners: state.learners.clone(),
        voters_outgoing: state.voters_outgoing.clone(),
        learners_next: state.learners_next.clone(),
        auto_leave: state.auto_leave,
    }
}

/// raft-rs' hard state.
pub fn hard_state_to_theirs(state: HardState) -> eraftpb::HardState {
    let mut out = eraftpb::HardState::default();
    out.set_term(state.term);
    out.set_vote(state.vote);
    out.set_commit(state.commit);
    out
}

/// raftcore's hard state.
pub fn hard_state_to_ours(state: &eraftpb::HardState) -> HardState {
    HardState { term: state.term, vote: state.vote, commit: state.commit }
}

/// raft-rs' snapshot.
pub fn snapshot_to_theirs(snapshot: &Snapshot) -> eraftpb::Snapshot {
    let mut out = eraftpb::Snapshot::default();
    out.set_data(snapshot.data.clone());
    let metadata = out.mut_metadata();
    metadata.set_index(snapshot.id.index);
    metadata.set_term(snapshot.id.term);
    metadata.set_conf_state(conf_state_to_theirs(&snapshot.conf_state));
    out
}

/// raftcore's snapshot.
pub fn snapshot_to_ours(snapshot: &eraftpb::Snapshot) -> Snapshot {
    let metadata = snapshot.get_metadata();
    Snapshot {
        id: EntryId::new(metadata.term, metadata.index),
        conf_state: conf_state_to_ours(metadata.get_conf_state()),
        data: Bytes::copy_from_slice(&snapshot.data),
    }
}

/// What raft-rs decodes from bytes.
pub fn decode<M: protobuf::Message>(bytes: &[u8]) -> Result<M, String> {
    let mut out = M::new();
    out.merge_from_bytes(bytes).map_err(|error| error.to_string())?;
    Ok(out)
}

/// What raft-rs encodes.
pub fn encode<M: protobuf::Message>(message: &M) -> Result<Bytes, String> {
    message.write_to_bytes().map(Bytes::from).map_err(|error| error.to_string())
}
