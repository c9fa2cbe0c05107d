//! The storage suite itself: storages that keep the contract pass, and each of many broken ones fails
//! by the rule that it breaks.

mod host;

use raftcore::MemoryStorage;
use raftcore::storage::check::{self, Outcome};

use host::{Flaw, Host};

/// The first rule that each of them breaks.
const BROKEN: &[(Flaw, &str)] = &[
    (Flaw::FreshHasATerm, "fresh"),
    (Flaw::SkipsFirstOfRange, "append"),
    (Flaw::DropsPayload, "append"),
    (Flaw::DropsKind, "entry_fields"),
    (Flaw::DropsStatedKind, "entry_fields"),
    (Flaw::SevenBits, "entry_fields"),
    (Flaw::RangeOneTooMany, "range"),
    (Flaw::IgnoresLimit, "range_limit"),
    (Flaw::LimitOneTooMany, "range_limit"),
    (Flaw::EmptyIfTooLarge, "range_at_least_one"),
    (Flaw::EmptyRangeHasOne, "range_empty"),
    (Flaw::BeyondIsCutOff, "range_beyond_last"),
    (Flaw::TermBeyondIsZero, "term_beyond_last"),
    (Flaw::KeysAsText, "many_entries"),
    (Flaw::KeepsOldContent, "overwrite_content"),
    (Flaw::LastIsStale, "overwrite_last_index"),
    (Flaw::KeepsTail, "overwrite_tail"),
    (Flaw::RefusesFirstIndex, "overwrite_all"),
    (Flaw::RefusesAgain, "write_again"),
    (Flaw::CompactsOneTooMany, "compaction"),
    (Flaw::BoundaryTermLost, "compaction_boundary_term"),
    (Flaw::BoundaryTermOfNext, "compaction_boundary_term"),
    (Flaw::CompactedIsUnavailable, "term_compacted"),
    (Flaw::CompactedIsCutOff, "range_compacted"),
    (Flaw::ForgetsEndWhenAllCompacted, "compaction_of_all"),
    (Flaw::CompactsBackwards, "compaction_again"),
    (Flaw::ConflictForgetsBoundary, "overwrite_compacted"),
    (Flaw::GapAfterSnapshot, "snapshot_bounds"),
    (Flaw::SnapshotTermLost, "snapshot_term"),
    (Flaw::SnapshotKeepsTail, "snapshot_replaces_log"),
    (Flaw::SnapshotDropsItsEntries, "snapshot_with_entries"),
    (Flaw::SnapshotWithoutMembers, "snapshot_membership"),
    (Flaw::OlderSnapshotAccepted, "snapshot_older"),
    (Flaw::SendsStaleSnapshot, "snapshot_covers"),
    (Flaw::SnapshotForForgetsPeer, "snapshot_for_peer"),
    (Flaw::ForgetsOwnSnapshot, "snapshot_order"),
    (Flaw::OpensTwice, "open_twice"),
    (Flaw::VotesWithASign, "large_ids"),
    (Flaw::MembersWithASign, "large_ids"),
    (Flaw::Terms32, "large_numbers"),
    (Flaw::IndexesWithASign, "large_numbers"),
    (Flaw::HardStateNotStored, "hard_state"),
    (Flaw::KeepsVote, "hard_state_replaced"),
    (Flaw::CompactionForgetsHardState, "hard_state_kept"),
    (Flaw::ReopenLosesLastEntry, "reopen_log"),
    (Flaw::ReopenForgetsHardState, "reopen_hard_state"),
    (Flaw::ReopenBringsTailBack, "reopen_overwrite"),
    (Flaw::ReopenForgetsBoundaryTerm, "reopen_compaction"),
    (Flaw::ReopenForgetsMembers, "reopen_snapshot"),
    (Flaw::SyncsNothing, "crash_synced"),
    (Flaw::SyncsEntriesOnly, "crash_synced"),
    (Flaw::CrashTearsHardState, "crash_whole_writes"),
    (Flaw::WriteErrorSwallowed, "failure_reported"),
    (Flaw::ReadErrorIsUnavailable, "failure_reported"),
    (Flaw::FailedWriteIsHalfDone, "failure_passes"),
    (Flaw::FailedWriteIsHalfDurable, "crash_failed_write"),
];

#[test]
fn the_storage_in_memory_keeps_every_rule_that_can_be_tried() {
    let report = check::run(&mut MemoryStorage::new());
    assert!(report.is_kept(), "{report}");
    let unchecked: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::NotChecked(_)))
        .map(|finding| finding.rule.split('_').next().unwrap())
        .collect();
    assert!(unchecked.iter().all(|rule| ["reopen", "crash", "failure", "open"].contains(rule)), "{report}");
}

#[test]
fn a_storage_without_a_flaw_keeps_every_rule() {
    for member in [false, true] {
        let report = check::run(&mut Host::new(Flaw::None, member));
        assert_eq!(report.findings.len(), check::rules().len());
        assert!(report.findings.iter().all(|finding| finding.outcome == Outcome::Kept), "{report}");
    }
}

#[test]
fn each_flaw_is_found_by_its_rule() {
    for member in [false, true] {
        for &(flaw, rule) in BROKEN {
            let report = check::run(&mut Host::new(flaw, member));
            let first = report.broken().next().map(|finding| finding.rule);
            assert_eq!(first, Some(rule), "{flaw:?}, member: {member}\n{report}");
        }
    }
}

#[test]
fn a_finding_says_what_was_expected_and_what_came() {
    let report = check::run(&mut Host::new(Flaw::LastIsStale, false));
    let text = report.broken().next().unwrap().to_string();
    let expected = "BROKEN       overwrite_last_index: the log ends with the last entry that replaced others\n  \
                    expected after replacing the third and fourth of five entries: last_index() = 4\n  \
                    got      last_index() = 5";
    assert_eq!(text, expected);
}

/// Not more of the entries than it takes to see what differs.
#[test]
fn a_finding_shows_where_entries_differ() {
    let found = |flaw| check::run(&mut Host::new(flaw, false)).broken().next().unwrap().to_string();
    let text = found(Flaw::SevenBits);
    let expected = r#"7 entries [..., 3/2 Normal 256 bytes from 116 on "tuvwxyz{|}~\x7f\x80"#;
    assert!(text.contains(expected), "{text}");
    assert!(text.contains(r#"from 116 on "tuvwxyz{|}~\x7f\x00"#), "{text}");
    for &(flaw, _) in BROKEN {
        for finding in check::run(&mut Host::new(flaw, false)).broken() {
            let text = finding.to_string();
            assert!(text.len() < 2000, "{flaw:?}: {} bytes: {text}", text.len());
        }
    }
}

/// Every rule but those that only build on others is broken by some flaw of its own.
#[test]
fn every_rule_finds_something() {
    let found: Vec<_> = BROKEN.iter().map(|(_, rule)| *rule).collect();
    let idle: Vec<_> = check::rules().map(|(rule, _)| rule).filter(|rule| !found.contains(rule)).collect();
    assert_eq!(idle, ["append_in_parts", "snapshot_then_entries"]);
}
