//! Lease reads hold as long as clocks do what they are relied on to do. If they do not, reads are stale, and
//! that is noticed: by the index that a read gets, and by what clients saw alone.

use raftcore_testkit::sim::{self, Course, Invariant, Length, Scenario};

/// A leader is cut off. Another one is elected, commits writes and acknowledges them. Then the old one, which
/// has long lost its lease, is asked to read; unless its clock stands still, it does not answer.
const SCENARIO: &str = "
seed 1
set leases yes
at 50 transfer leader 1
at 60 expect-leader 1
at 60..64/1 propose 1 3
at 70 isolate 1
at 105..115/1 propose 2 3
at 120..125/0.50 read 1
at 130 expect-leader
at 130 mark
end 150
";

const STOPPED_CLOCK: &str = "at 70 stop-clock 1 200\n";
const BLIND: &str = "set blind_reads yes\n";

fn broken(additions: &[&str]) -> Option<Invariant> {
    let text = format!("{SCENARIO}{}", additions.concat());
    let scenario = Scenario::parse(&text).unwrap().remove(0);
    sim::run(&Course::of_scenario(&scenario), 0).err().map(|failure| failure.violation.invariant)
}

#[test]
fn a_lease_is_lost_in_time_if_clocks_run() {
    assert_eq!(broken(&[]), None);
    assert_eq!(broken(&[BLIND]), None);
}

#[test]
fn a_stopped_clock_makes_reads_stale_and_that_is_noticed() {
    assert_eq!(broken(&[STOPPED_CLOCK]), Some(Invariant::LinearizableReads));
}

#[test]
fn what_clients_saw_shows_it_too() {
    assert_eq!(broken(&[STOPPED_CLOCK, BLIND]), Some(Invariant::LinearizableHistories));
}

/// How the first of some seeds with leases and duels fails, with clocks that do what they like or are good.
fn first_failure(bad_clocks: &str, seeds: u64) -> Option<Invariant> {
    let settings = [
        ("voters", "3"),
        ("eager_append", "no"),
        ("mixed", "no"),
        ("check_quorum", "yes"),
        ("leases", "yes"),
        ("drift", "10"),
        ("duels", "yes"),
        ("bad_clocks", bad_clocks),
    ];
    (0..seeds).find_map(|seed| {
        let course = Course::of_seed(seed, Length::Events(10_000));
        let course = settings.iter().fold(course, |course, (key, value)| course.with(key, value).unwrap());
        sim::run(&course, 0).err().map(|failure| failure.violation.invariant)
    })
}

#[test]
fn seeds_show_stale_reads_if_clocks_are_bad_and_only_then() {
    assert_eq!(first_failure("yes", 50), Some(Invariant::LinearizableReads));
    assert_eq!(first_failure("no", 20), None);
}
