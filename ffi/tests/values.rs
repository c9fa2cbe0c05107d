//! Messages, entries and membership changes taken apart and put together; batches; looks at a node.

mod common;

use std::mem::zeroed;
use std::ptr;

use common::{Owned, array, bytes_of, config, encoded, last_error, ok, to_vec};
use raftcore::{
    Append, AppendReject, AppendReply, Body, Bytes, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState,
    Entry, EntryId, EntryKind, Heartbeat, HeartbeatReply, MemoryStorage, Message, Propose, ReadIndex,
    ReadIndexReply, Snapshot, TransferLeader, Transition, Vote, VoteReply, wire,
};
use raftcore_ffi::*;

/// One message of each type, with all its fields set.
fn messages() -> Vec<Message> {
    let id = EntryId::new(3, 9);
    let context = || Bytes::from_static(b"token");
    let entries = || {
        let change = Entry::new(EntryId::new(4, 11), EntryKind::ConfChangeV2, Bytes::new());
        vec![Entry::new(EntryId::new(4, 10), EntryKind::Normal, Bytes::from_static(b"data")), change].into()
    };
    let commit = EntryId::new(2, 4);
    let vote = |pre| Body::Vote(Vote { pre, last: id, transfer: !pre, priority: -4, commit });
    let snapshot = Snapshot { id, conf_state: ConfState::new([1, 2], [3]), data: context() };
    let bodies = [
        Body::Propose(Propose { entries: vec![Entry::normal("x")].into() }),
        Body::Append(Append { prev: id, commit: 8, entries: entries() }),
        Body::AppendReply(AppendReply { index: 11, reject: None }),
        Body::AppendReply(AppendReply { index: 11, reject: Some(AppendReject { hint: id }) }),
        vote(true),
        vote(false),
        Body::VoteReply(VoteReply { pre: true, granted: true, ..VoteReply::default() }),
        Body::VoteReply(VoteReply { pre: false, granted: false, ..VoteReply::default() }),
        Body::Snapshot(Box::new(snapshot)),
        Body::Heartbeat(Heartbeat { commit: 8, context: context() }),
        Body::HeartbeatReply(HeartbeatReply { context: context() }),
        Body::TransferLeader(TransferLeader),
        Body::TimeoutNow,
        Body::ReadIndex(ReadIndex { context: context() }),
        Body::ReadIndexReply(ReadIndexReply { index: 7, context: context() }),
    ];
    bodies.into_iter().map(|body| Message { from: 1, to: 2, term: 5, body }).collect()
}

#[test]
fn messages_survive_being_taken_apart() {
    for message in messages() {
        let bytes = encoded(&message);
        // SAFETY: bytes, fields and results live on this stack; the buffer is freed at the end.
        unsafe {
            let mut buffer = ptr::null_mut();
            ok(raft_message_decode(bytes_of(&bytes), &raw mut buffer));
            let mut fields = zeroed::<raft_message_fields>();
            fields.struct_size = size_of::<raft_message_fields>();
            ok(raft_message_buffer_view(buffer, &raw mut fields));
            assert_eq!((fields.from, fields.to, fields.term), (1, 2, message.term));
            let mut again = vec![0; bytes.len()];
            let mut needed = 0;
            let (room, at) = (again.len(), again.as_mut_ptr());
            let small = raft_message_encode(&raw const fields, at, room - 1, &raw mut needed);
            assert_eq!((small, needed), (RAFT_ERR_TOO_LARGE, room));
            ok(raft_message_encode(&raw const fields, at, room, &raw mut needed));
            assert_eq!(wire::decode(&Bytes::from(again)).unwrap(), wire::decode(&bytes.into()).unwrap());
            raft_message_buffer_free(buffer);
        }
    }
}

#[test]
fn a_look_at_a_message_counts_entries_and_payloads() {
    let look = |message: &Message| {
        // SAFETY: numbers, for which zeros are fine.
        let mut info = unsafe { zeroed::<raft_message_info>() };
        info.struct_size = size_of::<raft_message_info>();
        let bytes = encoded(message);
        // SAFETY: the bytes are there during the call, and the result states its size.
        ok(unsafe { raft_message_inspect(bytes_of(&bytes), RAFT_DIALECT_ETCD, &raw mut info) });
        (info.r#type, info.entries, info.payload_bytes)
    };
    let seen: Vec<_> = messages().iter().map(look).collect();
    assert!(seen.contains(&(RAFT_MESSAGE_APPEND, 2, 4)));
    assert!(seen.contains(&(RAFT_MESSAGE_READ_INDEX, 1, 5)));
    assert!(seen.contains(&(RAFT_MESSAGE_READ_INDEX_REPLY, 1, 5)));
    assert!(seen.contains(&(RAFT_MESSAGE_SNAPSHOT, 0, 5)));
    assert!(seen.contains(&(RAFT_MESSAGE_TIMEOUT_NOW, 0, 0)));
}

#[test]
fn entries_are_decoded_in_place() {
    let entry = Entry::new(EntryId::new(3, 9), EntryKind::ConfChange, Bytes::from_static(b"payload"));
    // SAFETY: entries, buffers and results live on this stack, and are as long as they say.
    unsafe {
        let mut bytes = vec![0; 64];
        let mut len = 0;
        let c_entry = raft_entry {
            term: 3,
            index: 9,
            kind: RAFT_ENTRY_CONF_CHANGE,
            flags: RAFT_ENTRY_KIND_STATED,
            data: bytes_of(b"payload"),
        };
        ok(raft_entry_encode(&raw const c_entry, bytes.as_mut_ptr(), bytes.len(), &raw mut len));
        assert_eq!(wire::decode_entry(&Bytes::copy_from_slice(&bytes[..len])).unwrap(), entry);
        let mut again = zeroed::<raft_entry>();
        ok(raft_entry_decode(bytes_of(&bytes[..len]), &raw mut again));
        assert!(bytes.as_ptr_range().contains(&again.data.data));
        assert_eq!(
            (again.index, again.kind, to_vec(again.data)),
            (9, RAFT_ENTRY_CONF_CHANGE, b"payload".to_vec())
        );
        assert_eq!(raft_entry_encoded_len(&raw const c_entry), len as u64);
        let three = [c_entry; 3];
        for (bytes, expected) in [(0, 1), (2 * len as u64, 2), (u64::MAX, 3)] {
            assert_eq!(raft_entries_fitting(three.as_ptr(), 3, bytes), expected);
        }
        assert_eq!((raft_entries_fitting(ptr::null(), 0, 9), raft_entry_encoded_len(ptr::null())), (0, 0));
        assert_eq!(raft_entry_decode(bytes_of(b"\xff"), &raw mut again), RAFT_ERR_DECODE);
    }
}

fn change(ops: &[raft_conf_change_op], transition: i32) -> raft_conf_change {
    raft_conf_change {
        struct_size: size_of::<raft_conf_change>(),
        ops: ops.as_ptr(),
        ops_len: ops.len(),
        transition,
        context: bytes_of(b"address"),
    }
}

#[test]
fn membership_changes_survive_being_taken_apart() {
    let ops = [
        raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 4 },
        raft_conf_change_op { kind: RAFT_CONF_REMOVE, node: 2 },
    ];
    let both = change(&ops, RAFT_TRANSITION_EXPLICIT);
    let single = change(&ops[..1], RAFT_TRANSITION_AUTO);
    let v2 = RAFT_ENTRY_CONF_CHANGE_V2;
    for (given, kind, dialect) in [
        (both, v2, RAFT_DIALECT_ETCD),
        (both, v2, RAFT_DIALECT_TIKV),
        (single, RAFT_ENTRY_CONF_CHANGE, RAFT_DIALECT_TIKV),
    ] {
        // SAFETY: changes, buffers and results live on this stack; what was decoded is freed at the end.
        unsafe {
            let mut bytes = [0; 64];
            let mut len = 0;
            let (at, room) = (bytes.as_mut_ptr(), bytes.len());
            ok(raft_conf_change_encode(&raw const given, kind, dialect, at, room, &raw mut len));
            let entry = raft_entry { term: 1, index: 2, kind, flags: 0, data: bytes_of(&bytes[..len]) };
            let mut buffer = ptr::null_mut();
            ok(raft_conf_change_decode(&raw const entry, dialect, &raw mut buffer));
            let mut shown = change(&[], 0);
            ok(raft_conf_change_buffer_view(buffer, &raw mut shown));
            let pairs = |it: &raft_conf_change| {
                array(it.ops, it.ops_len).iter().map(|op| (op.kind, op.node)).collect::<Vec<_>>()
            };
            assert_eq!((pairs(&shown), shown.transition), (pairs(&given), given.transition));
            assert_eq!(to_vec(shown.context), b"address");
            raft_conf_change_buffer_free(buffer);
        }
    }
    let (v1, nowhere) = (RAFT_ENTRY_CONF_CHANGE, ptr::null_mut());
    // SAFETY: the change lives on this stack; nothing is asked for.
    let status = unsafe { raft_conf_change_encode(&raw const both, v1, 0, nowhere, 0, ptr::null_mut()) };
    assert_eq!(status, RAFT_ERR_INVALID_ARGUMENT, "two operations do not fit the first version");
}

#[test]
fn a_host_may_change_a_change() {
    let server = Owned::member(1, &[1]);
    server.node.campaign();
    server.settle();
    // SAFETY: a live node; what is passed lives on this stack, and what was handed out is freed at the end.
    unsafe {
        let op = raft_conf_change_op { kind: RAFT_CONF_ADD_VOTER, node: 2 };
        let mut placed = raft_entry_id { term: 0, index: 0 };
        ok(raft_propose_conf_change_v1(server.node.0, &raw const op, bytes_of(b"address"), &raw mut placed));
        let mut view = ptr::null_mut();
        ok(raft_ready(server.node.0, &raw mut view));
        let entry = *(*view).entries;
        assert_eq!((entry.index, entry.kind), (placed.index, RAFT_ENTRY_CONF_CHANGE));
        let expected = ConfChangeV2 {
            transition: Transition::Auto,
            ops: vec![ConfChangeOp { kind: ConfChangeKind::AddVoter, node: 2 }],
            context: Bytes::from_static(b"address"),
        };
        let data = Bytes::from(to_vec(entry.data));
        let core = Entry::new(EntryId::new(entry.term, entry.index), EntryKind::ConfChange, data);
        assert_eq!(wire::decode_conf_change(&core, wire::Dialect::Etcd).unwrap(), expected);
        let learner = [raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 2 }];
        let instead = change(&learner, RAFT_TRANSITION_AUTO);
        let mut members = ptr::null_mut();
        let (entry, instead) = (&raw const entry, &raw const instead);
        ok(raft_apply_conf_change_as(server.node.0, entry, instead, &raw mut members));
        let mut shown = zeroed::<raft_conf_state>();
        ok(raft_conf_state_buffer_view(members, &raw mut shown));
        assert_eq!(array(shown.voters, shown.voters_len), [1]);
        assert_eq!(array(shown.learners, shown.learners_len), [2]);
        raft_conf_state_buffer_free(members);
        raft_ready_free(view);
    }
}

#[test]
fn memberships_are_checked() {
    let check = |voters: &[u64], learners: &[u64]| {
        let members = ConfState::new(voters, learners);
        // SAFETY: a membership that is there during the call.
        unsafe { raft_conf_state_check(&(&members).into()) }
    };
    assert_eq!(check(&[1, 2], &[3]), RAFT_OK);
    assert_eq!(check(&[1, 2], &[2]), RAFT_ERR_CONF_CHANGE);
    assert_eq!(check(&[0], &[]), RAFT_ERR_CONF_CHANGE);
}

#[test]
fn a_batch_of_messages_is_stepped_to_its_end() {
    let server = Owned::member(1, &[1, 2]);
    let beat = encoded(&Message { from: 2, to: 1, term: 7, body: Body::Heartbeat(Heartbeat::default()) });
    let late = encoded(&Message { from: 2, to: 1, term: 9, body: Body::Heartbeat(Heartbeat::default()) });
    let batch = [bytes_of(&beat), bytes_of(b"garbage"), bytes_of(&late)];
    let mut statuses = [1; 3];
    let mut state = raft_hard_state { term: 0, vote: 0, commit: 0 };
    // SAFETY: a live node; messages and results live on this stack, or are not there and said to be.
    unsafe {
        let status = raft_step_batch(server.node.0, batch.as_ptr(), 3, statuses.as_mut_ptr());
        assert_eq!((status, statuses), (RAFT_ERR_DECODE, [RAFT_OK, RAFT_ERR_DECODE, RAFT_OK]));
        ok(raft_node_hard_state(server.node.0, &raw mut state));
        assert_eq!(state.term, 9, "the last message counts too");
        ok(raft_step_batch(server.node.0, batch.as_ptr(), 1, ptr::null_mut()));
        ok(raft_step_batch(server.node.0, ptr::null(), 0, statuses.as_mut_ptr()));
        let dangling = [batch[0], raft_slice { data: ptr::null(), len: 9 }];
        let status = raft_step_batch(server.node.0, dangling.as_ptr(), 2, statuses.as_mut_ptr());
        assert_eq!(status, RAFT_ERR_INVALID_ARGUMENT);
    }
}

#[test]
fn many_ticks_are_as_good_as_one_after_the_other() {
    let (one, many) = (Owned::member(1, &[1, 2, 3]), Owned::member(1, &[1, 2, 3]));
    let soft = |server: &Owned| {
        let mut state = raft_soft_state { leader: 9, role: 9 };
        // SAFETY: a live node, and room for the result.
        ok(unsafe { raft_node_soft_state(server.node.0, &raw mut state) });
        (state.leader, state.role)
    };
    for _ in 0..40 {
        ok(one.node.tick());
    }
    // SAFETY: a live node.
    unsafe {
        ok(raft_tick_n(many.node.0, 40));
        assert_eq!(soft(&one), (0, RAFT_ROLE_PRE_CANDIDATE));
        assert_eq!(soft(&one), soft(&many));
        ok(raft_tick_n(many.node.0, 0));
        assert_eq!(raft_tick_n(many.node.0, u32::MAX), RAFT_ERR_INVALID_ARGUMENT);
    }
}

/// The same numbers are in the tests of the core, of C, Python and Go.
#[test]
fn without_a_seed_timeouts_follow_from_node_and_group() {
    let timeout = |group_id, id| {
        let members = MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], []));
        let server = Owned::start(&raft_config { group_id, ..config(id) }, members);
        let mut state = raft_soft_state { leader: 0, role: RAFT_ROLE_FOLLOWER };
        let campaigns = |_: &u32| {
            ok(server.node.tick());
            // SAFETY: a live node, and room for the result.
            ok(unsafe { raft_node_soft_state(server.node.0, &raw mut state) });
            state.role != RAFT_ROLE_FOLLOWER
        };
        (1..40).find(campaigns).unwrap()
    };
    let expected = [[11, 15, 19], [14, 12, 13], [10, 13, 13], [15, 18, 11]];
    assert_eq!([0, 1, 77, u64::MAX].map(|group| [1, 2, 3].map(|id| timeout(group, id))), expected);
}

#[test]
fn a_limit_that_is_reached_has_a_status_and_words_of_its_own() {
    let given = raft_config { max_waiting_messages: 2, ..config(1) };
    let server = Owned::start(&given, MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], [])));
    let body = raftcore::Body::Heartbeat(raftcore::Heartbeat::default());
    let mut bytes = Vec::new();
    raftcore::wire::encode(&raftcore::Message { from: 2, to: 1, term: 2, body }, &mut bytes);
    let beat = bytes_of(&bytes);
    // SAFETY: a live node, and bytes that outlive the calls.
    unsafe {
        ok(raft_step(server.node.0, beat));
        ok(raft_step(server.node.0, beat));
        assert_eq!(raft_step(server.node.0, beat), RAFT_ERR_LIMIT);
        assert!(last_error(server.node).contains("max_waiting_messages"));
    }
}

#[test]
fn a_node_tells_its_id_and_configuration() {
    let given = raft_config {
        priority: -3,
        lend_snapshots: true,
        election_ticks: 30,
        group_id: 9,
        max_waiting_bytes: 11,
        max_waiting_messages: 12,
        max_uncommitted_entries: 13,
        max_pending_reads: 14,
        ..config(7)
    };
    let server = Owned::start(&given, MemoryStorage::with_conf_state(ConfState::new([7], [])));
    // SAFETY: NULL or a live node, and a result that states its size.
    unsafe {
        let mut told = config(1);
        ok(raft_node_config(server.node.0, &raw mut told));
        assert_eq!((raft_node_id(server.node.0), raft_node_id(ptr::null_mut())), (7, 0));
        assert_eq!((told.id, told.priority, told.election_ticks), (7, -3, 30));
        assert!(told.lend_snapshots && !told.async_storage_writes);
        assert_eq!(told.group_id, 9);
        assert_eq!((told.max_waiting_bytes, told.max_waiting_messages), (11, 12));
        assert_eq!((told.max_uncommitted_entries, told.max_pending_reads), (13, 14));
        ok(raft_node_check_invariants(server.node.0));
    }
}

#[test]
fn a_failure_that_stopped_nobody_can_be_fetched() {
    // A leader whose follower needs a snapshot that cannot be had.
    let log = MemoryStorage::with_snapshot(Snapshot {
        id: EntryId::new(1, 5),
        conf_state: ConfState::new([1, 2], []),
        data: Bytes::new(),
    });
    let mut server = Owned::start(&config(1), log);
    server.node.campaign();
    server.settle();
    for pre in [true, false] {
        let body = Body::VoteReply(VoteReply { pre, granted: true, ..VoteReply::default() });
        ok(server.step(&Message { from: 2, to: 1, term: 2, body }));
        server.settle();
    }
    server.prank = Some(|_| -77);
    let reject = AppendReply { index: 5, reject: Some(AppendReject::default()) };
    ok(server.step(&Message { from: 2, to: 1, term: 2, body: Body::AppendReply(reject) }));
    server.settle();
    server.prank = None;
    // SAFETY: a live node, and room for the result.
    unsafe {
        let mut status = 1;
        ok(raft_node_take_storage_error(server.node.0, &raw mut status));
        assert_eq!(status, -77);
        assert!(last_error(server.node).contains("-77"), "{}", last_error(server.node));
        ok(raft_node_take_storage_error(server.node.0, &raw mut status));
        assert_eq!(status, RAFT_OK, "once");
    }
}
