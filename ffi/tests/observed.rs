//! Observers: what they hear, when they are released, and that they cannot do harm.

mod common;

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::ptr;

use common::{Node, Owned, bytes_of, config, ok};
use raftcore::{
    AppendReject, AppendReply, Body, Bytes, ConfState, Entry, EntryId, EntryKind, HardState, Heartbeat,
    MemoryStorage, Message,
};
use raftcore_ffi::*;

/// What an observer has heard, and what it is to try in its callbacks.
#[derive(Default)]
struct Ear {
    words: RefCell<Vec<(i32, String)>>,
    lines: RefCell<Vec<String>>,
    node: Cell<Option<Node>>,
    released: Cell<usize>,
}

/// # Safety
/// `data` has `len` bytes.
unsafe fn text(data: *const c_char, len: usize) -> String {
    // SAFETY: the same contract.
    String::from_utf8(unsafe { common::to_vec(raft_slice { data: data.cast(), len }) }).unwrap()
}

unsafe extern "C" fn log(context: *mut c_void, level: i32, words: *const c_char, len: usize) {
    // SAFETY: the context is an ear that its test has not freed; the words are lent for the callback.
    let (ear, words) = unsafe { (&*context.cast::<Ear>().cast_const(), text(words, len)) };
    ear.words.borrow_mut().push((level, words));
    if let Some(node) = ear.node.get() {
        node.free(); // does nothing in a callback
        assert!(!node.has_ready() || level != RAFT_LOG_INFO);
    }
}

unsafe extern "C" fn trace(context: *mut c_void, json: *const c_char, len: usize) {
    // SAFETY: as above.
    let (ear, json) = unsafe { (&*context.cast::<Ear>().cast_const(), text(json, len)) };
    ear.lines.borrow_mut().push(json);
    if let Some(node) = ear.node.get() {
        assert_eq!(node.tick(), RAFT_ERR_REENTRANT);
    }
}

unsafe extern "C" fn release(context: *mut c_void) {
    // SAFETY: as above.
    let ear = unsafe { &*context.cast::<Ear>().cast_const() };
    ear.released.set(ear.released.get() + 1);
}

/// Everything is a shared reference and interior mutability: callbacks come while the test looks.
fn observer(ear: &Ear, log_level: i32) -> raft_observer {
    raft_observer {
        struct_size: size_of::<raft_observer>(),
        context: ptr::from_ref(ear).cast_mut().cast(),
        log: Some(log),
        trace: Some(trace),
        release: Some(release),
        log_level,
        time: None,
        trace_format: RAFT_TRACE_RAFTCORE,
    }
}

fn watch(node: Node, observer: Option<&raft_observer>) -> raft_status {
    // SAFETY: a live node, and an observer whose ear outlives it.
    unsafe { raft_node_set_observer(node.0, observer.map_or(ptr::null(), ptr::from_ref)) }
}

#[test]
fn what_happens_is_told_in_order() {
    let ear = Ear::default();
    let server = Owned::member(1, &[1]);
    ear.node.set(Some(server.node));
    ok(watch(server.node, Some(&observer(&ear, RAFT_LOG_INFO))));
    server.node.campaign();
    server.settle();
    let learner = raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 2 };
    let (none, nowhere) = (bytes_of(b""), ptr::null_mut());
    // SAFETY: a live node, and one operation.
    ok(unsafe { raft_propose_conf_change_v1(server.node.0, &raw const learner, none, nowhere) });
    server.settle();
    let words: Vec<_> = ear.words.borrow().iter().map(|(_, words)| words.clone()).collect();
    assert_eq!(
        words,
        [
            "node 1: pre_candidate in term 1, no leader known",
            "node 1: candidate in term 2, no leader known",
            "node 1: leader in term 2",
            "node 1: voters [1], learners [2]"
        ]
    );
    let lines = ear.lines.borrow().clone();
    let expected = [
        r#"{"kind":"state","node":1,"term":2,"role":"leader","leader":1,"vote":1,"commit":1}"#,
        r#"{"kind":"log","node":1,"last":{"term":2,"index":2}}"#,
        r#"{"kind":"applied","node":1,"index":2}"#,
        r#"{"kind":"members","node":1,"voters":[1],"outgoing":[],"learners":[2]}"#,
        r#"{"kind":"send","node":1,"to":2,"term":2,"type":"append"}"#,
    ];
    let places: Vec<_> = expected.iter().map(|line| lines.iter().position(|it| it == line)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} in {lines:#?}");
    drop(server);
    assert_eq!(ear.released.get(), 1);
}

#[test]
fn an_observer_is_released_when_another_takes_its_place() {
    let (one, two) = (Ear::default(), Ear::default());
    let server = Owned::member(1, &[1, 2]);
    let (first, second) = (observer(&one, RAFT_LOG_DEBUG), observer(&two, RAFT_LOG_NONE));
    ok(watch(server.node, Some(&first)));
    assert_eq!(server.node.propose(b"x"), RAFT_ERR_PROPOSAL_DROPPED);
    assert_eq!(one.words.borrow().len(), 1, "refusals are logged");
    ok(watch(server.node, Some(&second)));
    assert_eq!((one.released.get(), two.released.get()), (1, 0));
    let body = Body::Heartbeat(Heartbeat::default());
    ok(server.step(&Message { from: 2, to: 1, term: 5, body }));
    assert!(one.lines.borrow().is_empty() && two.words.borrow().is_empty());
    assert!(two.lines.borrow()[0].starts_with(r#"{"kind":"deliver","node":1,"from":2,"term":5"#));
    ok(watch(server.node, None));
    assert_eq!(two.released.get(), 1);
    let unknown = raft_observer { log_level: 9, ..second };
    assert_eq!(watch(server.node, Some(&unknown)), RAFT_ERR_INVALID_ARGUMENT);
    assert_eq!(two.released.get(), 2);
    let unknown = raft_observer { trace_format: 2, ..second };
    assert_eq!(watch(server.node, Some(&unknown)), RAFT_ERR_INVALID_ARGUMENT);
    assert_eq!(two.released.get(), 3);
}

#[test]
fn a_member_that_cannot_be_served_is_warned_of_once() {
    let ear = Ear::default();
    let mut log = MemoryStorage::with_conf_state(ConfState::new([1], []));
    let entries: Vec<_> =
        (2..=5).map(|index| Entry::new(EntryId::new(1, index), EntryKind::Normal, Bytes::new())).collect();
    log.append(&entries).unwrap();
    log.set_hard_state(HardState { term: 1, vote: 0, commit: 5 });
    log.create_snapshot(5, ConfState::new([1], []), "state").unwrap();
    log.compact(5).unwrap();
    let server = Owned::start(&raft_config { applied: 5, ..config(1) }, log);
    ok(watch(server.node, Some(&observer(&ear, RAFT_LOG_WARN))));
    server.node.campaign();
    server.settle();
    let learner = raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 4 };
    // SAFETY: a live node, and one operation.
    ok(unsafe {
        raft_propose_conf_change_v1(server.node.0, &raw const learner, bytes_of(b""), ptr::null_mut())
    });
    server.settle();
    for index in [7, 7, 6, 6, 5, 5, 5] {
        let reject = Some(AppendReject { hint: EntryId::default() });
        let body = Body::AppendReply(AppendReply { index, reject });
        ok(server.step(&Message { from: 4, to: 1, term: 2, body }));
        ok(server.node.tick());
        server.settle();
    }
    let warnings = ear.words.borrow().clone();
    let text =
        "node 1: node 4 cannot be sent what it needs: the storage broke its contract: the snapshot is older";
    assert!(warnings.len() == 1 && warnings[0].0 == RAFT_LOG_WARN, "{warnings:?}");
    assert!(warnings[0].1.starts_with(text), "{warnings:?}");
}
