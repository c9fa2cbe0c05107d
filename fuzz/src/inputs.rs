//! A group whose fate the input decides: each byte is something that happens.

use std::collections::VecDeque;

use raftcore::{Bytes, HardState, Message, RawNode, Ready, SnapshotStatus, Status};

use crate::forge;
use crate::host::{Host, Losses};
use crate::source::Source;
use crate::world::{Trust, World};

/// Feeds a small group with what `data` says: ticks, messages (late, twice, never), partitions, proposals,
/// membership changes, transfers, reads, reports, calls in the wrong order, power failures; forged
/// messages and dishonest hosts where the input says so.
///
/// An honest group keeps Raft's safety properties. A node with an honest host never takes back what
/// it has promised, whatever its peers send. Nothing panics, whatever anybody does.
pub fn inputs(data: &[u8]) {
    run(data, World::new);
}

/// The same, telling on standard output what happens.
pub fn explain_inputs(data: &[u8]) {
    run(data, |source| World { explain: true, ..World::new(source) });
}

/// The messages that the nodes send each other while `data` is run.
pub fn record_messages(data: &[u8]) -> Vec<Message> {
    run(data, |source| World { record: Some(Vec::new()), ..World::new(source) }).record.unwrap_or_default()
}

fn run(data: &[u8], make: impl FnOnce(&mut Source<'_>) -> World) -> World {
    let mut source = Source::new(data);
    let mut world = make(&mut source);
    if world.explain {
        println!("trust {:?}, {:#?}", world.trust, world.hosts[0].node.config());
    }
    let mut stolen = VecDeque::new();
    // One round of calm can take long; the bound keeps one input short.
    for _ in 0..1500 {
        if source.is_empty() {
            break;
        }
        happen(&mut world, &mut source, &mut stolen);
    }
    world
}

fn happen(world: &mut World, source: &mut Source<'_>, stolen: &mut VecDeque<Box<Ready>>) {
    let action = source.byte();
    let place = usize::from(action >> 5) % world.hosts.len();
    match action & 31 {
        0..=3 => tick(world, place, 1 + source.below(4)),
        4..=6 => deliver(world, source),
        7 => world.calm(usize::from(1 + source.below(8))),
        8 => {
            world.hosts[place].drive();
        }
        9..=11 => {
            world.hosts[place].work();
        }
        12..=13 => {
            world.hosts[place].finish_write();
        }
        14 => {
            world.hosts[place].finish_apply();
        }
        15..=24 => ask(world, source, place, action & 31),
        25 => restart(world, source, place),
        26 => world.hosts[place].compact(u64::from(source.below(6))),
        27 => misuse(world, place, stolen),
        28 => world.sides = source.byte(),
        _ if world.trust != Trust::All => {
            let message = forge::message(source, &world.hosts[place].node.status());
            if world.explain {
                println!("{message:?}");
            }
            let _ = world.hosts[place].step(|node| node.step(message));
            if world.trust == Trust::Nobody {
                cheat(world, source, place, stolen);
            }
        }
        _ => tick(world, place, 1),
    }
    world.settle(place);
    if world.explain {
        println!("{:2} on {}: {}", action & 31, place + 1, summary(&world.hosts[place]));
    }
}

fn summary(host: &Host) -> String {
    let Status { hard_state, soft_state, applied, stabled, last, conf_state, .. } = host.node.status();
    let HardState { term, vote, commit } = hard_state;
    format!(
        "term {term} vote {vote} {:?} leader {} last {}/{} stabled {stabled} commit {commit} applied {applied} \
         (host {}) {conf_state:?}",
        soft_state.role, soft_state.leader, last.term, last.index, host.machine.applied
    )
}

fn tick(world: &mut World, place: usize, times: u8) {
    for _ in 0..times {
        let _ = world.hosts[place].call(RawNode::tick);
    }
}

/// Delivers a message: the oldest, or any, perhaps not for the last time, perhaps never.
fn deliver(world: &mut World, source: &mut Source<'_>) {
    let choice = source.byte();
    let place = match choice {
        0..=127 => 0,
        _ => usize::from(choice) % world.network.len().max(1),
    };
    let Some(message) = world.network.remove(place) else { return };
    match choice & 7 {
        6 => {
            world.network.push_back(message.clone());
            world.deliver(message);
        }
        7 => {}
        _ => world.deliver(message),
    }
}

/// What a host's users ask for. They may be refused.
fn ask(world: &mut World, source: &mut Source<'_>, place: usize, action: u8) {
    let read = world.oracle.read();
    let host = &mut world.hosts[place];
    let _ = match action {
        15 | 16 => host.call(|node| node.propose(source.payload())).map(drop),
        17 => {
            let payloads: Vec<Bytes> = (0..source.below(5)).map(|_| source.payload()).collect();
            host.call(|node| node.propose_batch(payloads)).map(drop)
        }
        18 | 19 => host.call(|node| node.propose_conf_change(&forge::change(source))).map(drop),
        20 => host.call(|node| node.propose_conf_change_v1(&forge::change_v1(source))).map(drop),
        21 => host.call(RawNode::campaign),
        22 => host.call(|node| node.transfer_leader(forge::node(source))),
        23 => host.call(|node| node.read_index(read)),
        _ => host.call(|node| {
            match source.below(4) {
                0 => node.report_unreachable(forge::node(source)),
                1 => node.report_snapshot(forge::node(source), SnapshotStatus::Delivered),
                2 => node.report_snapshot(forge::node(source), SnapshotStatus::Failed),
                _ => node.forget_leader(),
            }
            Ok(())
        }),
    };
}

fn restart(world: &mut World, source: &mut Source<'_>, place: usize) {
    let losses = Losses { unsynced: source.flag(), machine: source.flag() };
    // Only a host that nobody trusts fails here; it goes on as it was.
    let _ = world.hosts[place].restart(losses);
}

/// Calls that cannot be right, and that every node must survive unharmed.
fn misuse(world: &mut World, place: usize, stolen: &mut VecDeque<Box<Ready>>) {
    let host = &mut world.hosts[place];
    let is_async = host.node.config().async_storage_writes;
    if let Some(ready) = stolen.pop_front() {
        // Another node's, or of a former life; it may even be the right one.
        let _ = host.call(|node| node.advance(ready));
    }
    let ready = Box::<Ready>::default();
    assert!(host.call(|node| node.advance(ready)).is_err(), "a foreign Ready was taken for the own one");
    if !is_async {
        let ack = raftcore::Ack::Applied { index: 1, bytes: 0, payload_bytes: 0 };
        assert!(host.call(|node| node.acknowledge(ack)).is_err(), "an Ack with synchronous writes");
    }
}

/// What only a broken host does.
fn cheat(world: &mut World, source: &mut Source<'_>, place: usize, stolen: &mut VecDeque<Box<Ready>>) {
    let host = &mut world.hosts[place];
    match source.below(8) {
        0 => {
            let ack = forge::ack(source, &host.node.status());
            let _ = host.call(|node| node.acknowledge(ack));
        }
        1 => host.change_membership(&forge::change(source)),
        2 => host.forget_work(),
        3 => stolen.extend(host.ready_in_hand()),
        4 => {
            // The work is not done, but said to be.
            if let Some(ready) = host.ready_in_hand() {
                let _ = host.call(|node| node.advance(ready));
            }
        }
        5 => {
            let index = source.near(host.node.status().applied);
            let _ = host.node.storage_mut().compact(index);
        }
        _ => {}
    }
}
