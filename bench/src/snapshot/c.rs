//! The same through the functions of the C interface: the hosts lend the data, and bring it from one to the
//! other beside the message.

use std::ffi::c_void;
use std::ptr;

use bytes::Bytes;
use raftcore_ffi::*;

use super::{COMPACTED, Cost, FOLLOWER, LEADER, answers, check, count, encoded, refusal};
use crate::Failure;
use crate::clock::Clock;

pub(super) fn measure(data: &Bytes, clock: Clock) -> Result<Cost, Failure> {
    let (leader, follower) = (Node::new(LEADER)?, Node::new(FOLLOWER)?);
    // SAFETY: a live node.
    ok(unsafe { raft_campaign(leader.0) })?;
    leader.drive()?;
    for answer in answers() {
        leader.step(&encoded(&answer))?;
        leader.drive()?;
    }
    let refusal = encoded(&refusal());
    count(clock, || {
        // SAFETY: a live node, which is freed before the data is.
        unsafe {
            let lent = slice(data);
            ok(raft_memory_snapshot_owned(leader.0, COMPACTED, lent, Some(nothing), ptr::null_mut()))?;
            ok(raft_memory_compact(leader.0, COMPACTED))?;
        }
        leader.step(&refusal)?;
        leader.send_snapshot(&follower)?;
        follower.install(data)
    })
}

/// A node in memory; snapshots come and go beside their messages.
struct Node(*mut raft_node);

impl Node {
    fn new(id: u64) -> Result<Self, Failure> {
        let voters = [1, 2, 3];
        let mut node = ptr::null_mut();
        // SAFETY: zeros are a configuration and a membership; all arguments are there during the calls.
        unsafe {
            let mut config = std::mem::zeroed::<raft_config>();
            ok(raft_config_init(&raw mut config, size_of::<raft_config>(), id))?;
            config.lend_snapshots = true;
            config.pre_vote = false;
            let mut members = std::mem::zeroed::<raft_conf_state>();
            members.voters = voters.as_ptr();
            members.voters_len = voters.len();
            ok(raft_node_new_in_memory(&raw const config, &raw const members, &raw mut node))?;
        }
        Ok(Self(node))
    }

    fn step(&self, message: &[u8]) -> Result<(), Failure> {
        // SAFETY: a live node, and bytes that are there during the call.
        ok(unsafe { raft_step(self.0, slice(message)) })
    }

    /// The next view, or NULL.
    fn ready(&self) -> Result<*mut raft_ready_view, Failure> {
        let mut view = ptr::null_mut();
        // SAFETY: a live node, and room for the result.
        ok(unsafe { raft_ready(self.0, &raw mut view) })?;
        Ok(view)
    }

    fn advance(&self, view: *mut raft_ready_view) -> Result<(), Failure> {
        // SAFETY: a live node, and its view.
        ok(unsafe { raft_advance(self.0, view) })
    }

    /// Does all there is to do; messages are lost.
    fn drive(&self) -> Result<(), Failure> {
        loop {
            let view = self.ready()?;
            if view.is_null() {
                return Ok(());
            }
            self.advance(view)?;
        }
    }

    fn send_snapshot(&self, to: &Self) -> Result<(), Failure> {
        let view = self.ready()?;
        // SAFETY: a view that is out, if it is not NULL; what it shows is there until it is advanced.
        unsafe {
            let view = view.as_ref().ok_or("the leader has nothing to send")?;
            let message = view.snapshot_messages.as_ref().ok_or("the leader sends no snapshot")?;
            let mut shown = std::mem::zeroed::<raft_snapshot>();
            ok(raft_snapshot_buffer_view(message.snapshot, &raw mut shown))?;
            // The data outlives both nodes: nobody needs to be told when it is not needed any more.
            ok(raft_step_snapshot(to.0, message.message, shown.data, Some(nothing), ptr::null_mut()))?;
        }
        self.advance(view)
    }

    fn install(&self, data: &Bytes) -> Result<(), Failure> {
        let view = self.ready()?;
        // SAFETY: as above.
        let snapshot = unsafe { view.as_ref().and_then(|view| view.snapshot.as_ref()) };
        check(snapshot.ok_or("no snapshot arrived")?.data.data, data)?;
        self.advance(view)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: a live node, freed once.
        unsafe { raft_node_free(self.0) }
    }
}

unsafe extern "C" fn nothing(_: *mut c_void) {}

fn slice(bytes: &[u8]) -> raft_slice {
    raft_slice { data: bytes.as_ptr(), len: bytes.len() }
}

fn ok(status: raft_status) -> Result<(), Failure> {
    if status == RAFT_OK { Ok(()) } else { Err(format!("the C interface answered {status}").into()) }
}
