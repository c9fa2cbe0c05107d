//! `raft_memory_storage`: it keeps the storage's contract, a node lives on it and is made anew from it,
//! and its handle may go before the node.

mod common;

use std::ffi::c_void;
use std::mem::zeroed;
use std::ptr;

use common::{Node, View, array, bytes_of, config, last_error, ok, payload, thread_error, to_vec};
use raftcore::{AppendReply, Body, Bytes, ConfState, EntryId, Message, Snapshot};
use raftcore_ffi::*;

/// A storage by its handle; the test frees it.
#[derive(Clone, Copy)]
struct Memory(*mut raft_memory_storage);

impl Memory {
    fn new(voters: &[u64]) -> Self {
        let members = ConfState::new(voters, []);
        let members = raft_conf_state::from(&members);
        let members = if voters.is_empty() { ptr::null() } else { &raw const members };
        let mut storage = ptr::null_mut();
        // SAFETY: NULL or members that are there during the call, and room for the result.
        ok(unsafe { raft_memory_storage_new(members, &raw mut storage) });
        Self(storage)
    }

    fn free(self) {
        // SAFETY: the test does not use it any more.
        unsafe { raft_memory_storage_free(self.0) }
    }

    fn table(self) -> raft_storage {
        // SAFETY: zeros are no callbacks, no context and a number.
        let mut table = unsafe { zeroed::<raft_storage>() };
        table.struct_size = size_of::<raft_storage>();
        // SAFETY: a live storage, and a result that states its size.
        ok(unsafe { raft_memory_storage_table(self.0, &raw mut table) });
        table
    }

    fn node(self, config: &raft_config) -> Node {
        let (table, mut node) = (self.table(), ptr::null_mut());
        // SAFETY: configuration, table and result are there during the call.
        ok(unsafe { raft_node_new(config, &raw const table, &raw mut node) });
        Node(node)
    }

    fn store(self, view: View) -> raft_status {
        // SAFETY: a live storage, and a view that is out.
        unsafe { raft_memory_storage_store(self.0, view.0) }
    }

    fn append(self, entries: &[raft_entry]) -> raft_status {
        // SAFETY: a live storage, and entries whose payloads are static.
        unsafe { raft_memory_storage_append(self.0, entries.as_ptr(), entries.len()) }
    }

    fn create_snapshot(self, index: u64, data: &[u8]) -> raft_status {
        // SAFETY: a live storage, and bytes that are there during the call.
        unsafe { raft_memory_storage_create_snapshot(self.0, index, ptr::null(), bytes_of(data)) }
    }

    fn compact(self, index: u64) -> raft_status {
        // SAFETY: a live storage.
        unsafe { raft_memory_storage_compact(self.0, index) }
    }

    fn info(self) -> raft_memory_storage_info {
        // SAFETY: numbers, for which zeros are fine.
        let mut info = unsafe { zeroed::<raft_memory_storage_info>() };
        info.struct_size = size_of::<raft_memory_storage_info>();
        // SAFETY: a live storage, and a result that states its size.
        ok(unsafe { raft_memory_storage_status(self.0, &raw mut info) });
        info
    }

    fn snapshot_data(self) -> Vec<u8> {
        let mut buffer = ptr::null_mut();
        // SAFETY: a live storage; zeros are a snapshot; what is handed out is freed once.
        unsafe {
            let mut shown = zeroed::<raft_snapshot>();
            ok(raft_memory_storage_snapshot(self.0, &raw mut buffer));
            ok(raft_snapshot_buffer_view(buffer, &raw mut shown));
            let data = to_vec(shown.data);
            raft_snapshot_buffer_free(buffer);
            data
        }
    }

    fn learners(self) -> Vec<u64> {
        let mut buffer = ptr::null_mut();
        // SAFETY: as above, with a membership.
        unsafe {
            let mut shown = zeroed::<raft_conf_state>();
            ok(raft_memory_storage_conf_state(self.0, &raw mut buffer));
            ok(raft_conf_state_buffer_view(buffer, &raw mut shown));
            let learners = array(shown.learners, shown.learners_len).to_vec();
            raft_conf_state_buffer_free(buffer);
            learners
        }
    }
}

/// Stores and advances until there is nothing to do; the payloads that were committed.
fn settle(node: Node, memory: Memory) -> Vec<Vec<u8>> {
    let mut committed = Vec::new();
    while let Some(view) = node.try_ready().expect("work that can be taken") {
        ok(memory.store(view));
        committed.extend(view.committed().iter().map(payload).filter(|data| !data.is_empty()));
        ok(node.advance(view));
    }
    committed
}

fn entry(term: u64, index: u64) -> raft_entry {
    raft_entry { term, index, kind: RAFT_ENTRY_NORMAL, flags: 0, data: bytes_of(b"x") }
}

#[test]
fn a_node_is_made_anew_from_what_was_stored() {
    let memory = Memory::new(&[1]);
    let node = memory.node(&config(1));
    node.campaign();
    assert!(settle(node, memory).is_empty());
    ok(node.propose(b"one"));
    ok(node.propose(b"two"));
    assert_eq!(settle(node, memory), [b"one", b"two"]);
    node.free();
    let info = memory.info();
    assert_eq!((info.first_index, info.last_index, info.last_term), (2, 4, 2));
    assert_eq!((info.hard_state.term, info.hard_state.vote, info.hard_state.commit), (2, 1, 4));
    let again = memory.node(&config(1));
    assert_eq!(settle(again, memory), [b"one", b"two"]);
    // With a snapshot, the entries that it covers do not come again.
    assert_eq!(memory.compact(3), RAFT_ERR_INVALID_ARGUMENT);
    ok(memory.create_snapshot(3, b"one"));
    assert_eq!(memory.create_snapshot(3, b"one"), RAFT_ERR_STORAGE);
    ok(memory.compact(3));
    assert_eq!(memory.compact(3), RAFT_ERR_STORAGE);
    again.free();
    let third = memory.node(&config(1));
    assert_eq!(memory.snapshot_data(), b"one");
    assert_eq!(settle(third, memory), [b"two"]);
    assert_eq!((memory.info().first_index, memory.info().snapshot_index), (4, 3));
    third.free();
    memory.free();
}

#[test]
fn the_log_lives_as_long_as_a_node_reads_it() {
    let memory = Memory::new(&[1]);
    let node = memory.node(&raft_config { log_cache_bytes: 0, ..config(1) });
    let table = memory.table();
    memory.free();
    node.campaign();
    assert_eq!(node.info().expect("a status").first_index, 2);
    let mut term = 0;
    // SAFETY: the table was not released yet, and then once.
    unsafe {
        assert_eq!(table.term.unwrap()(table.context, 1, &raw mut term), RAFT_OK);
        assert_eq!(table.term.unwrap()(table.context, 9, &raw mut term), RAFT_ERR_UNAVAILABLE);
        assert_eq!(table.term.unwrap()(table.context, 1, ptr::null_mut()), RAFT_ERR_INVALID_ARGUMENT);
        table.release.unwrap()(table.context);
    }
    assert_eq!(term, 1);
    node.free();
}

#[test]
fn what_does_not_fit_the_log_is_refused_as_a_whole() {
    let memory = Memory::new(&[]);
    assert_eq!(memory.append(&[entry(1, 2)]), RAFT_ERR_INVALID_ARGUMENT);
    assert!(thread_error().contains("the log ends at 0"), "{}", thread_error());
    assert_eq!(memory.append(&[entry(1, 1), entry(1, 3)]), RAFT_ERR_INVALID_ARGUMENT);
    assert_eq!(memory.append(&[entry(1, 0)]), RAFT_ERR_INVALID_ARGUMENT);
    assert_eq!(memory.info().last_index, 0);
    ok(memory.append(&[entry(1, 1), entry(1, 2), entry(1, 3)]));
    ok(memory.append(&[entry(2, 2)]));
    assert_eq!((memory.info().last_index, memory.info().last_term), (2, 2));
    let apply = |index| {
        let snapshot = Snapshot { id: EntryId::new(3, index), ..Snapshot::default() };
        // SAFETY: a live storage, and a snapshot that is there during the call.
        unsafe { raft_memory_storage_apply_snapshot(memory.0, &(&snapshot).into()) }
    };
    for index in [0, u64::MAX] {
        assert_eq!(apply(index), RAFT_ERR_INVALID_ARGUMENT);
    }
    ok(apply(9));
    ok(apply(9));
    assert_eq!(apply(8), RAFT_ERR_STORAGE);
    assert_eq!((memory.info().first_index, memory.info().last_index, memory.info().last_term), (10, 9, 3));
    let stored = raft_hard_state { term: 3, vote: 2, commit: 9 };
    // SAFETY: a live storage, and a hard state.
    ok(unsafe { raft_memory_storage_set_hard_state(memory.0, &raw const stored) });
    assert_eq!(memory.info().hard_state, stored);
    memory.free();
}

#[test]
fn a_snapshot_from_a_leader_replaces_the_log() {
    let memory = Memory::new(&[]);
    let node = memory.node(&config(2));
    let snapshot = Snapshot {
        id: EntryId::new(3, 9),
        conf_state: ConfState::new([1], [2]),
        data: Bytes::from_static(b"state"),
    };
    let body = Body::Snapshot(Box::new(snapshot));
    ok(node.step(&Message { from: 1, to: 2, term: 3, body }));
    let view = node.ready();
    assert!(view.has_snapshot);
    ok(memory.store(view));
    ok(memory.store(view)); // twice is harmless
    ok(node.advance(view));
    let info = memory.info();
    assert_eq!((info.first_index, info.snapshot_index, info.hard_state.term), (10, 9, 3));
    assert_eq!((memory.snapshot_data(), memory.learners()), (b"state".to_vec(), vec![2]));
    node.free();
    memory.free();
}

#[test]
fn payloads_that_are_lent_to_a_snapshot_are_given_back() {
    unsafe extern "C" fn release(context: *mut c_void) {
        // SAFETY: the context is the test's counter.
        unsafe { *context.cast::<u32>() += 1 }
    }
    let mut released = 0u32;
    let context = &raw mut released;
    let memory = Memory::new(&[1]);
    let lend = |index| {
        let (data, release) = (bytes_of(b"state"), Some(release as unsafe extern "C" fn(*mut c_void)));
        let (storage, members) = (memory.0, ptr::null());
        // SAFETY: a live storage, static bytes, and a counter that outlives them.
        unsafe {
            raft_memory_storage_create_snapshot_owned(storage, index, members, data, release, context.cast())
        }
    };
    assert_eq!(lend(2), RAFT_ERR_STORAGE);
    ok(memory.append(&[entry(1, 2)]));
    ok(lend(2));
    // SAFETY: the counter is alive, and there is no reference to it.
    assert_eq!(unsafe { *context }, 1);
    memory.free();
    // SAFETY: as above.
    assert_eq!(unsafe { *context }, 2);
}

// ---- The contract -----------------------------------------------------------------------------------

struct Subject {
    memory: Memory,
    table: raft_storage,
    broken: Vec<String>,
}

impl Subject {
    fn release(&self) {
        self.memory.free();
        // SAFETY: a table that is given back once.
        unsafe { self.table.release.unwrap()(self.table.context) }
    }
}

/// # Safety
/// `context` is the subject, to which there is no other reference.
unsafe fn subject<'a>(context: *mut c_void) -> &'a mut Subject {
    // SAFETY: the same contract.
    unsafe { &mut *context.cast::<Subject>() }
}

unsafe extern "C" fn reset(context: *mut c_void) -> raft_status {
    // SAFETY: the context is the subject.
    let subject = unsafe { subject(context) };
    subject.release();
    subject.memory = Memory::new(&[]);
    subject.table = subject.memory.table();
    RAFT_OK
}

unsafe extern "C" fn persist(context: *mut c_void, what: *const raft_persist) -> raft_status {
    // SAFETY: the context is the subject; what is to be stored is the library's own.
    unsafe { raft_memory_storage_persist(subject(context).memory.0, what) }
}

unsafe extern "C" fn compact(context: *mut c_void, index: u64) -> raft_status {
    // SAFETY: the context is the subject.
    let memory = unsafe { subject(context) }.memory;
    // The host's own snapshot goes before.
    if memory.info().snapshot_index < index {
        ok(memory.create_snapshot(index, b"state"));
    }
    memory.compact(index)
}

unsafe extern "C" fn report(context: *mut c_void, finding: *const raft_storage_finding) {
    // SAFETY: the context is the subject; the finding and its texts are lent for the callback.
    let (subject, finding) = unsafe { (subject(context), &*finding) };
    if finding.outcome == RAFT_RULE_BROKEN {
        // SAFETY: as above.
        let rule = unsafe { std::ffi::CStr::from_ptr(finding.rule) };
        subject.broken.push(rule.to_string_lossy().into_owned());
    }
}

#[test]
fn it_keeps_the_contract_of_a_storage() {
    let memory = Memory::new(&[]);
    let subject = Box::into_raw(Box::new(Subject { memory, table: memory.table(), broken: Vec::new() }));
    // SAFETY: the subject, which the callbacks use, and the table live until the check is over.
    unsafe {
        let checked = raft_checked_storage {
            struct_size: size_of::<raft_checked_storage>(),
            context: subject.cast(),
            storage: &raw const (*subject).table,
            reset: Some(reset),
            persist: Some(persist),
            compact: Some(compact),
            reopen: None,
            set_failing: None,
        };
        let status = raft_storage_check(&raw const checked, Some(report), subject.cast());
        let subject = Box::from_raw(subject);
        assert_eq!((status, &subject.broken[..]), (RAFT_OK, &[][..]), "{}", thread_error());
        subject.release();
    }
}

#[test]
fn a_leader_reads_entries_back_for_a_follower() {
    let memory = Memory::new(&[1, 2]);
    let node = memory.node(&raft_config { log_cache_bytes: 0, pre_vote: false, ..config(1) });
    let reply = |body| Message { from: 2, to: 1, term: 2, body };
    node.campaign();
    settle(node, memory);
    ok(node.step(&reply(Body::VoteReply(raftcore::VoteReply {
        pre: false,
        granted: true,
        ..raftcore::VoteReply::default()
    }))));
    settle(node, memory);
    for _ in 0..3 {
        ok(node.propose(b"word"));
        settle(node, memory);
    }
    ok(node.step(&reply(Body::AppendReply(AppendReply { index: 1, reject: None }))));
    let view = node.ready();
    let sent: u64 = view
        .messages()
        .iter()
        .map(|message| {
            let mut info = raft_message_info {
                struct_size: size_of::<raft_message_info>(),
                r#type: 0,
                from: 0,
                to: 0,
                term: 0,
                entries: 0,
                payload_bytes: 0,
            };
            // SAFETY: the view is out, and the result states its size.
            ok(unsafe { raft_message_inspect(message.bytes, RAFT_DIALECT_ETCD, &raw mut info) });
            info.entries
        })
        .sum();
    assert_eq!(sent, 4, "{}", last_error(node));
    ok(node.advance(view));
    node.free();
    memory.free();
}
