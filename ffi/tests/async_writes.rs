//! Asynchronous storage writes: several views are out, each is acknowledged in its own time, and
//! nothing is promised before it is stored.

mod common;

use common::{Node, Owned, config, ok};
use raftcore::{Append, Body, ConfState, Entry, EntryId, MemoryStorage, Message};
use raftcore_ffi::*;

fn node(id: u64, voters: &[u64]) -> Node {
    Node::in_memory(&raft_config { async_storage_writes: true, pre_vote: false, ..config(id) }, voters)
}

/// Does all the work that there is; the payloads that were committed.
fn settle(node: Node) -> Vec<Vec<u8>> {
    let mut applied = Vec::new();
    while let Some(view) = node.try_ready().unwrap() {
        applied.extend(view.committed().iter().map(common::payload));
        ok(node.acknowledge_stored(view));
        ok(node.acknowledge_applied(view));
        view.free();
    }
    applied
}

fn acknowledge(node: Node, ack: &raft_ack) -> raft_status {
    // SAFETY: a live node, and one notice, which may say anything.
    unsafe { raft_acknowledge(node.0, ack, 1) }
}

#[test]
fn many_views_are_out_and_nothing_commits_before_it_is_stored() {
    let node = node(1, &[1]);
    node.campaign();
    settle(node);
    let before = node.commit();
    let mut views = Vec::new();
    for word in ["one", "two", "three"] {
        ok(node.propose(word.as_bytes()));
        let view = node.ready();
        assert!(view.has_storage_append && view.entries_len == 1);
        assert_eq!(view.committed_entries_len, 0);
        assert!(view.apply_ack.is_null());
        views.push(view);
    }
    assert_eq!(node.commit(), before);
    for (count, view) in (1..).zip(&views) {
        ok(node.acknowledge_stored(*view));
        assert_eq!(node.commit(), before + count);
    }
    assert_eq!(settle(node), [b"one".as_slice(), b"two", b"three"]);
    for view in views {
        assert_eq!(view.entries()[0].term, 2, "views can be read until they are freed");
        view.free();
    }
    node.free();
}

#[test]
fn promises_wait_for_the_storage() {
    let node = node(1, &[1, 2]);
    let entries = vec![Entry::normal("x").at(EntryId::new(2, 2))];
    let body = Body::Append(Append { prev: EntryId::new(1, 1), commit: 2, entries: entries.into() });
    ok(node.step(&Message { from: 2, to: 1, term: 2, body }));
    let view = node.ready();
    let kinds: Vec<_> = view.messages().iter().map(|m| (m.r#type, m.requires_persistence)).collect();
    assert_eq!(kinds, [(RAFT_MESSAGE_APPEND_REPLY, true)]);
    assert_eq!(view.committed_entries_len, 0, "not applied before it is stored here");
    ok(node.acknowledge_stored(view));
    let next = node.ready();
    assert_eq!(next.committed_entries_len, 1);
    assert!(!next.apply_ack.is_null());
    ok(node.acknowledge_applied(next));
    view.free();
    next.free();
    node.free();
}

#[test]
fn the_two_modes_are_told_apart() {
    let node = node(1, &[1]);
    node.campaign();
    let view = node.ready();
    assert_eq!(node.advance(view), RAFT_ERR_WRONG_WRITE_MODE);
    ok(node.acknowledge_stored(view));
    let forged = raft_ack { kind: 4, flags: 0, numbers: [99, 0, 0, 0] };
    assert_eq!(acknowledge(node, &forged), RAFT_ERR_UNKNOWN_ACK);
    let garbage = raft_ack { kind: 9, ..forged };
    assert_eq!(acknowledge(node, &garbage), RAFT_ERR_INVALID_ARGUMENT);
    view.free();
    view.free(); // recognised as long as the node lives
    node.free();
    let sync = Owned::member(1, &[1]);
    assert_eq!(acknowledge(sync.node, &forged), RAFT_ERR_WRONG_WRITE_MODE);
}

#[test]
fn a_view_outlives_its_node() {
    let node = node(1, &[1]);
    node.campaign();
    let view = node.ready();
    node.free();
    assert!(view.has_hard_state);
    view.free();
}

#[test]
fn a_drive_acknowledges_by_itself_and_waits_for_views() {
    let config = raft_config { async_storage_writes: true, ..config(1) };
    let log = || MemoryStorage::with_conf_state(ConfState::new([1], []));
    let server = Owned::start(&config, log());
    server.node.campaign();
    let view = server.node.ready();
    assert_eq!(server.drive(), (RAFT_ERR_READY_OUTSTANDING, false));
    view.free();
    drop(server);
    let server = Owned::start(&config, log());
    server.node.campaign();
    server.settle();
    ok(server.node.propose(b"x"));
    server.settle();
    assert_eq!(server.payloads(), ["x"]);
}
