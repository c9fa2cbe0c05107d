//! Runs the simulation over a fixed range of seeds. `cargo run --release -p raftcore-testkit --bin
//! sim` runs more of them.

use raftcore_testkit::sim::{self, Report};

/// Builds without optimisation run fewer seeds, so that the test stays short.
const SEEDS: u64 = if cfg!(debug_assertions) { 150 } else { 1000 };
const STEPS: u64 = 10_000;

fn run(seed: u64) -> Report {
    sim::run(seed, STEPS, 40).unwrap_or_else(|failure| {
        let story = failure.story.join("\n");
        panic!("{story}\nseed {seed}, {STEPS} steps: {}", failure.violation);
    })
}

#[test]
fn the_invariants_hold() {
    let reports: Vec<_> = (0..SEEDS).map(run).collect();
    // The runs are worth something only if groups get work done in spite of the faults.
    let busy = reports.iter().filter(|report| report.committed > 50 && report.elections > 1).count();
    assert!(busy as u64 > SEEDS / 2, "only {busy} of {SEEDS} groups elected leaders and committed");
}

#[test]
fn a_seed_determines_the_run() {
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
