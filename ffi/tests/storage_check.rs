//! `raft_storage_check` lends what it hands out for the time of the call only: a host that keeps the
//! pointers is found. (The rules themselves: `core/tests/storage_check/`; from C:
//! `ffi/tests/c/storage_check_test.c`.)

mod common;

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use common::{array, payload};
use raftcore_ffi::*;

/// A log that never compacts, of entries whose payloads are copied, or not.
#[derive(Default)]
struct Host {
    copies: bool,
    log: Vec<raft_entry>,
    payloads: Vec<Vec<u8>>,
    broken: Vec<String>,
}

/// # Safety
/// `context` is a live host, to which there is no other reference.
unsafe fn host<'a>(context: *mut c_void) -> &'a mut Host {
    // SAFETY: the same contract.
    unsafe { &mut *context.cast::<Host>() }
}

unsafe extern "C" fn initial_state(
    _: *mut c_void,
    _: *mut raft_hard_state,
    _: *mut raft_conf_state_sink,
) -> raft_status {
    RAFT_OK
}

unsafe extern "C" fn entries(
    context: *mut c_void,
    low: u64,
    high: u64,
    _: u64,
    out: *mut raft_entry_sink,
) -> raft_status {
    // SAFETY: the context is the host, which the check alone uses meanwhile.
    let log = unsafe { &host(context).log };
    if high > log.len() as u64 + 1 {
        return RAFT_ERR_UNAVAILABLE;
    }
    for entry in &log[low as usize - 1..high as usize - 1] {
        // SAFETY: the sink is this callback's; payloads are the host's own (or not, which is to be found).
        if unsafe { raft_entry_sink_push(out, entry) } != RAFT_OK {
            break;
        }
    }
    RAFT_OK
}

unsafe extern "C" fn term(context: *mut c_void, index: u64, term: *mut u64) -> raft_status {
    // SAFETY: the context is the host, which the check alone uses meanwhile.
    let log = unsafe { &host(context).log };
    let found = match index {
        0 => Some(0),
        index => log.get(index as usize - 1).map(|entry| entry.term),
    };
    let Some(found) = found else { return RAFT_ERR_UNAVAILABLE };
    // SAFETY: the library lends room for the result.
    unsafe { *term = found };
    RAFT_OK
}

unsafe extern "C" fn first_index(_: *mut c_void, index: *mut u64) -> raft_status {
    // SAFETY: the library lends room for the result; the context is the host.
    unsafe { *index = 1 };
    RAFT_OK
}

unsafe extern "C" fn last_index(context: *mut c_void, index: *mut u64) -> raft_status {
    // SAFETY: the library lends room for the result; the context is the host.
    unsafe { *index = host(context).log.len() as u64 };
    RAFT_OK
}

unsafe extern "C" fn snapshot(_: *mut c_void, _: *mut raft_snapshot_sink) -> raft_status {
    RAFT_ERR_SNAPSHOT_UNAVAILABLE
}

unsafe extern "C" fn reset(context: *mut c_void) -> raft_status {
    // SAFETY: the context is the host.
    unsafe { host(context).log.clear() };
    RAFT_OK
}

unsafe extern "C" fn persist(context: *mut c_void, what: *const raft_persist) -> raft_status {
    // SAFETY: the context is the host; what is to be stored is lent for the callback.
    let (host, what) = unsafe { (host(context), &*what) };
    // SAFETY: as long as it says.
    for entry in unsafe { array(what.entries, what.entries_len) } {
        let mut entry = *entry;
        if host.copies && entry.data.len > 0 {
            let payload = payload(&entry);
            entry.data.data = payload.as_ptr();
            host.payloads.push(payload);
        }
        host.log.truncate(entry.index as usize - 1);
        host.log.push(entry);
    }
    RAFT_OK
}

unsafe extern "C" fn compact(_: *mut c_void, _: u64) -> raft_status {
    RAFT_ERR_OTHER
}

unsafe extern "C" fn report(context: *mut c_void, finding: *const raft_storage_finding) {
    // SAFETY: the context is the host; the finding is lent for the callback.
    let (host, finding) = unsafe { (host(context), &*finding) };
    // SAFETY: its texts end with NUL.
    let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned();
    if finding.outcome == RAFT_RULE_BROKEN {
        assert_ne!(text(finding.expected), text(finding.got));
        host.broken.push(text(finding.rule));
    }
}

fn broken(copies: bool) -> Vec<String> {
    let host = Box::into_raw(Box::new(Host { copies, ..Host::default() }));
    let reads = raft_storage {
        struct_size: size_of::<raft_storage>(),
        context: host.cast(),
        initial_state: Some(initial_state),
        entries: Some(entries),
        term: Some(term),
        first_index: Some(first_index),
        last_index: Some(last_index),
        snapshot: Some(snapshot),
        release: None,
        snapshot_for: None,
    };
    let table = raft_checked_storage {
        struct_size: size_of::<raft_checked_storage>(),
        context: host.cast(),
        storage: ptr::from_ref(&reads),
        reset: Some(reset),
        persist: Some(persist),
        compact: Some(compact),
        reopen: None,
        set_failing: None,
    };
    // SAFETY: tables and host are there during the call.
    let status = unsafe { raft_storage_check(&raw const table, Some(report), host.cast()) };
    assert_eq!(status, RAFT_ERR_STORAGE);
    // SAFETY: it came from a box, and nobody uses it any more.
    unsafe { Box::from_raw(host) }.broken
}

#[test]
fn a_host_that_keeps_pointers_is_found() {
    let copying = broken(true);
    assert!(!copying.contains(&"append".to_owned()), "{copying:?}");
    assert!(copying.contains(&"compaction".to_owned()), "{copying:?}");
    assert_eq!(broken(false).first().map(String::as_str), Some("append"));
}
