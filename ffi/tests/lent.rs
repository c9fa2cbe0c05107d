//! What the host lends is given back once, whatever becomes of it, and is not copied.

mod common;

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::{Node, Owned, bytes_of, config, encoded, ok, payload, to_vec};
use raftcore::{
    AppendReject, AppendReply, Body, Bytes, ConfState, Entry, EntryId, Heartbeat, MemoryStorage, Message,
    Propose, Snapshot, VoteReply,
};
use raftcore_ffi::*;

unsafe extern "C" fn count(context: *mut c_void) {
    // SAFETY: the context is a test's counter, which lives longer than what was lent.
    unsafe { (*context.cast::<AtomicUsize>()).fetch_add(1, SeqCst) };
}

/// Counts how often something lent was given back.
struct Counter(Box<AtomicUsize>);

impl Counter {
    fn new() -> Self {
        Self(Box::default())
    }

    fn context(&self) -> *mut c_void {
        ptr::from_ref(&*self.0).cast_mut().cast()
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn leader() -> Owned {
    let config = raft_config { log_cache_bytes: 0, ..config(1) };
    let server = Owned::start(&config, MemoryStorage::with_conf_state(ConfState::new([1], [])));
    server.node.campaign();
    server.settle();
    server
}

#[test]
fn proposals_are_given_back_once_they_are_done_with() {
    let server = leader();
    let (one, batch) = (Counter::new(), Counter::new());
    let words = [bytes_of(b"two"), bytes_of(b"three")];
    let mut placed = raft_entry_id { term: 0, index: 0 };
    // SAFETY: a live node; the payloads are static, and the counters outlive the node.
    unsafe {
        ok(raft_propose_owned(server.node.0, bytes_of(b"one"), Some(count), one.context(), &raw mut placed));
        assert_eq!((placed.term, placed.index, one.get()), (2, 3, 0));
        let (data, len) = (words.as_ptr(), words.len());
        let first = &raw mut placed;
        ok(raft_propose_batch_owned(server.node.0, data, len, Some(count), batch.context(), first));
        assert_eq!((placed.index, batch.get()), (4, 0));
    }
    server.settle();
    assert_eq!(server.payloads(), ["one", "two", "three"]);
    drop(server);
    assert_eq!((one.get(), batch.get()), (1, 1));
}

#[test]
fn what_is_refused_is_given_back_as_well() {
    let follower = Owned::member(1, &[1, 2]);
    let node = follower.node.0;
    let counter = Counter::new();
    let (release, context) = (Some(count as unsafe extern "C" fn(*mut c_void)), counter.context());
    let nowhere = ptr::null_mut();
    let broken = raft_slice { data: ptr::null(), len: 3 };
    // SAFETY: NULL or a live node; the payloads are static, or not there and said to be.
    unsafe {
        let x = bytes_of(b"x");
        assert_eq!(raft_propose_owned(node, x, release, context, nowhere), RAFT_ERR_PROPOSAL_DROPPED);
        assert_eq!(raft_propose_owned(node, broken, release, context, nowhere), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(
            raft_propose_owned(nowhere.cast(), x, release, context, nowhere),
            RAFT_ERR_INVALID_ARGUMENT
        );
        let empty = raft_propose_batch_owned(node, ptr::null(), 0, release, context, nowhere);
        assert_eq!(empty, RAFT_ERR_PROPOSAL_DROPPED);
        let pair = [x, broken];
        let half = raft_propose_batch_owned(node, pair.as_ptr(), 2, release, context, nowhere);
        assert_eq!(half, RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(raft_step_owned(node, x, release, context), RAFT_ERR_DECODE);
        assert_eq!(raft_step_snapshot(node, x, x, release, context), RAFT_ERR_DECODE);
        let sink = raft_snapshot_sink_set_owned(ptr::null_mut(), ptr::null(), release, context);
        assert_eq!(sink, RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(raft_memory_snapshot_owned(node, 1, x, release, context), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(counter.get(), 9);
        assert_eq!(raft_propose_owned(node, x, None, context, nowhere), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(raft_step_owned(node, x, None, context), RAFT_ERR_INVALID_ARGUMENT);
        assert_eq!(counter.get(), 9, "nobody to tell");
    }
}

#[test]
fn entries_of_a_message_share_its_memory() {
    let server = leader();
    let counter = Counter::new();
    let entries = vec![Entry::normal("payload")].into();
    let message = Message { from: 2, to: 1, term: 0, body: Body::Propose(Propose { entries }) };
    let bytes = encoded(&message);
    // SAFETY: a live node; the message and the counter outlive it.
    ok(unsafe { raft_step_owned(server.node.0, bytes_of(&bytes), Some(count), counter.context()) });
    let view = server.node.ready();
    let entry = &view.entries()[0];
    assert!(bytes.as_ptr_range().contains(&entry.data.data) && payload(entry) == b"payload");
    assert_eq!(counter.get(), 0);
    view.free();
    server.settle();
    drop(server);
    assert_eq!(counter.get(), 1);
}

/// A leader that has compacted its log lends its snapshot; the follower's host gets message and data
/// apart, and lends the data to its own node. Nobody copies it.
#[test]
fn a_snapshot_travels_without_a_copy() {
    let data = vec![7u8; 100_000];
    let (sent, received) = (Counter::new(), Counter::new());
    let settings = raft_config { lend_snapshots: true, pre_vote: false, ..config(1) };
    let leader = Node::in_memory(&settings, &[1, 2, 3]);
    let follower = Node::in_memory(&raft_config { id: 3, ..settings }, &[1, 2, 3]);
    elect(leader);
    // The follower's log ends at 1, and what follows is compacted.
    // SAFETY: a live node; data and counter outlive it.
    unsafe {
        ok(raft_memory_snapshot_owned(leader.0, 2, bytes_of(&data), Some(count), sent.context()));
        ok(raft_memory_compact(leader.0, 2));
    }
    let reject = AppendReply { index: 1, reject: Some(AppendReject { hint: EntryId::new(1, 1) }) };
    ok(leader.step(&Message { from: 3, to: 1, term: 2, body: Body::AppendReply(reject) }));
    let view = leader.ready();
    let [message] = view.snapshot_messages() else { panic!("one snapshot to send") };
    assert_eq!((message.to, view.messages_len), (3, 0));
    assert!(message.message.len < 100);
    let mut kept = ptr::null_mut();
    // SAFETY: the view is out, and there is room for the result.
    let bare = unsafe {
        ok(raft_snapshot_buffer_share(message.snapshot, &raw mut kept));
        raft_snapshot_buffer_free(message.snapshot.cast_mut()); // the view's own: not freed
        to_vec(message.message)
    };
    ok(leader.advance(view));
    // SAFETY: what is kept is alive, and zeros are a snapshot; a live node, and the counter outlives it.
    unsafe {
        let mut shown = std::mem::zeroed::<raft_snapshot>();
        ok(raft_snapshot_buffer_view(kept, &raw mut shown));
        assert_eq!(shown.data.data, data.as_ptr(), "the very bytes");
        // At the receiver.
        let (bare, context) = (bytes_of(&bare), received.context());
        ok(raft_step_snapshot(follower.0, bare, shown.data, Some(count), context));
    }
    let view = follower.ready();
    // SAFETY: the view is out, and has a snapshot.
    assert_eq!(unsafe { (*view.snapshot).data.data }, data.as_ptr(), "the very bytes");
    assert!(view.snapshot_encoded.len < 100);
    ok(follower.advance(view));
    follower.free();
    assert_eq!((sent.get(), received.get()), (0, 1));
    leader.free();
    assert_eq!(sent.get(), 0, "still kept");
    // SAFETY: it was shared above, and is freed once.
    unsafe { raft_snapshot_buffer_free(kept) };
    assert_eq!(sent.get(), 1);
}

/// Node 2 votes for node 1, and confirms nothing.
fn elect(node: Node) {
    let step = |body| {
        ok(node.step(&Message { from: 2, to: 1, term: 2, body }));
        node.settle();
    };
    node.campaign();
    node.settle();
    step(Body::VoteReply(VoteReply { pre: false, granted: true, ..VoteReply::default() }));
    step(Body::AppendReply(AppendReply { index: 2, reject: None }));
}

#[test]
fn only_a_bare_snapshot_is_joined_with_data() {
    let server = Owned::member(1, &[1, 2]);
    let counter = Counter::new();
    let beat = Message { from: 2, to: 1, term: 2, body: Body::Heartbeat(Heartbeat::default()) };
    let whole = Snapshot { id: EntryId::new(2, 9), data: Bytes::from_static(b"x"), ..Snapshot::default() };
    let whole = Message { body: Body::Snapshot(Box::new(whole)), ..beat.clone() };
    for message in [beat, whole] {
        let bytes = encoded(&message);
        let data = bytes_of(b"state");
        // SAFETY: a live node; the data is static, and the counter outlives the node.
        let status = unsafe {
            raft_step_snapshot(server.node.0, bytes_of(&bytes), data, Some(count), counter.context())
        };
        assert_eq!(status, RAFT_ERR_INVALID_ARGUMENT);
    }
    assert_eq!(counter.get(), 2);
}

#[test]
fn a_drive_hands_lent_snapshots_to_their_own_callback() {
    let settings = raft_config { lend_snapshots: true, ..config(1) };
    let snapshot = Snapshot {
        id: EntryId::new(1, 5),
        conf_state: ConfState::new([1, 2], []),
        data: Bytes::from_static(b"state"),
    };
    let mut server = Owned::start(&settings, MemoryStorage::with_snapshot(snapshot));
    server.fail_at = 0;
    server.node.campaign();
    server.settle();
    let vote = |pre, term| Message {
        from: 2,
        to: 1,
        term,
        body: Body::VoteReply(VoteReply { pre, granted: true, ..VoteReply::default() }),
    };
    ok(server.step(&vote(true, 2)));
    server.settle();
    ok(server.step(&vote(false, 2)));
    server.settle();
    let reject = AppendReply { index: 5, reject: Some(AppendReject::default()) };
    ok(server.step(&Message { from: 2, to: 1, term: 2, body: Body::AppendReply(reject) }));
    server.sent.clear();
    server.fail_at = server.calls + 1; // the callback fails, and is called again
    server.settle();
    let [sent] = &server.sent[..] else { panic!("one message: {:?}", server.sent) };
    assert!(matches!(&sent.body, Body::Snapshot(snapshot) if snapshot.data == "state"));
}

/// A release callback must not call the library. One that frees the node amidst a call does no harm.
#[test]
fn a_release_cannot_free_its_node() {
    unsafe extern "C" fn free(context: *mut c_void) {
        Node(context.cast()).free();
    }
    let node = Node::in_memory(&config(1), &[1]);
    let context = node.0.cast();
    // SAFETY: a live node, and static bytes.
    unsafe {
        // Given back with the node unlocked, and locked.
        assert_eq!(raft_step_owned(node.0, bytes_of(b"x"), Some(free), context), RAFT_ERR_DECODE);
        let dropped = raft_propose_owned(node.0, bytes_of(b"x"), Some(free), context, ptr::null_mut());
        assert_eq!(dropped, RAFT_ERR_PROPOSAL_DROPPED);
    }
    ok(node.tick());
    node.free();
}
