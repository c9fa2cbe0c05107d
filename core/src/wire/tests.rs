use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::entry::{Entry, EntryKind};
use crate::error::DecodeError;
use crate::membership::{ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Transition};
use crate::message::{
    Append, AppendReject, AppendReply, Body, Heartbeat, HeartbeatReply, Message, Propose, ReadIndex,
    ReadIndexReply, Snapshot, TransferLeader, Vote, VoteReply,
};
use crate::types::EntryId;

/// raftpb `Message` and `Entry` as prost encodes them: the oracle.
mod oracle {
    use bytes::Bytes;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(int32, optional, tag = "1")]
        pub(super) kind: Option<i32>,
        #[prost(uint64, optional, tag = "2")]
        pub(super) term: Option<u64>,
        #[prost(uint64, optional, tag = "3")]
        pub(super) index: Option<u64>,
        #[prost(bytes = "bytes", optional, tag = "4")]
        pub(super) data: Option<Bytes>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Message {
        #[prost(int32, optional, tag = "1")]
        pub(super) kind: Option<i32>,
        #[prost(uint64, optional, tag = "2")]
        pub(super) to: Option<u64>,
        #[prost(uint64, optional, tag = "3")]
        pub(super) from: Option<u64>,
        #[prost(uint64, optional, tag = "4")]
        pub(super) term: Option<u64>,
        #[prost(uint64, optional, tag = "5")]
        pub(super) log_term: Option<u64>,
        #[prost(uint64, optional, tag = "6")]
        pub(super) index: Option<u64>,
        #[prost(message, repeated, tag = "7")]
        pub(super) entries: Vec<Entry>,
        #[prost(uint64, optional, tag = "8")]
        pub(super) commit: Option<u64>,
        #[prost(message, optional, tag = "9")]
        pub(super) snapshot: Option<super::raftpb::Snapshot>,
        #[prost(bool, optional, tag = "10")]
        pub(super) reject: Option<bool>,
        #[prost(uint64, optional, tag = "11")]
        pub(super) reject_hint: Option<u64>,
        #[prost(bytes = "bytes", optional, tag = "12")]
        pub(super) context: Option<Bytes>,
        #[prost(uint64, optional, tag = "13")]
        pub(super) vote: Option<u64>,
        #[prost(uint64, optional, tag = "15")]
        pub(super) commit_term: Option<u64>,
        #[prost(int64, optional, tag = "16")]
        pub(super) priority: Option<i64>,
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, any::<u64>(), Just(u64::MAX)]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn id() -> impl Strategy<Value = EntryId> {
    (number(), number()).prop_map(|(term, index)| EntryId::new(term, index))
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let kind =
        prop_oneof![Just(EntryKind::Normal), Just(EntryKind::ConfChange), Just(EntryKind::ConfChangeV2)];
    let entry = (id(), kind, bytes(), any::<bool>()).prop_map(|(id, kind, data, stated)| {
        let stated = stated || kind != EntryKind::Normal;
        Entry::new(id, kind, data).with_kind_stated(stated)
    });
    prop::collection::vec(entry, 0..5)
}

fn conf_state() -> impl Strategy<Value = ConfState> {
    let ids = || prop::collection::vec(number(), 0..4);
    (ids(), ids(), ids(), ids(), any::<bool>()).prop_map(
        |(voters, learners, voters_outgoing, learners_next, auto_leave)| ConfState {
            voters,
            learners,
            voters_outgoing,
            learners_next,
            auto_leave,
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        entries().prop_map(|entries| Body::Propose(Propose { entries: entries.into() })),
        (id(), number(), entries()).prop_map(|(prev, commit, entries)| Body::Append(Append {
            prev,
            commit,
            entries: entries.into()
        })),
        (number(), prop::option::of(id())).prop_map(|(index, hint)| {
            Body::AppendReply(AppendReply { index, reject: hint.map(|hint| AppendReject { hint }) })
        }),
        (any::<bool>(), id(), any::<bool>(), any::<i64>(), id()).prop_map(
            |(pre, last, transfer, priority, commit)| Body::Vote(Vote {
                pre,
                last,
                transfer,
                priority,
                commit
            })
        ),
        (any::<bool>(), any::<bool>(), id()).prop_map(|(pre, granted, commit)| Body::VoteReply(VoteReply {
            pre,
            granted,
            commit
        })),
        (id(), conf_state(), bytes()).prop_map(|(id, conf_state, data)| Body::Snapshot(Box::new(Snapshot {
            id,
            conf_state,
            data
        }))),
        (number(), bytes()).prop_map(|(commit, context)| Body::Heartbeat(Heartbeat { commit, context })),
        bytes().prop_map(|context| Body::HeartbeatReply(HeartbeatReply { context })),
        Just(Body::TransferLeader(TransferLeader)),
        Just(Body::TimeoutNow),
        bytes().prop_map(|context| Body::ReadIndex(ReadIndex { context })),
        (number(), bytes())
            .prop_map(|(index, context)| Body::ReadIndexReply(ReadIndexReply { index, context })),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (number(), number(), number(), body()).prop_map(|(from, to, term, body)| Message { from, to, term, body })
}

fn encoded(message: &Message) -> Bytes {
    let mut out = Vec::new();
    encode(message, &mut out);
    out.into()
}

proptest! {
    #[test]
    fn what_is_encoded_is_what_is_decoded(message in message()) {
        let bytes = encoded(&message);
        prop_assert_eq!(bytes.len(), encoded_len(&message));
        prop_assert_eq!(&decode(&bytes).unwrap(), &message);
        prop_assert_eq!(decode_with(&bytes, Bytes::copy_from_slice).unwrap(), message);
    }

    #[test]
    fn another_protobuf_implementation_reads_and_writes_the_same(message in message()) {
        let bytes = encoded(&message);
        let theirs = oracle::Message::decode(bytes.clone()).unwrap();
        prop_assert_eq!(decode(&theirs.encode_to_vec().into()).unwrap(), message);
        prop_assert_eq!(Bytes::from(theirs.encode_to_vec()), bytes);
    }

    #[test]
    fn zeros_that_are_stated_change_nothing(message in message()) {
        // Peers of the gogo era write every field.
        let mut theirs = oracle::Message::decode(encoded(&message)).unwrap();
        let zero = |field: &mut Option<u64>| { field.get_or_insert(0); };
        zero(&mut theirs.to);
        zero(&mut theirs.from);
        zero(&mut theirs.term);
        zero(&mut theirs.log_term);
        zero(&mut theirs.index);
        zero(&mut theirs.commit);
        zero(&mut theirs.reject_hint);
        theirs.reject.get_or_insert(false);
        prop_assert_eq!(decode(&theirs.encode_to_vec().into()).unwrap(), message);
    }

    #[test]
    fn unknown_fields_are_passed_over(message in message(), extra in bytes()) {
        let mut bytes = encoded(&message).to_vec();
        prost::encoding::encode_key(99, prost::encoding::WireType::LengthDelimited, &mut bytes);
        prost::encoding::encode_varint(extra.len() as u64, &mut bytes);
        bytes.extend_from_slice(&extra);
        prost::encoding::encode_key(98, prost::encoding::WireType::SixtyFourBit, &mut bytes);
        bytes.extend_from_slice(&[1; 8]);
        prop_assert_eq!(decode(&bytes.into()).unwrap(), message);
    }

    #[test]
    fn no_bytes_make_it_panic(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
        let garbage = Bytes::from(garbage);
        let _ = decode(&garbage);
        let _ = decode_entry(&garbage);
        let _ = decode_snapshot(&garbage);
        let _ = decode_conf_state(&garbage);
    }

    #[test]
    fn no_damage_makes_it_panic(message in message(), place in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = encoded(&message).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = with;
        let _ = decode(&bytes.clone().into());
        bytes.truncate(place);
        let _ = decode(&bytes.into());
    }

    #[test]
    fn entries_have_the_size_that_limits_count(entries in entries()) {
        for entry in entries {
            let mut out = Vec::new();
            encode_entry(&entry, &mut out);
            prop_assert_eq!(out.len() as u64, entry.encoded_len());
            prop_assert_eq!(decode_entry(&out.into()).unwrap(), entry);
        }
    }

    #[test]
    fn memberships_survive(state in conf_state()) {
        prop_assert_eq!(decode_conf_state(&encode_conf_state(&state)).unwrap(), state);
    }
}

#[test]
fn what_is_no_peers_business_is_refused() {
    // Hup, Beat, Unreachable, SnapStatus, CheckQuorum, the storage threads' messages, ForgetLeader.
    for kind in [0, 1, 10, 11, 12, 19, 20, 21, 22, 23, 24, 1 << 40] {
        let mut bytes = Vec::new();
        prost::encoding::uint64::encode(1, &kind, &mut bytes);
        assert_eq!(decode(&bytes.into()), Err(DecodeError::NotFromPeer(kind)));
    }
    assert_eq!(decode(&Bytes::new()), Err(DecodeError::NotFromPeer(0)));
}

#[test]
fn payloads_share_the_input() {
    let entries = vec![Entry::new(EntryId::new(1, 1), EntryKind::Normal, vec![7; 100].into())];
    let append = Append { entries: entries.into(), ..Append::default() };
    let bytes = encoded(&Message { from: 1, to: 2, term: 1, body: Body::Append(append) });
    let Body::Append(append) = decode(&bytes).unwrap().body else { panic!() };
    let (input, payload) = (bytes.as_ptr_range(), append.entries[0].data.as_ptr_range());
    assert!(input.start <= payload.start && payload.end <= input.end);
}

#[test]
fn of_borrowed_bytes_only_parts_that_are_needed_are_kept() {
    let entries = ["abc", "", "de"].map(Entry::normal).to_vec();
    let append = Append { entries: entries.into(), ..Append::default() };
    let append = Message { from: 1, to: 2, term: 1, body: Body::Append(append) };
    let mut kept = Vec::new();
    let decoded = decode_with(&encoded(&append), |part| {
        kept.push(part.to_vec());
        Bytes::copy_from_slice(part)
    });
    assert_eq!(decoded.unwrap(), append);
    assert_eq!(kept, [b"abc".to_vec(), b"de".to_vec()]);

    let reply = AppendReply { index: 7, reject: None };
    let reply = Message { from: 2, to: 1, term: 1, body: Body::AppendReply(reply) };
    assert_eq!(decode_with(&encoded(&reply), |_| panic!("nothing to keep")).unwrap(), reply);
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    // An entry that claims to have 2^60 bytes.
    let mut bytes = Vec::new();
    prost::encoding::uint64::encode(1, &3, &mut bytes);
    prost::encoding::encode_key(7, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(1 << 60, &mut bytes);
    assert!(matches!(decode(&bytes.into()), Err(DecodeError::Malformed(_))));
}

fn changes() -> Vec<ConfChangeV2> {
    let op = |kind, node| ConfChangeOp { kind, node };
    let ops =
        [op(ConfChangeKind::AddVoter, 1), op(ConfChangeKind::Remove, 2), op(ConfChangeKind::AddLearner, 300)];
    [Transition::Auto, Transition::Implicit, Transition::Explicit]
        .into_iter()
        .flat_map(|transition| {
            [0, 1, 3].map(|count| ConfChangeV2 {
                transition,
                ops: ops[..count].to_vec(),
                context: "c".into(),
            })
        })
        .collect()
}

#[test]
fn membership_changes_survive_in_both_dialects() {
    for dialect in [Dialect::Etcd, Dialect::Tikv] {
        for change in changes() {
            let data = encode_conf_change(&change, dialect);
            let entry = Entry::new(EntryId::default(), EntryKind::ConfChangeV2, data);
            assert_eq!(decode_conf_change(&entry, dialect).unwrap(), change);
        }
        let change = ConfChange { id: 0, op: changes()[1].ops[0], context: Bytes::new() };
        let data = encode_conf_change_v1(&change, dialect);
        let entry = Entry::new(EntryId::default(), EntryKind::ConfChange, data);
        assert_eq!(decode_conf_change(&entry, dialect).unwrap(), change.into());
    }
}

#[test]
fn adding_a_learner_is_3_for_etcd_and_2_for_tikv() {
    let change = ConfChangeV2::single(ConfChangeKind::AddLearner, 7);
    assert_eq!(encode_conf_change(&change, Dialect::Etcd)[..], [8, 0, 18, 4, 8, 3, 16, 7]);
    assert_eq!(encode_conf_change(&change, Dialect::Tikv)[..], [8, 0, 18, 4, 8, 2, 16, 7]);
}

#[test]
fn an_empty_change_leaves_a_joint_configuration() {
    let entry = Entry::new(EntryId::default(), EntryKind::ConfChangeV2, Bytes::new());
    assert!(decode_conf_change(&entry, Dialect::Etcd).unwrap().leaves_joint());
    let normal = Entry::normal("");
    assert!(decode_conf_change(&normal, Dialect::Etcd).is_err());
}

#[test]
fn a_stated_kind_is_how_the_bytes_were_and_not_what_the_entry_is() {
    for kind in [EntryKind::Normal, EntryKind::ConfChange, EntryKind::ConfChangeV2] {
        let entry = Entry::new(EntryId::new(2, 7), kind, "x".into());
        let forms = [false, true].map(|stated| {
            let mut bytes = Vec::new();
            encode_entry(&entry.clone().with_kind_stated(stated), &mut bytes);
            bytes
        });
        for (stated, bytes) in [false, true].into_iter().zip(&forms) {
            let decoded = decode_entry(&bytes.clone().into()).unwrap();
            assert_eq!((decoded.id, decoded.kind, &decoded.data), (entry.id, kind, &entry.data));
            // The kind of a membership change is always stated: without it, it would be another entry.
            assert_eq!(decoded.kind_stated(), stated || kind != EntryKind::Normal, "{kind:?}");
            assert_eq!(decoded.encoded_len(), bytes.len() as u64);
        }
        assert_eq!(forms[1].len() - forms[0].len(), if kind == EntryKind::Normal { 2 } else { 0 });
    }
}
