//! A deterministic simulation: a group of nodes under faults, everything chosen by one seed.
//!
//! The nodes are real; time, network, disks and hosts are simulated. Messages are lost, duplicated,
//! delayed, reordered, corrupted and repeated much later, links are cut one way or both, flap or are slow,
//! strangers interfere, clocks differ, stop and leap, disks are full, fail to read and tear writes, state machines stall, nodes pause, and crash
//! between any two pieces of their hosts' work, losing what was not synced. Clients write and read,
//! operators change the membership, compact logs and move leadership meanwhile. After every event the invariants in
//! [`Invariant`] are checked against the whole group's history. In the end the faults stop, and the
//! group has to recover.
//!
//! A run depends on nothing but its seed and length, so a failure is explained by running it again.

mod acting;
mod action;
mod calls;
mod checks;
mod clients;
mod compare;
mod disk;
mod duels;
mod event;
mod faults;
mod healing;
mod host;
mod hosted;
mod ledger;
mod log_view;
mod machine;
mod mail;
mod network;
mod node;
mod oracle;
mod plan;
mod replica;
mod scenario;
mod shrink;
mod situations;
mod strangers;
mod tally;
mod trace;
mod violation;
mod workload;
mod world;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use compare::{Compared, Difference, Embedding, run_recorded};
pub use hosted::host_command;
pub use scenario::{Course, Length, Scenario};
pub use shrink::shrink;
pub use situations::{Situation, Situations};
pub use tally::Tally;
pub use violation::{Invariant, Violation};
pub use workload::Outcomes;

use crate::linearizability::Operation;
use action::Action;
use node::{Driver, Native};
pub(crate) use trace::describe;
use trace::{Happening, Trace};
use violation::Check;
use world::World;

/// What a run without a breach was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// What they were.
    pub tally: Tally,
    /// Whether the group ended in a known dead end: [`raftcore::Config::eager_append`] was on, which does
    /// without some precautions.
    pub dead_end: bool,
    /// Depends on everything that happened: equal for equal seeds and lengths.
    pub digest: u64,
}

/// A run that ended in a breach.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// How many events had happened.
    pub events: u64,
    /// What was breached.
    pub violation: Violation,
    /// What happened last, oldest first.
    pub story: Vec<String>,
}

/// Runs a simulation: faults for so long, and the recovery. If it fails, runs it again to tell the story of
/// its last `story_lines` events.
pub fn run(course: &Course, story_lines: usize) -> Result<Report, Box<Failure>> {
    let first = run_once(course, Box::new(Native), Trace::default(), false).result;
    match first {
        Err(_) if story_lines > 0 => {
            run_once(course, Box::new(Native), Trace::new(story_lines, None), false).result
        }
        other => other,
    }
}

/// Runs the same simulation and writes to `file`, in JSON lines, everything that happens in it. Fails
/// if the file cannot be written.
pub fn trace(
    course: &Course,
    story_lines: usize,
    file: Box<dyn Write>,
) -> io::Result<Result<Report, Box<Failure>>> {
    let Run { result, written, .. } =
        run_once(course, Box::new(Native), Trace::new(story_lines, Some(file)), false);
    written.map(|()| result)
}

/// Runs the simulation that a fuzzer's bytes choose: as many events under faults as there are bytes, and the
/// recovery.
pub fn run_bytes(bytes: &[u8], story_lines: usize) -> Result<Report, Box<Failure>> {
    run(&Course::of_bytes(bytes), story_lines)
}

/// What the clients of each object saw in a run.
pub fn histories(course: &Course) -> Vec<Vec<Operation>> {
    run_once(course, Box::new(Native), Trace::default(), true).histories
}

/// What is left of a run.
struct Run {
    result: Result<Report, Box<Failure>>,
    /// Whether its trace could be written.
    written: io::Result<()>,
    /// If it was to be recorded: what was done to the group, and what its clients saw.
    journal: Vec<(u64, Action)>,
    histories: Vec<Vec<Operation>>,
    /// When the faults stopped, or when it failed before that.
    storm_end: u64,
}

fn run_once(course: &Course, driver: Box<dyn Driver>, trace: Trace, is_recorded: bool) -> Run {
    let seed = course.seed;
    let failure = |violation, events, story| Box::new(Failure { seed, events, violation, story });
    let mut world = match caught(|| World::new(course, driver, trace)) {
        Ok(world) => world,
        Err(violation) => {
            let (journal, histories) = (Vec::new(), Vec::new());
            let result = Err(failure(violation, 0, Vec::new()));
            return Run { result, written: Ok(()), journal, histories, storm_end: 0 };
        }
    };
    if is_recorded {
        world.journal = Some(Vec::new());
        world.oracle.workload.keep_histories();
    }
    let mut storm_end = 0;
    let result = caught(|| run_world(&mut world, course.length, &mut storm_end));
    let events = world.count;
    world.tell(|| match &result {
        Ok(()) => Happening::End { events },
        Err(Violation { invariant, detail }) => {
            Happening::Violation { invariant: format!("{invariant:?}"), detail: detail.clone() }
        }
    });
    let (tally, dead_end, digest) = (world.tally(), world.is_dead_end, world.digest());
    let World { trace, journal, oracle, .. } = world;
    let (story, written) = trace.finish();
    let result = match result {
        Ok(()) => Ok(Report { events, tally, dead_end, digest }),
        Err(violation) => Err(failure(violation, events, story)),
    };
    let histories = oracle.workload.into_histories();
    Run { result, written, journal: journal.unwrap_or_default(), histories, storm_end }
}

/// A panic is a breach like any other.
fn caught<T>(work: impl FnOnce() -> Check<T>) -> Check<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Invariant::NoPanics.broken(text.unwrap_or_default())
    })
}

fn run_world(world: &mut World, length: Length, storm_end: &mut u64) -> Check {
    while !length.is_reached(world.count, world.now, world.next_time()) {
        *storm_end = world.next_time();
        world.step()?;
    }
    world.heal()?;
    world.note_final_situations();
    world.oracle.workload.finish()
}
