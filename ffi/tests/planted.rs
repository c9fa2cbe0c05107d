//! A bug on purpose, of the class that Miri alone finds: a callback writes what somebody holds a unique
//! reference to. The program does what it looks like all the same; `make miri` sees to it that Miri
//! stops here. (The bugs planted for the other tools: `ffi/tests/c/planted_test.c`.)

mod common;

use std::ffi::{c_char, c_void};

use common::{Node, config, ok};
use raftcore_ffi::*;

unsafe extern "C" fn count(context: *mut c_void, _: i32, _: *const c_char, _: usize) {
    // SAFETY: alive; but it is not true that nobody else refers to it, which is the bug.
    unsafe { *context.cast::<u32>() += 1 }
}

#[test]
#[ignore = "a bug on purpose: make miri runs it"]
fn a_callback_writes_what_is_borrowed() {
    let mut words = 0u32;
    let context = &raw mut words;
    let observer = raft_observer {
        struct_size: size_of::<raft_observer>(),
        context: context.cast(),
        log: Some(count),
        trace: None,
        release: None,
        log_level: RAFT_LOG_INFO,
        time: None,
        trace_format: RAFT_TRACE_RAFTCORE,
    };
    let node = Node::in_memory(&config(1), &[1, 2]);
    // SAFETY: a live node, and a counter that outlives it.
    ok(unsafe { raft_node_set_observer(node.0, &raw const observer) });
    // SAFETY: not so: the callback below writes to it while this reference is in use.
    let borrowed = unsafe { &mut *context };
    node.campaign();
    *borrowed += 100;
    node.free();
    assert!(words > 100, "the callback was called");
}
