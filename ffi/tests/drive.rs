//! `raft_drive`: whatever callback fails, nothing is sent before it is stored, and nothing is
//! applied twice or not at all.

mod common;

use common::{Owned, bytes_of, last_error, ok};
use raftcore::{
    Append, Body, Bytes, ConfState, Entry, EntryId, EntryKind, HardState, MemoryStorage, Message,
};
use raftcore_ffi::*;

/// Everybody does what there is to do, and gets what others sent, until all is quiet.
fn settle(servers: &mut [Owned]) {
    loop {
        let mut messages = Vec::new();
        for server in &mut *servers {
            server.settle();
            messages.append(&mut server.sent);
        }
        if messages.is_empty() {
            return;
        }
        for message in messages {
            if let Some(server) = servers.get(message.to as usize - 1) {
                let status = server.step(&message);
                assert!([RAFT_OK, RAFT_ERR_PEER_NOT_FOUND].contains(&status), "{status}");
            }
        }
    }
}

/// Three nodes elect, replicate, read, and change their membership; the callback number `fail_at` of
/// each fails. What the servers got, and how many callbacks there were.
fn scenario(fail_at: usize) -> (Vec<Vec<String>>, Vec<Vec<u64>>, usize) {
    let mut servers: Vec<_> = (1..=3).map(|id| Owned::member(id, &[1, 2, 3])).collect();
    for server in &mut servers {
        server.fail_at = fail_at;
    }
    let leader = servers[0].node;
    leader.campaign();
    settle(&mut servers);
    ok(leader.propose(b"one"));
    let learner = raft_conf_change_op { kind: RAFT_CONF_ADD_LEARNER, node: 4 };
    let (none, nowhere) = (bytes_of(b""), std::ptr::null_mut());
    // SAFETY: a live node, and one operation.
    ok(unsafe { raft_propose_conf_change(leader.0, &raw const learner, 1, 0, none, nowhere) });
    ok(leader.propose(b"two"));
    settle(&mut servers);
    // SAFETY: a live node, and static bytes.
    ok(unsafe { raft_read_index(leader.0, bytes_of(b"token")) });
    settle(&mut servers);
    ok(leader.tick());
    settle(&mut servers);
    assert_eq!(servers[0].reads, [(5, b"token".to_vec())]);
    let calls = servers.iter().map(|server| server.calls).max().unwrap();
    let changes = servers.iter().map(|server| server.changes.iter().map(|(index, _)| *index).collect());
    (servers.iter().map(|server| server.payloads()).collect(), changes.collect(), calls)
}

#[test]
fn any_callback_may_fail_once() {
    let (payloads, changes, calls) = scenario(0);
    assert_eq!(payloads, vec![["one", "two"]; 3]);
    assert_eq!(changes, vec![[4]; 3]);
    let step = if cfg!(miri) { 4 } else { 1 };
    for fail_at in (1..=calls).step_by(step) {
        let (same, same_changes, _) = scenario(fail_at);
        assert_eq!((same, same_changes), (payloads.clone(), changes.clone()), "at {fail_at}");
    }
}

#[test]
fn the_failing_callback_is_named() {
    let mut server = Owned::member(1, &[1]);
    server.fail_at = 1;
    server.node.campaign();
    assert_eq!(server.drive(), (RAFT_ERR_CALLBACK, false));
    assert!(last_error(server.node).contains("state_changed"), "{}", last_error(server.node));
    assert!(last_error(server.node).contains("-43"));
}

/// An Append as a leader, node 2, would send it: entries from index 2 on, all of them committed.
fn append(entries: Vec<(EntryKind, &'static [u8])>) -> Message {
    let commit = 1 + entries.len() as u64;
    let entries = entries
        .into_iter()
        .zip(2..)
        .map(|((kind, data), index)| Entry::new(EntryId::new(2, index), kind, Bytes::from_static(data)));
    let entries = entries.collect::<Vec<_>>().into();
    let body = Body::Append(Append { prev: EntryId::new(1, 1), commit, entries });
    Message { from: 2, to: 1, term: 2, body }
}

#[test]
fn a_committed_change_that_cannot_be_carried_out_changes_nothing() {
    // Removes the only voters, 1 and 2, one after the other; and something that is no change.
    let remove = |node: u8| -> &'static [u8] {
        match node {
            1 => &[0x12, 4, 8, 1, 16, 1],
            _ => &[0x12, 4, 8, 1, 16, 2],
        }
    };
    let server = Owned::member(1, &[1, 2]);
    ok(server.step(&append(vec![
        (EntryKind::ConfChangeV2, &[0xff, 0xff]),
        (EntryKind::Normal, b"between"),
        (EntryKind::ConfChangeV2, remove(2)),
        (EntryKind::ConfChangeV2, remove(1)),
        (EntryKind::Normal, b"after"),
    ])));
    server.settle();
    let (both, alone) = (ConfState::new([1, 2], []), ConfState::new([1], []));
    assert_eq!(server.changes, [(2, both), (4, alone.clone()), (5, alone)]);
    assert_eq!(server.payloads(), ["between", "after"]);
}

#[test]
fn a_snapshot_is_stored_and_applied_once() {
    let mut server = Owned::member(1, &[1, 2]);
    let snapshot = raftcore::Snapshot {
        id: EntryId::new(2, 9),
        conf_state: ConfState::new([1, 2], []),
        data: Bytes::from_static(b"state"),
    };
    let body = Body::Snapshot(Box::new(snapshot));
    ok(server.step(&Message { from: 2, to: 1, term: 2, body }));
    server.fail_at = 3; // state: persist, send, apply_snapshot, ...
    server.settle();
    assert_eq!(server.installed, [9]);
    let answer = server.sent.last().expect("an answer");
    assert!(matches!(&answer.body, Body::AppendReply(reply) if reply.index == 9));
}

#[test]
fn a_drive_that_is_not_finished_is_freed_with_its_node() {
    let mut server = Owned::member(1, &[1]);
    server.fail_at = 1;
    server.node.campaign();
    assert_eq!(server.drive().0, RAFT_ERR_CALLBACK);
    assert_eq!(server.node.try_ready(), Err(RAFT_ERR_READY_OUTSTANDING));
}

#[test]
fn a_restart_goes_on_from_what_was_stored() {
    let server = Owned::member(1, &[1]);
    server.node.campaign();
    server.settle();
    ok(server.node.propose(b"kept"));
    server.settle();
    let log: MemoryStorage = server.log.clone();
    assert_eq!(log.hard_state(), HardState { term: 2, vote: 1, commit: 3 });
    let again = Owned::start(&common::config(1), log);
    again.settle();
    assert_eq!(again.payloads(), ["kept"]);
}
