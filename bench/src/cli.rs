//! The command line.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::clock::Clock;
use crate::group::Transport;
use crate::paths::{self, Path};
use crate::report::{Measurement, grouped, median};
use crate::workload::Workload;
use crate::{Failure, catch_up, idle, loss, payload, replicate, restart, snapshot};

#[derive(Parser)]
#[command(name = "raftcore-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Proposals per second of a whole group, in one thread, storage in memory.
    Replicate(Replicate),
    /// What a node at rest costs: bytes, and nanoseconds per tick.
    Idle(Idle),
    /// How fast an empty follower gets a long log.
    CatchUp(CatchUp),
    /// What raftcore reads of a long log when it is restarted.
    Restart(Restart),
    /// What handing a snapshot from a leader to a follower allocates: a copy would show.
    Snapshot(Snapshot),
    /// Writes of closed-loop clients while messages are lost, in virtual time.
    Loss(loss::Options),
    /// One hot path of raftcore again and again, for a profiler (scripts/bench_check.py).
    Path(PathOptions),
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Impl {
    /// raftcore, its Rust API.
    Core,
    /// The same, with payloads that are only lent: they are copied when they are proposed, as those of a
    /// program in C are.
    CoreCopying,
    /// raftcore through its C interface, from a C program (examples-c/bench).
    Ffi,
    /// raft-rs 0.7.
    RaftRs,
    /// raft-rs 0.7 with its option `batch_append`.
    RaftRsMerged,
    /// raft-rs 0.7 with its prost codec: this program, built with the feature `raft-rs-prost`.
    RaftRsProst,
    /// etcd/raft v3.7, a Go program (interop/go/cmd/bench).
    Etcd,
    /// Copying each payload once per node and counting one reference to it: no protocol at all.
    Limit,
}

impl Impl {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The program that has to be run for it, if it is not part of this one.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let (variable, usual) = match self {
            Impl::Ffi => ("RAFTCORE_BENCH_C", "build/examples-c/bench/bench"),
            Impl::RaftRsProst => ("RAFTCORE_BENCH_PROST", "build/bench-raft-rs-prost"),
            Impl::Etcd => ("RAFTCORE_BENCH_GO", "build/bench-etcd"),
            _ => return None,
        };
        Some(std::env::var_os(variable).map_or_else(|| usual.into(), PathBuf::from))
    }
}

#[derive(Args)]
struct Common {
    /// How often each is run; they take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What time is measured with.
    #[arg(long, value_enum, default_value_t = Clock::Wall)]
    clock: Clock,
    /// One JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Replicate {
    /// What to compare, separated by commas. `ffi`, `etcd` and `raft-rs-prost` are programs of their own:
    /// build/examples-c/bench/bench, build/bench-etcd and build/bench-raft-rs-prost, or what RAFTCORE_BENCH_C,
    /// RAFTCORE_BENCH_GO and RAFTCORE_BENCH_PROST name.
    #[arg(long = "impl", value_enum, value_delimiter = ',', default_value = "core,raft-rs")]
    implementations: Vec<Impl>,
    /// Members of the group.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Proposals between two turns of the host's loop.
    #[arg(long, default_value_t = 64, value_parser = at_least::<1>)]
    batch: usize,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 256, value_parser = at_least::<{ payload::MIN_LEN }>)]
    payload: usize,
    /// Proposals of a round.
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1..))]
    proposals: u64,
    /// Every message is encoded to bytes and decoded, by each library's own codec.
    #[arg(long)]
    encode: bool,
    /// Each batch is proposed in one call, instead of one call for each proposal.
    #[arg(long)]
    at_once: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Idle {
    /// What to compare: core; ffi, which are the functions of the C interface, called from Rust; raft-rs, followers
    /// only.
    #[arg(long = "impl", value_enum, value_delimiter = ',', default_value = "core,ffi,raft-rs")]
    implementations: Vec<Impl>,
    /// What they are. A tick of a leader includes the Ready with its heartbeats, if there is one.
    #[arg(long, value_enum, default_value_t = idle::Role::Follower)]
    role: idle::Role,
    /// Nodes that are kept.
    #[arg(long, default_value_t = 200_000, value_parser = at_least::<1>)]
    groups: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct CatchUp {
    /// What to compare: core, raft-rs, raft-rs-merged.
    #[arg(long = "impl", value_enum, value_delimiter = ',', default_value = "core,raft-rs")]
    implementations: Vec<Impl>,
    /// Entries that the follower lacks.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 256, value_parser = at_least::<{ payload::MIN_LEN }>)]
    payload: usize,
    /// Every message is encoded to bytes and decoded, by each library's own codec.
    #[arg(long)]
    encode: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Restart {
    /// Entries in the log.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 256, value_parser = at_least::<{ payload::MIN_LEN }>)]
    payload: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Snapshot {
    /// What to measure: core; ffi, which are the functions of the C interface, called from Rust.
    #[arg(long = "impl", value_enum, value_delimiter = ',', default_value = "core,ffi")]
    implementations: Vec<Impl>,
    /// MiB of data.
    #[arg(long, default_value_t = 64, value_parser = at_least::<1>)]
    mib: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct PathOptions {
    /// Which.
    #[arg(value_enum)]
    path: Path,
    /// How often.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
}

fn at_least<const LEAST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= LEAST => Ok(number),
        Ok(_) => Err(format!("at least {LEAST}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Does what the command line asks for.
pub(crate) fn run() -> Result<(), Failure> {
    match Cli::parse().command {
        Command::Replicate(options) => replicate(&options),
        Command::Idle(options) => idle(&options),
        Command::CatchUp(options) => catch_up(&options),
        Command::Restart(options) => restart(&options),
        Command::Snapshot(options) => snapshot(&options),
        Command::Loss(options) => loss::run(&options),
        Command::Path(options) => paths::walk(options.path, options.count),
    }
}

/// Tells how far it is, to people only.
fn progress(text: std::fmt::Arguments<'_>) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

fn replicate(options: &Replicate) -> Result<(), Failure> {
    let workload = Workload {
        nodes: options.nodes,
        batch: options.batch,
        payload: options.payload,
        proposals: options.proposals,
        transport: transport(options.encode),
        at_once: options.at_once,
        clock: options.common.clock,
    };
    let all = &options.implementations;
    let mut samples = vec![Vec::new(); all.len()];
    for round in 1..=options.common.rounds {
        for (implementation, samples) in all.iter().zip(&mut samples) {
            progress(format_args!("round {round} of {}: {}", options.common.rounds, implementation.name()));
            samples.push(replicate::time(*implementation, &workload)?);
        }
    }
    let mut results = Vec::new();
    for (implementation, samples) in all.iter().zip(&samples) {
        progress(format_args!("counting: {}", implementation.name()));
        let counted = replicate::count(*implementation, &workload)?;
        let rates: Vec<_> = samples.iter().filter_map(|sample| sample.proposals_per_second).collect();
        let (rate, spread) = median(&rates).ok_or("nothing was measured")?;
        let last = samples.last().cloned().unwrap_or_default();
        results.push(Measurement {
            command: "replicate",
            implementation: implementation.name(),
            nodes: Some(workload.nodes),
            batch: Some(workload.batch),
            payload: Some(workload.payload),
            encode: Some(options.encode),
            at_once: Some(options.at_once),
            proposals: Some(workload.proposals),
            proposals_per_second: Some(rate),
            messages_per_proposal: counted.messages_per_proposal.or(last.messages_per_proposal),
            allocations_per_proposal: counted.allocations_per_proposal.or(last.allocations_per_proposal),
            rounds: samples.len(),
            spread,
            verified: Some(true),
            ..Measurement::default()
        });
    }
    compare(&mut results, |result| result.proposals_per_second);
    print(&results, &options.common, |result| {
        let count = |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.3}"));
        format!(
            "{:>12} proposals/s  {:>7} messages  {:>7} allocations per proposal",
            grouped(result.proposals_per_second.unwrap_or_default()),
            count(result.messages_per_proposal),
            count(result.allocations_per_proposal),
        )
    })
}

fn idle(options: &Idle) -> Result<(), Failure> {
    let all = &options.implementations;
    let mut ticks = vec![Vec::new(); all.len()];
    let mut bytes = vec![0.0; all.len()];
    for round in 1..=options.common.rounds {
        for (at, implementation) in all.iter().enumerate() {
            progress(format_args!("round {round} of {}: {}", options.common.rounds, implementation.name()));
            let cost = idle::measure(*implementation, options.role, options.groups, options.common.clock)?;
            ticks[at].push(cost.tick_ns);
            bytes[at] = cost.bytes;
        }
    }
    let mut results = Vec::new();
    for ((implementation, ticks), bytes) in all.iter().zip(&ticks).zip(bytes) {
        let (tick_ns, spread) = median(ticks).ok_or("nothing was measured")?;
        results.push(Measurement {
            command: "idle",
            implementation: implementation.name(),
            nodes: Some(3),
            case: Some(options.role.name()),
            groups: Some(options.groups),
            bytes_per_group: Some(bytes),
            tick_ns: Some(tick_ns),
            rounds: ticks.len(),
            spread,
            ..Measurement::default()
        });
    }
    compare(&mut results, |result| result.tick_ns.map(|ns| 1.0 / ns));
    print(&results, &options.common, |result| {
        format!(
            "{:>7.0} bytes  {:>6.1} ns per tick",
            result.bytes_per_group.unwrap_or_default(),
            result.tick_ns.unwrap_or_default()
        )
    })
}

fn catch_up(options: &CatchUp) -> Result<(), Failure> {
    let gap = catch_up::Gap {
        entries: options.entries,
        payload: options.payload,
        transport: transport(options.encode),
        clock: options.common.clock,
    };
    let all = &options.implementations;
    let mut rates = vec![Vec::new(); all.len()];
    for round in 1..=options.common.rounds {
        for (implementation, rates) in all.iter().zip(&mut rates) {
            progress(format_args!("round {round} of {}: {}", options.common.rounds, implementation.name()));
            rates.push(catch_up::measure(*implementation, &gap)?);
        }
    }
    let mut results = Vec::new();
    for (implementation, rates) in all.iter().zip(&rates) {
        let (rate, spread) = median(rates).ok_or("nothing was measured")?;
        results.push(Measurement {
            command: "catch-up",
            implementation: implementation.name(),
            nodes: Some(3),
            payload: Some(gap.payload),
            encode: Some(options.encode),
            entries: Some(gap.entries),
            entries_per_second: Some(rate),
            rounds: rates.len(),
            spread,
            verified: Some(true),
            ..Measurement::default()
        });
    }
    compare(&mut results, |result| result.entries_per_second);
    print(&results, &options.common, |result| {
        format!("{:>12} entries/s", grouped(result.entries_per_second.unwrap_or_default()))
    })
}

fn restart(options: &Restart) -> Result<(), Failure> {
    let mut results = Vec::new();
    for case in restart::Case::ALL {
        let mut seconds = Vec::new();
        let mut counts = (0, 0);
        for round in 1..=options.common.rounds {
            progress(format_args!("{}, round {round} of {}", case.name(), options.common.rounds));
            let cost = restart::measure(case, options.entries, options.payload, options.common.clock)?;
            seconds.push(cost.seconds);
            counts = (cost.entries_read, cost.calls);
        }
        let (seconds, spread) = median(&seconds).ok_or("nothing was measured")?;
        results.push(Measurement {
            command: "restart",
            implementation: Impl::Core.name(),
            case: Some(case.name()),
            payload: Some(options.payload),
            entries: Some(options.entries),
            entries_read: Some(counts.0),
            storage_calls: Some(counts.1),
            seconds: Some(seconds),
            rounds: options.common.rounds as usize,
            spread,
            ..Measurement::default()
        });
    }
    print(&results, &options.common, |result| {
        format!(
            "{:<28} {:>9} entries read in {:>4} calls, {:.6} s",
            result.case.unwrap_or_default(),
            grouped(result.entries_read.unwrap_or_default() as f64),
            result.storage_calls.unwrap_or_default(),
            result.seconds.unwrap_or_default(),
        )
    })
}

fn snapshot(options: &Snapshot) -> Result<(), Failure> {
    let data = Bytes::from(vec![7; options.mib << 20]);
    let mut results = Vec::new();
    for implementation in &options.implementations {
        let mut seconds = Vec::new();
        let mut allocated = 0;
        for round in 1..=options.common.rounds {
            progress(format_args!("round {round} of {}: {}", options.common.rounds, implementation.name()));
            let cost = snapshot::measure(*implementation, &data, options.common.clock)?;
            seconds.push(cost.seconds);
            allocated = cost.allocated.max(allocated);
        }
        let (seconds, spread) = median(&seconds).ok_or("nothing was measured")?;
        results.push(Measurement {
            command: "snapshot",
            implementation: implementation.name(),
            snapshot_bytes: Some(data.len() as u64),
            allocated_bytes: Some(allocated),
            seconds: Some(seconds),
            rounds: options.common.rounds as usize,
            spread,
            verified: Some(true),
            ..Measurement::default()
        });
    }
    print(&results, &options.common, |result| {
        format!(
            "{:>12} bytes handed over, {:>7} bytes allocated, {:.6} s",
            grouped(result.snapshot_bytes.unwrap_or_default() as f64),
            grouped(result.allocated_bytes.unwrap_or_default() as f64),
            result.seconds.unwrap_or_default(),
        )
    })
}

fn transport(encode: bool) -> Transport {
    if encode { Transport::Encoded } else { Transport::Memory }
}

/// Fills in the ratios to raft-rs, if it took part.
fn compare(results: &mut [Measurement], figure: impl Fn(&Measurement) -> Option<f64>) {
    let base = results.iter().find(|result| result.implementation == "raft-rs").and_then(&figure);
    for result in results {
        result.ratio = figure(result).zip(base).map(|(mine, base)| mine / base);
    }
}

fn print(
    results: &[Measurement],
    common: &Common,
    line: impl Fn(&Measurement) -> String,
) -> Result<(), Failure> {
    progress(format_args!(""));
    for result in results {
        if common.json {
            println!("{}", serde_json::to_string(result)?);
        } else {
            let ratio = result.ratio.map_or(String::new(), |ratio| format!("  {ratio:6.2} x raft-rs"));
            println!(
                "{:<14}{}  spread {:3.0}%{ratio}",
                result.implementation,
                line(result),
                result.spread * 100.0
            );
        }
    }
    Ok(())
}
