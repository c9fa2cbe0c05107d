//! Inputs that do what interaction scripts do.

use raftcore::{Body, ConfChangeKind, ConfChangeOp, Config, Message, NodeId, Snapshot, Transition, wire};
use raftcore_testkit::interaction::{self, Event, Options, Recording, ScriptError};

use crate::step_bytes::{BLANK, frame, leave_work_undone};

/// What a script gives.
#[derive(Clone, Debug, Default)]
pub struct ScriptSeeds {
    /// For `step_bytes`: what each node received, one input a node.
    pub step_bytes: Vec<Vec<u8>>,
    /// For `inputs`: what happened to the group. None if it is too large for that harness.
    pub inputs: Option<Vec<u8>>,
}

/// Runs an interaction script, and makes inputs from what its nodes received and were asked for.
///
/// # Errors
/// If the text is no script, or cannot be run to its end.
pub fn from_script(text: &str) -> Result<ScriptSeeds, ScriptError> {
    let recording = interaction::record(text, Options::default())?;
    let nodes = 1..=recording.nodes.len() as NodeId;
    let received = nodes.filter_map(|node| conversation(&recording, node)).collect();
    Ok(ScriptSeeds { step_bytes: received, inputs: group(&recording) })
}

/// What a node received, as if it were node 1: first the snapshot that it began with. None if it
/// received nothing.
fn conversation(recording: &Recording, node: NodeId) -> Option<Vec<u8>> {
    let start = &recording.nodes[node as usize - 1];
    let mut frames: Vec<Vec<u8>> = Vec::new();
    if start.snapshot != Snapshot::default() {
        let snapshot = Box::new(with_swapped_members(&start.snapshot, node));
        frames.push(encoded(&Message { from: 2, to: 1, term: 1, body: Body::Snapshot(snapshot) }, 0));
    }
    let (began, mut ticks, mut works) = (frames.len(), 0, true);
    for happened in recording.events.iter().filter(|happened| happened.node == node).rev() {
        // From the end, because a frame tells what comes after its message.
        match &happened.event {
            Event::Tick => ticks = (ticks + 1).min(3),
            Event::Work => works = true,
            Event::Message(message) => {
                let mut bytes = encoded(&with_swapped_ids(message, node), ticks);
                if !works {
                    leave_work_undone(&mut bytes);
                }
                frames.insert(began, bytes);
                (ticks, works) = (0, false);
            }
            _ => {}
        }
    }
    (frames.len() > began).then(|| [vec![BLANK, config_flags(&start.config)], frames.concat()].concat())
}

fn encoded(message: &Message, ticks: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode(message, &mut bytes);
    // A message that is cut off is an input too.
    frame(&bytes, ticks)
}

/// Node 1 takes the place of `node`, and the other way round.
fn swapped(id: NodeId, node: NodeId) -> NodeId {
    match id {
        1 => node,
        id if id == node => 1,
        id => id,
    }
}

fn with_swapped_ids(message: &Message, node: NodeId) -> Message {
    let body = match &message.body {
        Body::Snapshot(snapshot) => Body::Snapshot(Box::new(with_swapped_members(snapshot, node))),
        body => body.clone(),
    };
    Message { from: swapped(message.from, node), to: swapped(message.to, node), body, ..*message }
}

fn with_swapped_members(snapshot: &Snapshot, node: NodeId) -> Snapshot {
    let mut snapshot = snapshot.clone();
    let members = &mut snapshot.conf_state;
    let lists = [
        &mut members.voters,
        &mut members.learners,
        &mut members.voters_outgoing,
        &mut members.learners_next,
    ];
    for list in lists {
        list.iter_mut().for_each(|id| *id = swapped(*id, node));
    }
    snapshot
}

/// The second byte of `step_bytes`.
fn config_flags(config: &Config) -> u8 {
    let small_messages = config.max_message_bytes < 1000;
    let small_window = config.max_inflight_messages < 256;
    [
        !config.pre_vote,
        !config.check_quorum,
        config.async_storage_writes,
        false,
        small_messages,
        false,
        !config.step_down_on_removal,
        small_window,
    ]
    .into_iter()
    .rev()
    .fold(0, |flags, flag| flags << 1 | u8::from(flag))
}

/// The script's events as bytes that `inputs` takes. Deliveries follow that harness' own order.
fn group(recording: &Recording) -> Option<Vec<u8>> {
    let first = recording.nodes.first()?;
    let nodes = u8::try_from(recording.nodes.len()).ok().filter(|nodes| *nodes <= 5)?;
    let members = &first.snapshot.conf_state;
    let voters = (members.voters.len() as u8).clamp(1, nodes);
    let learners = (members.learners.len() as u8).min(nodes - voters);
    let config = &first.config;
    let flags = u8::from(!config.check_quorum)
        | u8::from(!config.pre_vote) << 1
        | u8::from(config.async_storage_writes) << 2
        | u8::from(!config.forward_proposals) << 4
        | u8::from(!config.step_down_on_removal) << 5;
    // Everybody is honest; no limits; no priorities.
    let mut input = vec![0, nodes - 1, voters - 1, learners, flags];
    input.extend(vec![0; 8 + usize::from(nodes)]);
    for happened in &recording.events {
        let [action, rest @ ..] = &action(&happened.event, config)[..] else { continue };
        input.push(action | (happened.node as u8 - 1) << 5);
        input.extend(rest);
    }
    Some(input)
}

/// An event as `inputs` reads it, the node still missing.
fn action(event: &Event, config: &Config) -> Vec<u8> {
    let id = |node: NodeId| (node.saturating_sub(1) % 6) as u8;
    match event {
        Event::Message(_) => vec![4, 0],
        Event::Tick => vec![29],
        Event::Campaign => vec![21],
        Event::Propose(data) => vec![15, data.len() as u8 % 8, data.first().copied().unwrap_or_default()],
        Event::ProposeConfChange(change, true) => {
            change.ops.first().map_or(Vec::new(), |op| [vec![20], operation(op)].concat())
        }
        Event::ProposeConfChange(change, false) => {
            let transition = match change.transition {
                Transition::Auto => 0,
                Transition::Implicit => 1,
                Transition::Explicit => 2,
            };
            let ops: Vec<_> = change.ops.iter().take(3).flat_map(operation).collect();
            [vec![18, transition, ops.len() as u8 / 2], ops].concat()
        }
        Event::Transfer(to) => vec![22, id(*to)],
        Event::Read => vec![23],
        Event::Unreachable(node) => vec![24, 0, id(*node)],
        Event::ForgetLeader => vec![24, 3],
        Event::Compact => vec![26, 0],
        // Step by step, or all of it.
        Event::Work if config.async_storage_writes => vec![9],
        Event::Work => vec![8],
    }
}

fn operation(op: &ConfChangeOp) -> Vec<u8> {
    let kind = match op.kind {
        ConfChangeKind::AddVoter => 0,
        ConfChangeKind::Remove => 1,
        ConfChangeKind::AddLearner => 2,
        ConfChangeKind::Update => 3,
    };
    vec![kind, (op.node.saturating_sub(1) % 6) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use raftcore::{Bytes, MemoryStorage, RawNode};

    #[test]
    fn a_node_that_receives_what_a_script_s_node_did_has_its_log() {
        let script = "add-nodes 3 voters=(1,2,3) index=5\n----\n\ncampaign 1\n----\n\nstabilize\n----\n\n\
                      propose 1 x\n----\n\nstabilize\n----\n";
        let seeds = from_script(script).unwrap();
        assert_eq!(seeds.step_bytes.len(), 3);
        let mut node = RawNode::new(Config::new(1), MemoryStorage::new()).unwrap();
        let mut rest = &seeds.step_bytes[1][2..];
        while let [low, high, after @ ..] = rest {
            let (bytes, next) = after.split_at(usize::from(u16::from_le_bytes([*low, *high]) & 0x0fff));
            node.step(wire::decode(&Bytes::copy_from_slice(bytes)).unwrap()).unwrap();
            rest = next;
        }
        let status = node.status();
        assert_eq!((status.last.index, status.hard_state.commit, status.soft_state.leader), (7, 7, 2));
        let inputs = seeds.inputs.unwrap();
        assert!(inputs.contains(&21), "a campaign");
    }
}
