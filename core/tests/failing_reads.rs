//! A storage that cannot be read while a message is stepped: the error changes nothing, and the same
//! message does later what it would have done.

mod common;

use std::cell::Cell;

use common::{config, stored};
use raftcore::{
    Append, AppendReject, AppendReply, Body, ConfChangeKind, ConfChangeV2, ConfState, Config, Entries, Entry,
    EntryId, EntryKind, Error, HardState, Index, MemoryStorage, Message, NodeId, RawNode, RoleKind, Snapshot,
    Storage, StorageError, Term, Vote, VoteReply, wire,
};

/// A storage of which one read fails.
#[derive(Clone, Debug)]
struct Failing {
    inner: MemoryStorage,
    /// So many reads succeed before one fails.
    left: Cell<u32>,
}

impl Failing {
    fn read(&self) -> Result<(), StorageError> {
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        match left {
            0 => Err(StorageError::Host { code: -5, message: "read failed".into() }),
            _ => Ok(()),
        }
    }
}

impl Storage for Failing {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.inner.initial_state()
    }
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.read()?;
        self.inner.entries(low, high, max_bytes)
    }
    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.read()?;
        self.inner.term(index)
    }
    fn first_index(&self) -> Result<Index, StorageError> {
        self.read()?;
        self.inner.first_index()
    }
    fn last_index(&self) -> Result<Index, StorageError> {
        self.inner.last_index()
    }
    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.read()?;
        self.inner.snapshot()
    }
}

type Node = RawNode<Failing>;

/// Node 1 of three in term 4, with nothing of its log in memory: entries 1 to 6, of which 2 are committed and
/// 4 is a membership change.
fn start(pre_vote: bool) -> Node {
    let mut inner = stored(3, 4, &[1, 1, 2]);
    let change = ConfChangeV2::single(ConfChangeKind::AddLearner, 9);
    let data = wire::encode_conf_change(&change, wire::Dialect::Etcd);
    let more = [
        Entry::new(EntryId::new(2, 4), EntryKind::ConfChangeV2, data),
        Entry::new(EntryId::new(3, 5), EntryKind::Normal, "x".into()),
        Entry::new(EntryId::new(3, 6), EntryKind::Normal, "y".into()),
    ];
    inner.append(&more).unwrap();
    inner.set_hard_state(HardState { term: 4, vote: 0, commit: 2 });
    let config = Config { pre_vote, log_cache_bytes: 0, applied: 2, ..config(1) };
    RawNode::new(config, Failing { inner, left: Cell::new(u32::MAX) }).unwrap()
}

fn store(node: &mut Node) {
    while node.has_ready() {
        let ready = node.ready().unwrap();
        node.storage_mut().inner.append(&ready.entries).unwrap();
        node.advance(ready).unwrap();
    }
}

fn in_every_role() -> Vec<Node> {
    let mut nodes = vec![start(false), start(false), start(true), start(false)];
    nodes[1..].iter_mut().for_each(|node| node.campaign().unwrap());
    let leader = &mut nodes[3];
    store(leader);
    let granted = Body::VoteReply(VoteReply { granted: true, ..VoteReply::default() });
    leader.step(Message { from: 2, to: 1, term: 5, body: granted }).unwrap();
    store(leader);
    leader.propose("z").unwrap();
    store(leader);
    nodes
}

fn messages() -> Vec<Message> {
    let id = EntryId::new;
    let append = |prev, ids: &[(Term, Index)]| {
        let entry =
            |(term, index): &(Term, Index)| Entry::new(id(*term, *index), EntryKind::Normal, "".into());
        let entries: Vec<_> = ids.iter().map(entry).collect();
        Body::Append(Append { prev, commit: 5, entries: entries.into() })
    };
    let reply = |index, hint| AppendReply { index, reject: Some(AppendReject { hint }) };
    let conf_state = ConfState::new([1, 2, 3], []);
    let mut bodies = vec![
        append(id(2, 3), &[(2, 4), (3, 5)]),
        append(id(3, 5), &[(3, 6), (4, 7)]),
        append(id(1, 5), &[]),
        append(id(1, 9), &[]),
        Body::Snapshot(Box::new(Snapshot { id: id(3, 5), conf_state: conf_state.clone(), data: "".into() })),
        Body::Snapshot(Box::new(Snapshot { id: id(2, 5), conf_state, data: "".into() })),
        Body::TimeoutNow,
        Body::AppendReply(AppendReply { index: 7, reject: None }),
        Body::AppendReply(AppendReply { index: 8, reject: None }),
        Body::AppendReply(reply(6, id(2, 5))),
        Body::AppendReply(reply(6, id(9, 6))),
    ];
    for (pre, commit) in [(false, id(3, 5)), (true, id(3, 5)), (false, id(2, 3)), (true, id(9, 5))] {
        bodies.push(Body::Vote(Vote { pre, last: id(3, 6), commit, ..Vote::default() }));
        bodies.push(Body::VoteReply(VoteReply { pre, granted: false, commit }));
    }
    let terms = [4, 5, 9];
    bodies
        .into_iter()
        .flat_map(|body| terms.map(|term| Message { from: 2 as NodeId, to: 1, term, body: body.clone() }))
        .collect()
}

/// What can be seen of a node, and what it would hand out.
fn view(node: &Node) -> String {
    let node = node.clone();
    node.storage().left.set(u32::MAX);
    let mut next = node.clone();
    format!("{:?} {} {:?}", node.status(), node.has_ready(), next.ready())
}

#[test]
fn a_read_that_fails_while_stepping_changes_nothing() {
    let (mut failed, mut leaders_failed) = (0, 0);
    for (node, message) in
        in_every_role().iter().flat_map(|node| messages().into_iter().map(move |message| (node, message)))
    {
        let mut healthy = node.clone();
        let expected = healthy.step(message.clone());
        for left in 0.. {
            let mut node = node.clone();
            let before = view(&node);
            node.storage().left.set(left);
            let result = node.step(message.clone());
            let is_read = node.storage().left.get() == u32::MAX;
            node.storage().left.set(u32::MAX);
            if let Err(Error::Storage(_)) = result {
                assert_eq!(view(&node), before, "{message:?}");
                failed += 1;
                leaders_failed += u32::from(node.soft_state().role == RoleKind::Leader);
                assert_eq!(node.step(message.clone()), expected);
                assert_eq!(view(&node), view(&healthy), "{message:?}, repeated");
            } else if left > 20 || !is_read {
                assert_eq!(result, expected, "{message:?}");
                break;
            }
        }
    }
    assert!(failed > 40 && leaders_failed > 0, "{failed} reads failed, {leaders_failed} of a leader");
}
