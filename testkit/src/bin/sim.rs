//! Runs the deterministic simulation; see [`raftcore_testkit::sim`].

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use raftcore_testkit::etcd_trace;
use raftcore_testkit::sim::{self, Compared, Failure, Tally};

/// Simulate groups of nodes under faults and check that Raft's invariants hold.
///
/// Every seed is a run of its own: cluster size, configuration, faults and load follow from it.
/// A failing run is repeated to show what happened last. The last line is a summary; succeeds if
/// there was no violation.
#[derive(Debug, Parser)]
struct Args {
    /// Run this one seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run the seeds from A up to, but not including, B.
    #[arg(long, value_name = "A..B", value_parser = parse_range, default_value = "0..100")]
    seeds: Range<u64>,
    /// Events of each run, before the faults stop.
    #[arg(long, default_value_t = 20_000)]
    steps: u64,
    /// Lines to show of what happened last in a failing run.
    #[arg(long, default_value_t = 60)]
    story: usize,
    /// Write what happens, in JSON lines, to this file: of the one seed, or of the first that fails.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Instead, write the trace of a small group to this file, for etcd/raft's TLA+ specification: of
    /// the one seed, or of the first; with at most 900 lines, or as many as --steps if that is fewer.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "host"])]
    etcd_trace: Option<PathBuf>,
    /// Run each seed in Rust and in this host too, and compare everything observed: c, python, or a
    /// program with its arguments.
    #[arg(long, value_name = "HOST", conflicts_with = "trace")]
    host: Option<String>,
    /// Let the digest that --verbose prints depend on everything observed, as with --host.
    #[arg(long, conflicts_with = "trace")]
    record: bool,
    /// Print a line for each seed.
    #[arg(long)]
    verbose: bool,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("expected A..B")?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let range = number(first)?..number(end)?;
    if range.is_empty() { Err("the range is empty".to_owned()) } else { Ok(range) }
}

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let args = Args::parse();
    if let Some(host) = &args.host {
        return compare(&mut out, host, &args).or_else(|problem| {
            eprintln!("sim: {problem}");
            Ok(ExitCode::from(2))
        });
    }
    let seeds = args.seed.map_or_else(|| args.seeds.clone(), |seed| seed..seed + 1);
    if let Some(path) = &args.etcd_trace {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut file = BufWriter::new(File::create(path).map_err(named)?);
        etcd_trace::record(seeds.start, args.steps.min(900) as usize, &mut file).map_err(named)?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = seeds.end - seeds.start;
    let start = Instant::now();
    let (mut events, mut violations, mut dead_ends) = (0, 0, 0);
    let mut tally = Tally::default();
    let mut file = args.trace.as_deref();
    for seed in seeds {
        let result = match file.filter(|_| count == 1) {
            Some(path) => trace(seed, &args, path)?,
            None if args.record => sim::run_recorded(seed, args.steps),
            None => sim::run(seed, args.steps, args.story),
        };
        match result {
            Ok(report) => {
                events += report.events;
                tally += report.tally;
                dead_ends += u64::from(report.dead_end);
                if args.verbose {
                    writeln!(out, "seed {seed}: {report:?}")?;
                }
            }
            Err(failure) => {
                events += failure.events;
                violations += 1;
                print_failure(&mut out, &failure)?;
                if let Some(path) = file.take().filter(|_| count > 1) {
                    // Runs again as it ran, and fails again.
                    let _ = trace(seed, &args, path)?;
                }
            }
        }
    }
    if dead_ends > 0 {
        writeln!(out, "{dead_ends} groups ended in a known dead end: no violation")?;
    }
    writeln!(out, "{tally}")?;
    let rate = events as f64 / start.elapsed().as_secs_f64();
    writeln!(
        out,
        "seeds: {count}, events: {events}, events per second: {rate:.0}, violations: {violations}"
    )?;
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every seed in Rust and in a host.
fn compare(out: &mut impl Write, host: &str, args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut embedding = sim::host_command(host).and_then(sim::Embedding::start)?;
    let seeds = args.seed.map_or_else(|| args.seeds.clone(), |seed| seed..seed + 1);
    let (count, start) = (seeds.end - seeds.start, Instant::now());
    let (mut events, mut violations, mut differences) = (0, 0, 0);
    for seed in seeds {
        match embedding.compare(seed, args.steps)? {
            Compared::Same(Ok(report)) => {
                events += report.events;
                if args.verbose {
                    writeln!(out, "seed {seed}: {report:?}")?;
                }
            }
            Compared::Same(Err(failure)) => {
                violations += 1;
                print_failure(out, &failure)?;
            }
            Compared::Differs(difference) => {
                differences += 1;
                writeln!(out, "seed {seed}: {difference}\n")?;
            }
        }
    }
    embedding.finish()?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    writeln!(
        out,
        "host: {host}, seeds: {count}, events: {events}, seeds per second: {rate:.1}, \
         violations: {violations}, differences: {differences}"
    )?;
    Ok(if violations + differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a seed with its trace going to a file.
fn trace(seed: u64, args: &Args, path: &Path) -> io::Result<Result<sim::Report, Box<Failure>>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = BufWriter::new(File::create(path).map_err(named)?);
    sim::trace(seed, args.steps, args.story, Box::new(file)).map_err(named)
}

fn print_failure(out: &mut impl Write, failure: &Failure) -> io::Result<()> {
    for line in &failure.story {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "seed {}: after {} events: {}\n", failure.seed, failure.events, failure.violation)
}
