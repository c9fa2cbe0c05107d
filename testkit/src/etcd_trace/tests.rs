use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

fn recorded(seed: u64) -> Vec<Value> {
    let mut bytes = Vec::new();
    record(seed, 900, &mut bytes).expect("memory can be written");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// A node's id as text of digits.
fn id(value: &Value) -> u64 {
    value.as_str().expect("ids are text").parse().expect("digits")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn check_message(name: &str, message: &Value, nid: u64) {
    let fields = "commit entries from index logTerm reject rejectHint term to type vote";
    assert_eq!(names(message), fields.split(' ').collect());
    for field in ["commit", "entries", "index", "logTerm", "rejectHint", "term"] {
        number(&message[field]);
    }
    assert!(message["reject"].is_boolean());
    id(&message["vote"]);
    let kinds: &[&str] = match name.trim_start_matches("Send").trim_start_matches("Receive") {
        "AppendEntriesRequest" => &["MsgApp", "MsgHeartbeat", "MsgSnap"],
        "AppendEntriesResponse" => &["MsgAppResp", "MsgHeartbeatResp"],
        "RequestVoteRequest" => &["MsgVote"],
        _ => &["MsgVoteResp"],
    };
    assert!(kinds.contains(&message["type"].as_str().expect("text")), "{name}: {message}");
    let side = if name.starts_with("Send") { "from" } else { "to" };
    assert_eq!(id(&message[side]), nid);
}

/// What a node's events must continue: term, log, whether a Ready took its messages.
#[derive(Default)]
struct Seen {
    term: u64,
    commit: u64,
    pending: Vec<String>,
}

#[test]
fn traces_are_in_the_format_and_order_that_the_specification_reads() {
    let mut kinds = BTreeSet::new();
    for seed in 0..20 {
        let lines = recorded(seed);
        assert!((800..=900).contains(&lines.len()), "{} lines", lines.len());
        let mut seen = BTreeMap::<u64, Seen>::new();
        let mut network = BTreeMap::<String, u64>::new();
        for (place, line) in lines.iter().enumerate() {
            assert_eq!(names(line), BTreeSet::from(["event", "level", "msg", "tag", "ts"]));
            assert_eq!(
                (line["tag"].as_str(), number(&line["ts"])),
                (Some("trace"), 1_000_000_000 + place as u64)
            );
            let event = &line["event"];
            let name = event["name"].as_str().expect("text");
            kinds.insert(name.to_owned());
            let nid = id(&event["nid"]);
            assert!((1..=3).contains(&nid));
            let has_message = name.starts_with("Send") || name.starts_with("Receive");
            let mut fields = BTreeSet::from(["conf", "log", "name", "nid", "role", "state"]);
            fields.extend(has_message.then_some("msg"));
            assert_eq!(names(event), fields, "{name}");
            assert_eq!(names(&event["state"]), BTreeSet::from(["commit", "term", "vote"]));
            assert_eq!(event["conf"], serde_json::json!([["1", "2", "3"], []]));
            let role = event["role"].as_str().expect("text");
            assert!(["StateFollower", "StateCandidate", "StateLeader"].contains(&role), "{role}");
            assert!(id(&event["state"]["vote"]) <= 3);

            let node = seen.entry(nid).or_default();
            let (term, commit) = (number(&event["state"]["term"]), number(&event["state"]["commit"]));
            assert!(term >= node.term && commit >= node.commit, "goes back: {line}");
            assert!(commit <= number(&event["log"]), "commits what is not there: {line}");
            (node.term, node.commit) = (term, commit);
            match name {
                "BecomeFollower" => assert_eq!(role, "StateFollower"),
                "BecomeCandidate" => assert_eq!((role, id(&event["state"]["vote"])), ("StateCandidate", nid)),
                "BecomeLeader" | "Replicate" | "Commit" => assert_eq!(role, "StateLeader"),
                "Ready" => {
                    for message in node.pending.drain(..) {
                        *network.entry(message).or_default() += 1;
                    }
                }
                "InitState" => node.pending.clear(),
                _ => {
                    check_message(name, &event["msg"], nid);
                    let message = event["msg"].to_string();
                    if name.starts_with("Send") {
                        node.pending.push(message);
                    } else {
                        let left = network.get_mut(&message).filter(|count| **count > 0);
                        *left.unwrap_or_else(|| panic!("received but not sent: {line}")) -= 1;
                    }
                }
            }
        }
    }
    let expected = "BecomeCandidate BecomeFollower BecomeLeader Commit InitState Ready \
        ReceiveAppendEntriesRequest ReceiveAppendEntriesResponse ReceiveRequestVoteRequest \
        ReceiveRequestVoteResponse Replicate SendAppendEntriesRequest SendAppendEntriesResponse \
        SendRequestVoteRequest SendRequestVoteResponse";
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
}

#[test]
fn a_seed_determines_its_trace() {
    assert_eq!(recorded(3), recorded(3));
    assert_ne!(recorded(3), recorded(4));
}
