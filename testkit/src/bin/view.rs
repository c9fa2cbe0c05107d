//! Makes a page of a trace; see [`raftcore_testkit::view`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use raftcore_testkit::{say, view};

/// Make one HTML file of a trace that the simulator has written with `--trace`.
///
/// The file needs no server and no network: open it in a browser.
#[derive(Debug, Parser)]
struct Args {
    /// The trace.
    trace: PathBuf,
    /// The page; without it, the trace's name with `.html`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let out = args.out.unwrap_or_else(|| args.trace.with_extension("html"));
    match make(&args.trace, &out) {
        Ok(()) => {
            say!("{}", out.display());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("view: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn make(trace: &Path, out: &Path) -> Result<(), String> {
    let text = fs::read_to_string(trace).map_err(|error| format!("{}: {error}", trace.display()))?;
    let page = view::page(&text).map_err(|error| format!("{}: {error}", trace.display()))?;
    fs::write(out, page).map_err(|error| format!("{}: {error}", out.display()))
}
