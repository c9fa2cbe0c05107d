//! Messages that are answered by an error, through every function that takes messages: nothing has changed.

mod common;

use std::ffi::{c_char, c_void};
use std::ptr;

use common::{Node, bytes_of, config, encoded, ok};
use raftcore::{
    Append, AppendReply, Body, ConfState, Entry, EntryId, EntryKind, Heartbeat, Message, Snapshot, Vote,
    VoteReply,
};
use raftcore_ffi::*;

const MEMBER: u64 = 2;
const STRANGER: u64 = 77;

/// Node 1 of three that follows, asks for votes, or leads; the last with an entry that is not committed.
fn in_role(role: i32) -> Node {
    let node = Node::in_memory(&raft_config { pre_vote: false, ..config(1) }, &[1, 2, 3]);
    if role != RAFT_ROLE_FOLLOWER {
        node.campaign();
        node.settle();
    }
    if role == RAFT_ROLE_LEADER {
        let granted = Body::VoteReply(VoteReply { granted: true, ..VoteReply::default() });
        ok(node.step(&Message { from: MEMBER, to: 1, term: 2, body: granted }));
        node.settle();
        ok(node.step(&Message {
            from: MEMBER,
            to: 1,
            term: 2,
            body: Body::AppendReply(AppendReply { index: 2, reject: None }),
        }));
        ok(node.propose(b"waits"));
    }
    assert_eq!(node.info().unwrap().role, role);
    node
}

/// Messages that no node may take, and the answer to each.
fn refused() -> Vec<(Message, raft_status)> {
    let heartbeat = |commit| Body::Heartbeat(Heartbeat { commit, ..Heartbeat::default() });
    let entry = |term, index| Entry::new(EntryId::new(term, index), EntryKind::Normal, "x".into());
    let append = |prev: (u64, u64), entries: Vec<Entry>| {
        let prev = EntryId::new(prev.0, prev.1);
        Body::Append(Append { prev, commit: 0, entries: entries.into() })
    };
    let snapshot = |term, conf_state| {
        Body::Snapshot(Box::new(Snapshot { id: EntryId::new(term, 50), conf_state, data: "".into() }))
    };
    let three = ConfState::new([1, 2, 3], []);
    let both = ConfState::new([1, 2], [2]);
    let invalid = RAFT_ERR_INVALID_MESSAGE;
    let of = |from, term, body, status| (Message { from, to: 1, term, body }, status);
    vec![
        of(STRANGER, u64::MAX, heartbeat(0), invalid),
        of(MEMBER, u64::MAX, heartbeat(0), invalid),
        of(MEMBER, 3 + (1 << 32), Body::Vote(Vote { last: EntryId::new(2, 9), ..Vote::default() }), invalid),
        of(STRANGER, 1000, heartbeat(1 << 30), invalid),
        of(MEMBER, 1000, heartbeat(1 << 30), RAFT_ERR_COMMIT_BEYOND_LOG),
        of(STRANGER, 1000, append((9, 1), vec![]), invalid),
        of(MEMBER, 1000, append((9, 1), vec![]), RAFT_ERR_COMMITTED_CONFLICT),
        of(MEMBER, 1000, append((1, 1), vec![entry(5, 2), entry(4, 3)]), invalid),
        of(MEMBER, 1000, append((1, 1), vec![entry(1001, 2)]), invalid),
        of(MEMBER, 1000, snapshot(1001, three), invalid),
        of(MEMBER, 1000, snapshot(1000, both), RAFT_ERR_CONF_CHANGE),
        of(MEMBER, 1000, Body::Vote(Vote { last: EntryId::new(1001, 9), ..Vote::default() }), invalid),
        of(STRANGER, 1000, Body::VoteReply(VoteReply::default()), RAFT_ERR_PEER_NOT_FOUND),
    ]
}

fn seen(node: Node) -> String {
    let mut text = vec![0u8; 4096];
    let mut needed = 0;
    let (at, room) = (text.as_mut_ptr().cast::<c_char>(), text.len());
    // SAFETY: a live node, and room as large as it says.
    ok(unsafe { raft_node_status_json(node.0, at, room, &raw mut needed) });
    text.truncate(needed - 1);
    format!("{} {}", String::from_utf8(text).unwrap(), node.has_ready())
}

unsafe extern "C" fn release(context: *mut c_void) {
    // SAFETY: a counter of the test's, which waits for the call's end.
    unsafe { *context.cast::<u32>() += 1 };
}

/// Hands a message over by each function that takes one; the answers.
fn step_by_all(node: Node, message: &Message) -> Vec<raft_status> {
    let bytes = encoded(message);
    let slice = bytes_of(&bytes);
    let mut released = 0u32;
    let context = (&raw mut released).cast();
    let mut of_batch = [RAFT_OK; 2];
    // SAFETY: a live node; the bytes live until the end, and no message is taken that would keep them.
    unsafe {
        let batch = [slice, slice];
        let mut answers = vec![
            raft_step(node.0, slice),
            raft_step_owned(node.0, slice, Some(release), context),
            raft_step_batch(node.0, batch.as_ptr(), batch.len(), of_batch.as_mut_ptr()),
        ];
        answers.extend(of_batch);
        let mut calls = 1;
        if let Body::Snapshot(_) = &message.body {
            answers.push(raft_step_snapshot(node.0, slice, bytes_of(b"data"), Some(release), context));
            calls = 2;
        }
        assert_eq!(ptr::read(&raw const released), calls, "what was refused is let go of");
        answers
    }
}

#[test]
fn a_message_that_is_refused_changes_nothing() {
    for role in [RAFT_ROLE_FOLLOWER, RAFT_ROLE_CANDIDATE, RAFT_ROLE_LEADER] {
        let (node, twin) = (in_role(role), in_role(role));
        let before = seen(node);
        for (message, status) in refused() {
            let answers = step_by_all(node, &message);
            assert!(answers.iter().all(|answer| *answer == status), "{message:?}: {answers:?}");
            assert_eq!(seen(node), before, "{message:?}");
        }
        // And it goes on like one that nobody spoke to.
        for _ in 0..30 {
            assert_eq!((node.tick(), node.settle()), (twin.tick(), twin.settle()));
            assert_eq!(seen(node), seen(twin));
        }
        node.free();
        twin.free();
    }
}

#[test]
fn a_snapshot_that_waits_for_an_advance_and_is_contradicted_counts_by_its_sender() {
    let entry = |term, index| Entry::new(EntryId::new(term, index), EntryKind::Normal, "x".into());
    let heartbeat = |commit| Body::Heartbeat(Heartbeat { commit, ..Heartbeat::default() });
    let append =
        |prev, entries: Vec<Entry>| Body::Append(Append { prev, commit: 0, entries: entries.into() });
    let members = ConfState::new([1, 2, 3], []);
    let snapshot =
        Body::Snapshot(Box::new(Snapshot { id: EntryId::new(1, 3), conf_state: members, data: "".into() }));
    for (from, status) in [(STRANGER, RAFT_OK), (MEMBER, RAFT_ERR_COMMITTED_CONFLICT)] {
        let node = in_role(RAFT_ROLE_FOLLOWER);
        let step = |from, body| ok(node.step(&Message { from, to: 1, term: 2, body }));
        step(MEMBER, append(EntryId::new(1, 1), vec![entry(1, 2), entry(2, 3)]));
        step(MEMBER, heartbeat(2));
        // SAFETY: the node is live, and the views are used as the header says.
        unsafe {
            let mut view = ptr::null_mut();
            ok(raft_ready(node.0, &raw mut view));
            step(from, snapshot.clone());
            step(MEMBER, heartbeat(3));
            assert_eq!(raft_advance(node.0, view), status);
            // The view is gone, and the next one comes.
            assert_eq!(raft_advance(node.0, view), RAFT_ERR_FOREIGN_READY);
            ok(raft_ready(node.0, &raw mut view));
            ok(raft_advance(node.0, view));
        }
        assert_eq!(node.info().unwrap().applied, 3);
        node.free();
    }
}
