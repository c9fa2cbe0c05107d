//! What bytes from anybody can do to a node: a message that is answered by an error changes nothing, no
//! message takes a node to the end of what can be counted, and lost data is a member's to report.

mod common;

use common::{config, log, stored};
use raftcore::{
    Append, AppendReject, AppendReply, Body, ConfState, Config, Entry, EntryId, EntryKind, Error, HardState,
    Heartbeat, HeartbeatReply, Index, MAX_INDEX, MAX_TERM, MAX_TERM_LEAD, MemoryStorage, Message, NO_NODE,
    NodeId, Propose, Proposed, RawNode, ReadIndex, ReadIndexReply, RoleKind, Snapshot, SoftState, Term,
    TransferLeader, Vote, VoteReply,
};

const MEMBER: NodeId = 2;
const STRANGER: NodeId = 77;

type Node = RawNode<MemoryStorage>;

/// All that there is to know about a node.
fn all_of(node: &Node) -> String {
    let mut node = node.clone();
    // Has no effect but that ticks which were only counted become known.
    node.report_unreachable(NO_NODE);
    format!("{node:?}")
}

/// Steps a message; if the answer is an error, it has changed nothing.
fn step(node: &mut Node, message: Message) -> Result<(), Error> {
    let before = all_of(node);
    let result = node.step(message.clone());
    if let Err(error) = &result {
        assert_eq!(all_of(node), before, "{message:?} changed something: {error}");
    }
    result
}

fn heartbeat(commit: Index) -> Body {
    Body::Heartbeat(Heartbeat { commit, ..Heartbeat::default() })
}

fn entry(term: Term, index: Index) -> Entry {
    Entry::new(EntryId::new(term, index), EntryKind::Normal, "data".into())
}

fn append(prev: (Term, Index), ids: &[(Term, Index)]) -> Body {
    let entries: Vec<_> = ids.iter().map(|(term, index)| entry(*term, *index)).collect();
    Body::Append(Append { prev: EntryId::new(prev.0, prev.1), commit: 0, entries: entries.into() })
}

fn snapshot(term: Term, index: Index) -> Body {
    let conf_state = ConfState::new([1, 2, 3], []);
    Body::Snapshot(Box::new(Snapshot { id: EntryId::new(term, index), conf_state, data: "".into() }))
}

/// Messages of every kind.
fn every_kind() -> Vec<Body> {
    let last = EntryId::new(1, 3);
    let reject = Some(AppendReject { hint: EntryId::new(1, 1) });
    let mut bodies = vec![
        Body::Propose(Propose { entries: vec![entry(0, 0)].into() }),
        append((1, 3), &[(1, 4)]),
        Body::AppendReply(AppendReply { index: 3, reject: None }),
        Body::AppendReply(AppendReply { index: 3, reject }),
        snapshot(1, 9),
        heartbeat(1),
        Body::HeartbeatReply(HeartbeatReply::default()),
        Body::TransferLeader(TransferLeader),
        Body::TimeoutNow,
        Body::ReadIndex(ReadIndex { context: "read".into() }),
        Body::ReadIndexReply(ReadIndexReply { index: 1, context: "read".into() }),
    ];
    for (pre, yes) in [(false, false), (false, true), (true, false), (true, true)] {
        bodies.push(Body::Vote(Vote { pre, last, transfer: yes, ..Vote::default() }));
        bodies.push(Body::VoteReply(VoteReply { pre, granted: yes, ..VoteReply::default() }));
    }
    bodies
}

/// Node 1 of three in `term`, with three entries of term 1, in every role that it can have there.
fn in_every_role(term: Term, etcd_compat: bool) -> Vec<Node> {
    let start = |term, pre_vote| {
        let config = Config { eager_append: etcd_compat, pre_vote, ..config(1) };
        RawNode::new(config, stored(3, term, &[1, 1, 1])).unwrap()
    };
    let mut nodes = vec![start(term, false), start(term, false)];
    step(&mut nodes[1], Message { from: MEMBER, to: 1, term, body: heartbeat(1) }).unwrap();
    if term < MAX_TERM {
        nodes.push(start(term, true));
        nodes.push(start(term - 1, false));
        nodes.push(start(term - 1, false));
        nodes[2..].iter_mut().for_each(|node| node.campaign().unwrap());
        let body = Body::VoteReply(VoteReply { granted: true, ..VoteReply::default() });
        let leader = &mut nodes[4];
        let ready = leader.ready().unwrap();
        leader.advance(ready).unwrap();
        step(leader, Message { from: MEMBER, to: 1, term, body }).unwrap();
        let roles = [RoleKind::PreCandidate, RoleKind::Candidate, RoleKind::Leader];
        assert!(nodes[2..].iter().map(|node| node.soft_state().role).eq(roles));
    }
    assert!(nodes.iter().all(|node| node.hard_state().term == term));
    nodes
}

#[test]
fn a_term_too_far_ahead_is_refused_whatever_the_message_and_the_highest_one_is_not() {
    const TOO_FAR: Result<(), Error> = Err(Error::InvalidMessage("its term is too far ahead"));
    for own in [2, 5, MAX_TERM - MAX_TERM_LEAD, MAX_TERM - MAX_TERM_LEAD + 1, MAX_TERM - 1, MAX_TERM] {
        let highest = MAX_TERM.min(own + MAX_TERM_LEAD);
        for (etcd_compat, from) in [(false, MEMBER), (false, STRANGER), (true, MEMBER), (true, STRANGER)] {
            for (node, body) in in_every_role(own, etcd_compat)
                .iter()
                .flat_map(|node| every_kind().into_iter().map(move |body| (node.clone(), body)))
            {
                for term in [highest + 1, MAX_TERM + 1, Term::MAX] {
                    let message = Message { from, to: 1, term, body: body.clone() };
                    assert_eq!(step(&mut node.clone(), message.clone()), TOO_FAR, "at {own}: {message:?}");
                }
                let mut node = node;
                let message = Message { from, to: 1, term: highest, body };
                let result = step(&mut node, message.clone());
                assert_ne!(result, TOO_FAR, "at {own}: {message:?}");
                let leads = matches!(message.body, Body::Append(_) | Body::Heartbeat(_) | Body::Snapshot(_));
                if leads && highest > own {
                    assert_eq!(result, Ok(()), "at {own}: {message:?}");
                    let now = SoftState { leader: from, role: RoleKind::Follower };
                    assert_eq!((node.hard_state().term, node.soft_state()), (highest, now), "{message:?}");
                }
            }
        }
    }
}

#[test]
fn a_leader_that_the_receiver_does_not_know_is_followed() {
    // Thesis section 4.1: the receiver may have an older membership, or none.
    for members in [vec![], vec![2, 3], vec![1, 2, 3]] {
        let storage = MemoryStorage::with_conf_state(ConfState::new(members, []));
        for term in [1, 7, 1 + MAX_TERM_LEAD] {
            let mut node = RawNode::new(config(1), storage.clone()).unwrap();
            let message = Message { from: STRANGER, to: 1, term, body: append((1, 1), &[(1, 2)]) };
            assert_eq!(step(&mut node, message), Ok(()));
            assert_eq!((node.soft_state().leader, node.hard_state().term), (STRANGER, term));
            let messages = node.ready().unwrap().messages.clone();
            let body = Body::AppendReply(AppendReply { index: 2, reject: None });
            assert_eq!(messages, [Message { from: 1, to: STRANGER, term, body }]);
        }
    }
}

#[test]
fn nobody_campaigns_at_the_last_term() {
    for (pre_vote, etcd_compat) in [(false, false), (true, false), (false, true), (true, true)] {
        let start = |term| {
            let config = Config { pre_vote, eager_append: etcd_compat, ..config(1) };
            RawNode::new(config, stored(1, term, &[1])).unwrap()
        };
        let mut node = start(MAX_TERM);
        node.campaign().unwrap();
        (0..100).for_each(|_| node.tick().unwrap());
        let message = Message { from: MEMBER, to: 1, term: MAX_TERM, body: Body::TimeoutNow };
        assert_eq!(step(&mut node, message), Ok(()));
        assert_eq!((node.soft_state().role, node.hard_state().term), (RoleKind::Follower, MAX_TERM));
        // Who may campaign for it may also lead in it.
        let mut node = start(MAX_TERM - 1);
        node.campaign().unwrap();
        while node.has_ready() {
            let ready = node.ready().unwrap();
            node.storage_mut().append(&ready.entries).unwrap();
            node.advance(ready).unwrap();
        }
        node.propose("x").unwrap();
        assert_eq!((node.soft_state().role, node.hard_state().term), (RoleKind::Leader, MAX_TERM));
    }
}

#[test]
fn a_candidacy_that_the_last_term_ends_is_not_repeated() {
    let mut node = RawNode::new(config(1), stored(3, MAX_TERM - 2, &[1])).unwrap();
    node.campaign().unwrap();
    let body = Body::VoteReply(VoteReply::default());
    assert_eq!(step(&mut node, Message { from: MEMBER, to: 1, term: MAX_TERM, body }), Ok(()));
    assert_eq!((node.soft_state().role, node.hard_state().term), (RoleKind::Follower, MAX_TERM));
}

#[test]
fn a_storage_beyond_the_last_term_or_index_is_inconsistent() {
    let with = |hard_state: HardState, last: EntryId| {
        let conf_state = ConfState::new([1, 2, 3], []);
        let mut storage = MemoryStorage::with_snapshot(Snapshot { id: last, conf_state, data: "".into() });
        storage.set_hard_state(hard_state);
        RawNode::new(config(1), storage)
    };
    let term = |term| HardState { term, vote: 0, commit: 0 };
    assert!(with(term(MAX_TERM), EntryId::new(MAX_TERM, MAX_INDEX)).is_ok());
    for (hard_state, last) in [
        (term(MAX_TERM + 1), EntryId::new(1, 1)),
        (term(Term::MAX), EntryId::new(Term::MAX, 1)),
        (HardState::default(), EntryId::new(MAX_TERM + 1, 1)),
        (term(1), EntryId::new(1, MAX_INDEX + 1)),
        (term(1), EntryId::new(1, Index::MAX - 1)),
    ] {
        let error = with(hard_state, last).err();
        assert!(matches!(error, Some(Error::InconsistentStorage(_))), "{hard_state:?} {last:?}: {error:?}");
    }
}

/// Does all work, as a host does.
fn drive(node: &mut Node) {
    while node.has_ready() {
        let ready = node.ready().unwrap();
        let storage = node.storage_mut();
        if let Some(snapshot) = ready.snapshot.as_deref() {
            storage.apply_snapshot(snapshot.clone()).unwrap();
        }
        storage.append(&ready.entries).unwrap();
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
        node.advance(ready).unwrap();
    }
}

#[test]
fn no_log_goes_beyond_the_last_index() {
    for (index, taken, leads, proposals) in [
        (MAX_INDEX - 2, true, true, 1),
        (MAX_INDEX - 1, true, true, 0),
        (MAX_INDEX, true, false, 0),
        (MAX_INDEX + 1, false, true, 3),
        (Index::MAX - 1, false, true, 3),
        (Index::MAX, false, true, 3),
    ] {
        let mut node = RawNode::new(config(1), stored(1, 1, &[1])).unwrap();
        let snapshot =
            Snapshot { id: EntryId::new(1, index), conf_state: ConfState::new([1], []), data: "".into() };
        let install = Body::Snapshot(Box::new(snapshot));
        let result = step(&mut node, Message { from: MEMBER, to: 1, term: 1, body: install });
        assert_eq!(result.is_ok(), taken, "{index}");
        drive(&mut node);
        for body in [append((1, Index::MAX), &[]), append((1, MAX_INDEX), &[(1, MAX_INDEX + 1)])] {
            let message = Message { from: MEMBER, to: 1, term: 1, body };
            assert!(matches!(step(&mut node, message), Err(Error::InvalidMessage(_))));
        }
        node.campaign().unwrap();
        drive(&mut node);
        assert_eq!(node.soft_state().role == RoleKind::Leader, leads, "{index}");
        for number in 0..3 {
            let proposed = node.propose("x");
            let is_appended = matches!(proposed, Ok(Proposed::Appended(_)));
            assert_eq!(is_appended, number < proposals, "{index}: {proposed:?}");
            drive(&mut node);
        }
        // And it starts again.
        let config = Config { applied: 0, ..node.config().clone() };
        RawNode::new(config, node.storage().clone()).unwrap();
    }
}

#[test]
fn what_a_message_carries_is_not_of_a_later_term_than_the_message() {
    let pre = |pre, last| Body::Vote(Vote { pre, last, ..Vote::default() });
    for etcd_compat in [false, true] {
        for (term, impossible) in [
            (5, pre(false, EntryId::new(6, 9))),
            (5, pre(true, EntryId::new(6, 9))),
            (5, pre(false, EntryId::new(Term::MAX, 1))),
            (5, snapshot(6, 9)),
            (5, snapshot(9, 2)),
            (5, snapshot(Term::MAX, 9)),
            (5, append((6, 3), &[])),
            (5, append((1, 3), &[(6, 4)])),
            (5, append((1, 3), &[(1, 4), (Term::MAX, 5)])),
        ] {
            for (from, mut node) in [MEMBER, STRANGER]
                .into_iter()
                .flat_map(|from| in_every_role(2, etcd_compat).into_iter().map(move |node| (from, node)))
            {
                let message = Message { from, to: 1, term, body: impossible.clone() };
                let result = step(&mut node, message);
                assert!(matches!(result, Err(Error::InvalidMessage(_))), "{impossible:?}: {result:?}");
            }
        }
    }
}

#[test]
fn a_node_that_took_a_snapshot_can_be_started_again() {
    for etcd_compat in [false, true] {
        for (message_term, term) in [(2, 1), (2, 2), (2, 9), (0, 1), (0, 2), (0, 9)] {
            let config = Config { eager_append: etcd_compat, ..config(1) };
            let mut node = RawNode::new(config.clone(), stored(3, 1, &[1])).unwrap();
            let _ = step(&mut node, Message { from: 2, to: 1, term: message_term, body: snapshot(term, 9) });
            let mut storage = node.storage().clone();
            let ready = node.ready().unwrap();
            if let Some(snapshot) = ready.snapshot.clone() {
                storage.apply_snapshot(*snapshot).unwrap();
            }
            storage.set_hard_state(node.hard_state());
            let restarted = RawNode::new(config, storage);
            assert!(restarted.is_ok(), "{term} in {message_term}: {:?}", restarted.err());
        }
    }
}

#[test]
fn lost_data_is_reported_for_a_members_message_alone() {
    // Committed up to (2, 4).
    let start = |etcd_compat| {
        let mut storage = stored(3, 2, &[1, 1, 2, 2, 2]);
        storage.set_hard_state(HardState { term: 2, vote: 0, commit: 4 });
        let config = Config { eager_append: etcd_compat, ..config(1) };
        let mut node = RawNode::new(config, storage).unwrap();
        // What is in memory came from a leader.
        let body = append((2, 5), &[(2, 6), (2, 7)]);
        node.step(Message { from: 2, to: 1, term: 2, body }).unwrap();
        node.step(Message { from: 2, to: 1, term: 2, body: heartbeat(7) }).unwrap();
        node
    };
    let conflict = |index| Error::CommittedConflict { index, committed: 7 };
    let beyond = |commit| Error::CommitBeyondLog { commit, last: 7 };
    for (body, error) in [
        (heartbeat(8), beyond(8)),
        (heartbeat(Index::MAX), beyond(Index::MAX)),
        // The previous entry, or one of those that follow, contradicts what is committed.
        (append((3, 6), &[]), conflict(6)),
        (append((3, 6), &[(3, 7)]), conflict(6)),
        (append((2, 6), &[(3, 7)]), conflict(7)),
        (append((1, 2), &[(2, 3), (2, 4), (2, 5), (3, 6), (3, 7)]), conflict(6)),
        (append((3, 7), &[(3, 8)]), conflict(7)),
        // Not in memory, but of a later term than what is committed behind it.
        (append((3, 2), &[]), conflict(2)),
        (append((1, 1), &[(3, 2), (3, 3)]), conflict(2)),
        (append((1, 9), &[]), conflict(7)),
        (append((1, 7), &[]), conflict(7)),
        (snapshot(3, 6), conflict(6)),
        (snapshot(3, 7), conflict(7)),
        (snapshot(1, 9), conflict(7)),
    ] {
        for (etcd_compat, term) in [(false, 3), (false, 9), (true, 3), (true, 9)] {
            let mut node = start(etcd_compat);
            let result = step(&mut node, Message { from: MEMBER, to: 1, term, body: body.clone() });
            assert_eq!(result, Err(error.clone()), "{body:?}");
            let result = step(&mut node, Message { from: STRANGER, to: 1, term, body: body.clone() });
            assert!(matches!(result, Err(Error::InvalidMessage(_))), "{body:?}: {result:?}");
            // And the node goes on.
            assert_eq!(step(&mut node, Message { from: 2, to: 1, term: 2, body: heartbeat(7) }), Ok(()));
        }
    }
}

#[test]
fn what_is_late_is_no_contradiction() {
    let mut storage = stored(3, 2, &[]);
    storage.append(log(&[1, 1, 2, 2])).unwrap();
    storage.set_hard_state(HardState { term: 2, vote: 0, commit: 4 });
    for body in [
        append((0, 0), &[(1, 1), (1, 2)]),
        append((1, 1), &[(1, 2), (2, 3), (2, 4), (2, 5)]),
        append((2, 3), &[(2, 4)]),
        append((2, 4), &[]),
        append((2, 9), &[]),
        append((3, 9), &[]),
        snapshot(1, 2),
        snapshot(2, 4),
        heartbeat(0),
        heartbeat(4),
    ] {
        let mut node = RawNode::new(config(1), storage.clone()).unwrap();
        assert_eq!(
            step(&mut node, Message { from: 2, to: 1, term: 3, body: body.clone() }),
            Ok(()),
            "{body:?}"
        );
        assert_eq!(node.hard_state(), HardState { term: 3, vote: 0, commit: 4 });
    }
}

#[test]
fn a_strangers_snapshot_that_waited_and_is_contradicted_meanwhile_fails_no_advance() {
    for (from, expected) in
        [(STRANGER, Ok(())), (MEMBER, Err(Error::CommittedConflict { index: 5, committed: 5 }))]
    {
        let mut node = RawNode::new(config(1), stored(3, 1, &[1, 1, 1])).unwrap();
        let to_1 = |from, body| Message { from, to: 1, term: 2, body };
        step(&mut node, to_1(MEMBER, append((1, 3), &[(2, 4), (2, 5)]))).unwrap();
        step(&mut node, to_1(MEMBER, heartbeat(3))).unwrap();
        let ready = node.ready().unwrap();
        assert!(!ready.committed_entries.is_empty());
        node.storage_mut().append(&ready.entries).unwrap();
        step(&mut node, to_1(from, snapshot(1, 5))).unwrap();
        step(&mut node, to_1(MEMBER, heartbeat(5))).unwrap();
        assert_eq!(node.advance(ready), expected);
        // Nothing is left of it.
        drive(&mut node);
        assert_eq!((node.status().applied, node.status().last), (5, EntryId::new(2, 5)));
    }
}

#[test]
fn only_a_leader_answers_reads_and_hands_over() {
    let answer = || Body::ReadIndexReply(ReadIndexReply { index: 0, context: "read".into() });
    for (leader, from, counts) in [
        (Some(MEMBER), MEMBER, true),
        (Some(MEMBER), 3, false),
        (Some(MEMBER), STRANGER, false),
        (Some(STRANGER), STRANGER, true),
        (None, 3, true),
        (None, STRANGER, false),
    ] {
        for later in [0, 1] {
            let mut node = RawNode::new(config(1), stored(3, 2, &[1, 1])).unwrap();
            if let Some(from) = leader {
                step(&mut node, Message { from, to: 1, term: 2 + later, body: heartbeat(0) }).unwrap();
            }
            let to_1 = |body| Message { from, to: 1, term: 2 + later, body };
            step(&mut node, to_1(answer())).unwrap();
            let reads = node.ready().unwrap().read_states.len();
            step(&mut node, to_1(Body::TimeoutNow)).unwrap();
            let campaigns = node.soft_state().role == RoleKind::Candidate;
            assert_eq!((reads == 1, campaigns), (counts, counts), "{leader:?} {from} {later}");
        }
    }
}
