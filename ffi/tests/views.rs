//! Ready views: what they show, who may finish them, and that they own what they show.

mod common;

use std::ptr;

use common::{array, bytes_of, config, ok, to_vec};
use raftcore_ffi::*;

fn in_memory(id: u64, voters: &[u64]) -> *mut raft_node {
    let members = raft_conf_state {
        voters: voters.as_ptr(),
        voters_len: voters.len(),
        learners: ptr::null(),
        learners_len: 0,
        voters_outgoing: ptr::null(),
        voters_outgoing_len: 0,
        learners_next: ptr::null(),
        learners_next_len: 0,
        auto_leave: false,
    };
    let config = raft_config { pre_vote: false, ..config(id) };
    let mut node = ptr::null_mut();
    ok(unsafe { raft_node_new_in_memory(&raw const config, &raw const members, &raw mut node) });
    node
}

unsafe fn ready(node: *mut raft_node) -> *mut raft_ready_view {
    let mut view = ptr::null_mut();
    ok(unsafe { raft_ready(node, &raw mut view) });
    view
}

/// Advances until there is nothing to do; the payloads that were committed.
unsafe fn settle(node: *mut raft_node) -> Vec<Vec<u8>> {
    let mut committed = Vec::new();
    unsafe {
        loop {
            let view = ready(node);
            if view.is_null() {
                return committed;
            }
            let entries = array((*view).committed_entries, (*view).committed_entries_len);
            committed.extend(entries.iter().map(|entry| to_vec(entry.data)));
            ok(raft_advance(node, view));
        }
    }
}

#[test]
fn a_view_is_finished_by_its_own_node_and_once() {
    unsafe {
        let (one, two) = (in_memory(1, &[1]), in_memory(1, &[1]));
        ok(raft_campaign(one));
        ok(raft_campaign(two));
        let (view, other) = (ready(one), ready(two));
        let mut third = ptr::null_mut();
        assert_eq!(raft_ready(one, &raw mut third), RAFT_ERR_READY_OUTSTANDING);
        assert_eq!(raft_advance(one, other), RAFT_ERR_FOREIGN_READY);
        ok(raft_advance(one, view));
        assert_eq!(raft_advance(one, view), RAFT_ERR_FOREIGN_READY);
        let next = ready(one);
        assert_ne!(next, view, "a finished view is recognised");
        assert_eq!(raft_advance(one, view), RAFT_ERR_FOREIGN_READY);
        raft_ready_free(view);
        ok(raft_advance(one, next));
        raft_node_free(one);
        raft_node_free(two);
        assert_eq!((*other).hard_state.term, 2, "a view outlives its node");
        raft_ready_free(other);
    }
}

#[test]
fn a_view_given_up_comes_again() {
    unsafe {
        let node = in_memory(1, &[1]);
        ok(raft_campaign(node));
        settle(node);
        ok(raft_propose(node, bytes_of(b"again"), ptr::null_mut()));
        let view = ready(node);
        raft_ready_free(view);
        assert!(raft_has_ready(node));
        assert_eq!(raft_advance(node, view), RAFT_ERR_FOREIGN_READY);
        let again = ready(node);
        assert_eq!(to_vec((*(*again).entries).data), b"again");
        raft_ready_free(again);
        // Also by raft_drive.
        let mut worked = false;
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
        ok(raft_drive(node, &raw const host, &raw mut worked));
        assert!(worked);
        raft_node_free(node);
    }
}

unsafe extern "C" fn nothing_to_send(
    _: *mut std::ffi::c_void,
    _: *const raft_message,
    _: usize,
) -> raft_status {
    RAFT_OK
}

unsafe extern "C" fn nothing_to_apply(
    _: *mut std::ffi::c_void,
    _: *const raft_entry,
    _: usize,
) -> raft_status {
    RAFT_OK
}

#[test]
fn a_view_may_be_read_while_other_threads_use_the_node() {
    struct Shared<T>(*mut T);
    unsafe impl<T> Send for Shared<T> {}
    unsafe {
        let node = in_memory(1, &[1]);
        ok(raft_campaign(node));
        settle(node);
        ok(raft_propose(node, bytes_of(b"read me"), ptr::null_mut()));
        let view = ready(node);
        let shared = Shared(view);
        let reader = std::thread::spawn(move || {
            let shared = shared;
            let view = &*shared.0;
            array(view.entries, view.entries_len).iter().map(|entry| to_vec(entry.data)).collect()
        });
        for _ in 0..20 {
            ok(raft_propose(node, bytes_of(b"more"), ptr::null_mut()));
            ok(raft_tick(node));
        }
        let read: Vec<Vec<u8>> = reader.join().unwrap();
        assert_eq!(read, [b"read me"]);
        ok(raft_advance(node, view));
        assert_eq!(settle(node).len(), 21);
        raft_node_free(node);
    }
}

#[test]
fn messages_that_may_leave_at_once_come_first() {
    unsafe {
        let node = in_memory(2, &[1, 2, 3]);
        ok(raft_campaign(node));
        let view = ready(node);
        let messages = array((*view).messages, (*view).messages_len);
        assert_eq!(messages.len(), 2);
        for message in messages {
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
            ok(raft_message_inspect(message.bytes, RAFT_DIALECT_ETCD, &raw mut info));
            assert_eq!((info.r#type, info.from, info.term), (RAFT_MESSAGE_VOTE, 2, 2));
            assert_eq!((info.to, info.entries), (message.to, 0));
        }
        let late = messages.iter().skip_while(|message| !message.requires_persistence);
        assert!(late.into_iter().all(|message| message.requires_persistence));
        ok(raft_advance(node, view));
        raft_node_free(node);
    }
}

#[test]
fn memory_is_compacted_behind_a_snapshot() {
    unsafe {
        let node = in_memory(1, &[1]);
        ok(raft_campaign(node));
        for _ in 0..5 {
            let _ = raft_propose(node, bytes_of(b"x"), ptr::null_mut());
            settle(node);
        }
        assert_eq!(raft_memory_compact(node, 3), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(raft_memory_snapshot(node, 99, bytes_of(b"s")), RAFT_ERR_INVALID_ARGUMENT);
        ok(raft_memory_snapshot(node, 4, bytes_of(b"state")));
        assert_eq!(raft_memory_snapshot(node, 3, bytes_of(b"s")), RAFT_ERR_STORAGE);
        ok(raft_memory_compact(node, 3));
        let learner = raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 2 };
        let none = bytes_of(b"");
        ok(raft_propose_conf_change(node, &raw const learner, 1, 0, none, ptr::null_mut()));
        let mut changed = 0;
        loop {
            let view = ready(node);
            if view.is_null() {
                break;
            }
            for entry in array((*view).committed_entries, (*view).committed_entries_len) {
                if entry.kind != RAFT_ENTRY_NORMAL {
                    let mut members = ptr::null_mut();
                    ok(raft_apply_conf_change(node, entry, &raw mut members));
                    raft_conf_state_buffer_free(members);
                    changed = entry.index;
                }
            }
            ok(raft_advance(node, view));
        }
        // A snapshot of the state before the change would have the membership after it.
        assert_eq!(raft_memory_snapshot(node, changed - 1, bytes_of(b"s")), RAFT_ERR_INVALID_ARGUMENT);
        ok(raft_memory_snapshot(node, changed, bytes_of(b"s")));
        raft_node_free(node);
    }
}

#[test]
fn snapshots_and_memberships_survive_their_encoding() {
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
    unsafe extern "C" fn release(context: *mut std::ffi::c_void) {
        unsafe { *context.cast::<u32>() += 1 }
    }
    unsafe {
        let payload = b"lent".to_vec();
        let (mut released, mut id) = (0u32, raft_entry_id { term: 0, index: 0 });
        let context: *mut std::ffi::c_void = (&raw mut released).cast();
        let data = bytes_of(&payload);
        let null = ptr::null_mut();
        let lend = |node, id| raft_propose_owned(node, data, Some(release), context, id);
        assert_eq!(lend(null, &raw mut id), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(*context.cast::<u32>(), 1);
        let node = in_memory(1, &[1]);
        assert_eq!(lend(node, &raw mut id), RAFT_ERR_PROPOSAL_DROPPED);
        assert_eq!(*context.cast::<u32>(), 2);
        ok(raft_campaign(node));
        settle(node);
        ok(lend(node, &raw mut id));
        let view = ready(node);
        assert_eq!((*(*view).entries).data.data, payload.as_ptr(), "not copied");
        ok(raft_advance(node, view));
        settle(node);
        assert_eq!(*context.cast::<u32>(), 2);
        raft_node_free(node);
        assert_eq!(*context.cast::<u32>(), 3);
    }
}
