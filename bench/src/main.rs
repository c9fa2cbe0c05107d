//! How fast raftcore is, side by side with its peers: one workload, one run, medians of interleaved rounds.

mod alloc;
mod catch_up;
mod cli;
mod clock;
mod external;
mod group;
mod idle;
mod loss;
mod paths;
mod payload;
mod peer;
mod replicate;
mod report;
mod restart;
mod snapshot;
mod workload;

use std::process::ExitCode;

pub(crate) use cli::Impl;

/// What went wrong, for people.
pub(crate) type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("raftcore-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
