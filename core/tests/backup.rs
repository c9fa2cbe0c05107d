//! Drills of docs/operations.md: a backup, and a new group from it.

mod common;

use common::{Group, is_snapshot};
use raftcore::backup::{decode, encode, restore};
use raftcore::storage::check::CheckedStorage;
use raftcore::{
    Bytes, ConfChangeError, ConfChangeKind, ConfState, DecodeError, EntryId, Error, HardState, MemoryStorage,
    RecoveryError, Snapshot, Storage,
};

fn snapshot() -> Snapshot {
    let conf_state = ConfState::new([1, 2, 3], [4]);
    Snapshot { id: EntryId::new(7, 1000), conf_state, data: "one\ntwo\n".into() }
}

#[test]
fn what_was_put_into_a_backup_comes_out_without_a_copy() {
    let backup = Bytes::from(encode(&snapshot()));
    let decoded = decode(&backup).unwrap();
    assert_eq!(decoded, snapshot());
    assert!(backup.as_ptr_range().contains(&decoded.data.as_ptr()));
}

#[test]
fn damage_anywhere_is_noticed() {
    let good = encode(&snapshot());
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[place] ^= 1 << bit;
            assert!(matches!(decode(&bad.into()), Err(DecodeError::Invalid(_))), "bit {bit} of byte {place}");
        }
    }
    for len in 0..good.len() {
        assert!(decode(&Bytes::copy_from_slice(&good[..len])).is_err(), "the first {len} bytes");
    }
    assert!(decode(&[&good[..], b"x"].concat().into()).is_err());
}

#[test]
fn the_format_stays_as_it_is() {
    let snapshot = Snapshot { id: EntryId::new(2, 3), conf_state: ConfState::new([1], []), data: "d".into() };
    let expected =
        b"raftbkup\x01\0\0\0\xaf\xbe\x8f\xd8\x0f\0\0\0\0\0\0\0\x0a\x01d\x12\x0a\x0a\x04\x08\x01\x28\0\x10\x03\x18\x02";
    assert_eq!(encode(&snapshot), expected, "{:02x?}", encode(&snapshot));
}

#[test]
fn a_new_group_starts_where_the_backup_was_made() {
    let members = ConfState::new([11, 12, 13], []);
    let write = restore(&encode(&snapshot()).into(), members.clone()).unwrap();
    assert_eq!(write.hard_state, Some(HardState { term: 7, vote: 0, commit: 1000 }));
    let mut group = Group::empty();
    for id in [11, 12, 13] {
        let mut storage = MemoryStorage::new();
        CheckedStorage::persist(&mut storage, &write).unwrap();
        assert_eq!(storage.initial_state().unwrap().1, members);
        group.add(id, storage, |config| config.applied = 1000);
    }
    group.elect(12);
    assert_eq!(group.propose(12, "three"), EntryId::new(8, 1002));
    group.settle();
    group.tick_all(1);
    assert_eq!(group.payloads(13), ["three"], "what comes after the state of the backup");
    // Who joins gets that state, too.
    group.add(14, MemoryStorage::new(), |_| {});
    group.change(12, ConfChangeKind::AddLearner, 14);
    group.tick_all(3);
    assert!(group.count(is_snapshot) > 0);
    assert_eq!(group.last(14), group.last(12));
}

#[test]
fn memberships_that_no_group_can_begin_with_are_refused() {
    let backup: Bytes = encode(&snapshot()).into();
    let joint = ConfState { voters_outgoing: vec![1], ..ConfState::new([2], []) };
    assert_eq!(restore(&backup, joint), Err(Error::Recovery(RecoveryError::JointMembership)));
    let nobody = restore(&backup, ConfState::default());
    assert_eq!(nobody, Err(Error::ConfChange(ConfChangeError::NoVoters)));
    assert!(restore(&backup, ConfState::new([1], [1])).is_err());
    let empty: Bytes = encode(&Snapshot::default()).into();
    assert!(matches!(restore(&empty, ConfState::new([1], [])), Err(Error::Decode(_))));
}
