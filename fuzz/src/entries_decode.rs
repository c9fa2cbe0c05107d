//! Decoding of what storages keep.

use prost::Message as _;
use raftcore::wire::{self, Dialect};
use raftcore::{Bytes, Configuration, Entry, EntryId, EntryKind};

use crate::{limit, raftpb};

/// Decodes `data` as an entry, a snapshot, a membership and a membership change. Whatever can be
/// decoded is the same after encoding and decoding again, and what prost reads; memory is bounded.
pub fn entries_decode(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    entry(&bytes);
    snapshot(&bytes);
    conf_state(data);
    for kind in [EntryKind::Normal, EntryKind::ConfChange, EntryKind::ConfChangeV2] {
        for dialect in [Dialect::Etcd, Dialect::Tikv] {
            conf_change(Entry::new(EntryId::new(1, 1), kind, bytes.clone()), dialect);
        }
    }
}

fn entry(bytes: &Bytes) {
    let limit = limit::for_decoding(bytes.len());
    let Ok(entry) = limit::within(limit, "decode_entry", || wire::decode_entry(bytes)) else { return };
    let oracle = raftpb::Entry::decode(bytes.clone()).expect("prost reads what we read");
    assert!(oracle.is(&entry), "{entry:?} is not {oracle:?}");
    let mut out = Vec::new();
    wire::encode_entry(&entry, &mut out);
    assert_eq!(out.len() as u64, entry.encoded_len());
    assert_eq!(wire::decode_entry(&out.into()), Ok(entry));
}

fn snapshot(bytes: &Bytes) {
    let limit = limit::for_decoding(bytes.len());
    let Ok(snapshot) = limit::within(limit, "decode_snapshot", || wire::decode_snapshot(bytes)) else {
        return;
    };
    let again: Bytes = wire::encode_snapshot(&snapshot).into();
    assert_eq!(wire::decode_snapshot(&again), Ok(snapshot));
}

fn conf_state(data: &[u8]) {
    let limit = limit::for_decoding(data.len());
    let Ok(state) = limit::within(limit, "decode_conf_state", || wire::decode_conf_state(data)) else {
        return;
    };
    assert_eq!(wire::decode_conf_state(&wire::encode_conf_state(&state)).as_ref(), Ok(&state));
    if let Ok(configuration) = Configuration::restore(&state) {
        let sorted = configuration.to_conf_state();
        assert_eq!(Configuration::restore(&sorted), Ok(configuration));
    }
}

fn conf_change(entry: Entry, dialect: Dialect) {
    let limit = limit::for_decoding(entry.data.len());
    let Ok(change) = limit::within(limit, "decode_conf_change", || wire::decode_conf_change(&entry, dialect))
    else {
        return;
    };
    assert_ne!(entry.kind, EntryKind::Normal, "a membership change in an ordinary entry");
    let data = wire::encode_conf_change(&change, dialect);
    let again = Entry::new(entry.id, EntryKind::ConfChangeV2, data);
    assert_eq!(wire::decode_conf_change(&again, dialect), Ok(change));
}
