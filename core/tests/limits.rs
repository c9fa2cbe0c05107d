//! What peers, clients and the host itself can make a node keep in memory, each limit at its edge
//! (`docs/limits.md`).

mod common;

use common::{Group, config};
use raftcore::{
    Append, Body, Bytes, ConfChangeError, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Config,
    ConfigError, DropReason, Entry, EntryId, EntryKind, Error, Heartbeat, Limit, MAX_MEMBERS, MemoryStorage,
    Message, Propose, RawNode, ReadIndex, ReadIndexReply, RoleKind,
};

const TOO_MANY_ENTRIES: Error = Error::ProposalDropped(DropReason::TooManyUncommittedEntries);
const TOO_MANY_READS: Error = Error::LimitReached(Limit::PendingReads);
const TOO_MANY_MESSAGES: Error = Error::LimitReached(Limit::WaitingMessages);
const TOO_MANY_BYTES: Error = Error::LimitReached(Limit::WaitingBytes);

/// Node 1 leads, and nobody hears it any more.
fn lonely_leader(adjust: impl Fn(&mut Config)) -> Group {
    let mut group = Group::with(3, adjust);
    group.elect(1);
    group.isolate(1);
    group
}

fn to_1(from: u64, term: u64, body: Body) -> Message {
    Message { from, to: 1, term, body }
}

fn beat(context: &'static str) -> Message {
    to_1(2, 2, Body::Heartbeat(Heartbeat { commit: 0, context: context.into() }))
}

/// The follower 1 of leader 2, with nothing to do.
fn follower(adjust: impl Fn(&mut Config)) -> RawNode<MemoryStorage> {
    let mut config = config(1);
    adjust(&mut config);
    let mut node =
        RawNode::new(config, MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], []))).unwrap();
    node.step(beat("")).unwrap();
    take_ready(&mut node);
    node
}

fn take_ready(node: &mut RawNode<MemoryStorage>) -> usize {
    let ready = node.ready().unwrap();
    let taken = ready.messages.len() + ready.read_states.len();
    node.storage_mut().append(&ready.entries).unwrap();
    node.advance(ready).unwrap();
    taken
}

#[test]
fn empty_proposals_too_are_refused_beyond_the_uncommitted_entries() {
    let mut group = lonely_leader(|config| config.max_uncommitted_entries = 3);
    group.propose(1, "");
    group.node(1).propose_batch([Bytes::new(), Bytes::new(), Bytes::new()]).unwrap_err();
    group.node(1).propose_batch([Bytes::new(), Bytes::new()]).unwrap();
    assert_eq!(group.node(1).propose(""), Err(TOO_MANY_ENTRIES));
    let forwarded = Body::Propose(Propose { entries: vec![Entry::normal("")].into() });
    assert_eq!(group.node(1).step(to_1(2, 0, forwarded)), Err(TOO_MANY_ENTRIES));
    assert_eq!(group.last(1).index, 5, "what was refused is not in the log");
    group.heal();
    group.tick_all(2);
    group.propose(1, "");
}

#[test]
fn a_leader_keeps_so_many_pending_reads_and_no_more() {
    let mut group = lonely_leader(|config| config.max_pending_reads = 3);
    for _ in 0..2 {
        group.node(1).read_index("r").unwrap();
    }
    // Of a follower: nobody can be told, so it is dropped.
    for _ in 0..5 {
        group.node(1).step(to_1(2, 0, Body::ReadIndex(ReadIndex { context: "f".into() }))).unwrap();
    }
    assert_eq!(group.node(1).read_index("r"), Err(TOO_MANY_READS));
    group.heal();
    group.tick_all(2);
    assert_eq!(group.nodes[&1].reads.len(), 2);
    assert_eq!(group.nodes[&2].reads.len(), 1, "the third, and none of the others");
    for _ in 0..3 {
        group.node(1).read_index("r").unwrap();
    }
    assert_eq!(group.node(1).read_index("r"), Err(TOO_MANY_READS));
}

#[test]
fn reads_before_the_first_commit_of_the_term_count_as_pending() {
    let mut group = Group::with(3, |config| config.max_pending_reads = 2);
    group.node(1).campaign().unwrap();
    group.lose(|message| matches!(message.body, Body::Append(_)));
    group.settle();
    assert_eq!(group.role(1), RoleKind::Leader);
    for _ in 0..2 {
        group.node(1).read_index("r").unwrap();
    }
    assert_eq!(group.node(1).read_index("r"), Err(TOO_MANY_READS));
    group.heal();
    group.tick_all(3);
    assert_eq!(group.nodes[&1].reads.len(), 2);
    group.node(1).read_index("r").unwrap();
}

#[test]
fn long_contexts_of_reads_count_by_their_length() {
    let mut group = lonely_leader(|config| config.max_pending_reads = 3);
    assert_eq!(group.node(1).read_index(vec![0; 3 * 1024]), Err(TOO_MANY_READS));
    group.node(1).read_index(vec![0; 3 * 1024 - 1]).unwrap();
    assert_eq!(group.node(1).read_index(""), Err(TOO_MANY_READS));
}

#[test]
fn messages_of_peers_are_lost_while_too_many_answers_wait() {
    let mut node = follower(|config| config.max_waiting_messages = 3);
    for _ in 0..3 {
        node.step(beat("")).unwrap();
    }
    let before = node.status();
    let candidate = Body::Vote(raftcore::Vote { last: EntryId::new(9, 9), ..raftcore::Vote::default() });
    assert_eq!(node.step(to_1(3, 9, candidate.clone())), Err(TOO_MANY_MESSAGES));
    assert_eq!(node.status(), before, "as if it had been lost on its way");
    assert_eq!(take_ready(&mut node), 3);
    node.step(to_1(3, 9, candidate)).unwrap();
    assert_eq!(node.status().hard_state.term, 9);
}

#[test]
fn a_follower_forwards_no_more_than_may_wait() {
    let mut node = follower(|config| config.max_waiting_messages = 3);
    node.propose("x").unwrap();
    node.read_index("r").unwrap();
    node.transfer_leader(3).unwrap();
    assert_eq!(node.propose("x"), Err(TOO_MANY_MESSAGES));
    assert_eq!(node.read_index("r"), Err(TOO_MANY_MESSAGES));
    assert_eq!(node.transfer_leader(3), Err(TOO_MANY_MESSAGES));
    assert_eq!(take_ready(&mut node), 3);
    node.propose("x").unwrap();
}

#[test]
fn a_leader_asked_to_hand_over_again_and_again_keeps_no_more_requests_than_may_wait() {
    let mut group = Group::with(3, |config| config.max_waiting_messages = 3);
    group.elect(1);
    for to in [2, 3, 2] {
        group.node(1).transfer_leader(to).unwrap();
    }
    for to in [2, 3] {
        assert_eq!(group.node(1).transfer_leader(to), Err(TOO_MANY_MESSAGES));
    }
    // To end a pending transfer needs no message.
    group.node(1).transfer_leader(1).unwrap();
    assert_eq!(group.node(1).status().transferee, None);
    assert_eq!(take_ready(group.node(1)), 3);
    group.node(1).transfer_leader(2).unwrap();
}

#[test]
fn confirmed_reads_that_nobody_takes_count_as_waiting() {
    let mut node = follower(|config| config.max_waiting_messages = 3);
    let answer = || to_1(2, 2, Body::ReadIndexReply(ReadIndexReply { index: 1, context: "r".into() }));
    for _ in 0..3 {
        node.step(answer()).unwrap();
    }
    assert_eq!(node.step(answer()), Err(TOO_MANY_MESSAGES));
    assert_eq!(take_ready(&mut node), 3);
    // A leader that needs nobody confirms its own at once.
    let mut group = Group::with(1, |config| config.max_waiting_messages = 3);
    group.elect(1);
    for _ in 0..3 {
        group.node(1).read_index("r").unwrap();
    }
    assert_eq!(group.node(1).read_index("r"), Err(TOO_MANY_MESSAGES));
}

#[test]
fn ticks_of_a_host_that_takes_nothing_pile_up_no_messages() {
    let mut group = lonely_leader(|config| config.max_waiting_messages = 10);
    group.tick(1, 1000);
    assert!(group.node(1).ready().unwrap().messages.len() <= 12);
    let mut node = follower(|config| config.max_waiting_messages = 10);
    for _ in 0..1000 {
        node.tick().unwrap();
        node.campaign().unwrap();
    }
    assert!(take_ready(&mut node) <= 12);
    node.campaign().unwrap();
    assert_eq!(take_ready(&mut node), 2);
}

#[test]
fn bytes_of_peers_and_clients_that_nobody_takes_are_bounded() {
    let entry = |index| Entry::new(EntryId::new(2, index), EntryKind::Normal, vec![0; 50].into());
    let append = |prev, entries: Vec<Entry>| {
        to_1(2, 2, Body::Append(Append { prev, commit: 0, entries: entries.into() }))
    };
    type Input = Box<dyn FnMut(&mut RawNode<MemoryStorage>) -> Result<(), Error>>;
    let mut inputs: Vec<(&str, Input)> = vec![
        ("proposals", Box::new(|node| node.propose(vec![0; 50]).map(drop))),
        ("reads", Box::new(|node| node.read_index(vec![0; 60]))),
        ("heartbeats", {
            const CONTEXT: &str = "sixty bytes, which are repeated in the answer to a heartbeat";
            assert_eq!(CONTEXT.len(), 60);
            Box::new(move |node| node.step(beat(CONTEXT)))
        }),
        ("read indexes", {
            let reply = ReadIndexReply { index: 1, context: vec![0; 60].into() };
            Box::new(move |node| node.step(to_1(2, 2, Body::ReadIndexReply(reply.clone()))))
        }),
        ("entries", {
            let mut prev = EntryId::new(1, 1);
            Box::new(move |node| {
                let next = entry(prev.index + 1);
                node.step(append(prev, vec![next.clone()])).inspect(|()| prev = next.id)
            })
        }),
    ];
    for (what, input) in &mut inputs {
        let mut node = follower(|config| config.max_waiting_bytes = 100);
        for _ in 0..2 {
            input(&mut node).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        assert_eq!(input(&mut node), Err(TOO_MANY_BYTES), "{what}");
        assert!(take_ready(&mut node) > 0);
        input(&mut node).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[test]
fn a_group_has_so_many_members_and_no_more() {
    let most = MAX_MEMBERS as u64;
    let storage = |voters: u64, learners: u64| {
        let learners: Vec<_> = (voters + 1..=voters + learners).collect();
        MemoryStorage::with_conf_state(ConfState::new((1..=voters).collect::<Vec<_>>(), learners))
    };
    let too_many = Error::ConfChange(ConfChangeError::TooManyMembers);
    assert_eq!(RawNode::new(config(1), storage(most, 1)).unwrap_err(), too_many);
    let mut node = RawNode::new(config(1), storage(3, most - 3)).unwrap();
    let add = |id| ConfChangeV2::single(ConfChangeKind::AddLearner, id);
    assert_eq!(node.apply_conf_change(&add(most + 1)), Err(too_many.clone()));
    node.apply_conf_change(&add(most)).unwrap();
    let ops = vec![ConfChangeOp { kind: ConfChangeKind::Update, node: 1 }; 2 * MAX_MEMBERS + 1];
    assert_eq!(node.apply_conf_change(&ConfChangeV2 { ops, ..ConfChangeV2::default() }), Err(too_many));
}

#[test]
fn a_limit_of_nothing_is_refused() {
    type Set = fn(&mut Config);
    let set: [(&str, Set); 4] = [
        ("max_uncommitted_entries", |config| config.max_uncommitted_entries = 0),
        ("max_pending_reads", |config| config.max_pending_reads = 0),
        ("max_waiting_messages", |config| config.max_waiting_messages = 0),
        ("max_waiting_bytes", |config| config.max_waiting_bytes = 0),
    ];
    for (field, set) in set {
        let mut config = config(1);
        set(&mut config);
        assert_eq!(config.validate(), Err(ConfigError { field, problem: "must be at least 1" }));
    }
}
