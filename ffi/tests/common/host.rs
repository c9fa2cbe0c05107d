//! What the server does for `raft_drive`.

use std::ffi::c_void;

use raftcore::{Body, Bytes, Entry, EntryId, EntryKind, HardState, wire};
use raftcore_ffi::*;

use super::server::Server;
use super::{array, ok, to_vec};

pub(super) fn table(server: *mut Server) -> raft_host {
    raft_host {
        struct_size: size_of::<raft_host>(),
        context: server.cast(),
        persist: Some(persist),
        send: Some(send),
        apply: Some(apply),
        apply_snapshot: Some(apply_snapshot),
        apply_conf_change: Some(apply_conf_change),
        read: Some(read),
        state_changed: Some(state_changed),
        send_snapshot: Some(send_snapshot),
    }
}

/// Does a callback's work, unless it is the one that is to fail.
///
/// # Safety
/// `context` is a live server, to which there is no reference.
unsafe fn work(context: *mut c_void, work: impl FnOnce(&mut Server)) -> raft_status {
    // SAFETY: the same contract.
    let server = unsafe { &mut *context.cast::<Server>() };
    if server.fails() {
        return RAFT_ERR_IO;
    }
    work(server);
    RAFT_OK
}

/// # Safety
/// The entry's payload must be alive.
unsafe fn to_entry(entry: &raft_entry) -> Entry {
    let kind = match entry.kind {
        RAFT_ENTRY_NORMAL => EntryKind::Normal,
        RAFT_ENTRY_CONF_CHANGE => EntryKind::ConfChange,
        _ => EntryKind::ConfChangeV2,
    };
    // SAFETY: the same contract.
    let data = Bytes::from(unsafe { to_vec(entry.data) });
    Entry::new(EntryId::new(entry.term, entry.index), kind, data)
        .with_kind_stated(entry.flags & RAFT_ENTRY_KIND_STATED != 0)
}

unsafe extern "C" fn persist(context: *mut c_void, what: *const raft_persist) -> raft_status {
    // SAFETY: the context is the server; what is to be stored is lent for the callback.
    unsafe {
        (*context.cast::<Server>()).unstored = true;
        work(context, |server| {
            let what = &*what;
            server.unstored = false;
            if !what.snapshot.is_null() {
                let encoded = Bytes::from(to_vec(what.snapshot_encoded));
                server.log.apply_snapshot(wire::decode_snapshot(&encoded).unwrap()).unwrap();
            }
            let entries = array(what.entries, what.entries_len).iter();
            server.log.append(entries.map(|entry| to_entry(entry)).collect::<Vec<_>>()).unwrap();
            if let Some(state) = what.hard_state.as_ref() {
                server.log.set_hard_state(HardState::from(*state));
            }
        })
    }
}

unsafe extern "C" fn send(context: *mut c_void, messages: *const raft_message, len: usize) -> raft_status {
    // SAFETY: the context is the server; the messages are lent for the callback.
    unsafe {
        work(context, |server| {
            for message in array(messages, len) {
                let decoded = wire::decode(&Bytes::from(to_vec(message.bytes))).unwrap();
                assert_eq!(decoded.to, message.to);
                assert_eq!(decoded.requires_persistence(), message.requires_persistence);
                server.check_promise(&decoded);
                server.sent.push(decoded);
            }
        })
    }
}

/// Joins the message and the lent data again, as the receiver's host does.
unsafe extern "C" fn send_snapshot(
    context: *mut c_void,
    message: *const raft_snapshot_message,
) -> raft_status {
    // SAFETY: the context is the server; the message and its snapshot are lent for the callback.
    unsafe {
        work(context, |server| {
            let mut snapshot = std::mem::zeroed::<raft_snapshot>();
            ok(raft_snapshot_buffer_view((*message).snapshot, &raw mut snapshot));
            let mut decoded = wire::decode(&Bytes::from(to_vec((*message).message))).unwrap();
            let Body::Snapshot(bare) = &mut decoded.body else { panic!("no snapshot: {decoded:?}") };
            assert!(bare.data.is_empty());
            bare.data = Bytes::from(to_vec(snapshot.data));
            server.sent.push(decoded);
        })
    }
}

unsafe extern "C" fn apply(context: *mut c_void, entries: *const raft_entry, len: usize) -> raft_status {
    // SAFETY: the context is the server; the entries are lent for the callback.
    unsafe {
        work(context, |server| {
            for entry in array(entries, len) {
                assert_eq!(entry.kind, RAFT_ENTRY_NORMAL);
                server.applied.push((entry.index, to_vec(entry.data)));
            }
        })
    }
}

unsafe extern "C" fn apply_snapshot(context: *mut c_void, snapshot: *const raft_snapshot) -> raft_status {
    // SAFETY: the context is the server; the snapshot is lent for the callback.
    unsafe { work(context, |server| server.installed.push((*snapshot).index)) }
}

unsafe extern "C" fn apply_conf_change(
    context: *mut c_void,
    entry: *const raft_entry,
    state: *const raft_conf_state,
    encoded: raft_slice,
) -> raft_status {
    // SAFETY: the context is the server; the other arguments are lent for the callback.
    unsafe {
        work(context, |server| {
            let members = wire::decode_conf_state(&to_vec(encoded)).unwrap();
            assert_eq!(array((*state).voters, (*state).voters_len), members.voters);
            assert_eq!(array((*state).learners, (*state).learners_len), members.learners);
            server.log.set_conf_state(members.clone());
            server.changes.push(((*entry).index, members));
        })
    }
}

unsafe extern "C" fn read(context: *mut c_void, states: *const raft_read_state, len: usize) -> raft_status {
    // SAFETY: the context is the server; the answers are lent for the callback.
    unsafe {
        work(context, |server| {
            let states = array(states, len).iter();
            server.reads.extend(states.map(|state| (state.index, to_vec(state.context))));
        })
    }
}

unsafe extern "C" fn state_changed(
    context: *mut c_void,
    state: *const raft_soft_state,
    _term: u64,
) -> raft_status {
    // SAFETY: the context is the server; the state is lent for the callback.
    unsafe { work(context, |_| assert!((*state).role <= RAFT_ROLE_LEADER)) }
}
