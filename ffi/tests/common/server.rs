//! A server as a C program would write it: a log behind `raft_storage`, callbacks for `raft_drive`,
//! messages kept for the test.

use std::ops::{Deref, DerefMut};
use std::ptr;

use raftcore::{Body, ConfState, MemoryStorage, Message, Storage};
use raftcore_ffi::*;

use super::node::Node;
use super::{config, host, ok, storage};

/// What a storage callback does before it answers.
pub(crate) type Prank = fn(&Server) -> raft_status;

/// What a server has besides its node. The callbacks have its address.
pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) log: MemoryStorage,
    pub(crate) sent: Vec<Message>,
    pub(crate) applied: Vec<(u64, Vec<u8>)>,
    pub(crate) changes: Vec<(u64, ConfState)>,
    pub(crate) installed: Vec<u64>,
    pub(crate) reads: Vec<(u64, Vec<u8>)>,
    /// Called at each storage callback once the node is there.
    pub(crate) prank: Option<Prank>,
    /// Which host callback fails, counted from 1; 0: none.
    pub(crate) fail_at: usize,
    pub(crate) calls: usize,
    /// Whether a write failed and was not repeated yet.
    pub(crate) unstored: bool,
    pub(crate) released: usize,
}

/// Owns a server by a raw pointer, as C would: no reference to it may be alive while its node, and
/// through it a callback, is called.
pub(crate) struct Owned(*mut Server);

impl Owned {
    pub(crate) fn start(config: &raft_config, log: MemoryStorage) -> Self {
        let server = Self(Box::into_raw(Box::new(Server {
            node: Node::NULL,
            log,
            sent: Vec::new(),
            applied: Vec::new(),
            changes: Vec::new(),
            installed: Vec::new(),
            reads: Vec::new(),
            prank: None,
            fail_at: 0,
            calls: 0,
            unstored: false,
            released: 0,
        })));
        let mut node = ptr::null_mut();
        let storage = storage::table(server.0);
        // SAFETY: configuration, table and result are there during the call; the server, which the
        // callbacks use, until the node is freed.
        ok(unsafe { raft_node_new(config, &raw const storage, &raw mut node) });
        // SAFETY: the server is alive, and no reference to it is.
        unsafe { (*server.0).node = Node(node) };
        server
    }

    /// A first member of a group.
    pub(crate) fn member(id: u64, voters: &[u64]) -> Self {
        Self::start(&config(id), MemoryStorage::with_conf_state(ConfState::new(voters, [])))
    }

    /// One cycle; its status, and whether there was work.
    pub(crate) fn drive(&self) -> (raft_status, bool) {
        let host = host::table(self.0);
        let mut worked = false;
        // SAFETY: the node is alive, and so is the server, which the callbacks use.
        let status = unsafe { raft_drive(self.node.0, &raw const host, &raw mut worked) };
        (status, worked)
    }

    /// Cycles until there is nothing left to do; failing callbacks are tried again.
    pub(crate) fn settle(&self) {
        loop {
            match self.drive() {
                (RAFT_ERR_CALLBACK, _) => assert!(self.node.has_ready()),
                (status, worked) => {
                    ok(status);
                    if !worked {
                        return;
                    }
                }
            }
        }
    }

    pub(crate) fn step(&self, message: &Message) -> raft_status {
        self.node.step(message)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.node.free();
        assert_eq!(self.released, 1);
        // SAFETY: it came from a box, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Deref for Owned {
    type Target = Server;

    fn deref(&self) -> &Server {
        // SAFETY: alive until `drop`, and no callback runs meanwhile (see `Owned`).
        unsafe { &*self.0 }
    }
}

impl DerefMut for Owned {
    fn deref_mut(&mut self) -> &mut Server {
        // SAFETY: as above.
        unsafe { &mut *self.0 }
    }
}

impl Server {
    pub(crate) fn payloads(&self) -> Vec<String> {
        let filled = self.applied.iter().filter(|(_, data)| !data.is_empty());
        filled.map(|(_, data)| String::from_utf8(data.clone()).unwrap()).collect()
    }

    /// Counts a host callback; whether it is the one that is to fail.
    pub(super) fn fails(&mut self) -> bool {
        self.calls += 1;
        self.calls == self.fail_at
    }

    /// What a message promises must have been stored when it leaves.
    pub(super) fn check_promise(&self, message: &Message) {
        let stored = self.log.hard_state();
        assert!(!message.requires_persistence() || !self.unstored);
        match &message.body {
            Body::AppendReply(reply) if reply.reject.is_none() => {
                assert!(reply.index <= self.log.last_index().unwrap(), "acknowledged, not stored");
                assert!(message.term <= stored.term);
            }
            Body::Vote(vote) if !vote.pre => {
                assert_eq!((stored.term, stored.vote), (message.term, message.from));
            }
            Body::VoteReply(reply) if reply.granted && !reply.pre => {
                assert_eq!((stored.term, stored.vote), (message.term, message.to));
            }
            _ => {}
        }
    }
}
