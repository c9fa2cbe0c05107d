//! Groups of raftcore and raft-rs nodes agree, whatever the network does.

use raftcore_interop::cluster::{self, Stats};

/// Rounds for each shape of a group; `INTEROP_ROUNDS` asks for more, `INTEROP_SEED` for others.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

const SHAPES: [(usize, usize); 6] = [(1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (4, 3)];

#[test]
fn mixed_groups_agree() {
    let (seed, rounds) = (number("INTEROP_SEED", 1), number("INTEROP_ROUNDS", 3000));
    let mut total = Stats::default();
    for turn in 0..rounds.div_ceil(20) {
        let (ours, theirs) = SHAPES[turn as usize % SHAPES.len()];
        let stats =
            cluster::run(seed.wrapping_add(turn), ours, theirs, 20).unwrap_or_else(|error| panic!("{error}"));
        add(&mut total, &stats);
    }
    println!("{total:?}");
    for (what, pair) in [
        ("leaders", total.leaders),
        ("snapshots", total.snapshots),
        ("reads", total.reads),
        ("changes", total.changes),
    ] {
        assert!(
            pair.iter().all(|count| *count > 0),
            "a run without {what} on a side proves nothing: {total:?}"
        );
    }
}

fn add(total: &mut Stats, stats: &Stats) {
    total.rounds += stats.rounds;
    total.entries += stats.entries;
    for side in 0..2 {
        total.leaders[side] += stats.leaders[side];
        total.messages[side] += stats.messages[side];
        total.snapshots[side] += stats.snapshots[side];
        total.reads[side] += stats.reads[side];
        total.changes[side] += stats.changes[side];
    }
    total.digest = total.digest.rotate_left(1) ^ stats.digest;
}

#[test]
fn a_seed_is_one_run() {
    let run = |seed| cluster::run(seed, 2, 2, 10).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).digest, run(8).digest);
}
