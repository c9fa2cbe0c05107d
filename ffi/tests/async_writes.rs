//! Asynchronous storage writes: several views are out, each is acknowledged in its own time, and
//! nothing is promised before it is stored.

mod common;

use std::ptr;

use common::{array, bytes_of, config, ok, to_vec};
use raftcore::{Append, Body, ConfState, Entry, EntryId, MemoryStorage, Message, wire};
use raftcore_ffi::*;

fn node(id: u64, voters: &[u64]) -> *mut raft_node {
    let members = ConfState::new(voters, []);
    let state = raft_conf_state {
        voters: members.voters.as_ptr(),
        voters_len: members.voters.len(),
        learners: ptr::null(),
        learners_len: 0,
        voters_outgoing: ptr::null(),
        voters_outgoing_len: 0,
        learners_next: ptr::null(),
        learners_next_len: 0,
        auto_leave: false,
    };
    let config = raft_config { async_storage_writes: true, pre_vote: false, ..config(id) };
    let mut node = ptr::null_mut();
    ok(unsafe { raft_node_new_in_memory(&raw const config, &raw const state, &raw mut node) });
    node
}

unsafe fn ready(node: *mut raft_node) -> *mut raft_ready_view {
    let mut view = ptr::null_mut();
    ok(unsafe { raft_ready(node, &raw mut view) });
    view
}

unsafe fn stored(node: *mut raft_node, view: *mut raft_ready_view) -> raft_status {
    unsafe { raft_acknowledge(node, (*view).storage_acks, (*view).storage_acks_len) }
}

unsafe fn commit(node: *mut raft_node) -> u64 {
    unsafe {
        let mut info = std::mem::zeroed::<raft_node_status_info>();
        info.struct_size = size_of::<raft_node_status_info>();
        ok(raft_node_status(node, &raw mut info));
        info.commit
    }
}

/// Does all the work that there is.
unsafe fn settle(node: *mut raft_node) -> Vec<Vec<u8>> {
    let mut applied = Vec::new();
    unsafe {
        loop {
            let view = ready(node);
            if view.is_null() {
                return applied;
            }
            let entries = array((*view).committed_entries, (*view).committed_entries_len);
            applied.extend(entries.iter().map(|entry| to_vec(entry.data)));
            ok(stored(node, view));
            ok(raft_acknowledge(node, (*view).apply_ack, usize::from(!(*view).apply_ack.is_null())));
            raft_ready_free(view);
        }
    }
}

#[test]
fn many_views_are_out_and_nothing_commits_before_it_is_stored() {
    unsafe {
        let node = node(1, &[1]);
        ok(raft_campaign(node));
        settle(node);
        let before = commit(node);
        let mut views = Vec::new();
        for word in ["one", "two", "three"] {
            ok(raft_propose(node, bytes_of(word.as_bytes()), ptr::null_mut()));
            let view = ready(node);
            assert!((*view).has_storage_append && (*view).entries_len == 1);
            assert_eq!((*view).committed_entries_len, 0);
            assert!((*view).apply_ack.is_null());
            views.push(view);
        }
        assert_eq!(commit(node), before);
        for (count, view) in (1..).zip(&views) {
            ok(stored(node, *view));
            assert_eq!(commit(node), before + count);
        }
        assert_eq!(settle(node), [b"one".as_slice(), b"two", b"three"]);
        for view in views {
            assert_eq!((*(*view).entries).term, 2, "views can be read until they are freed");
            raft_ready_free(view);
        }
        raft_node_free(node);
    }
}

#[test]
fn promises_wait_for_the_storage() {
    unsafe {
        let node = node(1, &[1, 2]);
        let entries = vec![Entry::normal("x").at(EntryId::new(2, 2))];
        let body = Body::Append(Append { prev: EntryId::new(1, 1), commit: 2, entries: entries.into() });
        let mut bytes = Vec::new();
        wire::encode(&Message { from: 2, to: 1, term: 2, body }, &mut bytes);
        ok(raft_step(node, bytes_of(&bytes)));
        let view = ready(node);
        let messages = array((*view).messages, (*view).messages_len);
        let kinds: Vec<_> = messages.iter().map(|m| (m.r#type, m.requires_persistence)).collect();
        assert_eq!(kinds, [(RAFT_MESSAGE_APPEND_REPLY, true)]);
        assert_eq!((*view).committed_entries_len, 0, "not applied before it is stored here");
        ok(stored(node, view));
        let next = ready(node);
        assert_eq!((*next).committed_entries_len, 1);
        assert!(!(*next).apply_ack.is_null());
        ok(raft_acknowledge(node, (*next).apply_ack, 1));
        raft_ready_free(view);
        raft_ready_free(next);
        raft_node_free(node);
    }
}

#[test]
fn the_two_modes_are_told_apart() {
    unsafe {
        let node = node(1, &[1]);
        ok(raft_campaign(node));
        let view = ready(node);
        assert_eq!(raft_advance(node, view), RAFT_ERR_WRONG_WRITE_MODE);
        ok(stored(node, view));
        let forged = raft_ack { kind: 4, flags: 0, numbers: [99, 0, 0, 0] };
        assert_eq!(raft_acknowledge(node, &raw const forged, 1), RAFT_ERR_UNKNOWN_ACK);
        let garbage = raft_ack { kind: 9, ..forged };
        assert_eq!(raft_acknowledge(node, &raw const garbage, 1), RAFT_ERR_INVALID_ARGUMENT);
        raft_ready_free(view);
        raft_ready_free(view); // recognised as long as the node lives
        raft_node_free(node);
        let sync = common::Owned::member(1, &[1]);
        assert_eq!(raft_acknowledge(sync.node, &raw const forged, 1), RAFT_ERR_WRONG_WRITE_MODE);
    }
}

#[test]
fn a_view_outlives_its_node() {
    unsafe {
        let node = node(1, &[1]);
        ok(raft_campaign(node));
        let view = ready(node);
        raft_node_free(node);
        assert!((*view).has_hard_state);
        raft_ready_free(view);
    }
}

#[test]
fn a_drive_acknowledges_by_itself_and_waits_for_views() {
    let config = raft_config { async_storage_writes: true, ..config(1) };
    let log = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let server = common::Owned::start(&config, log);
    unsafe {
        ok(raft_campaign(server.node));
        let view = ready(server.node);
        assert_eq!(server.drive(), (RAFT_ERR_READY_OUTSTANDING, false));
        raft_ready_free(view);
    }
    drop(server);
    let log = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let server = common::Owned::start(&config, log);
    unsafe { ok(raft_campaign(server.node)) };
    server.settle();
    unsafe { ok(raft_propose(server.node, bytes_of(b"x"), ptr::null_mut())) };
    server.settle();
    assert_eq!(server.payloads(), ["x"]);
}
