//! Runs the simulation over fixed seeds and over the scenarios in `testdata/scenarios`.
//! `cargo run --release -p raftcore-testkit --bin sim` runs more of them.

use std::fs;
use std::path::{Path, PathBuf};

use raftcore_testkit::sim::{self, Course, Invariant, Length, Report, Scenario, Tally};

/// Builds without optimisation run fewer seeds, so that the test stays short.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 1000 };
const LENGTH: Length = Length::Events(10_000);

fn run(course: &Course, name: &str) -> Report {
    sim::run(course, 40).unwrap_or_else(|failure| {
        let story = failure.story.join("\n");
        panic!("{story}\n{name}: {}", failure.violation);
    })
}

fn run_seed(seed: u64) -> Report {
    run(&Course::of_seed(seed, LENGTH), &format!("seed {seed}, {LENGTH:?}"))
}

fn scenarios() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios");
    let files = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "scenario")).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Runs all scenarios; gives what happened in them.
fn run_scenarios() -> Tally {
    let mut sum = Tally::default();
    for path in scenarios() {
        let name = path.display();
        let scenarios = Scenario::parse(&fs::read_to_string(&path).unwrap());
        for scenario in scenarios.unwrap_or_else(|error| panic!("{name}: {error}")) {
            sum += run(&Course::of_scenario(&scenario), &format!("{name}\n{scenario}")).tally;
        }
    }
    sum
}

#[test]
fn the_invariants_hold() {
    let mut sum = run_scenarios();
    let mut busy = 0;
    for tally in (0..SEEDS).map(|seed| run_seed(seed).tally) {
        sum += tally;
        busy += u64::from(tally.committed > 50 && tally.elections > 1);
    }
    // The runs are worth something only if groups get work done in spite of the faults, and if they
    // get into the situations where it is hard.
    assert!(busy > SEEDS / 2, "only {busy} of {SEEDS} groups elected leaders and committed");
    let Tally { membership_changes, joint_memberships, snapshots, reads, crashes, overwritten, .. } = sum;
    let rarest =
        [membership_changes, joint_memberships, snapshots, reads, crashes, overwritten].into_iter().min();
    assert!(rarest > Some(SEEDS), "something hardly happens: {sum:?}");
    let missing = sum.situations.missing();
    assert!(missing.is_empty(), "these situations were never met: {missing:?}");
}

#[test]
fn a_seed_determines_the_run() {
    for seed in 0..10 {
        assert_eq!(run_seed(seed), run_seed(seed), "seed {seed}");
    }
}

/// The first of some seeds whose run fails with a setting changed, and how it fails.
fn first_failure(setting: (&str, &str), seeds: u64) -> (Course, Invariant) {
    let course = |seed| Course::of_seed(seed, LENGTH).with(setting.0, setting.1).unwrap();
    let failing = (0..seeds).map(course).find_map(|course| {
        let failure = sim::run(&course, 0).err()?;
        Some((course, failure.violation.invariant))
    });
    failing.unwrap_or_else(|| panic!("{setting:?} is not noticed in {seeds} seeds"))
}

#[test]
fn planted_bugs_are_noticed() {
    assert_eq!(first_failure(("bug", "no-sync"), 3).1, Invariant::PersistBeforeSend);
    assert_eq!(first_failure(("bug", "stale-reads"), 50).1, Invariant::LinearizableHistories);
    let (_, invariant) = first_failure(("bug", "early-answers"), 50);
    assert!(
        matches!(invariant, Invariant::LinearizableHistories | Invariant::ProposalOutcome),
        "{invariant:?}"
    );
}

#[test]
fn a_failure_is_reduced_to_a_small_scenario() {
    let (course, invariant) = first_failure(("bug", "stale-reads"), 50);
    let scenario = sim::shrink(&course).expect("the run fails when it is repeated as a scenario");
    let text = scenario.to_string();
    assert!(text.contains("set bug stale-reads"), "{text}");
    let actions = text.lines().filter(|line| line.starts_with("at ")).count();
    // Of thousands.
    assert!((1..=20).contains(&actions), "{text}");
    let again = Scenario::parse(&text).unwrap().remove(0);
    let failure = sim::run(&Course::of_scenario(&again), 0).unwrap_err();
    assert_eq!(failure.violation.invariant, invariant);
}
