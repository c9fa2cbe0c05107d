//! `path`: one of the hot paths, again and again, for a profiler that counts instructions.
//!
//! Everything around it is part of the count; what one more repetition costs is the difference of two runs.

use bytes::Bytes;
use clap::ValueEnum;
use raftcore::wire;
use raftcore::{
    Append, AppendReply, Body, Entries, Entry, EntryId, EntryKind, Heartbeat, MemoryStorage, Message, RawNode,
};

use crate::Failure;
use crate::payload;
use crate::peer::{Settings, ours};

/// A hot path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Path {
    /// The leader takes a proposal; `ready` and `advance` once in 64 of them.
    Propose,
    /// A follower takes an Append of 64 entries, stores them and answers.
    Append,
    /// The leader takes a batch of 64 in one call and the answers that commit it, and applies it.
    AppendReply,
    /// A follower takes a heartbeat and answers.
    Heartbeat,
    /// A follower's `ready` and `advance` of one entry to store and one to apply.
    Ready,
    /// Encoding an Append of 64 entries.
    Encode,
    /// Decoding it.
    Decode,
    /// A tick of an idle follower.
    Tick,
}

/// Entries in a batch.
const BATCH: u64 = 64;

/// Bytes of a payload.
const PAYLOAD: usize = 256;

const SETTINGS: Settings = Settings::new(3, 1 << 20);

type Node = RawNode<MemoryStorage>;

/// Takes the path `count` times.
pub(crate) fn walk(path: Path, count: u64) -> Result<(), Failure> {
    match path {
        Path::Propose => propose(count),
        Path::Append => append(count, BATCH),
        Path::Ready => append(count, 1),
        Path::AppendReply => append_reply(count),
        Path::Heartbeat => heartbeat(count),
        Path::Encode => {
            let message = append_message(1, &payload::lap(0, BATCH as usize, PAYLOAD));
            let mut bytes = Vec::with_capacity(wire::encoded_len(&message));
            for _ in 0..count {
                bytes.clear();
                wire::encode(std::hint::black_box(&message), &mut bytes);
            }
            Ok(())
        }
        Path::Decode => {
            let mut bytes = Vec::new();
            wire::encode(&append_message(1, &payload::lap(0, BATCH as usize, PAYLOAD)), &mut bytes);
            let bytes = Bytes::from(bytes);
            (0..count).try_for_each(|_| {
                std::hint::black_box(wire::decode(&bytes)?);
                Ok(())
            })
        }
        Path::Tick => {
            let mut node = follower()?;
            (0..count).try_for_each(|_| Ok(node.tick()?))
        }
    }
}

/// Stores and applies what there is; the messages are thrown away.
fn drive(node: &mut Node) -> Result<(), Failure> {
    while node.has_ready() {
        let ready = node.ready()?;
        let storage = node.storage_mut();
        storage.append(&ready.entries)?;
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
        node.advance(ready)?;
    }
    Ok(())
}

fn follower() -> Result<Node, Failure> {
    let mut node = RawNode::new(ours::config(2, SETTINGS), ours::storage(SETTINGS))?;
    node.step(heartbeat_message(Settings::FIRST_INDEX))?;
    drive(&mut node)?;
    Ok(node)
}

fn heartbeat_message(commit: u64) -> Message {
    let body = Body::Heartbeat(Heartbeat { commit, ..Heartbeat::default() });
    Message { from: 1, to: 2, term: 2, body }
}

/// The entries behind `index`, which is of the group's first term if it is the first.
fn append_message(index: u64, payloads: &[Bytes]) -> Message {
    let entries: Vec<_> = (index + 1..)
        .zip(payloads)
        .map(|(index, data)| Entry::new(EntryId::new(2, index), EntryKind::Normal, data.clone()))
        .collect();
    let prev = EntryId::new(if index == Settings::FIRST_INDEX { 1 } else { 2 }, index);
    let append = Append { prev, commit: index, entries: Entries::from(entries) };
    Message { from: 1, to: 2, term: 2, body: Body::Append(append) }
}

/// A leader that both followers have caught up with.
fn leader() -> Result<Node, Failure> {
    let mut node = RawNode::new(ours::config(1, SETTINGS), ours::storage(SETTINGS))?;
    node.campaign()?;
    drive(&mut node)?;
    for pre in [true, false] {
        let term = 2;
        let reply = raftcore::VoteReply { pre, granted: true, ..raftcore::VoteReply::default() };
        node.step(Message { from: 2, to: 1, term, body: Body::VoteReply(reply) })?;
        drive(&mut node)?;
    }
    let last = node.status().last.index;
    acknowledge(&mut node, last)?;
    Ok(node)
}

fn acknowledge(node: &mut Node, index: u64) -> Result<(), Failure> {
    for from in [2, 3] {
        let reply = AppendReply { index, reject: None };
        node.step(Message { from, to: 1, term: 2, body: Body::AppendReply(reply) })?;
    }
    drive(node)
}

fn propose(count: u64) -> Result<(), Failure> {
    let mut node = leader()?;
    let payloads = payload::lap(0, BATCH as usize, PAYLOAD);
    for _ in 0..count / BATCH {
        for payload in &payloads {
            node.propose(payload.clone())?;
        }
        drive(&mut node)?;
        let last = node.status().last.index;
        acknowledge(&mut node, last)?;
    }
    Ok(())
}

fn append_reply(count: u64) -> Result<(), Failure> {
    let mut node = leader()?;
    let payloads = payload::lap(0, BATCH as usize, PAYLOAD);
    for _ in 0..count {
        node.propose_batch(payloads.iter().cloned())?;
        drive(&mut node)?;
        let last = node.status().last.index;
        acknowledge(&mut node, last)?;
    }
    Ok(())
}

fn append(count: u64, batch: u64) -> Result<(), Failure> {
    let mut node = follower()?;
    let payloads = payload::lap(0, batch as usize, PAYLOAD);
    for round in 0..count {
        node.step(append_message(Settings::FIRST_INDEX + round * batch, &payloads))?;
        drive(&mut node)?;
    }
    Ok(())
}

fn heartbeat(count: u64) -> Result<(), Failure> {
    let mut node = follower()?;
    for _ in 0..count {
        node.step(heartbeat_message(Settings::FIRST_INDEX))?;
        drive(&mut node)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_can_be_walked() {
        for path in Path::value_variants() {
            walk(*path, 128).unwrap();
        }
        assert!(leader().unwrap().status().hard_state.commit > Settings::FIRST_INDEX);
    }
}
