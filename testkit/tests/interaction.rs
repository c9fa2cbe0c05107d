//! Runs interaction scripts: our own, and etcd/raft's where they are to be found.

use std::fs;
use std::path::{Path, PathBuf};

use raftcore_testkit::interaction::{self, Options};

/// Where etcd's scripts are, if not beside the checkout.
const SCRIPTS_VARIABLE: &str = "RAFTCORE_ETCD_SCRIPTS";

/// All scripts below `folder`, in order.
fn scripts_below(folder: &Path) -> Vec<PathBuf> {
    let mut scripts = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            scripts.extend(scripts_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            scripts.push(path);
        }
    }
    scripts.sort();
    scripts
}

/// Every script gives what it states, whatever the settings that must not show.
fn assert_all_match(scripts: &[PathBuf]) {
    let plain = Options::default();
    let settings = [plain, Options { log_cache_bytes: 0, seed: 7 }];
    let mut failures = Vec::new();
    for path in scripts {
        let text = fs::read_to_string(path).unwrap();
        for options in settings {
            match interaction::run(&text, options) {
                Ok(outcome) if outcome.matches() => {}
                Ok(outcome) => {
                    failures.push(format!("{} {options:?}\n{}", path.display(), outcome.diff()));
                }
                Err(error) => failures.push(format!("{} {options:?}\n{error}", path.display())),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn our_scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/interaction");
    let scripts = scripts_below(&folder);
    assert!(!scripts.is_empty());
    assert_all_match(&scripts);
}

#[test]
fn our_scripts_are_as_the_runner_writes_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/interaction");
    for path in scripts_below(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        let outcome = interaction::run(&text, Options::default()).unwrap();
        assert_eq!(outcome.actual, text, "{}", path.display());
    }
}

#[test]
fn etcd_scripts() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = match std::env::var_os(SCRIPTS_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => workspace.join("../shared/etcd-interaction"),
    };
    if !folder.is_dir() {
        println!("SKIPPED: etcd/raft's interaction scripts; there is no folder {}.", folder.display());
        println!("They are in the Go module go.etcd.io/raft/v3, folder testdata. Set");
        println!("{SCRIPTS_VARIABLE} to a folder that has them; their log lines are ignored.");
        return;
    }
    let scripts = scripts_below(&folder);
    assert!(!scripts.is_empty(), "no scripts in {}", folder.display());
    assert_all_match(&scripts);
}
