//! The same runs in Rust and in a host in another language.

use std::time::Instant;

use raftcore_testkit::say;
use raftcore_testkit::sim::{self, Compared};

use crate::{Args, jobs};

/// Makes every run in Rust and in the host; says whether all was well and the same.
pub(crate) fn compare(args: &Args, host: &str) -> Result<bool, String> {
    let mut embedding = sim::host_command(host).and_then(sim::Embedding::start)?;
    let (jobs, start) = (jobs(args)?, Instant::now());
    let (mut events, mut violations, mut differences) = (0, 0, 0);
    for job in &jobs {
        match embedding.compare(&job.course)? {
            Compared::Same(end) => match *end {
                Ok(report) => {
                    events += report.events;
                    if args.verbose {
                        say!("{}: {} events, digest {:016x}", job.name, report.events, report.digest);
                    }
                }
                Err(failure) => {
                    violations += 1;
                    say!("{}: after {} events: {}\n", job.name, failure.events, failure.violation);
                }
            },
            Compared::Differs(difference) => {
                differences += 1;
                say!("{}: {difference}\n", job.name);
            }
        }
    }
    embedding.finish()?;
    let (count, rate) = (jobs.len(), jobs.len() as f64 / start.elapsed().as_secs_f64());
    say!(
        "host: {host}, seeds: {count}, events: {events}, seeds per second: {rate:.1}, \
         violations: {violations}, differences: {differences}"
    );
    Ok(violations + differences == 0)
}
