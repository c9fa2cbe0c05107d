//! Runs the deterministic simulation; see [`raftcore_testkit::sim`].

mod host;
mod pool;
mod report;
mod soak;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use raftcore_testkit::sim::{Course, Length, Scenario};
use raftcore_testkit::{etcd_trace, say};

use report::Report;

/// Simulate groups of nodes under faults and check that Raft's invariants hold.
///
/// Every seed is a run of its own: cluster size, configuration, faults and load follow from it. A failing
/// run is repeated to show what happened last, and reduced to a small scenario file that fails in the
/// same way. The last line is a summary; succeeds if there was no violation.
#[derive(Debug, Parser)]
struct Args {
    /// Run this one seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run the seeds from A up to, but not including, B [default: 0..100 if nothing else is to be run].
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    seeds: Option<Range<u64>>,
    /// Run so many seeds that nobody has chosen.
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["seed", "seeds"])]
    random: Option<u64>,
    /// Run the seeds in this file: one a line, and after it the run's ticks if they shall not be those of
    /// the other runs; `#` and what follows it are comments.
    #[arg(long, value_name = "FILE")]
    seed_file: Option<PathBuf>,
    /// Run the scenarios in these files.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    scenario: Vec<PathBuf>,
    /// Events of each seed's run, before the faults stop.
    #[arg(long, default_value_t = 20_000)]
    steps: u64,
    /// Ticks of each seed's run before the faults stop, instead of events.
    #[arg(long, conflicts_with = "steps")]
    ticks: Option<u64>,
    /// Change a setting of all runs, as `set` does in a scenario file.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Threads to run seeds on [default: as many as there are cores].
    #[arg(long, value_name = "COUNT")]
    jobs: Option<NonZeroUsize>,
    /// Lines to show of what happened last in a failing run.
    #[arg(long, default_value_t = 60)]
    story: usize,
    /// Write what happens, in JSON lines, to this file: of the one run, or of the first that fails.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Instead, write the trace of a small group to this file, for etcd/raft's TLA+ specification: of
    /// the one seed, or of the first; with at most 900 lines, or as many as --steps if that is fewer.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trace", "host"])]
    etcd_trace: Option<PathBuf>,
    /// Make each run in Rust and in this host too, and compare everything observed: c, python, or a
    /// program with its arguments.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["trace", "minutes"])]
    host: Option<String>,
    /// Let the digest that --verbose prints depend on everything observed, as with --host.
    #[arg(long, conflicts_with = "trace")]
    record: bool,
    /// Put the scenarios that failing runs are reduced to into this directory.
    #[arg(long, value_name = "DIRECTORY", default_value = "sim-failures")]
    failures: PathBuf,
    /// Do not reduce failing runs to scenarios.
    #[arg(long)]
    no_shrink: bool,
    /// Fail if a rare situation was met in none of the runs.
    #[arg(long)]
    all_situations: bool,
    /// Print a line for each run, and all that was counted.
    #[arg(long)]
    verbose: bool,
    /// Run seed after seed for so many minutes, from --seeds' first one on.
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["seed", "random", "seed_file", "scenario", "trace"])]
    minutes: Option<f64>,
    /// With --minutes: keep what was done so far in this file, and go on from there.
    #[arg(long, value_name = "FILE", requires = "minutes")]
    state: Option<PathBuf>,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("expected A..B")?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let range = number(first)?..number(end)?;
    if range.is_empty() { Err("the range is empty".to_owned()) } else { Ok(range) }
}

/// Something to run.
struct Job {
    /// What to call it.
    name: String,
    /// What makes the simulator run it again.
    again: String,
    course: Course,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(path) = &args.etcd_trace {
        return match write_etcd_trace(&args, path) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("sim: {error}");
                ExitCode::from(2)
            }
        };
    }
    let done = match &args.host {
        Some(host) => host::compare(&args, host),
        None if args.minutes.is_some() => soak::run(&args),
        None => run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::from(2)
        }
    }
}

fn write_etcd_trace(args: &Args, path: &Path) -> io::Result<()> {
    let seed = args.seed.or(args.seeds.as_ref().map(|seeds| seeds.start)).unwrap_or_default();
    let mut file = BufWriter::new(File::create(path).map_err(about(path))?);
    etcd_trace::record(seed, args.steps.min(900) as usize, &mut file).map_err(about(path))?;
    file.flush().map_err(about(path))
}

/// Runs what was asked for; says whether all was well.
fn run(args: &Args) -> Result<bool, String> {
    let jobs = jobs(args)?;
    let mut report = Report::new(args, jobs.len());
    pool::run(&jobs, args, |job, result| report.take(job, result)).map_err(|error| error.to_string())?;
    report.finish().map_err(|error| error.to_string())
}

impl Args {
    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(cores, NonZeroUsize::get)
    }

    /// The run of a seed, of as long as all are.
    fn job(&self, seed: u64) -> Result<Job, String> {
        self.job_of(seed, self.ticks)
    }

    /// The run of a seed, of so many ticks or else events.
    fn job_of(&self, seed: u64, ticks: Option<u64>) -> Result<Job, String> {
        let length = ticks.map_or(Length::Events(self.steps), Length::ticks);
        let course = self.with_settings(Course::of_seed(seed, length))?;
        let length = ticks.map_or(format!("--steps {}", self.steps), |ticks| format!("--ticks {ticks}"));
        let again = format!("--seed {seed} {length}{}", self.settings_again());
        Ok(Job { name: format!("seed {seed}"), again, course })
    }

    fn settings_again(&self) -> String {
        self.settings.iter().map(|setting| format!(" --set {setting}")).collect()
    }

    fn with_settings(&self, course: Course) -> Result<Course, String> {
        self.settings.iter().try_fold(course, |course, setting| {
            let (key, value) = setting.split_once('=').ok_or("expected --set NAME=VALUE")?;
            course.with(key, value)
        })
    }
}

fn jobs(args: &Args) -> Result<Vec<Job>, String> {
    let mut jobs = Vec::new();
    for path in &args.scenario {
        let named = |error: String| format!("{}: {error}", path.display());
        let text = read(path)?;
        let scenarios = Scenario::parse(&text).map_err(named)?;
        let many = scenarios.len() > 1;
        for (number, scenario) in scenarios.iter().enumerate() {
            let number = if many { format!(" ({number})") } else { String::new() };
            let course = args.with_settings(Course::of_scenario(scenario)).map_err(named)?;
            let again = format!("--scenario {}{}", path.display(), args.settings_again());
            jobs.push(Job { name: format!("{}{number}", path.display()), again, course });
        }
    }
    if let Some(path) = &args.seed_file {
        let text = read(path)?;
        for line in text.lines() {
            let named = |error: String| format!("{}: {line:?}: {error}", path.display());
            if let Some((seed, ticks)) = parse_seed(line).map_err(named)? {
                jobs.push(args.job_of(seed, ticks.or(args.ticks))?);
            }
        }
    }
    let mut seeds = Vec::new();
    if let Some(count) = args.random {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Far from the seeds that people choose, and short enough to be typed again.
        let first = 1_000_000_000 + now.as_millis() as u64 % 1_000_000_000 * 1000;
        seeds.extend(first..first + count);
        say!("seeds {first}..{}", first + count);
    }
    seeds.extend(args.seed);
    seeds.extend(args.seeds.clone().into_iter().flatten());
    if seeds.is_empty() && jobs.is_empty() {
        seeds.extend(0..100);
    }
    for seed in seeds {
        jobs.push(args.job(seed)?);
    }
    Ok(jobs)
}

/// A line of a file of seeds: the seed, and how many ticks it takes.
fn parse_seed(line: &str) -> Result<Option<(u64, Option<u64>)>, String> {
    let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
    let number = |word: &str| word.parse::<u64>().map_err(|error| error.to_string());
    match words[..] {
        [] => Ok(None),
        [seed] => Ok(Some((number(seed)?, None))),
        [seed, ticks] => Ok(Some((number(seed)?, Some(number(ticks)?)))),
        _ => Err("expected a seed, and perhaps its ticks".to_owned()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// An error that names the file it is about.
fn about(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::parse_seed;

    #[test]
    fn a_line_of_a_file_of_seeds_may_say_how_long_the_run_is() {
        assert_eq!(parse_seed("  # only a comment"), Ok(None));
        assert_eq!(parse_seed("7 # why"), Ok(Some((7, None))));
        assert_eq!(parse_seed("7\t5000  # why"), Ok(Some((7, Some(5000)))));
        for line in ["seven", "7 ticks", "7 5000 1", "-7"] {
            assert!(parse_seed(line).is_err(), "{line}");
        }
    }
}
