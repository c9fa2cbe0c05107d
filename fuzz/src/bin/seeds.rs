//! Writes seeds for the harnesses: what nodes really send each other and store.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs, io, process};

use raftcore::{
    Body, ConfChange, ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Message, Transition, wire,
};
use raftcore_fuzz::{frame, from_script, record_messages, state_names};

const HELP: &str = "\
Writes seeds for the fuzz targets: what the nodes of small groups really send each other and store.

Usage: seeds FOLDER [SCRIPT...]
  FOLDER   gets a folder for each target, with files named by what they hold
  SCRIPT   interaction scripts: only what their nodes receive and are asked for is written then

Seeds that are there already stay.";

/// An honest group and what happens to it.
struct Group {
    name: &'static str,
    nodes: u8,
    voters: u8,
    /// The first byte of the group's configuration.
    flags: u8,
    /// Bytes as `inputs` takes them; 7, 7 lets everybody work for a while.
    actions: &'static [u8],
}

const GROUPS: [Group; 7] = [
    Group {
        name: "partition",
        nodes: 3,
        voters: 3,
        flags: 0,
        // The leader is cut off and goes on alone, the others elect another; then all meet again.
        actions: &[
            21, 7, 7, 28, 2, 15, 3, 65, 15, 3, 66, 7, 1, 67, 2, 35, 2, 53, 7, 7, 53, 7, 7, 47, 1, 67, 79, 1,
            68, 7, 3, 28, 0, 35, 1, 7, 7, 55, 7, 7,
        ],
    },
    Group { name: "election", nodes: 3, voters: 3, flags: 0, actions: &[21, 7, 7, 0, 3, 32, 3, 64, 3, 7, 7] },
    Group {
        name: "proposals",
        nodes: 3,
        voters: 3,
        flags: 0,
        // By the leader, by a follower, a batch, and some that wait while one is on its way.
        actions: &[
            21, 7, 7, 15, 3, 65, 7, 3, 47, 1, 66, 7, 3, 17, 2, 2, 67, 9, 68, 7, 7, 9, 9, 15, 1, 1, 9, 4, 0,
        ],
    },
    Group {
        name: "async_writes",
        nodes: 3,
        voters: 3,
        flags: 4,
        actions: &[21, 7, 7, 15, 3, 65, 9, 9, 12, 14, 7, 3, 23, 7, 3, 25, 1, 0, 53, 7, 7],
    },
    Group {
        name: "reads_and_transfer",
        nodes: 3,
        voters: 3,
        flags: 0,
        actions: &[21, 7, 7, 23, 7, 2, 55, 7, 2, 22, 1, 7, 7, 23, 7, 7, 54, 2, 7, 7],
    },
    Group {
        name: "membership",
        nodes: 5,
        voters: 3,
        flags: 2,
        // A voter more; one for another by joint consensus, left by hand; a learner.
        actions: &[
            21, 7, 7, 18, 0, 1, 0, 3, 7, 7, 7, 7, 18, 2, 2, 0, 4, 1, 2, 7, 7, 7, 7, 18, 0, 0, 7, 7, 7, 7, 20,
            2, 2, 7, 7,
        ],
    },
    Group {
        name: "snapshot",
        nodes: 4,
        voters: 3,
        flags: 0,
        actions: &[
            21, 7, 7, 15, 3, 65, 15, 3, 66, 7, 7, 18, 0, 1, 0, 3, 9, 9, 9, 4, 0, 7, 1, 26, 0, 7, 7, 0, 3, 7,
            7, 25, 0, 0, 32, 3, 32, 3, 7, 7,
        ],
    },
];

impl Group {
    /// As an input of `inputs`: everybody is honest, then the group, its configuration, the actions.
    fn input(&self) -> Vec<u8> {
        let mut input = vec![0, self.nodes - 1, self.voters - 1, 0, self.flags];
        input.extend(vec![0; 8 + usize::from(self.nodes)]);
        input.extend(self.actions);
        input
    }
}

/// Message types that no peer may send.
const LOCAL_EVENTS: [u8; 10] = [0, 1, 10, 11, 12, 19, 20, 21, 22, 23];

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments[..] {
        [help] if help == "--help" || help == "-h" => println!("{HELP}"),
        [folder] if !folder.starts_with('-') => {
            finish(write_all(Path::new(folder)).map_err(|error| format!("{folder}: {error}")));
        }
        [folder, scripts @ ..] if !folder.starts_with('-') => {
            for script in scripts {
                let result = write_script(Path::new(folder), Path::new(script));
                finish(result.map_err(|error| format!("{script}: {error}")));
            }
        }
        _ => {
            eprintln!("{HELP}");
            process::exit(2);
        }
    }
}

fn finish(result: Result<(), String>) {
    if let Err(error) = result {
        eprintln!("seeds: {error}");
        process::exit(1);
    }
}

/// What a script does to its nodes.
fn write_script(folder: &Path, script: &Path) -> Result<(), Box<dyn Error>> {
    let seeds = from_script(&fs::read_to_string(script)?)?;
    let name = script.file_stem().unwrap_or_default().to_string_lossy();
    for (node, bytes) in (1..).zip(&seeds.step_bytes) {
        write(folder, "step_bytes", &format!("script_{name}_{node}"), bytes)?;
    }
    if let Some(bytes) = &seeds.inputs {
        write(folder, "inputs", &format!("script_{name}"), bytes)?;
    }
    Ok(())
}

fn write_all(folder: &Path) -> io::Result<()> {
    let mut by_kind = BTreeMap::new();
    for group in GROUPS {
        let (name, input) = (group.name, group.input());
        write(folder, "inputs", name, &input)?;
        let messages = record_messages(&input);
        for message in &messages {
            by_kind.entry(kind(message)).or_insert_with(|| message.clone());
            if let Body::Append(append) = &message.body {
                for entry in append.entries.iter() {
                    let mut bytes = Vec::new();
                    wire::encode_entry(entry, &mut bytes);
                    write(folder, "entries_decode", &format!("entry_{}_{}", name, entry.id.index), &bytes)?;
                }
            }
        }
        write(folder, "step_bytes", name, &conversation(&messages))?;
    }
    for (kind, message) in &by_kind {
        for (state, name) in (0u8..).zip(state_names()) {
            let to_node_1 = Message { to: 1, from: 2, term: 2, ..message.clone() };
            let bytes = [&[state, 0][..], &frame(&encode(&to_node_1), 1)].concat();
            write(folder, "step_bytes", &format!("{kind}_to_{}", name.replace(' ', "_")), &bytes)?;
        }
    }
    for local in LOCAL_EVENTS {
        // The type, to 1, from 2, in term 2.
        let bytes = [&[2, 0][..], &frame(&[8, local, 16, 1, 24, 2, 32, 2], 0)].concat();
        write(folder, "step_bytes", &format!("local_event_{local}"), &bytes)?;
    }
    stored(folder)
}

/// What storages keep apart from entries.
fn stored(folder: &Path) -> io::Result<()> {
    let op = |kind, node| ConfChangeOp { kind, node };
    let joint = ConfState {
        voters: vec![1, 2, 4],
        learners: vec![5],
        voters_outgoing: vec![1, 2, 3],
        learners_next: vec![3],
        auto_leave: true,
    };
    let change = ConfChangeV2 {
        transition: Transition::Explicit,
        ops: vec![op(ConfChangeKind::AddVoter, 4), op(ConfChangeKind::Remove, 1)],
        context: "address".into(),
    };
    let change_v1 = ConfChange { id: 0, op: op(ConfChangeKind::AddLearner, 7), context: "address".into() };
    let snapshot = raftcore::Snapshot {
        id: raftcore::EntryId::new(3, 700),
        conf_state: joint.clone(),
        data: "state".into(),
    };
    let write = |name: &str, bytes: &[u8]| write(folder, "entries_decode", name, bytes);
    write("membership", &wire::encode_conf_state(&joint))?;
    write("snapshot", &wire::encode_snapshot(&snapshot))?;
    for (name, dialect) in [("etcd", wire::Dialect::Etcd), ("tikv", wire::Dialect::Tikv)] {
        write(&format!("change_{name}"), &wire::encode_conf_change(&change, dialect))?;
        write(&format!("change_v1_{name}"), &wire::encode_conf_change_v1(&change_v1, dialect))?;
    }
    Ok(())
}

/// All messages to one node, as an input of `step_bytes` for a follower.
fn conversation(messages: &[Message]) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    for message in messages.iter().filter(|message| message.from != 1).take(60) {
        let to_node_1 = Message { to: 1, ..message.clone() };
        bytes.extend(frame(&encode(&to_node_1), 0));
    }
    bytes
}

fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    bytes
}

fn kind(message: &Message) -> &'static str {
    match &message.body {
        Body::Propose(_) => "propose",
        Body::Append(append) if append.entries.is_empty() => "empty_append",
        Body::Append(_) => "append",
        Body::AppendReply(reply) if reply.reject.is_some() => "append_reject",
        Body::AppendReply(_) => "append_reply",
        Body::Vote(vote) if vote.pre => "pre_vote",
        Body::Vote(_) => "vote",
        Body::VoteReply(reply) if reply.pre => "pre_vote_reply",
        Body::VoteReply(_) => "vote_reply",
        Body::Snapshot(_) => "snapshot",
        Body::Heartbeat(_) => "heartbeat",
        Body::HeartbeatReply(_) => "heartbeat_reply",
        Body::TransferLeader(_) => "transfer_leader",
        Body::TimeoutNow => "timeout_now",
        Body::ReadIndex(_) => "read_index",
        Body::ReadIndexReply(_) => "read_index_reply",
    }
}

fn write(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}
