//! A node by its handle and a view by its pointer, as a C program holds them, with the calls that most
//! tests make. A test uses them only until it frees them: all the calls here rely on that.

use std::ops::Deref;
use std::ptr;

use raftcore::{ConfState, Message};
use raftcore_ffi::*;

use super::{array, bytes_of, encoded, ok, to_vec};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) *mut raft_node);

impl Node {
    pub(crate) const NULL: Self = Self(ptr::null_mut());

    /// One of several members of a group, its log in memory.
    pub(crate) fn in_memory(config: &raft_config, voters: &[u64]) -> Self {
        let members = ConfState::new(voters, []);
        let members = raft_conf_state::from(&members);
        let mut node = ptr::null_mut();
        // SAFETY: configuration, members and result are there during the call.
        ok(unsafe { raft_node_new_in_memory(config, &raw const members, &raw mut node) });
        Self(node)
    }

    pub(crate) fn free(self) {
        // SAFETY: the test does not use it any more.
        unsafe { raft_node_free(self.0) }
    }

    pub(crate) fn campaign(self) {
        // SAFETY: a live node.
        ok(unsafe { raft_campaign(self.0) });
    }

    pub(crate) fn tick(self) -> raft_status {
        // SAFETY: a live node.
        unsafe { raft_tick(self.0) }
    }

    pub(crate) fn propose(self, data: &[u8]) -> raft_status {
        // SAFETY: a live node, and bytes that are there during the call.
        unsafe { raft_propose(self.0, bytes_of(data), ptr::null_mut()) }
    }

    pub(crate) fn step(self, message: &Message) -> raft_status {
        let bytes = encoded(message);
        // SAFETY: a live node, and bytes that are there during the call.
        unsafe { raft_step(self.0, bytes_of(&bytes)) }
    }

    pub(crate) fn info(self) -> Result<raft_node_status_info, raft_status> {
        // SAFETY: numbers and a bool, for which zeros are fine.
        let mut info = unsafe { std::mem::zeroed::<raft_node_status_info>() };
        info.struct_size = size_of::<raft_node_status_info>();
        // SAFETY: a live node, and a result that states its size.
        match unsafe { raft_node_status(self.0, &raw mut info) } {
            RAFT_OK => Ok(info),
            status => Err(status),
        }
    }

    pub(crate) fn commit(self) -> u64 {
        self.info().expect("a status").commit
    }

    pub(crate) fn has_ready(self) -> bool {
        // SAFETY: a live node.
        unsafe { raft_has_ready(self.0) }
    }

    /// The next view, if there is work.
    pub(crate) fn try_ready(self) -> Result<Option<View>, raft_status> {
        let mut view = ptr::null_mut();
        // SAFETY: a live node, and room for the result.
        match unsafe { raft_ready(self.0, &raw mut view) } {
            RAFT_OK => Ok((!view.is_null()).then_some(View(view))),
            status => Err(status),
        }
    }

    /// A view of work that there is.
    pub(crate) fn ready(self) -> View {
        self.try_ready().expect("work that can be taken").expect("work")
    }

    pub(crate) fn advance(self, view: View) -> raft_status {
        // SAFETY: a live node; a view that is not this node's own is only compared.
        unsafe { raft_advance(self.0, view.0) }
    }

    /// Asynchronous writes: tells that what the view wants stored is stored.
    pub(crate) fn acknowledge_stored(self, view: View) -> raft_status {
        // SAFETY: a live node, and the view's own notices.
        unsafe { raft_acknowledge(self.0, view.storage_acks, view.storage_acks_len) }
    }

    /// Asynchronous writes: tells that what the view wants applied, if anything, is applied.
    pub(crate) fn acknowledge_applied(self, view: View) -> raft_status {
        // SAFETY: as above.
        unsafe { raft_acknowledge(self.0, view.apply_ack, usize::from(!view.apply_ack.is_null())) }
    }

    /// Advances until there is nothing to do; the payloads that were committed.
    pub(crate) fn settle(self) -> Vec<Vec<u8>> {
        let mut committed = Vec::new();
        while let Some(view) = self.try_ready().expect("work that can be taken") {
            committed.extend(view.committed().iter().map(payload));
            ok(self.advance(view));
        }
        committed
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View(pub(crate) *mut raft_ready_view);

impl View {
    pub(crate) fn free(self) {
        // SAFETY: the test does not read it any more. One that was given back is recognised while its
        // node lives.
        unsafe { raft_ready_free(self.0) }
    }

    pub(crate) fn entries(&self) -> &[raft_entry] {
        // SAFETY: they live as long as the view, which the test has not freed.
        unsafe { array(self.entries, self.entries_len) }
    }

    pub(crate) fn committed(&self) -> &[raft_entry] {
        // SAFETY: as above.
        unsafe { array(self.committed_entries, self.committed_entries_len) }
    }

    pub(crate) fn messages(&self) -> &[raft_message] {
        // SAFETY: as above.
        unsafe { array(self.messages, self.messages_len) }
    }

    pub(crate) fn snapshot_messages(&self) -> &[raft_snapshot_message] {
        // SAFETY: as above.
        unsafe { array(self.snapshot_messages, self.snapshot_messages_len) }
    }
}

impl Deref for View {
    type Target = raft_ready_view;

    fn deref(&self) -> &raft_ready_view {
        // SAFETY: the test has not freed it.
        unsafe { &*self.0 }
    }
}

/// The payload of an entry in a view that is still out.
pub(crate) fn payload(entry: &raft_entry) -> Vec<u8> {
    // SAFETY: as long as the view.
    unsafe { to_vec(entry.data) }
}
