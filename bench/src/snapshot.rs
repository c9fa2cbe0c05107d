//! `snapshot`: a leader hands its snapshot to a follower that needs compacted entries. Whether the data is
//! copied on the way shows in what is allocated meanwhile, and in where the follower finds it.

mod c;

use bytes::Bytes;
use raftcore::{
    AppendReject, AppendReply, Body, ConfState, Config, EntryId, MemoryStorage, Message, RawNode, VoteReply,
    wire,
};

use crate::clock::Clock;
use crate::peer::{Settings, ours};
use crate::{Failure, Impl, alloc};

/// What a hand-over costs: from the leader's notice that it is needed until the follower has installed it.
pub(crate) struct Cost {
    pub(crate) allocated: u64,
    pub(crate) seconds: f64,
}

const SETTINGS: Settings = Settings::new(3, 10);

const LEADER: u64 = 1;
/// Votes for the leader and stores what it gets; exists in its answers only.
const VOTER: u64 = 2;
const FOLLOWER: u64 = 3;

/// Where the leader's log is compacted: its first own entry.
const COMPACTED: u64 = Settings::FIRST_INDEX + 1;

/// Hands `data` over.
pub(crate) fn measure(implementation: Impl, data: &Bytes, clock: Clock) -> Result<Cost, Failure> {
    match implementation {
        Impl::Core => core(data, clock),
        Impl::Ffi => c::measure(data, clock),
        other => Err(format!("{} is not measured here", other.name()).into()),
    }
}

/// Counts what `work` takes.
fn count(clock: Clock, work: impl FnOnce() -> Result<(), Failure>) -> Result<Cost, Failure> {
    let allocated = alloc::allocated_bytes();
    let began = clock.start();
    work()?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Cost { allocated: alloc::allocated_bytes() - allocated, seconds })
}

fn check(found: *const u8, data: &Bytes) -> Result<(), Failure> {
    if found == data.as_ptr() { Ok(()) } else { Err("the follower got a copy of the data".into()) }
}

/// What the voter answers to make the leader a leader, and its first entry a committed one.
fn answers() -> [Message; 2] {
    let vote = Body::VoteReply(VoteReply { pre: false, granted: true, commit: EntryId::default() });
    let stored = Body::AppendReply(AppendReply { index: COMPACTED, reject: None });
    [vote, stored].map(|body| Message { from: VOTER, to: LEADER, term: 2, body })
}

/// The follower has nothing but what the group started with.
fn refusal() -> Message {
    let hint = EntryId::new(1, Settings::FIRST_INDEX);
    let reply = AppendReply { index: Settings::FIRST_INDEX, reject: Some(AppendReject { hint }) };
    Message { from: FOLLOWER, to: LEADER, term: 2, body: Body::AppendReply(reply) }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    bytes
}

type Node = RawNode<MemoryStorage>;

fn core(data: &Bytes, clock: Clock) -> Result<Cost, Failure> {
    let node = |id| {
        let config = Config { pre_vote: false, ..ours::config(id, SETTINGS) };
        RawNode::new(config, ours::storage(SETTINGS))
    };
    let (mut leader, mut follower) = (node(LEADER)?, node(FOLLOWER)?);
    leader.campaign()?;
    drive(&mut leader)?;
    for answer in answers() {
        leader.step(answer)?;
        drive(&mut leader)?;
    }
    let members = ConfState::new(SETTINGS.members(), []);
    count(clock, || {
        let storage = leader.storage_mut();
        storage.create_snapshot(COMPACTED, members, data.clone())?;
        storage.compact(COMPACTED)?;
        leader.step(refusal())?;
        for message in drive(&mut leader)?.into_iter().filter(|message| message.to == FOLLOWER) {
            follower.step(message)?;
        }
        drive(&mut follower)?;
        check(raftcore::Storage::snapshot(follower.storage())?.data.as_ptr(), data)
    })
}

/// Stores and applies what there is; answers the messages.
fn drive(node: &mut Node) -> Result<Vec<Message>, Failure> {
    let mut sent = Vec::new();
    while node.has_ready() {
        let mut ready = node.ready()?;
        let storage = node.storage_mut();
        if let Some(snapshot) = ready.snapshot.as_deref() {
            storage.apply_snapshot(snapshot.clone())?;
        }
        storage.append(&ready.entries)?;
        if let Some(hard_state) = ready.hard_state {
            storage.set_hard_state(hard_state);
        }
        sent.append(&mut ready.messages);
        node.advance(ready)?;
    }
    Ok(sent)
}
