//! Runs interaction scripts; see [`raftcore_testkit::interaction`].

use std::error::Error;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use raftcore_testkit::interaction::{self, Options, Outcome};
use raftcore_testkit::say;

/// Run interaction scripts and compare what each command prints with what the script states.
///
/// Prints `ok FILE`, or `FAIL FILE` followed by a unified diff. Succeeds if every script matches.
/// The format is that of etcd/raft's data-driven tests; log lines are ignored.
#[derive(Debug, Parser)]
struct Args {
    /// Write the outputs into the scripts instead of comparing them.
    #[arg(long)]
    rewrite: bool,
    /// Bytes of recent entries that nodes keep in memory. Must make no difference.
    #[arg(long, default_value_t = Options::default().log_cache_bytes)]
    log_cache_bytes: u64,
    /// Seed of the election timeouts. Must make no difference.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// The scripts.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let options = Options { log_cache_bytes: args.log_cache_bytes, seed: args.seed };
    let mut failed = false;
    for file in &args.files {
        let name = file.display();
        match process(file, options, args.rewrite) {
            Ok(outcome) if args.rewrite || outcome.matches() => say!("ok {name}"),
            Ok(outcome) => {
                say!("FAIL {name}\n{}", outcome.diff());
                failed = true;
            }
            Err(error) => {
                say!("FAIL {name}\n{error}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn process(file: &Path, options: Options, rewrite: bool) -> Result<Outcome, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    // A library that panics fails this script, not the ones after it.
    let outcome = panic::catch_unwind(|| interaction::run(&text, options))
        .map_err(|_| "the library panicked; its message is on stderr")??;
    if rewrite && text != outcome.actual {
        fs::write(file, &outcome.actual)?;
    }
    Ok(outcome)
}
