//! The harnesses without a fuzzer: over the seeds, over changed seeds, and over noise.

use std::fs;
use std::path::{Path, PathBuf};

use raftcore_fuzz::{Harness, TARGETS, from_script};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn noise(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    /// The input with a few bytes changed, cut out or put in.
    fn change(&mut self, mut input: Vec<u8>) -> Vec<u8> {
        for _ in 0..1 + self.below(6) {
            let at = self.below(input.len() + 1);
            match self.below(4) {
                0 => drop(input.splice(at..at, self.noise(8))),
                1 => drop(input.drain(at..(at + self.below(8)).min(input.len()))),
                _ => {
                    if let Some(byte) = input.get_mut(at) {
                        *byte = self.next() as u8;
                    }
                }
            }
        }
        input
    }
}

/// Interaction scripts: ours, and those of etcd/raft where they are.
fn scripts() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let ours = workspace.join("testkit/testdata/interaction");
    assert!(ours.is_dir(), "no scripts in {}", ours.display());
    let theirs = workspace.join("../shared/etcd-interaction");
    let folders = [ours, theirs.join("testdata"), theirs.join("generated")];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut scripts: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    scripts.sort();
    scripts
}

/// What the nodes of the scripts receive and are asked for, as inputs of a target.
fn from_scripts(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut inputs = Vec::new();
    for path in scripts() {
        let text = fs::read_to_string(&path).expect("a readable script");
        let seeds = from_script(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let of_target = match target {
            "step_bytes" => seeds.step_bytes,
            "inputs" => seeds.inputs.into_iter().collect(),
            _ => Vec::new(),
        };
        inputs.extend(of_target.into_iter().map(|input| (path.clone(), input)));
    }
    inputs
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("a file").path())
        .map(|path| (path.clone(), fs::read(path).expect("a readable seed")))
        .collect();
    seeds.sort();
    seeds.extend(from_scripts(target));
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds
}

/// Runs one input; says which it was if a property does not hold.
fn run(harness: Harness, input: &[u8], origin: &str) {
    if std::panic::catch_unwind(|| harness(input)).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("failed on {origin}; the input in hex: {hex}");
    }
}

/// Runs a target on its seeds, and on `inputs` made from them and from nothing.
fn hammer(target: &str, inputs: usize) {
    let (_, harness) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a known target");
    let seeds = seeds(target);
    for (path, input) in &seeds {
        run(harness, input, &path.display().to_string());
    }
    let mut random = Random(1);
    for count in 0..inputs {
        let input = match count % 4 {
            0 => random.noise(600),
            // What begins with 0 is an honest group to `inputs`.
            1 => [vec![0], random.noise(600)].concat(),
            _ => {
                let seed = seeds[random.below(seeds.len())].1.clone();
                random.change(seed)
            }
        };
        run(harness, &input, &format!("changed input {count}"));
    }
}

#[test]
fn bytes_from_a_peer_never_harm_a_node() {
    hammer("step_bytes", 10_000);
}

#[test]
fn no_input_breaks_what_must_hold() {
    hammer("inputs", 5000);
}

#[test]
fn no_choice_of_a_simulated_run_breaks_what_must_hold() {
    hammer("simulation", 150);
}

#[test]
fn whatever_can_be_decoded_is_the_same_after_encoding() {
    hammer("entries_decode", 60_000);
}
