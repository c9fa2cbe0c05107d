//! Looks at every state of a small group; see [`raftcore_testkit::exhaustive`].

use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use raftcore_testkit::exhaustive::{self, Bounds, Limits, Planted};
use raftcore_testkit::say;

/// Look at every state that a group of three nodes can be in, within bounds, whatever the order of
/// messages, losses, campaigns, proposals and crashes, and check that Raft's laws hold in each.
///
/// Prints how many states there are. Succeeds if all is well; else shows the shortest way to what
/// is not.
#[derive(Debug, Parser)]
struct Args {
    /// Terms that can be campaigned for.
    #[arg(long, default_value_t = 2)]
    terms: u64,
    /// Entries that can be proposed.
    #[arg(long, default_value_t = 0)]
    proposals: u8,
    /// Times that a node can crash.
    #[arg(long, default_value_t = 0)]
    crashes: u8,
    /// Rounds of heartbeats.
    #[arg(long, default_value_t = 0)]
    heartbeats: u8,
    /// Candidates ask before they campaign.
    #[arg(long)]
    pre_vote: bool,
    /// Look only at what takes so many actions.
    #[arg(long)]
    depth: Option<usize>,
    /// Stop after so many minutes.
    #[arg(long)]
    minutes: Option<f64>,
    /// Stop after about so many transitions.
    #[arg(long)]
    transitions: Option<usize>,
    /// Let the hosts do something wrong, to see that it is found.
    #[arg(long, value_enum)]
    planted: Option<Wrong>,
    /// Threads to use; as many as there are cores if it is not given.
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wrong {
    /// A crash takes back a vote.
    ForgetsVote,
    /// A crash takes back an entry.
    ForgetsEntry,
    /// Promises leave before they are stored.
    SendsBeforeStoring,
}

impl From<Wrong> for Planted {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::ForgetsVote => Self::ForgetsVote,
            Wrong::ForgetsEntry => Self::ForgetsEntry,
            Wrong::SendsBeforeStoring => Self::SendsBeforeStoring,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Args { terms, proposals, crashes, heartbeats, pre_vote, .. } = args;
    let bounds = Bounds { terms, proposals, crashes, heartbeats, pre_vote };
    let time = args.minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes.max(0.0)));
    let limits = Limits { depth: args.depth, transitions: args.transitions, time };
    let threads = args.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let start = Instant::now();
    let mut told = start;
    let progress = move |states| {
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{states} states so far");
        }
    };
    let findings = exhaustive::explore(bounds, limits, args.planted.map(Planted::from), threads, progress);
    for name in &findings.unmet {
        say!("never met: {name}");
    }
    if let Some((law, path)) = &findings.breach {
        say!("broken: {}; the shortest way there:", law.name());
        for (number, action) in path.iter().enumerate() {
            say!("{:>4}. {action}", number + 1);
        }
    }
    let extent = if findings.complete { "all" } else { "not all" };
    say!(
        "states: {} ({extent} within {bounds:?}), transitions: {}, actions: {}, seconds: {:.1}, broken laws: {}",
        findings.states,
        findings.transitions,
        findings.depth,
        start.elapsed().as_secs_f64(),
        u8::from(findings.breach.is_some())
    );
    if findings.breach.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
