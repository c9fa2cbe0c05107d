//! The server's log behind `raft_storage`.

use std::ffi::c_void;

use raftcore::{Entries, Storage, StorageError, wire};
use raftcore_ffi::*;

use super::bytes_of;
use super::server::Server;

pub(super) fn table(server: *mut Server) -> raft_storage {
    raft_storage {
        struct_size: size_of::<raft_storage>(),
        context: server.cast(),
        initial_state: Some(initial_state),
        entries: Some(entries),
        term: Some(term),
        first_index: Some(first_index),
        last_index: Some(last_index),
        snapshot: Some(snapshot),
        release: Some(release),
        snapshot_for: None,
    }
}

/// Answers from the server's log, after the prank, if there is one.
///
/// # Safety
/// `context` is a live server, to which there is no unique reference.
unsafe fn answer(
    context: *mut c_void,
    answer: impl FnOnce(&Server) -> Result<raft_status, StorageError>,
) -> raft_status {
    // SAFETY: the same contract. What the prank calls may call back, and then only looks, too.
    let server = unsafe { &*context.cast::<Server>().cast_const() };
    if let Some(prank) = server.prank.filter(|_| !server.node.0.is_null()) {
        let status = prank(server);
        if status != RAFT_OK {
            return status;
        }
    }
    answer(server).unwrap_or_else(|error| match error {
        StorageError::Compacted => RAFT_ERR_COMPACTED,
        StorageError::Unavailable => RAFT_ERR_UNAVAILABLE,
        StorageError::SnapshotUnavailable => RAFT_ERR_SNAPSHOT_UNAVAILABLE,
        _ => RAFT_ERR_IO,
    })
}

unsafe extern "C" fn initial_state(
    context: *mut c_void,
    hard_state: *mut raft_hard_state,
    conf_state: *mut raft_conf_state_sink,
) -> raft_status {
    // SAFETY: the context is the server; the library lends room for the result, and the sink.
    unsafe {
        answer(context, |server| {
            let (stored, members) = server.log.initial_state()?;
            *hard_state = stored.into();
            Ok(raft_conf_state_sink_set(conf_state, &(&members).into()))
        })
    }
}

unsafe extern "C" fn entries(
    context: *mut c_void,
    low: u64,
    high: u64,
    max_bytes: u64,
    out: *mut raft_entry_sink,
) -> raft_status {
    // More than fit: the sink says when it is full.
    let read = |server: &Server| server.log.entries(low, high, max_bytes.saturating_mul(2));
    // SAFETY: the context is the server, and the sink is lent.
    unsafe { answer(context, |server| Ok(push_all(&read(server)?, out))) }
}

/// # Safety
/// The sink is that of the callback that runs.
unsafe fn push_all(entries: &Entries, out: *mut raft_entry_sink) -> raft_status {
    for entry in entries.iter() {
        // SAFETY: the same contract.
        match unsafe { raft_entry_sink_push(out, &raft_entry::from(entry)) } {
            RAFT_OK => {}
            RAFT_ERR_TOO_LARGE => break,
            status => return status,
        }
    }
    RAFT_OK
}

/// # Safety
/// As [`answer`]; `out` may be written to.
unsafe fn number(
    context: *mut c_void,
    out: *mut u64,
    read: impl FnOnce(&Server) -> Result<u64, StorageError>,
) -> raft_status {
    // SAFETY: the same contract.
    unsafe {
        answer(context, |server| {
            *out = read(server)?;
            Ok(RAFT_OK)
        })
    }
}

unsafe extern "C" fn term(context: *mut c_void, index: u64, out: *mut u64) -> raft_status {
    // SAFETY: the context is the server, and there is room for the result.
    unsafe { number(context, out, |server| server.log.term(index)) }
}

unsafe extern "C" fn first_index(context: *mut c_void, out: *mut u64) -> raft_status {
    // SAFETY: as above.
    unsafe { number(context, out, |server| server.log.first_index()) }
}

unsafe extern "C" fn last_index(context: *mut c_void, out: *mut u64) -> raft_status {
    // SAFETY: as above.
    unsafe { number(context, out, |server| server.log.last_index()) }
}

unsafe extern "C" fn snapshot(context: *mut c_void, out: *mut raft_snapshot_sink) -> raft_status {
    // SAFETY: the context is the server, and the sink is lent.
    unsafe {
        answer(context, |server| {
            let encoded = wire::encode_snapshot(&server.log.snapshot()?);
            Ok(raft_snapshot_sink_set_encoded(out, bytes_of(&encoded)))
        })
    }
}

unsafe extern "C" fn release(context: *mut c_void) {
    // SAFETY: the context is the server, which lives longer than its node.
    unsafe { (*context.cast::<Server>()).released += 1 }
}
