//! What is said of the runs, while they run and in the end.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

use raftcore_testkit::say;
use raftcore_testkit::sim::{self, Course, Failure, Tally};

use crate::{Args, Job, about};

/// How often progress is shown.
const INTERVAL: Duration = Duration::from_secs(5);
/// How many failing runs are reduced.
const MOST_SHRUNK: u64 = 3;

/// Collects results.
pub(crate) struct Report<'a> {
    args: &'a Args,
    total: usize,
    start: Instant,
    last_shown: Instant,
    pub(crate) runs: u64,
    pub(crate) events: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) dead_ends: u64,
    pub(crate) tally: Tally,
}

impl<'a> Report<'a> {
    pub(crate) fn new(args: &'a Args, total: usize) -> Self {
        let start = Instant::now();
        let (runs, events, violations, dead_ends) = (0, 0, Vec::new(), 0);
        let tally = Tally::default();
        Self { args, total, start, last_shown: start, runs, events, violations, dead_ends, tally }
    }

    /// Takes the result of a run.
    pub(crate) fn take(&mut self, job: &Job, result: Result<sim::Report, Box<Failure>>) -> io::Result<()> {
        self.runs += 1;
        match result {
            Ok(report) => {
                self.events += report.events;
                self.tally += report.tally;
                self.dead_ends += u64::from(report.dead_end);
                if self.args.verbose {
                    let sim::Report { events, digest, .. } = report;
                    let committed = report.tally.committed;
                    say!("{}: {events} events, {committed} committed, digest {digest:016x}", job.name);
                }
                if self.total == 1 {
                    self.write_trace(&job.course)?;
                }
            }
            Err(failure) => {
                self.events += failure.events;
                self.violations.push(job.name.clone());
                self.explain(job, &failure)?;
            }
        }
        self.show_progress()
    }

    fn explain(&self, job: &Job, failure: &Failure) -> io::Result<()> {
        for line in &failure.story {
            say!("{line}");
        }
        say!("{}: after {} events: {}\n", job.name, failure.events, failure.violation);
        say!("to repeat it: cargo run --release -p raftcore-testkit --bin sim -- {}\n", job.again);
        if self.violations.len() == 1 {
            self.write_trace(&job.course)?;
        }
        if self.args.no_shrink || self.violations.len() as u64 > MOST_SHRUNK {
            return Ok(());
        }
        let Some(scenario) = sim::shrink(&job.course) else {
            say!("written down as a scenario, the run does not fail: replay the seed\n");
            return Ok(());
        };
        let name: String =
            job.name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
        let directory = &self.args.failures;
        fs::create_dir_all(directory).map_err(about(directory))?;
        let path = directory.join(format!("{name}.scenario"));
        let text = format!("# {:?}, found with {}\n{scenario}", failure.violation.invariant, job.name);
        fs::write(&path, text).map_err(about(&path))?;
        say!("reduced to a scenario; to replay it:\n  sim --scenario {}\n", path.display());
        Ok(())
    }

    /// Runs again, as it ran before, with its trace going to a file, if one is wanted.
    fn write_trace(&self, course: &Course) -> io::Result<()> {
        let Some(path) = &self.args.trace else { return Ok(()) };
        let file = BufWriter::new(File::create(path).map_err(about(path))?);
        sim::trace(course, 0, Box::new(file)).map_err(about(path)).map(drop)
    }

    fn show_progress(&mut self) -> io::Result<()> {
        if self.last_shown.elapsed() < INTERVAL || !io::stderr().is_terminal() {
            return Ok(());
        }
        self.last_shown = Instant::now();
        let Self { runs, total, events, violations, .. } = self;
        let violations = violations.len();
        write!(io::stderr(), "\r{runs} of {total} runs, {events} events, {violations} violations ")
    }

    /// The summary; says whether all was well.
    pub(crate) fn finish(self) -> io::Result<bool> {
        if self.last_shown != self.start {
            writeln!(io::stderr())?;
        }
        if self.dead_ends > 0 {
            say!("{} groups ended in a known dead end: no violation", self.dead_ends);
        }
        let missing = self.tally.situations.missing();
        let counts = self.tally.counts();
        if self.args.verbose {
            counts.iter().for_each(|(name, count)| say!("{name}: {count}"));
        } else {
            let short = counts.iter().take(12).map(|(name, count)| format!("{name}: {count}"));
            say!("{}", short.collect::<Vec<_>>().join(", "));
        }
        if self.args.all_situations && !missing.is_empty() {
            say!("never met: {missing:?}");
        }
        if !self.violations.is_empty() {
            say!("violations: {}", self.violations.join(", "));
        }
        let rate = self.events as f64 / self.start.elapsed().as_secs_f64();
        let Self { runs, events, violations, .. } = &self;
        let count = violations.len();
        say!("seeds: {runs}, events: {events}, events per second: {rate:.0}, violations: {count}");
        Ok(violations.is_empty() && (missing.is_empty() || !self.args.all_situations))
    }
}
