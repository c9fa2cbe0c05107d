//! `raft_storage`: callbacks that fail, that answer nonsense, and that call their node.

mod common;

use common::{Owned, bytes_of, config, last_error, ok};
use raftcore::{ConfState, EntryId, EntryKind, MemoryStorage};
use raftcore_ffi::*;

/// A leader, alone in its group, that keeps no entries in memory: its storage is asked for each.
fn leader() -> Owned {
    let config = raft_config { log_cache_bytes: 0, ..config(1) };
    let log = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let server = Owned::start(&config, log);
    ok(unsafe { raft_campaign(server.node) });
    server.settle();
    server
}

fn status(node: *mut raft_node) -> raft_status {
    let mut info = unsafe { std::mem::zeroed::<raft_node_status_info>() };
    info.struct_size = size_of::<raft_node_status_info>();
    unsafe { raft_node_status(node, &raw mut info) }
}

#[test]
fn a_failing_storage_is_an_error_and_no_more() {
    let mut server = leader();
    server.prank = Some(|_| -77);
    assert_eq!(status(server.node), RAFT_ERR_STORAGE);
    assert!(last_error(server.node).contains("-77"), "{}", last_error(server.node));
    server.prank = None;
    ok(status(server.node));
}

#[test]
fn a_storage_callback_cannot_call_its_node() {
    let mut server = leader();
    server.prank = Some(|server| unsafe {
        let mut view = std::ptr::null_mut();
        assert_eq!(raft_tick(server.node), RAFT_ERR_REENTRANT);
        assert_eq!(raft_ready(server.node, &raw mut view), RAFT_ERR_REENTRANT);
        assert_eq!(status(server.node), RAFT_ERR_REENTRANT);
        assert!(!raft_has_ready(server.node));
        raft_node_free(server.node);
        last_error(server.node);
        RAFT_OK
    });
    ok(status(server.node));
}

/// A sink is only there during its callback; the one that a `raft_storage` gets is tried through a
/// node whose entries must be read back.
fn entries_answered_by(prank: unsafe fn(*mut raft_entry_sink, u64) -> raft_status) -> (i32, String) {
    use std::cell::Cell;
    use std::ffi::c_void;

    type Push = unsafe fn(*mut raft_entry_sink, u64) -> raft_status;
    thread_local!(static PRANK: Cell<Option<Push>> = const { Cell::new(None) });
    PRANK.set(Some(prank));

    unsafe extern "C" fn initial_state(
        _: *mut c_void,
        hard_state: *mut raft_hard_state,
        sink: *mut raft_conf_state_sink,
    ) -> raft_status {
        let ids = [1, 2];
        let members = raft_conf_state {
            voters: ids.as_ptr(),
            voters_len: 2,
            learners: std::ptr::null(),
            learners_len: 0,
            voters_outgoing: std::ptr::null(),
            voters_outgoing_len: 0,
            learners_next: std::ptr::null(),
            learners_next_len: 0,
            auto_leave: false,
        };
        unsafe {
            *hard_state = raft_hard_state { term: 2, vote: 0, commit: 4 };
            raft_conf_state_sink_set(sink, &raw const members)
        }
    }
    unsafe extern "C" fn entries(
        _: *mut c_void,
        low: u64,
        _: u64,
        _: u64,
        out: *mut raft_entry_sink,
    ) -> raft_status {
        unsafe { PRANK.get().unwrap()(out, low) }
    }
    unsafe extern "C" fn term(_: *mut c_void, index: u64, out: *mut u64) -> raft_status {
        unsafe { *out = if index == 1 { 1 } else { 2 } };
        RAFT_OK
    }
    unsafe extern "C" fn first_index(_: *mut c_void, out: *mut u64) -> raft_status {
        unsafe { *out = 2 };
        RAFT_OK
    }
    unsafe extern "C" fn last_index(_: *mut c_void, out: *mut u64) -> raft_status {
        unsafe { *out = 4 };
        RAFT_OK
    }
    unsafe extern "C" fn snapshot(_: *mut c_void, _: *mut raft_snapshot_sink) -> raft_status {
        RAFT_OK
    }
    let table = raft_storage {
        struct_size: size_of::<raft_storage>(),
        context: std::ptr::null_mut(),
        initial_state: Some(initial_state),
        entries: Some(entries),
        term: Some(term),
        first_index: Some(first_index),
        last_index: Some(last_index),
        snapshot: Some(snapshot),
        release: None,
    };
    let config = raft_config { max_committed_bytes_per_ready: 20, ..config(1) };
    let (mut node, mut view) = (std::ptr::null_mut(), std::ptr::null_mut());
    unsafe {
        ok(raft_node_new(&raw const config, &raw const table, &raw mut node));
        let status = raft_ready(node, &raw mut view);
        let detail = last_error(node);
        let found = if view.is_null() { 0 } else { (*view).committed_entries_len };
        raft_ready_free(view);
        raft_node_free(node);
        (if status == RAFT_OK { found as i32 } else { status }, detail)
    }
}

fn entry(index: u64, data: &[u8]) -> raft_entry {
    let entry = raftcore::Entry::new(EntryId::new(2, index), EntryKind::Normal, Default::default());
    raft_entry { data: bytes_of(data), ..common::entry_of(&entry) }
}

#[test]
fn entries_must_come_in_order_and_there_must_be_one() {
    let (status, detail) = entries_answered_by(|_, _| RAFT_OK);
    assert_eq!(status, RAFT_ERR_STORAGE);
    assert!(detail.contains("no entry pushed"), "{detail}");
    let (status, detail) = entries_answered_by(|out, low| unsafe {
        assert_eq!(raft_entry_sink_push(out, &entry(low + 1, b"")), RAFT_ERR_INVALID_ARGUMENT);
        assert!(last_error(std::ptr::null_mut()).contains("expected"));
        RAFT_ERR_IO
    });
    assert_eq!(status, RAFT_ERR_STORAGE);
    assert!(detail.contains("-43"), "{detail}");
}

#[test]
fn a_full_sink_takes_no_more() {
    // 20 bytes: one entry of 17 fits, a second does not; nor does anything after it.
    let (found, _) = entries_answered_by(|out, low| unsafe {
        ok(raft_entry_sink_push(out, &entry(low, b"eleven byte")));
        for data in [&b"eleven byte"[..], b""] {
            let next = entry(low + 1, data);
            assert_eq!(raft_entry_sink_push(out, &raw const next), RAFT_ERR_TOO_LARGE);
        }
        RAFT_OK
    });
    assert_eq!(found, 1);
    // The first one is taken however large it is, and the sink's status may be passed on.
    let (found, _) = entries_answered_by(|out, low| unsafe {
        ok(raft_entry_sink_push(out, &entry(low, &[7; 100])));
        raft_entry_sink_push(out, &entry(low + 1, b""))
    });
    assert_eq!(found, 1);
}

#[test]
fn a_payload_keeps_its_bytes_through_storage_and_back() {
    let server = leader();
    let data: Vec<u8> = (0..=255).collect();
    unsafe {
        let batch = [bytes_of(&data), bytes_of(b""), bytes_of(&data[7..9])];
        ok(raft_propose_batch(server.node, batch.as_ptr(), batch.len(), std::ptr::null_mut()));
    }
    server.settle();
    let applied: Vec<_> = server.applied.iter().map(|(_, data)| data.clone()).collect();
    assert_eq!(applied, [vec![], data.clone(), vec![], data[7..9].to_vec()]);
}
