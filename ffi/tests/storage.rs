//! `raft_storage`: callbacks that fail, that answer nonsense, and that call their node.

mod common;

use std::cell::Cell;
use std::ffi::c_void;

use common::{Node, Owned, bytes_of, config, last_error, ok, thread_error};
use raftcore::{ConfState, MemoryStorage};
use raftcore_ffi::*;

/// A leader, alone in its group, that keeps no entries in memory: its storage is asked for each.
fn leader() -> Owned {
    let config = raft_config { log_cache_bytes: 0, ..config(1) };
    let log = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let server = Owned::start(&config, log);
    server.node.campaign();
    server.settle();
    server
}

/// What `raft_node_status` answers, which asks the storage for its first index.
fn status(node: Node) -> raft_status {
    node.info().map_or_else(|status| status, |_| RAFT_OK)
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
    server.prank = Some(|server| {
        assert_eq!(server.node.tick(), RAFT_ERR_REENTRANT);
        assert_eq!(server.node.try_ready(), Err(RAFT_ERR_REENTRANT));
        assert_eq!(status(server.node), RAFT_ERR_REENTRANT);
        assert!(!server.node.has_ready());
        server.node.free(); // does nothing
        last_error(server.node);
        RAFT_OK
    });
    ok(status(server.node));
}

/// What a storage answers that is asked for entries `low` to 4 of term 2.
type Push = fn(Sink, u64) -> raft_status;

/// A sink is only there during its callback, and so is this.
#[derive(Clone, Copy)]
struct Sink(*mut raft_entry_sink);

impl Sink {
    fn push(self, entry: &raft_entry) -> raft_status {
        // SAFETY: the callback that got the sink is running; the entry's payload is alive.
        unsafe { raft_entry_sink_push(self.0, entry) }
    }
}

thread_local!(static PUSH: Cell<Option<Push>> = const { Cell::new(None) });

unsafe extern "C" fn initial_state(
    _: *mut c_void,
    hard_state: *mut raft_hard_state,
    sink: *mut raft_conf_state_sink,
) -> raft_status {
    let members = ConfState::new([1, 2], []);
    // SAFETY: the library lends room for the hard state, and the sink.
    unsafe {
        *hard_state = raft_hard_state { term: 2, vote: 0, commit: 4 };
        raft_conf_state_sink_set(sink, &(&members).into())
    }
}

unsafe extern "C" fn entries(
    _: *mut c_void,
    low: u64,
    _: u64,
    _: u64,
    out: *mut raft_entry_sink,
) -> raft_status {
    PUSH.get().unwrap()(Sink(out), low)
}

unsafe extern "C" fn term(_: *mut c_void, index: u64, out: *mut u64) -> raft_status {
    // SAFETY: the library lends room for the result.
    unsafe { *out = if index == 1 { 1 } else { 2 } };
    RAFT_OK
}

unsafe extern "C" fn first_index(_: *mut c_void, out: *mut u64) -> raft_status {
    // SAFETY: the library lends room for the result.
    unsafe { *out = 2 };
    RAFT_OK
}

unsafe extern "C" fn last_index(_: *mut c_void, out: *mut u64) -> raft_status {
    // SAFETY: the library lends room for the result.
    unsafe { *out = 4 };
    RAFT_OK
}

unsafe extern "C" fn snapshot(_: *mut c_void, _: *mut raft_snapshot_sink) -> raft_status {
    RAFT_OK
}

fn table() -> raft_storage {
    raft_storage {
        struct_size: size_of::<raft_storage>(),
        context: std::ptr::null_mut(),
        initial_state: Some(initial_state),
        entries: Some(entries),
        term: Some(term),
        first_index: Some(first_index),
        last_index: Some(last_index),
        snapshot: Some(snapshot),
        release: None,
        snapshot_for: None,
    }
}

/// What comes of a storage's answer in a node that must read its entries back: their number, or a
/// status; and the detail.
fn entries_answered_by(push: Push) -> (i32, String) {
    PUSH.set(Some(push));
    let table = table();
    let config = raft_config { max_committed_bytes_per_ready: 20, ..config(1) };
    let mut node = std::ptr::null_mut();
    // SAFETY: configuration, table and result are there during the call; the callbacks need no context.
    ok(unsafe { raft_node_new(&raw const config, &raw const table, &raw mut node) });
    let node = Node(node);
    let view = node.try_ready();
    let detail = last_error(node);
    let found = view.map_or_else(|status| status, |view| view.map_or(0, |it| it.committed().len() as i32));
    if let Ok(Some(view)) = view {
        view.free();
    }
    node.free();
    (found, detail)
}

fn entry(index: u64, data: &[u8]) -> raft_entry {
    raft_entry { term: 2, index, kind: RAFT_ENTRY_NORMAL, flags: 0, data: bytes_of(data) }
}

#[test]
fn entries_must_come_in_order_and_there_must_be_one() {
    let (status, detail) = entries_answered_by(|_, _| RAFT_OK);
    assert_eq!(status, RAFT_ERR_STORAGE);
    assert!(detail.contains("0 entries pushed"), "{detail}");
    let (status, detail) = entries_answered_by(|out, low| {
        assert_eq!(out.push(&entry(low + 1, b"")), RAFT_ERR_INVALID_ARGUMENT);
        assert!(thread_error().contains("expected"));
        RAFT_ERR_IO
    });
    assert_eq!(status, RAFT_ERR_STORAGE);
    assert!(detail.contains("-43"), "{detail}");
}

#[test]
fn what_a_sink_refused_is_in_the_error_of_the_call() {
    let reason = "the sink refused what it got: argument `entry.index` is 9, expected 2 (below 5)";
    // Whether the callback passes the refusal on, answers something else, or forgets it.
    let pushes: [Push; 4] = [
        |out, _| out.push(&entry(9, b"")),
        |out, _| {
            assert_eq!(out.push(&entry(9, b"")), RAFT_ERR_INVALID_ARGUMENT);
            RAFT_ERR_IO
        },
        |out, _| {
            assert_eq!(out.push(&entry(9, b"")), RAFT_ERR_INVALID_ARGUMENT);
            RAFT_OK
        },
        |out, low| {
            ok(out.push(&entry(low, b"")));
            assert_eq!(out.push(&raft_entry { kind: 7, ..entry(low + 1, b"") }), RAFT_ERR_INVALID_ARGUMENT);
            RAFT_OK
        },
    ];
    for (place, push) in pushes.into_iter().enumerate() {
        let (status, detail) = entries_answered_by(push);
        let reason = if place == 3 { "the sink refused what it got: argument `entry.kind`" } else { reason };
        assert!(status == RAFT_ERR_STORAGE && detail.contains(reason), "{place}: {status} {detail}");
    }
    // What is refused beyond the range that was asked for takes nothing away.
    let (found, detail) = entries_answered_by(|out, low| {
        (low..5).for_each(|index| ok(out.push(&entry(index, b""))));
        assert_eq!(out.push(&entry(5, b"")), RAFT_ERR_INVALID_ARGUMENT);
        RAFT_OK
    });
    assert_eq!(found, 3, "{detail}");
}

unsafe extern "C" fn refused_members(
    _: *mut c_void,
    _: *mut raft_hard_state,
    sink: *mut raft_conf_state_sink,
) -> raft_status {
    // SAFETY: the library lends the sink. What it answers is forgotten.
    let _ = unsafe { raft_conf_state_sink_set_encoded(sink, bytes_of(b"\xff")) };
    RAFT_OK
}

#[test]
fn a_membership_that_the_sink_refused_is_not_taken_for_none() {
    let table = raft_storage { initial_state: Some(refused_members), ..table() };
    let (config, mut node) = (config(1), std::ptr::null_mut());
    // SAFETY: configuration, table and result are there during the call; the callbacks need no context.
    let status = unsafe { raft_node_new(&raw const config, &raw const table, &raw mut node) };
    assert_eq!(status, RAFT_ERR_STORAGE);
    assert!(thread_error().contains("the sink refused what it got: cannot decode"), "{}", thread_error());
}

#[test]
fn a_full_sink_takes_no_more() {
    // 20 bytes: one entry of 17 fits, a second does not; nor does anything after it.
    let (found, _) = entries_answered_by(|out, low| {
        ok(out.push(&entry(low, b"eleven byte")));
        for data in [&b"eleven byte"[..], b""] {
            assert_eq!(out.push(&entry(low + 1, data)), RAFT_ERR_TOO_LARGE);
        }
        RAFT_OK
    });
    assert_eq!(found, 1);
    // The first one is taken however large it is, and the sink's status may be passed on.
    let (found, _) = entries_answered_by(|out, low| {
        ok(out.push(&entry(low, &[7; 100])));
        out.push(&entry(low + 1, b""))
    });
    assert_eq!(found, 1);
}

#[test]
fn a_payload_keeps_its_bytes_through_storage_and_back() {
    let server = leader();
    let data: Vec<u8> = (0..=255).collect();
    let batch = [bytes_of(&data), bytes_of(b""), bytes_of(&data[7..9])];
    // SAFETY: a live node, and payloads that are there during the call.
    ok(unsafe { raft_propose_batch(server.node.0, batch.as_ptr(), batch.len(), std::ptr::null_mut()) });
    server.settle();
    let applied: Vec<_> = server.applied.iter().map(|(_, data)| data.clone()).collect();
    assert_eq!(applied, [vec![], data.clone(), vec![], data[7..9].to_vec()]);
}
