//! Nodes in another process: a host in another language, driven through the simulator's commands.
//!
//! The host embeds the library through that language's interface and does what it is told: one
//! command, one answer. While it works on a command it may ask for the node's storage, which stays
//! here, so that every storage fault reaches the library through the host's callbacks. The protocol
//! is described in `testkit/hosts/README.md`.

mod frame;
mod node;
mod process;

use std::cell::RefCell;
use std::rc::Rc;

use raftcore::{Config, Error};

use super::disk::Disk;
use super::node::{Driver, Node};
use node::HostedNode;
pub use process::HostProcess;

/// Starts nodes in a host's process.
#[derive(Debug)]
pub(super) struct Hosted(pub(super) Rc<RefCell<HostProcess>>);

impl Driver for Hosted {
    fn start(&mut self, config: Config, disk: Disk) -> Result<Box<dyn Node>, Error> {
        Ok(Box::new(HostedNode::start(Rc::clone(&self.0), &config, disk)?))
    }
}
