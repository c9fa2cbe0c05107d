//! Observers: what they hear, when they are released, and that they cannot do harm.

mod common;

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::ptr;

use common::{Owned, bytes_of, ok};
use raftcore::{Body, Heartbeat, Message};
use raftcore_ffi::*;

/// What an observer has heard, and what it is to try in its callbacks.
struct Ear {
    words: RefCell<Vec<(i32, String)>>,
    lines: RefCell<Vec<String>>,
    node: *mut raft_node,
    released: RefCell<usize>,
}

impl Ear {
    fn new() -> *mut Self {
        let (words, lines, released) = Default::default();
        Box::into_raw(Box::new(Self { words, lines, node: ptr::null_mut(), released }))
    }
}

unsafe fn text(data: *const c_char, len: usize) -> String {
    String::from_utf8(unsafe { common::to_vec(raft_slice { data: data.cast(), len }) }).unwrap()
}

unsafe extern "C" fn log(context: *mut c_void, level: i32, words: *const c_char, len: usize) {
    unsafe {
        let ear = context.cast::<Ear>().cast_const();
        (*ear).words.borrow_mut().push((level, text(words, len)));
        if !(*ear).node.is_null() {
            raft_node_free((*ear).node); // does nothing in a callback
            assert!(!raft_has_ready((*ear).node) || level != RAFT_LOG_INFO);
        }
    }
}

unsafe extern "C" fn trace(context: *mut c_void, json: *const c_char, len: usize) {
    unsafe {
        let ear = context.cast::<Ear>().cast_const();
        (*ear).lines.borrow_mut().push(text(json, len));
        if !(*ear).node.is_null() {
            assert_eq!(raft_tick((*ear).node), RAFT_ERR_REENTRANT);
        }
    }
}

unsafe extern "C" fn release(context: *mut c_void) {
    unsafe { *(*context.cast::<Ear>()).released.borrow_mut() += 1 };
}

fn observer(ear: *mut Ear, log_level: i32) -> raft_observer {
    raft_observer {
        struct_size: size_of::<raft_observer>(),
        context: ear.cast(),
        log: Some(log),
        trace: Some(trace),
        release: Some(release),
        log_level,
    }
}

#[test]
fn what_happens_is_told_in_order() {
    let ear = Ear::new();
    let server = Owned::member(1, &[1]);
    unsafe {
        (*ear).node = server.node;
        let watching = observer(ear, RAFT_LOG_INFO);
        ok(raft_node_set_observer(server.node, &raw const watching));
        ok(raft_campaign(server.node));
        server.settle();
        let learner = raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 2 };
        ok(raft_propose_conf_change_v1(server.node, &raw const learner, bytes_of(b""), ptr::null_mut()));
        server.settle();
        let words: Vec<_> = (*ear).words.borrow().iter().map(|(_, words)| words.clone()).collect();
        assert_eq!(
            words,
            [
                "node 1: pre_candidate in term 1, no leader known",
                "node 1: candidate in term 2, no leader known",
                "node 1: leader in term 2",
                "node 1: voters [1], learners [2]"
            ]
        );
        let lines = (*ear).lines.borrow().clone();
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
        assert_eq!(*(*ear).released.borrow(), 1);
        drop(Box::from_raw(ear));
    }
}

#[test]
fn an_observer_is_released_when_another_takes_its_place() {
    let (one, two) = (Ear::new(), Ear::new());
    let server = Owned::member(1, &[1, 2]);
    unsafe {
        let (first, second) = (observer(one, RAFT_LOG_DEBUG), observer(two, RAFT_LOG_NONE));
        ok(raft_node_set_observer(server.node, &raw const first));
        assert_eq!(raft_propose(server.node, bytes_of(b"x"), ptr::null_mut()), RAFT_ERR_PROPOSAL_DROPPED);
        assert_eq!((*one).words.borrow().len(), 1, "refusals are logged");
        ok(raft_node_set_observer(server.node, &raw const second));
        assert_eq!((*(*one).released.borrow(), *(*two).released.borrow()), (1, 0));
        let body = Body::Heartbeat(Heartbeat::default());
        ok(server.step(&Message { from: 2, to: 1, term: 5, body }));
        assert!((*one).lines.borrow().is_empty() && (*two).words.borrow().is_empty());
        assert!((*two).lines.borrow()[0].starts_with(r#"{"kind":"deliver","node":1,"from":2,"term":5"#));
        ok(raft_node_set_observer(server.node, ptr::null()));
        assert_eq!(*(*two).released.borrow(), 1);
        let unknown = raft_observer { log_level: 9, ..second };
        assert_eq!(raft_node_set_observer(server.node, &raw const unknown), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(*(*two).released.borrow(), 2);
        drop(Box::from_raw(one));
        drop(Box::from_raw(two));
    }
}
