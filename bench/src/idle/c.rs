//! The same through the functions of the C interface.

use std::ptr;

use raftcore::wire;
use raftcore_ffi::*;

use super::{Cost, LEADER, Role, SETTINGS, config, heard, measure_nodes};
use crate::Failure;
use crate::clock::Clock;

pub(super) fn measure(role: Role, groups: usize, clock: Clock) -> Result<Cost, Failure> {
    let storage = Storage::new()?;
    let messages: Vec<_> = heard(role)
        .iter()
        .map(|message| {
            let mut bytes = Vec::new();
            wire::encode(message, &mut bytes);
            bytes
        })
        .collect();
    // What a node has of its host's storage is a table of callbacks, which is counted; where the host keeps the
    // pointer to the node is not.
    measure_nodes(clock, groups, size_of::<Node>(), || Node::new(role, &storage, &messages), tick_all)
}

fn tick_all(nodes: &mut [Node]) -> Result<(), Failure> {
    nodes.iter_mut().try_for_each(|node| {
        // SAFETY: a live node.
        ok(unsafe { raft_tick(node.0) })?;
        if node.1 == Role::Leader { node.drive() } else { Ok(()) }
    })
}

/// The log that all groups share: what they store is lost, and never read.
struct Storage(*mut raft_memory_storage);

impl Storage {
    fn new() -> Result<Self, Failure> {
        let voters = SETTINGS.members();
        let mut storage = ptr::null_mut();
        // SAFETY: zeros are a membership; all arguments are there during the calls.
        unsafe {
            let mut members = std::mem::zeroed::<raft_conf_state>();
            (members.voters, members.voters_len) = (voters.as_ptr(), voters.len());
            ok(raft_memory_storage_new(&raw const members, &raw mut storage))?;
        }
        Ok(Self(storage))
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // SAFETY: a live storage, freed once.
        unsafe { raft_memory_storage_free(self.0) }
    }
}

struct Node(*mut raft_node, Role);

impl Node {
    fn new(role: Role, storage: &Storage, messages: &[Vec<u8>]) -> Result<Self, Failure> {
        let settings = config(role);
        let mut node = ptr::null_mut();
        // SAFETY: zeros are a configuration and a table; all arguments are there during the calls.
        unsafe {
            let mut config = std::mem::zeroed::<raft_config>();
            ok(raft_config_init(&raw mut config, size_of::<raft_config>(), settings.id))?;
            config.pre_vote = settings.pre_vote;
            config.election_ticks = settings.election_ticks;
            config.max_inflight_messages = settings.max_inflight_messages;
            let mut table = std::mem::zeroed::<raft_storage>();
            table.struct_size = size_of::<raft_storage>();
            ok(raft_memory_storage_table(storage.0, &raw mut table))?;
            ok(raft_node_new(&raw const config, &raw const table, &raw mut node))?;
        }
        let node = Self(node, role);
        if settings.id == LEADER {
            // SAFETY: a live node.
            ok(unsafe { raft_campaign(node.0) })?;
            node.drive()?;
        }
        for message in messages {
            let message = raft_slice { data: message.as_ptr(), len: message.len() };
            // SAFETY: a live node, and bytes that are there during the call.
            ok(unsafe { raft_step(node.0, message) })?;
            node.drive()?;
        }
        Ok(node)
    }

    /// Does all there is to do; messages are lost.
    fn drive(&self) -> Result<(), Failure> {
        loop {
            let mut view = ptr::null_mut();
            // SAFETY: a live node, and room for the result.
            ok(unsafe { raft_ready(self.0, &raw mut view) })?;
            if view.is_null() {
                return Ok(());
            }
            // SAFETY: a live node, and its view.
            ok(unsafe { raft_advance(self.0, view) })?;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: a live node, freed once.
        unsafe { raft_node_free(self.0) }
    }
}

fn ok(status: raft_status) -> Result<(), Failure> {
    if status == RAFT_OK { Ok(()) } else { Err(format!("the C interface answered {status}").into()) }
}
