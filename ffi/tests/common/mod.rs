//! A server as a C program would write it, in Rust, so that Miri can watch both sides of the
//! boundary: a log behind `raft_storage`, callbacks for `raft_drive`, messages kept for the test.
#![allow(dead_code, reason = "each test uses its part")]

use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::{ptr, slice};

use raftcore::{
    Body, Bytes, ConfState, Entry, EntryId, EntryKind, HardState, MemoryStorage, Message, Storage,
    StorageError, wire,
};
use raftcore_ffi::*;

pub(crate) fn ok(status: raft_status) {
    assert_eq!(status, RAFT_OK, "{}", last_error(ptr::null_mut()));
}

/// Detail of a node's (or, with NULL, the thread's) last error.
pub(crate) fn last_error(node: *mut raft_node) -> String {
    let mut buffer = vec![0u8; 256];
    let mut needed = 0;
    unsafe {
        let text = buffer.as_mut_ptr().cast();
        assert_eq!(raft_node_last_error(node, text, buffer.len(), &raw mut needed), RAFT_OK);
    }
    String::from_utf8(buffer[..needed - 1].to_vec()).unwrap()
}

pub(crate) fn bytes_of(data: &[u8]) -> raft_slice {
    raft_slice { data: data.as_ptr(), len: data.len() }
}

/// # Safety
/// The slice must be alive.
pub(crate) unsafe fn to_vec(slice: raft_slice) -> Vec<u8> {
    match slice.len {
        0 => Vec::new(),
        len => unsafe { slice::from_raw_parts(slice.data, len) }.to_vec(),
    }
}

/// # Safety
/// The array must be alive.
pub(crate) unsafe fn array<'a, T>(data: *const T, len: usize) -> &'a [T] {
    match len {
        0 => &[],
        len => unsafe { slice::from_raw_parts(data, len) },
    }
}

/// The defaults for a node.
pub(crate) fn config(id: u64) -> raft_config {
    let mut config = std::mem::MaybeUninit::uninit();
    unsafe {
        ok(raft_config_init(config.as_mut_ptr(), size_of::<raft_config>(), id));
        config.assume_init()
    }
}

/// What a storage callback does before it answers.
pub(crate) type Prank = fn(&Server) -> raft_status;

/// What a server has besides its node. The callbacks have its address.
pub(crate) struct Server {
    pub(crate) node: *mut raft_node,
    pub(crate) log: MemoryStorage,
    pub(crate) sent: Vec<Message>,
    pub(crate) applied: Vec<(u64, Vec<u8>)>,
    pub(crate) changes: Vec<(u64, ConfState)>,
    pub(crate) installed: Vec<u64>,
    pub(crate) reads: Vec<(u64, Vec<u8>)>,
    /// Called at each storage callback once the node is there.
    pub(crate) prank: Option<Prank>,
    /// Which host callback fails, counted from 1; 0: none.
    pub(crate) fail_at: usize,
    pub(crate) calls: usize,
    /// Whether a write failed and was not repeated yet.
    pub(crate) unstored: bool,
    pub(crate) released: usize,
}

/// Owns a server by a raw pointer, as C would: no reference to it may be alive while its node, and
/// through it a callback, is called.
pub(crate) struct Owned(*mut Server);

impl Owned {
    pub(crate) fn start(config: &raft_config, log: MemoryStorage) -> Self {
        let server = Self(Box::into_raw(Box::new(Server {
            node: ptr::null_mut(),
            log,
            sent: Vec::new(),
            applied: Vec::new(),
            changes: Vec::new(),
            installed: Vec::new(),
            reads: Vec::new(),
            prank: None,
            fail_at: 0,
            calls: 0,
            unstored: false,
            released: 0,
        })));
        let mut node = ptr::null_mut();
        let storage = storage(server.0);
        ok(unsafe { raft_node_new(config, &raw const storage, &raw mut node) });
        unsafe { (*server.0).node = node };
        server
    }

    /// A first member of a group.
    pub(crate) fn member(id: u64, voters: &[u64]) -> Self {
        Self::start(&config(id), MemoryStorage::with_conf_state(ConfState::new(voters, [])))
    }

    /// One cycle; its status, and whether there was work.
    pub(crate) fn drive(&self) -> (raft_status, bool) {
        let host = host(self.0);
        let mut worked = false;
        let status = unsafe { raft_drive((*self.0).node, &raw const host, &raw mut worked) };
        (status, worked)
    }

    /// Cycles until there is nothing left to do; failing callbacks are tried again.
    pub(crate) fn settle(&self) {
        loop {
            match self.drive() {
                (RAFT_ERR_CALLBACK, _) => assert!(unsafe { raft_has_ready((*self.0).node) }),
                (status, worked) => {
                    ok(status);
                    if !worked {
                        return;
                    }
                }
            }
        }
    }

    pub(crate) fn step(&self, message: &Message) -> raft_status {
        let mut bytes = Vec::new();
        wire::encode(message, &mut bytes);
        unsafe { raft_step((*self.0).node, bytes_of(&bytes)) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        unsafe {
            raft_node_free((*self.0).node);
            assert_eq!((*self.0).released, 1);
            drop(Box::from_raw(self.0));
        }
    }
}

impl Deref for Owned {
    type Target = Server;

    fn deref(&self) -> &Server {
        unsafe { &*self.0 }
    }
}

impl DerefMut for Owned {
    fn deref_mut(&mut self) -> &mut Server {
        unsafe { &mut *self.0 }
    }
}

impl Server {
    pub(crate) fn payloads(&self) -> Vec<String> {
        let filled = self.applied.iter().filter(|(_, data)| !data.is_empty());
        filled.map(|(_, data)| String::from_utf8(data.clone()).unwrap()).collect()
    }

    fn fails(&mut self) -> bool {
        self.calls += 1;
        self.calls == self.fail_at
    }

    /// What a message promises must have been stored when it leaves.
    fn check_promise(&self, message: &Message) {
        let stored = self.log.hard_state();
        assert!(!message.requires_persistence() || !self.unstored);
        match &message.body {
            Body::AppendReply(reply) if reply.reject.is_none() => {
                assert!(reply.index <= self.log.last_index().unwrap(), "acknowledged, not stored");
                assert!(message.term <= stored.term);
            }
            Body::Vote(vote) if !vote.pre => {
                assert_eq!((stored.term, stored.vote), (message.term, message.from));
            }
            Body::VoteReply(reply) if reply.granted && !reply.pre => {
                assert_eq!((stored.term, stored.vote), (message.term, message.to));
            }
            _ => {}
        }
    }
}

// ---- Storage callbacks ---------------------------------------------------------------------------

fn storage(server: *mut Server) -> raft_storage {
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
    }
}

fn status_of(error: &StorageError) -> raft_status {
    match error {
        StorageError::Compacted => RAFT_ERR_COMPACTED,
        StorageError::Unavailable => RAFT_ERR_UNAVAILABLE,
        StorageError::SnapshotUnavailable => RAFT_ERR_SNAPSHOT_UNAVAILABLE,
        _ => RAFT_ERR_IO,
    }
}

unsafe fn prank(server: *const Server) -> raft_status {
    unsafe {
        match (*server).prank {
            Some(prank) if !(*server).node.is_null() => prank(&*server),
            _ => RAFT_OK,
        }
    }
}

fn conf_state_of(state: &ConfState) -> raft_conf_state {
    raft_conf_state {
        voters: state.voters.as_ptr(),
        voters_len: state.voters.len(),
        learners: state.learners.as_ptr(),
        learners_len: state.learners.len(),
        voters_outgoing: state.voters_outgoing.as_ptr(),
        voters_outgoing_len: state.voters_outgoing.len(),
        learners_next: state.learners_next.as_ptr(),
        learners_next_len: state.learners_next.len(),
        auto_leave: state.auto_leave,
    }
}

unsafe extern "C" fn initial_state(
    context: *mut c_void,
    hard_state: *mut raft_hard_state,
    conf_state: *mut raft_conf_state_sink,
) -> raft_status {
    unsafe {
        let server = context.cast::<Server>().cast_const();
        let (stored, members) = (*server).log.initial_state().unwrap();
        *hard_state = raft_hard_state { term: stored.term, vote: stored.vote, commit: stored.commit };
        raft_conf_state_sink_set(conf_state, &conf_state_of(&members))
    }
}

pub(crate) fn entry_of(entry: &Entry) -> raft_entry {
    raft_entry {
        term: entry.id.term,
        index: entry.id.index,
        kind: match entry.kind {
            EntryKind::Normal => RAFT_ENTRY_NORMAL,
            EntryKind::ConfChange => RAFT_ENTRY_CONF_CHANGE,
            EntryKind::ConfChangeV2 => RAFT_ENTRY_CONF_CHANGE_V2,
        },
        flags: if entry.kind_stated() { RAFT_ENTRY_KIND_STATED } else { 0 },
        data: bytes_of(&entry.data),
    }
}

unsafe extern "C" fn entries(
    context: *mut c_void,
    low: u64,
    high: u64,
    max_bytes: u64,
    out: *mut raft_entry_sink,
) -> raft_status {
    unsafe {
        let server = context.cast::<Server>().cast_const();
        let status = prank(server);
        if status != RAFT_OK {
            return status;
        }
        // All of them, whatever their size: the sink says when it is full.
        let found = match (*server).log.entries(low, high, max_bytes.saturating_mul(2)) {
            Ok(found) => found,
            Err(error) => return status_of(&error),
        };
        for entry in found.iter() {
            match raft_entry_sink_push(out, &entry_of(entry)) {
                RAFT_OK => {}
                RAFT_ERR_TOO_LARGE => break,
                status => return status,
            }
        }
        RAFT_OK
    }
}

unsafe extern "C" fn term(context: *mut c_void, index: u64, out: *mut u64) -> raft_status {
    unsafe {
        let server = context.cast::<Server>().cast_const();
        match (*server).log.term(index) {
            Ok(term) => *out = term,
            Err(error) => return status_of(&error),
        }
        prank(server)
    }
}

unsafe extern "C" fn first_index(context: *mut c_void, out: *mut u64) -> raft_status {
    unsafe {
        let server = context.cast::<Server>().cast_const();
        *out = (*server).log.first_index().unwrap();
        prank(server)
    }
}

unsafe extern "C" fn last_index(context: *mut c_void, out: *mut u64) -> raft_status {
    unsafe {
        *out = (*context.cast::<Server>()).log.last_index().unwrap();
        RAFT_OK
    }
}

unsafe extern "C" fn snapshot(context: *mut c_void, out: *mut raft_snapshot_sink) -> raft_status {
    unsafe {
        let server = context.cast::<Server>().cast_const();
        let status = prank(server);
        if status != RAFT_OK {
            return status;
        }
        let snapshot = (*server).log.snapshot().unwrap();
        raft_snapshot_sink_set_encoded(out, bytes_of(&wire::encode_snapshot(&snapshot)))
    }
}

unsafe extern "C" fn release(context: *mut c_void) {
    unsafe { (*context.cast::<Server>()).released += 1 }
}

// ---- Host callbacks ------------------------------------------------------------------------------

fn host(server: *mut Server) -> raft_host {
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

/// # Safety
/// The entry's payload must be alive.
unsafe fn to_entry(entry: &raft_entry) -> Entry {
    let kind = match entry.kind {
        RAFT_ENTRY_NORMAL => EntryKind::Normal,
        RAFT_ENTRY_CONF_CHANGE => EntryKind::ConfChange,
        _ => EntryKind::ConfChangeV2,
    };
    let data = Bytes::from(unsafe { to_vec(entry.data) });
    Entry::new(EntryId::new(entry.term, entry.index), kind, data)
        .with_kind_stated(entry.flags & RAFT_ENTRY_KIND_STATED != 0)
}

unsafe extern "C" fn persist(context: *mut c_void, what: *const raft_persist) -> raft_status {
    unsafe {
        let (server, what) = (&mut *context.cast::<Server>(), &*what);
        if server.fails() {
            server.unstored = true;
            return RAFT_ERR_IO;
        }
        server.unstored = false;
        if !what.snapshot.is_null() {
            let encoded = Bytes::from(to_vec(what.snapshot_encoded));
            server.log.apply_snapshot(wire::decode_snapshot(&encoded).unwrap()).unwrap();
        }
        let entries: Vec<Entry> =
            array(what.entries, what.entries_len).iter().map(|entry| to_entry(entry)).collect();
        server.log.append(&entries).unwrap();
        if let Some(state) = what.hard_state.as_ref() {
            server.log.set_hard_state(HardState { term: state.term, vote: state.vote, commit: state.commit });
        }
        RAFT_OK
    }
}

unsafe extern "C" fn send(context: *mut c_void, messages: *const raft_message, len: usize) -> raft_status {
    unsafe {
        let server = &mut *context.cast::<Server>();
        if server.fails() {
            return RAFT_ERR_IO;
        }
        for message in array(messages, len) {
            let decoded = wire::decode(&Bytes::from(to_vec(message.bytes))).unwrap();
            assert_eq!(decoded.to, message.to);
            assert_eq!(decoded.requires_persistence(), message.requires_persistence);
            server.check_promise(&decoded);
            server.sent.push(decoded);
        }
        RAFT_OK
    }
}

/// Joins the message and the lent data again, as the receiver's host does.
unsafe extern "C" fn send_snapshot(
    context: *mut c_void,
    message: *const raft_snapshot_message,
) -> raft_status {
    unsafe {
        let server = &mut *context.cast::<Server>();
        if server.fails() {
            return RAFT_ERR_IO;
        }
        let mut snapshot = std::mem::zeroed::<raft_snapshot>();
        ok(raft_snapshot_buffer_view((*message).snapshot, &raw mut snapshot));
        let mut decoded = wire::decode(&Bytes::from(to_vec((*message).message))).unwrap();
        let Body::Snapshot(bare) = &mut decoded.body else { panic!("no snapshot: {decoded:?}") };
        assert!(bare.data.is_empty());
        bare.data = Bytes::from(to_vec(snapshot.data));
        server.sent.push(decoded);
        RAFT_OK
    }
}

unsafe extern "C" fn apply(context: *mut c_void, entries: *const raft_entry, len: usize) -> raft_status {
    unsafe {
        let server = &mut *context.cast::<Server>();
        if server.fails() {
            return RAFT_ERR_IO;
        }
        for entry in array(entries, len) {
            assert_eq!(entry.kind, RAFT_ENTRY_NORMAL);
            server.applied.push((entry.index, to_vec(entry.data)));
        }
        RAFT_OK
    }
}

unsafe extern "C" fn apply_snapshot(context: *mut c_void, snapshot: *const raft_snapshot) -> raft_status {
    unsafe {
        let server = &mut *context.cast::<Server>();
        if server.fails() {
            return RAFT_ERR_IO;
        }
        server.installed.push((*snapshot).index);
        RAFT_OK
    }
}

unsafe extern "C" fn apply_conf_change(
    context: *mut c_void,
    entry: *const raft_entry,
    state: *const raft_conf_state,
    encoded: raft_slice,
) -> raft_status {
    unsafe {
        let server = &mut *context.cast::<Server>();
        if server.fails() {
            return RAFT_ERR_IO;
        }
        let members = wire::decode_conf_state(&to_vec(encoded)).unwrap();
        assert_eq!(array((*state).voters, (*state).voters_len), members.voters);
        assert_eq!(array((*state).learners, (*state).learners_len), members.learners);
        server.log.set_conf_state(members.clone());
        server.changes.push(((*entry).index, members));
        RAFT_OK
    }
}

unsafe extern "C" fn read(context: *mut c_void, states: *const raft_read_state, len: usize) -> raft_status {
    unsafe {
        let server = &mut *context.cast::<Server>();
        if server.fails() {
            return RAFT_ERR_IO;
        }
        let states = array(states, len).iter();
        server.reads.extend(states.map(|state| (state.index, to_vec(state.context))));
        RAFT_OK
    }
}

unsafe extern "C" fn state_changed(
    context: *mut c_void,
    state: *const raft_soft_state,
    _term: u64,
) -> raft_status {
    unsafe {
        assert!((*state).role <= RAFT_ROLE_LEADER);
        match (*context.cast::<Server>()).fails() {
            true => RAFT_ERR_IO,
            false => RAFT_OK,
        }
    }
}
