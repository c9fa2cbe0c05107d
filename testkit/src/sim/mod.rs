//! A deterministic simulation: a group of nodes under faults, everything chosen by one seed.
//!
//! The nodes are real; time, network, disks and hosts are simulated. Messages are lost, duplicated,
//! delayed and reordered, links are cut one way or both, nodes pause, and crash between any two
//! pieces of their hosts' work, losing what was not synced. Clients propose, read, change the
//! membership, compact logs and move leadership meanwhile. After every event the invariants in
//! [`Invariant`] are checked against the whole group's history. In the end the faults stop, and the
//! group has to recover.
//!
//! A run depends on nothing but its seed and length, so a failure is explained by running it again.

mod calls;
mod checks;
mod clients;
mod compare;
mod disk;
mod faults;
mod healing;
mod host;
mod hosted;
mod ledger;
mod log_view;
mod machine;
mod network;
mod node;
mod oracle;
mod plan;
mod tally;
mod trace;
mod violation;
mod world;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use compare::{Compared, Difference, Embedding, run_recorded};
pub use hosted::host_command;
pub use tally::Tally;
pub use violation::{Invariant, Violation};

use node::{Driver, Native};
pub(crate) use trace::describe;
use trace::{Happening, Trace};
use violation::Check;
use world::World;

use crate::rng::Rng;

/// What a run without a breach was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// What they were.
    pub tally: Tally,
    /// Whether the group ended in a known dead end. Either nobody is left that could be elected,
    /// because a leader that demoted itself stopped before the others knew that its demotion is
    /// committed; or [`raftcore::Config::eager_append`] was on, which does without some precautions.
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

/// Runs the simulation that belongs to `seed`: so many events under faults, and the recovery. If it
/// fails, runs it again to tell the story of its last `story_lines` events.
pub fn run(seed: u64, steps: u64, story_lines: usize) -> Result<Report, Box<Failure>> {
    let (first, _) = run_once((Rng::new(seed), seed), steps, Box::new(Native), Trace::default());
    match first {
        Err(_) if story_lines > 0 => {
            run_once((Rng::new(seed), seed), steps, Box::new(Native), Trace::new(story_lines, None)).0
        }
        other => other,
    }
}

/// Runs the same simulation and writes to `file`, in JSON lines, everything that happens in it. Fails
/// if the file cannot be written.
pub fn trace(
    seed: u64,
    steps: u64,
    story_lines: usize,
    file: Box<dyn Write>,
) -> io::Result<Result<Report, Box<Failure>>> {
    let (result, written) =
        run_once((Rng::new(seed), seed), steps, Box::new(Native), Trace::new(story_lines, Some(file)));
    written.map(|()| result)
}

/// Runs the simulation that a fuzzer's bytes choose, with `bytes` in the place of chance as far as
/// they reach: as many events under faults as there are bytes, and the recovery.
pub fn run_bytes(bytes: &[u8], story_lines: usize) -> Result<Report, Box<Failure>> {
    let run = |trace| {
        let rng = Rng::from_bytes(bytes, 0);
        run_once((rng, 0), bytes.len() as u64, Box::new(Native), trace).0
    };
    match run(Trace::default()) {
        Err(_) if story_lines > 0 => run(Trace::new(story_lines, None)),
        other => other,
    }
}

/// Runs what a source of chance determines; its seed is for people.
fn run_once(
    (rng, seed): (Rng, u64),
    steps: u64,
    driver: Box<dyn Driver>,
    trace: Trace,
) -> (Result<Report, Box<Failure>>, io::Result<()>) {
    let failure = |violation, events, story| Box::new(Failure { seed, events, violation, story });
    let mut world = match caught(|| World::new(rng, seed, driver, trace)) {
        Ok(world) => world,
        Err(violation) => return (Err(failure(violation, 0, Vec::new())), Ok(())),
    };
    let result = caught(|| run_world(&mut world, steps));
    let events = world.count;
    world.tell(|| match &result {
        Ok(()) => Happening::End { events },
        Err(Violation { invariant, detail }) => {
            Happening::Violation { invariant: format!("{invariant:?}"), detail: detail.clone() }
        }
    });
    let (tally, dead_end, digest) = (world.tally(), world.is_dead_end, world.digest());
    let (story, written) = world.trace.finish();
    let result = match result {
        Ok(()) => Ok(Report { events, tally, dead_end, digest }),
        Err(violation) => Err(failure(violation, events, story)),
    };
    (result, written)
}

/// A panic is a breach like any other.
fn caught<T>(work: impl FnOnce() -> Check<T>) -> Check<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Invariant::NoPanics.broken(text.unwrap_or_default())
    })
}

fn run_world(world: &mut World, steps: u64) -> Check {
    while world.count < steps {
        world.step()?;
    }
    world.heal()
}
