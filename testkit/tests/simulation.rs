//! Runs the simulation over a fixed range of seeds. `cargo run --release -p raftcore-testkit --bin
//! sim` runs more of them.

use raftcore_testkit::sim::{self, Report, Tally};

/// Builds without optimisation run fewer seeds, so that the test stays short.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 1000 };
const STEPS: u64 = 10_000;

fn run(seed: u64) -> Report {
    sim::run(seed, STEPS, 40).unwrap_or_else(|failure| {
        let story = failure.story.join("\n");
        panic!("{story}\nseed {seed}, {STEPS} steps: {}", failure.violation);
    })
}

#[test]
fn the_invariants_hold() {
    let mut sum = Tally::default();
    let mut busy = 0;
    for tally in (0..SEEDS).map(|seed| run(seed).tally) {
        sum += tally;
        busy += u64::from(tally.committed > 50 && tally.elections > 1);
    }
    // The runs are worth something only if groups get work done in spite of the faults, and if they
    // get into the situations where it is hard.
    assert!(busy > SEEDS / 2, "only {busy} of {SEEDS} groups elected leaders and committed");
    let Tally { membership_changes, joint_memberships, snapshots, reads, crashes, overwritten, .. } = sum;
    let rarest =
        [membership_changes, joint_memberships, snapshots, reads, crashes, overwritten].into_iter().min();
    assert!(rarest > Some(SEEDS), "something hardly happens: {sum}");
}

#[test]
fn a_seed_determines_the_run() {
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
