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
use std::path::{Path, PathBuf};
use std::rc::Rc;

use raftcore::{Config, Error};

use super::disk::Disk;
use super::node::{Driver, Node};
use node::HostedNode;
pub(super) use process::HostProcess;

/// The command that runs a host: `c` and `python` are this project's own, anything else is a program
/// with its arguments. The error is for people: the host is not there, and how to get it.
pub fn host_command(name: &str) -> Result<Vec<String>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let present = |path: PathBuf, what: &str| match path.is_file() {
        true => Ok(path.display().to_string()),
        false => Err(format!("the host `{name}` is not there ({}): {what}", path.display())),
    };
    match name {
        "c" => Ok(vec![present(root.join("build/testkit/hosts/sim_host"), "run `make hosts`")?]),
        "python" => {
            let python = root.join(".venv/bin/python");
            let python = if python.is_file() { python.display().to_string() } else { "python3".to_owned() };
            let script = present(root.join("testkit/hosts/sim_host.py"), "it belongs to the sources")?;
            Ok(vec![python, script])
        }
        other => Ok(other.split_whitespace().map(str::to_owned).collect()),
    }
}

/// Starts nodes in a host's process.
#[derive(Debug)]
pub(super) struct Hosted(pub(super) Rc<RefCell<HostProcess>>);

impl Driver for Hosted {
    fn start(&mut self, config: Config, disk: Disk) -> Result<Box<dyn Node>, Error> {
        Ok(Box::new(HostedNode::start(Rc::clone(&self.0), &config, disk)?))
    }
}
