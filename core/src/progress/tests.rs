use super::*;

fn progress() -> Progress {
    let config =
        Config { max_inflight_messages: 3, max_inflight_bytes: 100, max_message_bytes: 10, ..Config::new(1) };
    Progress::new(6, false, &config)
}

fn replicating() -> Progress {
    let mut progress = progress();
    assert!(progress.accepted(5));
    progress.become_replicate();
    progress
}

#[test]
fn a_probe_waits_for_its_answer() {
    let mut progress = progress();
    assert!(!progress.is_paused());
    progress.sent_entries(0, 0);
    assert!(!progress.is_paused(), "an empty one does not");
    progress.sent_entries(2, 20);
    assert!(progress.is_paused());
    assert_eq!(progress.next, 6, "nothing is taken for sent until it is accepted");
    progress.resume();
    assert!(!progress.is_paused());
}

#[test]
fn the_window_is_bounded_by_count() {
    let mut progress = replicating();
    for sent in 1..=3 {
        assert!(progress.may_send_entries());
        progress.sent_entries(1, 1);
        assert_eq!(progress.next, 6 + sent);
    }
    assert!(!progress.may_send_entries());
    assert!(progress.is_paused());
    progress.accepted(6);
    progress.free_inflights(6);
    assert!(progress.may_send_entries());
}

#[test]
fn the_window_is_bounded_by_bytes_but_takes_one_of_any_size() {
    let mut progress = replicating();
    progress.sent_entries(1, 5000);
    assert!(!progress.may_send_entries());
    progress.free_inflights(6);
    assert!(progress.may_send_entries());
    assert_eq!(progress.inflights().bytes(), 0);
}

#[test]
fn no_bytes_stay_in_flight_when_probing_begins() {
    let mut progress = replicating();
    progress.sent_entries(2, 60);
    progress.become_probe();
    assert_eq!((progress.inflights().len(), progress.inflights().bytes(), progress.next), (0, 0, 6));
}

#[test]
fn acknowledgements_never_take_anything_back() {
    let mut progress = replicating();
    progress.sent_entries(4, 4);
    assert!(progress.accepted(7));
    assert!(!progress.accepted(6), "an older one, late");
    assert_eq!((progress.matched, progress.next), (7, 10));
    assert!(progress.accepted(12), "of what a former probe had taken back");
    assert_eq!(progress.next, 13);
}

#[test]
fn a_rejected_probe_goes_back_to_the_hint() {
    for (rejected, hint, next) in [(5, 3, 4), (5, 9, 5), (5, 0, 1)] {
        let mut progress = progress();
        progress.sent_entries(1, 1);
        assert!(progress.rejected(rejected, hint));
        assert_eq!((progress.next, progress.is_paused()), (next, false), "{rejected} {hint}");
    }
    let mut progress = progress();
    assert!(!progress.rejected(4, 2), "the answer to another probe");
    assert_eq!(progress.next, 6);
}

#[test]
fn a_rejection_while_replicating_counts_only_beyond_what_matches() {
    let mut progress = replicating();
    progress.sent_entries(4, 4);
    assert!(!progress.rejected(5, 2), "late: 5 was accepted");
    assert!(progress.rejected(8, 2));
    assert_eq!(progress.next, 6, "never below what matches");
}

#[test]
fn next_stays_above_matched() {
    let mut progress = replicating();
    progress.sent_entries(3, 3);
    progress.accepted(8);
    progress.become_probe();
    assert!(progress.rejected(8, 0));
    assert_eq!((progress.matched, progress.next), (8, 9));
}

#[test]
fn behind_a_snapshot_the_probe_starts_after_it() {
    let mut progress = progress();
    progress.become_snapshot(20);
    assert!(progress.is_paused());
    progress.snapshot_reported(true);
    assert_eq!((progress.state(), progress.next), (ProgressState::Probe, 21));
    assert!(progress.is_paused(), "until the next heartbeat is answered");
    let mut progress = self::progress();
    progress.become_snapshot(20);
    progress.snapshot_reported(false);
    assert_eq!(progress.next, 1, "it did not arrive");
}

#[test]
fn a_commit_index_is_sent_only_where_it_helps() {
    let mut progress = replicating();
    progress.sent_entries(3, 3);
    progress.sent_commit(5);
    assert!(progress.can_bump_commit(7));
    progress.sent_commit(8);
    assert!(!progress.can_bump_commit(9), "the member cannot have entry 9");
}

fn send(progress: &mut Progress, entries: usize) {
    progress.due = Due::Nothing;
    progress.sent_entries(entries, 10 * entries as u64);
}

#[test]
fn after_a_loss_appends_are_pipelined_from_what_matches_and_after_another_probed() {
    let mut progress = replicating();
    progress.sent_entries(4, 40);
    assert!(progress.lost() && progress.lost(), "two reports before anything is sent again are one");
    assert_eq!((progress.state(), progress.next), (ProgressState::Replicate, 6));
    assert_eq!((progress.inflights().len(), progress.inflights().bytes()), (0, 0));
    send(&mut progress, 4);
    for _ in 1..MAX_RESENDS {
        assert!(progress.lost());
        assert_eq!((progress.state(), progress.next, progress.is_paused()), (ProgressState::Probe, 6, false));
        send(&mut progress, 4);
    }
    assert!(!progress.lost(), "the member may be dead");
    assert!(progress.is_paused());
    progress.heard();
    assert!(progress.lost() && !progress.is_paused());
}

#[test]
fn a_loss_with_nothing_on_its_way_ends_no_pipeline_and_sends_the_commit_index_again() {
    let mut progress = replicating();
    progress.sent_entries(4, 40);
    progress.sent_commit(9);
    progress.accepted(9);
    progress.free_inflights(9);
    for _ in 0..MAX_RESENDS {
        assert!(progress.lost());
        assert_eq!((progress.state(), progress.next), (ProgressState::Replicate, 10));
        progress.due = Due::Nothing;
    }
    assert!(progress.can_bump_commit(9), "whatever was said of the commit index may be lost");
    assert!(!progress.lost());
    assert_eq!(progress.state(), ProgressState::Replicate);
    progress.become_snapshot(20);
    progress.heard();
    assert!(!progress.lost(), "what becomes of snapshots is reported elsewhere");
}

#[test]
fn a_window_is_sent_again_at_once_only_after_all_of_it_was_acknowledged() {
    let mut progress = replicating();
    send(&mut progress, 4);
    assert!(progress.lost());
    send(&mut progress, 4);
    progress.accepted(8);
    progress.heard();
    assert!(progress.lost());
    assert_eq!(progress.state(), ProgressState::Probe, "9 was on its way, too");
    progress.accepted(9);
    progress.become_replicate();
    send(&mut progress, 2);
    progress.heard();
    assert!(progress.lost());
    assert_eq!((progress.state(), progress.next), (ProgressState::Replicate, 10));
}
