//! Implementations that run as programs of their own: the C interface, raft-rs with another codec, etcd/raft.

use std::path::PathBuf;
use std::process::Command;

use crate::clock::Clock;
use crate::group::Transport;
use crate::report::Sample;
use crate::workload::Workload;
use crate::{Failure, Impl};

/// Runs `program` once with the workload; it prints one line of JSON.
pub(crate) fn replicate(
    implementation: Impl,
    program: PathBuf,
    workload: &Workload,
) -> Result<Sample, Failure> {
    let mut command = Command::new(&program);
    command.args(["replicate", "--nodes", &workload.nodes.to_string()]);
    command.args(["--batch", &workload.batch.to_string(), "--payload", &workload.payload.to_string()]);
    command.args(["--proposals", &workload.proposals.to_string(), "--json"]);
    if workload.transport == Transport::Encoded {
        command.arg("--encode");
    }
    if implementation == Impl::RaftRsProst {
        command.args(["--impl", "raft-rs", "--rounds", "1"]);
    }
    if workload.clock == Clock::Cpu {
        command.args(["--clock", "cpu"]);
    }
    let output = command
        .output()
        .map_err(|error| format!("{} cannot be run: {error}; see --help about it", program.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed: {}", program.display(), text.trim()).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().last().ok_or("the program printed nothing")?;
    Ok(serde_json::from_str(line)?)
}
