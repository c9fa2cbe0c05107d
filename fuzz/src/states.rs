//! Nodes in the states that matter to a message. Each is node 1.

use raftcore::{
    Append, AppendReply, Body, ConfState, Config, Entry, EntryId, EntryKind, MemoryStorage, Message, NodeId,
    Snapshot, Term, Vote, VoteReply,
};

use crate::host::Host;

/// Makes node 1 in a state, by its host and by messages that its peers could have sent.
type Make = fn(Config) -> Host;

/// The states by name.
pub(crate) const STATES: [(&str, Make); 9] = [
    ("blank", blank),
    ("follower", follower),
    ("follower with a log", follower_with_log),
    ("follower with a pending snapshot", follower_with_snapshot),
    ("pre-candidate", pre_candidate),
    ("candidate", candidate),
    ("leader", leader),
    ("single voter", single_voter),
    ("removed", removed),
];

fn start(config: Config, storage: MemoryStorage) -> Host {
    Host::new(config, storage).expect("a valid configuration and storage")
}

fn group(config: Config) -> Host {
    start(config, MemoryStorage::with_conf_state(ConfState::new([1, 2, 3], [4])))
}

fn give(host: &mut Host, from: NodeId, term: Term, body: Body) {
    host.call(|node| node.step(Message { from, to: 1, term, body })).expect("a proper message");
}

fn blank(config: Config) -> Host {
    start(config, MemoryStorage::new())
}

fn follower(config: Config) -> Host {
    group(config)
}

/// Follows 2 in term 2; entries 2 to 5, of which 2 and 3 are committed.
fn follower_with_log(config: Config) -> Host {
    let mut host = group(config);
    let entry = |index| Entry::new(EntryId::new(2, index), EntryKind::Normal, "data".into());
    let entries: Vec<_> = (2..=5).map(entry).collect();
    let append = Append { prev: EntryId::new(1, 1), commit: 3, entries: entries.into() };
    give(&mut host, 2, 2, Body::Append(append));
    host.drive();
    host
}

fn follower_with_snapshot(config: Config) -> Host {
    let mut host = follower_with_log(config);
    let conf_state = ConfState::new([1, 2, 3], [5]);
    let snapshot = Snapshot { id: EntryId::new(2, 9), conf_state, data: "state".into() };
    give(&mut host, 2, 2, Body::Snapshot(Box::new(snapshot)));
    host
}

fn pre_candidate(config: Config) -> Host {
    let mut host = group(Config { pre_vote: true, ..config });
    host.call(|node| node.campaign()).expect("a campaign");
    host.drive();
    host
}

fn candidate(config: Config) -> Host {
    let mut host = group(Config { pre_vote: false, ..config });
    host.call(|node| node.campaign()).expect("a campaign");
    host.drive();
    host
}

/// Leads in term 2; node 2 has everything, of node 3 nothing is known, node 4 learns.
fn leader(config: Config) -> Host {
    let mut host = candidate(config);
    give(&mut host, 2, 2, Body::VoteReply(VoteReply { pre: false, granted: true, ..VoteReply::default() }));
    host.drive();
    host.call(|node| node.propose("data")).expect("a leader");
    host.drive();
    give(&mut host, 2, 2, Body::AppendReply(AppendReply { index: 3, reject: None }));
    host.drive();
    host
}

fn single_voter(config: Config) -> Host {
    let mut host = start(config, MemoryStorage::with_conf_state(ConfState::new([1], [2])));
    host.call(|node| node.campaign()).expect("a campaign");
    host.drive();
    host
}

/// The membership that node 1 has applied does not name it any more.
fn removed(config: Config) -> Host {
    let mut host = start(config, MemoryStorage::with_conf_state(ConfState::new([2, 3], [])));
    give(&mut host, 2, 2, Body::Vote(Vote { last: EntryId::new(1, 1), ..Vote::default() }));
    host.drive();
    host
}
