//! Ready views: what they show, who may finish them, and that they own what they show.

mod common;

use std::ffi::c_void;
use std::ptr;

use common::{Node, Owned, View, array, bytes_of, config, ok, payload, to_vec};
use raftcore_ffi::*;

fn in_memory(id: u64, voters: &[u64]) -> Node {
    Node::in_memory(&raft_config { pre_vote: false, ..config(id) }, voters)
}

#[test]
fn a_view_is_finished_by_its_own_node_and_once() {
    let (one, two) = (in_memory(1, &[1]), in_memory(1, &[1]));
    one.campaign();
    two.campaign();
    let (view, other) = (one.ready(), two.ready());
    assert_eq!(one.try_ready(), Err(RAFT_ERR_READY_OUTSTANDING));
    assert_eq!(one.advance(other), RAFT_ERR_FOREIGN_READY);
    ok(one.advance(view));
    assert_eq!(one.advance(view), RAFT_ERR_FOREIGN_READY);
    let next = one.ready();
    assert_ne!(next, view, "a finished view is recognised");
    assert_eq!(one.advance(view), RAFT_ERR_FOREIGN_READY);
    view.free();
    ok(one.advance(next));
    one.free();
    two.free();
    assert_eq!(other.hard_state.term, 2, "a view outlives its node");
    other.free();
}

#[test]
fn a_view_given_up_comes_again() {
    let node = in_memory(1, &[1]);
    node.campaign();
    node.settle();
    ok(node.propose(b"again"));
    let view = node.ready();
    view.free();
    assert!(node.has_ready());
    assert_eq!(node.advance(view), RAFT_ERR_FOREIGN_READY);
    let again = node.ready();
    assert_eq!(payload(&again.entries()[0]), b"again");
    again.free();
    // Also by raft_drive.
    let host = raft_host {
        struct_size: size_of::<raft_host>(),
        context: ptr::null_mut(),
        persist: None,
        send: Some(nothing_to_send),
        apply: Some(nothing_to_apply),
        apply_snapshot: None,
        apply_conf_change: None,
        read: None,
        state_changed: None,
        send_snapshot: None,
    };
    let mut worked = false;
    // SAFETY: a live node, and callbacks that look at nothing.
    ok(unsafe { raft_drive(node.0, &raw const host, &raw mut worked) });
    assert!(worked);
    node.free();
}

unsafe extern "C" fn nothing_to_send(_: *mut c_void, _: *const raft_message, _: usize) -> raft_status {
    RAFT_OK
}

unsafe extern "C" fn nothing_to_apply(_: *mut c_void, _: *const raft_entry, _: usize) -> raft_status {
    RAFT_OK
}

#[test]
fn a_view_may_be_read_while_other_threads_use_the_node() {
    struct Shared(View);
    // SAFETY: any thread may read a view.
    unsafe impl Send for Shared {}
    let node = in_memory(1, &[1]);
    node.campaign();
    node.settle();
    ok(node.propose(b"read me"));
    let view = node.ready();
    let shared = Shared(view);
    let reader = std::thread::spawn(move || {
        let shared = shared;
        shared.0.entries().iter().map(payload).collect()
    });
    for _ in 0..20 {
        ok(node.propose(b"more"));
        ok(node.tick());
    }
    let read: Vec<Vec<u8>> = reader.join().unwrap();
    assert_eq!(read, [b"read me"]);
    ok(node.advance(view));
    assert_eq!(node.settle().len(), 21);
    node.free();
}

#[test]
fn messages_that_may_leave_at_once_come_first() {
    let node = in_memory(2, &[1, 2, 3]);
    node.campaign();
    let view = node.ready();
    assert_eq!(view.messages().len(), 2);
    for message in view.messages() {
        assert_eq!(message.r#type, RAFT_MESSAGE_VOTE);
        assert!(message.requires_persistence);
        let mut info = raft_message_info {
            struct_size: size_of::<raft_message_info>(),
            r#type: 0,
            from: 0,
            to: 0,
            term: 0,
            entries: 9,
            payload_bytes: 0,
        };
        // SAFETY: the view is still out, and the result states its size.
        ok(unsafe { raft_message_inspect(message.bytes, RAFT_DIALECT_ETCD, &raw mut info) });
        assert_eq!((info.r#type, info.from, info.term), (RAFT_MESSAGE_VOTE, 2, 2));
        assert_eq!((info.to, info.entries), (message.to, 0));
    }
    let late = view.messages().iter().skip_while(|message| !message.requires_persistence);
    assert!(late.into_iter().all(|message| message.requires_persistence));
    ok(node.advance(view));
    node.free();
}

fn snapshot(node: Node, index: u64, data: &[u8]) -> raft_status {
    // SAFETY: a live node, and bytes that are there during the call.
    unsafe { raft_memory_snapshot(node.0, index, bytes_of(data)) }
}

fn compact(node: Node, index: u64) -> raft_status {
    // SAFETY: a live node.
    unsafe { raft_memory_compact(node.0, index) }
}

/// Does all work, membership changes too; where the last of those was.
fn settle_with_changes(node: Node) -> u64 {
    let mut changed = 0;
    while let Some(view) = node.try_ready().unwrap() {
        for entry in view.committed().iter().filter(|entry| entry.kind != RAFT_ENTRY_NORMAL) {
            let mut members = ptr::null_mut();
            // SAFETY: a live node, an entry of a view that is out, and a buffer that is freed once.
            unsafe {
                ok(raft_apply_conf_change(node.0, entry, &raw mut members));
                raft_conf_state_buffer_free(members);
            }
            changed = entry.index;
        }
        ok(node.advance(view));
    }
    changed
}

#[test]
fn memory_is_compacted_behind_a_snapshot() {
    let node = in_memory(1, &[1]);
    node.campaign();
    for _ in 0..5 {
        let _ = node.propose(b"x");
        node.settle();
    }
    assert_eq!(compact(node, 3), RAFT_ERR_INVALID_ARGUMENT);
    assert_eq!(snapshot(node, 99, b"s"), RAFT_ERR_INVALID_ARGUMENT);
    ok(snapshot(node, 4, b"state"));
    assert_eq!(snapshot(node, 3, b"s"), RAFT_ERR_STORAGE);
    ok(compact(node, 3));
    let learner = raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 2 };
    // SAFETY: a live node, and one operation.
    ok(unsafe { raft_propose_conf_change(node.0, &raw const learner, 1, 0, bytes_of(b""), ptr::null_mut()) });
    let changed = settle_with_changes(node);
    // A snapshot of the state before the change would have the membership after it.
    assert_eq!(snapshot(node, changed - 1, b"s"), RAFT_ERR_INVALID_ARGUMENT);
    ok(snapshot(node, changed, b"s"));
    node.free();
}

#[test]
fn snapshots_and_memberships_survive_their_encoding() {
    // SAFETY: arrays, buffers and results live on this stack; what was decoded is freed at the end.
    unsafe {
        let (voters, learners) = ([1, 2, 3], [9]);
        let conf_state = raft_conf_state {
            voters: voters.as_ptr(),
            voters_len: 3,
            learners: learners.as_ptr(),
            learners_len: 1,
            voters_outgoing: voters.as_ptr(),
            voters_outgoing_len: 2,
            learners_next: ptr::null(),
            learners_next_len: 0,
            auto_leave: true,
        };
        let snapshot = raft_snapshot { term: 3, index: 7, conf_state, data: bytes_of(b"state") };
        let mut needed = 0;
        let mut bytes = [0u8; 64];
        assert_eq!(
            raft_snapshot_encode(&raw const snapshot, ptr::null_mut(), 0, &raw mut needed),
            RAFT_ERR_TOO_LARGE
        );
        let capacity = bytes.len();
        ok(raft_snapshot_encode(&raw const snapshot, bytes.as_mut_ptr(), capacity, &raw mut needed));
        let mut buffer = ptr::null_mut();
        ok(raft_snapshot_decode(bytes_of(&bytes[..needed]), &raw mut buffer));
        let mut view = std::mem::MaybeUninit::uninit();
        ok(raft_snapshot_buffer_view(buffer, view.as_mut_ptr()));
        let view = view.assume_init();
        assert_eq!((view.term, view.index, to_vec(view.data)), (3, 7, b"state".to_vec()));
        assert_eq!(array(view.conf_state.voters, view.conf_state.voters_len), voters);
        assert_eq!(array(view.conf_state.learners, view.conf_state.learners_len), learners);
        assert_eq!(view.conf_state.voters_outgoing_len, 2);
        assert!(view.conf_state.auto_leave);
        raft_snapshot_buffer_free(buffer);
    }
}

#[test]
fn a_payload_that_is_lent_is_given_back_exactly_once() {
    unsafe extern "C" fn release(context: *mut c_void) {
        // SAFETY: the context is the test's counter.
        unsafe { *context.cast::<u32>() += 1 }
    }
    let lent = b"lent".to_vec();
    let mut released = 0u32;
    let context = &raw mut released;
    // SAFETY: the counter is alive, and there is no reference to it.
    let released = || unsafe { *context };
    let lend = |node: Node| {
        let mut id = raft_entry_id { term: 0, index: 0 };
        // SAFETY: NULL or a live node; the payload lives until the end of the test.
        unsafe { raft_propose_owned(node.0, bytes_of(&lent), Some(release), context.cast(), &raw mut id) }
    };
    assert_eq!(lend(Node::NULL), RAFT_ERR_INVALID_ARGUMENT);
    assert_eq!(released(), 1);
    let node = in_memory(1, &[1]);
    assert_eq!(lend(node), RAFT_ERR_PROPOSAL_DROPPED);
    assert_eq!(released(), 2);
    node.campaign();
    node.settle();
    ok(lend(node));
    let view = node.ready();
    assert_eq!(view.entries()[0].data.data, lent.as_ptr(), "not copied");
    ok(node.advance(view));
    node.settle();
    assert_eq!(released(), 2);
    node.free();
    assert_eq!(released(), 3);
}

#[test]
fn a_view_that_is_returned_comes_again_with_what_has_come_since() {
    let server = Owned::member(1, &[1]);
    server.node.campaign();
    server.settle();
    ok(server.node.propose(b"x"));
    let first = server.node.ready();
    assert_eq!(first.entries().len(), 1);
    ok(server.node.propose(b"y"));
    // SAFETY: live nodes; a view is only compared before it is known to be the node's own.
    unsafe {
        let other = Owned::member(2, &[2]);
        assert_eq!(raft_ready_return(other.node.0, first.0), RAFT_ERR_FOREIGN_READY);
        assert_eq!(first.entries().len(), 1);
        ok(raft_ready_return(server.node.0, first.0));
        assert_eq!(raft_ready_return(server.node.0, first.0), RAFT_ERR_FOREIGN_READY);
    }
    let larger = server.node.ready();
    assert_eq!(larger.entries().len(), 2);
    // SAFETY: a live node, and its outstanding view.
    ok(unsafe { raft_ready_return(server.node.0, larger.0) });
    server.settle();
    assert_eq!(server.payloads(), ["x", "y"]);
}

#[test]
fn a_basic_status_calls_no_storage_callback() {
    let mut server = Owned::member(1, &[1]);
    server.node.campaign();
    server.settle();
    let full = server.node.info().unwrap();
    server.prank = Some(|_| RAFT_ERR_IO);
    let mut basic = raft_node_status_info { struct_size: size_of::<raft_node_status_info>(), ..full };
    // SAFETY: a live node, and room for the result.
    ok(unsafe { raft_node_basic_status(server.node.0, &raw mut basic) });
    assert_eq!(server.node.info().map(|_| ()), Err(RAFT_ERR_STORAGE));
    assert_eq!((basic.first_index, full.first_index), (0, 2));
    assert_eq!((basic.term, basic.commit, basic.last_index), (full.term, full.commit, full.last_index));
    assert_eq!((basic.leader, basic.role, basic.is_voter), (1, RAFT_ROLE_LEADER, true));
}
