//! What raftcore encodes, raft-rs' own types decode, and encode so that raftcore gets the same back.

use proptest::collection::vec;
use proptest::prelude::*;
use raft::eraftpb;
use raftcore::wire::{self, Dialect};
use raftcore::{
    Append, AppendReject, AppendReply, Body, Bytes, ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2,
    ConfState, Entry, EntryId, EntryKind, Heartbeat, HeartbeatReply, Message, Propose, ReadIndex,
    ReadIndexReply, Snapshot, TransferLeader, Transition, Vote, VoteReply,
};
use raftcore_interop::convert;

fn data() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![Just(EntryKind::Normal), Just(EntryKind::ConfChange), Just(EntryKind::ConfChangeV2)]
}

fn entry_id() -> impl Strategy<Value = EntryId> {
    (any::<u64>(), any::<u64>()).prop_map(|(term, index)| EntryId::new(term, index))
}

fn entry() -> impl Strategy<Value = Entry> {
    (entry_id(), kind(), data()).prop_map(|(id, kind, data)| Entry::new(id, kind, data))
}

fn ids() -> impl Strategy<Value = Vec<u64>> {
    vec(1..=u64::MAX, 0..6)
}

fn conf_state() -> impl Strategy<Value = ConfState> {
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

fn snapshot() -> impl Strategy<Value = Snapshot> {
    ((any::<u64>(), 1..=u64::MAX), conf_state(), data()).prop_map(|((term, index), conf_state, data)| {
        Snapshot { id: EntryId::new(term, index), conf_state, data }
    })
}

/// Operations that both dialects have.
fn op() -> impl Strategy<Value = ConfChangeOp> {
    let kind = prop_oneof![
        Just(ConfChangeKind::AddVoter),
        Just(ConfChangeKind::Remove),
        Just(ConfChangeKind::AddLearner)
    ];
    (kind, any::<u64>()).prop_map(|(kind, node)| ConfChangeOp { kind, node })
}

fn change() -> impl Strategy<Value = ConfChangeV2> {
    let transition =
        prop_oneof![Just(Transition::Auto), Just(Transition::Implicit), Just(Transition::Explicit)];
    (transition, vec(op(), 0..5), data()).prop_map(|(transition, ops, context)| ConfChangeV2 {
        transition,
        ops,
        context,
    })
}

/// Entries that follow each other, as a leader sends them.
fn append() -> impl Strategy<Value = Append> {
    let prev = (0..1u64 << 40, 0..1u64 << 40).prop_map(|(term, index)| EntryId::new(term, index));
    (prev, any::<u64>(), vec((kind(), data()), 0..6)).prop_map(|(prev, commit, payloads)| {
        let entries = payloads
            .into_iter()
            .zip(prev.index + 1..)
            .map(|((kind, data), index)| Entry::new(EntryId::new(prev.term.max(1), index), kind, data));
        Append { prev, commit, entries: entries.collect::<Vec<_>>().into() }
    })
}

fn propose() -> impl Strategy<Value = Propose> {
    vec((kind(), data()), 1..5).prop_map(|payloads| {
        let entry = |(kind, data)| Entry::new(EntryId::default(), kind, data);
        Propose { entries: payloads.into_iter().map(entry).collect::<Vec<_>>().into() }
    })
}

fn append_reply() -> impl Strategy<Value = AppendReply> {
    let reject = prop::option::of(entry_id().prop_map(|hint| AppendReject { hint }));
    (any::<u64>(), reject).prop_map(|(index, reject)| AppendReply { index, reject })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        propose().prop_map(Body::Propose),
        append().prop_map(Body::Append),
        append_reply().prop_map(Body::AppendReply),
        (any::<bool>(), entry_id(), any::<bool>(), any::<i64>(), entry_id()).prop_map(
            |(pre, last, transfer, priority, commit)| Body::Vote(Vote {
                pre,
                last,
                transfer,
                priority,
                commit
            })
        ),
        (any::<bool>(), any::<bool>(), entry_id())
            .prop_map(|(pre, granted, commit)| Body::VoteReply(VoteReply { pre, granted, commit })),
        snapshot().prop_map(|snapshot| Body::Snapshot(Box::new(snapshot))),
        (any::<u64>(), data()).prop_map(|(commit, context)| Body::Heartbeat(Heartbeat { commit, context })),
        data().prop_map(|context| Body::HeartbeatReply(HeartbeatReply { context })),
        Just(Body::TransferLeader(TransferLeader)),
        Just(Body::TimeoutNow),
        data().prop_map(|context| Body::ReadIndex(ReadIndex { context })),
        (any::<u64>(), data())
            .prop_map(|(index, context)| Body::ReadIndexReply(ReadIndexReply { index, context })),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (1..=u64::MAX, 1..=u64::MAX, 1u64 << 41..=u64::MAX, body()).prop_map(|(from, to, term, body)| Message {
        from,
        to,
        term,
        body,
    })
}

/// Theirs, decoded from what ours encoded.
fn theirs<M: protobuf::Message>(encoded: &[u8]) -> M {
    convert::decode(encoded).expect("raft-rs decodes what raftcore encodes")
}

fn encoded<M: protobuf::Message>(message: &M) -> Bytes {
    convert::encode(message).expect("raft-rs encodes what it has decoded")
}

/// The kind of an entry may or may not be stated; the one encoding keeps that, the other does not.
fn plain(entry: &Entry) -> (EntryId, EntryKind, Bytes) {
    (entry.id, entry.kind, entry.data.clone())
}

fn plain_message(message: &Message) -> (Message, Vec<(EntryId, EntryKind, Bytes)>) {
    let mut message = message.clone();
    let entries = match &mut message.body {
        Body::Append(append) => std::mem::take(&mut append.entries),
        Body::Propose(propose) => std::mem::take(&mut propose.entries),
        _ => Vec::new().into(),
    };
    (message, entries.iter().map(plain).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn messages(original in message()) {
        let mut bytes = Vec::new();
        wire::encode(&original, &mut bytes);
        let message: eraftpb::Message = theirs(&bytes);
        prop_assert_eq!((message.from, message.to, message.term), (original.from, original.to, original.term));
        let back = wire::decode(&encoded(&message)).expect("raftcore decodes what raft-rs encodes");
        prop_assert_eq!(plain_message(&back), plain_message(&original));
    }

    #[test]
    fn entries(original in entry()) {
        let mut bytes = Vec::new();
        wire::encode_entry(&original, &mut bytes);
        let entry: eraftpb::Entry = theirs(&bytes);
        prop_assert_eq!(&convert::entry_to_ours(&entry), &original);
        prop_assert_eq!(&convert::entry_to_theirs(&original), &entry);
        let back = wire::decode_entry(&encoded(&entry)).expect("raftcore decodes what raft-rs encodes");
        prop_assert_eq!(plain(&back), plain(&original));
    }

    #[test]
    fn memberships(original in conf_state()) {
        let state: eraftpb::ConfState = theirs(&wire::encode_conf_state(&original));
        prop_assert_eq!(&convert::conf_state_to_ours(&state), &original);
        prop_assert_eq!(&wire::decode_conf_state(&encoded(&state)).expect("as above"), &original);
    }

    #[test]
    fn snapshots(original in snapshot()) {
        let snapshot: eraftpb::Snapshot = theirs(&wire::encode_snapshot(&original));
        prop_assert_eq!(&convert::snapshot_to_ours(&snapshot), &original);
        prop_assert_eq!(&wire::decode_snapshot(&encoded(&snapshot)).expect("as above"), &original);
    }

    #[test]
    fn membership_changes(original in change()) {
        let change: eraftpb::ConfChangeV2 = theirs(&wire::encode_conf_change(&original, Dialect::Tikv));
        prop_assert_eq!(change.changes.len(), original.ops.len());
        for (theirs, ours) in change.changes.iter().zip(&original.ops) {
            prop_assert_eq!((change_kind(theirs.get_change_type()), theirs.node_id), (ours.kind, ours.node));
        }
        let entry = Entry::new(EntryId::new(1, 2), EntryKind::ConfChangeV2, encoded(&change));
        prop_assert_eq!(wire::decode_conf_change(&entry, Dialect::Tikv).expect("as above"), original);
    }

    #[test]
    fn membership_changes_of_the_first_version(op in op(), context in data()) {
        let original = ConfChange { id: 0, op, context };
        let change: eraftpb::ConfChange = theirs(&wire::encode_conf_change_v1(&original, Dialect::Tikv));
        prop_assert_eq!((change_kind(change.get_change_type()), change.node_id), (op.kind, op.node));
        let entry = Entry::new(EntryId::new(1, 2), EntryKind::ConfChange, encoded(&change));
        let back = wire::decode_conf_change(&entry, Dialect::Tikv).expect("as above");
        prop_assert_eq!(back, ConfChangeV2::from(original));
    }
}

fn change_kind(kind: eraftpb::ConfChangeType) -> ConfChangeKind {
    match kind {
        eraftpb::ConfChangeType::AddNode => ConfChangeKind::AddVoter,
        eraftpb::ConfChangeType::RemoveNode => ConfChangeKind::Remove,
        eraftpb::ConfChangeType::AddLearnerNode => ConfChangeKind::AddLearner,
    }
}

/// The corpus is etcd's: raftcore reads it as raft-rs' types do, and what it encodes again is the same
/// message to itself and to them.
#[test]
fn the_corpus_of_etcd() {
    let corpus =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/messages.bin")).expect("corpus");
    let mut rest = &corpus[..];
    let mut count = 0;
    while let Some((size, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(u32::from_le_bytes(*size) as usize);
        check_etcd_message(bytes);
        rest = tail;
        count += 1;
    }
    assert_eq!(count, 600);
}

fn check_etcd_message(bytes: &[u8]) {
    let ours = wire::decode(&Bytes::copy_from_slice(bytes)).expect("raftcore decodes what etcd encodes");
    let mut again = Vec::new();
    wire::encode(&ours, &mut again);
    assert_eq!(wire::decode(&again.clone().into()).expect("its own encoding"), ours);

    let (first, second): (eraftpb::Message, eraftpb::Message) = (theirs(bytes), theirs(&again));
    let head = |m: &eraftpb::Message| (m.get_msg_type(), m.from, m.to, m.term, m.entries.clone());
    assert_eq!(head(&first), head(&second));
    match &ours.body {
        Body::Append(append) => {
            let theirs = (first.index, first.log_term, first.commit);
            assert_eq!((append.prev.index, append.prev.term, append.commit), theirs);
        }
        Body::AppendReply(reply) => {
            assert_eq!((reply.index, reply.reject.is_some()), (first.index, first.reject));
            let hint = reply.reject.map_or(0, |reject| reject.hint.index);
            assert_eq!(hint, if first.reject { first.reject_hint } else { 0 });
        }
        Body::Vote(vote) => assert_eq!((vote.last.index, vote.last.term), (first.index, first.log_term)),
        Body::VoteReply(reply) => assert_eq!(reply.granted, !first.reject),
        Body::Snapshot(snapshot) => assert_eq!(**snapshot, convert::snapshot_to_ours(first.get_snapshot())),
        Body::Heartbeat(beat) => {
            assert_eq!((beat.commit, &beat.context[..]), (first.commit, &first.context[..]))
        }
        Body::HeartbeatReply(reply) => assert_eq!(reply.context[..], first.context[..]),
        Body::ReadIndex(read) => assert_eq!(read.context[..], first.entries[0].data[..]),
        Body::ReadIndexReply(reply) => {
            assert_eq!((reply.index, &reply.context[..]), (first.index, &first.entries[0].data[..]));
        }
        Body::Propose(propose) => assert_eq!(propose.entries.len(), first.entries.len()),
        Body::TransferLeader(_) | Body::TimeoutNow => {}
    }
}
