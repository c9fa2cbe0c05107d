//! The simulator as a program: long work goes on where it was killed, and a reader may leave.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

fn sim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// A file for the state, which is not there yet.
fn state_file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

fn soak(minutes: &str, state: &Path) -> Command {
    let state = state.to_str().unwrap();
    sim(&["--minutes", minutes, "--seeds", "700..701", "--steps", "50", "--jobs", "1", "--state", state])
}

fn number(state: &Path, name: &str) -> u64 {
    let state: Value = serde_json::from_str(&fs::read_to_string(state).unwrap()).unwrap();
    state[name].as_u64().unwrap()
}

fn last_line(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

/// Kills the program as soon as it has saved something.
fn kill_after_first_save(mut child: Child, state: &Path) {
    while !state.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it had saved anything");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_was_killed_goes_on_and_the_summary_covers_both_parts() {
    let state = state_file("soak-killed.json");
    kill_after_first_save(soak("60", &state).spawn().unwrap(), &state);
    let (seeds, events, next) = (number(&state, "seeds"), number(&state, "events"), number(&state, "next"));
    assert!(seeds > 0 && next == 700 + seeds, "{seeds} seeds, the next one is {next}");

    let summary = last_line(&soak("0.00001", &state).output().unwrap());
    let (all_seeds, all_events) = (number(&state, "seeds"), number(&state, "events"));
    assert!(all_seeds > seeds && all_events > events);
    assert_eq!(number(&state, "next"), 700 + all_seeds, "no seed is left out or run twice");
    assert!(summary.starts_with(&format!("seeds: {all_seeds}, events: {all_events}, ")), "{summary}");
}

#[test]
fn a_state_of_other_runs_is_refused() {
    let state = state_file("soak-other.json");
    last_line(&soak("0.00001", &state).output().unwrap());
    let other =
        sim(&["--minutes", "1", "--steps", "60", "--state", state.to_str().unwrap()]).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "{other:?}");
}

#[test]
fn a_reader_that_leaves_ends_it_silently() {
    let mut child = sim(&["--seeds", "0..500", "--steps", "50", "--jobs", "1", "--verbose"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    let mut reader = child.stdout.take().unwrap();
    reader.read_exact(&mut byte).unwrap();
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
