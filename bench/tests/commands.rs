//! Every command with small numbers: the fields of its JSON, and that it verified what it did.

use std::process::Command;

use serde_json::Value;

fn run(arguments: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_raftcore-bench"))
        .args(arguments.split(' '))
        .args(["--rounds", "2", "--json"])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments}: {err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(result: &Value, field: &str) -> f64 {
    result[field].as_f64().unwrap_or_else(|| panic!("no number {field} in {result}"))
}

#[test]
fn replicate() {
    for encode in ["", " --encode", " --at-once"] {
        let command = "replicate --impl core,raft-rs,raft-rs-merged,limit --nodes 3 --batch 16 --payload 40";
        let results = run(&format!("{command} --proposals 1600{encode}"));
        let names: Vec<_> = results.iter().map(|result| result["impl"].as_str().unwrap()).collect();
        assert_eq!(names, ["core", "raft-rs", "raft-rs-merged", "limit"]);
        for result in &results {
            assert_eq!(result["verified"], true);
            assert_eq!(result["encode"], encode == " --encode");
            assert_eq!((number(result, "nodes"), number(result, "batch")), (3.0, 16.0));
            assert_eq!((number(result, "payload"), number(result, "proposals")), (40.0, 1600.0));
            assert!(number(result, "proposals_per_second") > 0.0);
            assert!(number(result, "allocations_per_proposal") >= 0.0);
            assert!(number(result, "spread") >= 0.0);
            assert!(number(result, "ratio") > 0.0);
        }
        // These two do not depend on the machine. Eight messages a batch: the entries and the commit index
        // to each follower, and their answers.
        assert!(number(&results[0], "messages_per_proposal") <= 0.5 + 1e-9);
        assert!(number(&results[1], "messages_per_proposal") >= 0.5);
    }
}

#[test]
fn a_batch_takes_few_messages_and_allocations() {
    let results = run("replicate --impl core --nodes 3 --batch 64 --payload 256 --proposals 1024");
    assert!(number(&results[0], "messages_per_proposal") <= 0.15, "{}", results[0]);
    // With debug assertions the core checks its invariants, which allocates.
    if !cfg!(debug_assertions) {
        assert!(number(&results[0], "allocations_per_proposal") <= 0.1, "{}", results[0]);
    }
}

#[test]
fn idle() {
    for result in run("idle --groups 500") {
        assert!(number(&result, "bytes_per_group") > 0.0);
        assert!(number(&result, "tick_ns") > 0.0);
        assert_eq!(number(&result, "groups"), 500.0);
    }
}

#[test]
fn catch_up() {
    for encode in ["", " --encode"] {
        let results = run(&format!("catch-up --entries 5000 --payload 40 --impl core,raft-rs{encode}"));
        assert_eq!(results.len(), 2);
        for result in results {
            assert_eq!(result["verified"], true);
            assert!(number(&result, "entries_per_second") > 0.0);
        }
    }
}

#[test]
fn a_restart_reads_no_more_than_it_has_to() {
    let results = run("restart --entries 5000 --payload 40");
    let read = |case: &str| {
        let found = results.iter().find(|result| result["case"] == case).unwrap();
        number(found, "entries_read")
    };
    assert_eq!(read("restart"), 0.0);
    assert_eq!(read("restart and lead"), 0.0);
    assert_eq!(read("restart and apply all again"), 5000.0);
}

#[test]
fn a_snapshot_is_handed_over_without_a_copy() {
    let results = run("snapshot --mib 3");
    let names: Vec<_> = results.iter().map(|result| result["impl"].as_str().unwrap()).collect();
    assert_eq!(names, ["core", "ffi"]);
    for result in &results {
        assert_eq!(result["verified"], true);
        assert_eq!(number(result, "snapshot_bytes"), f64::from(3 << 20));
        let allocated = number(result, "allocated_bytes");
        assert!(allocated > 0.0 && allocated < 100_000.0, "{result}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let fail = |arguments: &str, program: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_raftcore-bench"))
            .args(arguments.split(' '))
            .env("RAFTCORE_BENCH_C", program)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(fail("idle --impl etcd", "").contains("etcd is not measured here"));
    assert!(fail("snapshot --impl etcd", "").contains("etcd is not measured here"));
    assert!(fail("replicate --payload 7", "").contains("at least 8"));
    assert!(fail("replicate --impl ffi", "/nowhere").contains("/nowhere cannot be run"));
    // A program that finds wrong replication exits with an error.
    assert!(fail("replicate --impl ffi", "/bin/false").contains("/bin/false failed"));
}

#[test]
fn a_reported_loss_costs_little_and_one_that_is_not_much() {
    let run = |arguments: &str| run(&format!("loss --impl core,raft-rs --seconds 4 --clients 8 {arguments}"));
    assert_eq!(run("--loss 10"), run("--loss 10"), "time is virtual");
    for loss in ["5", "10", "20"] {
        let results = run(&format!("--loss {loss}"));
        assert_eq!(results.len(), 4);
        let [unreported, reported] = [0, 1].map(|at| number(&results[at], "operations"));
        assert!(reported >= 0.98 * unreported, "{loss} %: {reported} of {unreported}");
        let lossless = number(&run("--loss 0")[0], "operations");
        assert!(reported >= 0.7 * lossless, "{loss} %: {reported} of {lossless}");
    }
}
