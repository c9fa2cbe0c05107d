//! Runs on several threads, their results in order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use raftcore_testkit::sim::{self, Failure, Report};

use crate::{Args, Job};

/// Runs all jobs and hands their results on in the order of the jobs, whichever ends first. Stops at the
/// first error of `take`.
pub(crate) fn run(
    jobs: &[Job],
    args: &Args,
    mut take: impl FnMut(&Job, Result<Report, Box<Failure>>) -> io::Result<()>,
) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..args.threads().min(jobs.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { return };
                    let result = if args.record {
                        sim::run_recorded(&job.course)
                    } else {
                        sim::run(&job.course, args.story)
                    };
                    // Nobody listens any more if a result could not be reported.
                    if sender.send((place, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (place, result) in results {
            early.insert(place, result);
            while let Some(result) = early.remove(&expected) {
                take(&jobs[expected], result)?;
                expected += 1;
            }
        }
        Ok(())
    })
}
