use super::*;

const SMALL: Bounds = Bounds { terms: 2, proposals: 0, crashes: 1, heartbeats: 0, pre_vote: false };

fn search(bounds: Bounds, planted: Option<Planted>) -> Findings {
    explore(bounds, Limits::default(), planted, 2, |_| {})
}

fn find(planted: Planted, bounds: Bounds) -> (Law, Vec<String>) {
    search(bounds, Some(planted)).breach.unwrap_or_else(|| panic!("{planted:?} is not found"))
}

#[test]
fn a_small_group_keeps_all_laws() {
    let findings = search(Bounds { terms: 1, proposals: 1, crashes: 0, ..SMALL }, None);
    assert_eq!((findings.breach, findings.complete), (None, true));
    assert!(findings.states > 1000, "only {} states", findings.states);
    assert_eq!(findings.unmet, ["two terms have had leaders", "stored entries are replaced"]);
}

#[test]
fn the_states_found_do_not_depend_on_threads() {
    let bounds = Bounds { terms: 1, ..SMALL };
    let states = |threads| explore(bounds, Limits::default(), None, threads, |_| {}).states;
    assert_eq!(states(1), states(2));
}

#[test]
fn a_limited_search_says_so() {
    let limits = Limits { depth: Some(5), ..Limits::default() };
    let findings = explore(SMALL, limits, None, 2, |_| {});
    assert_eq!((findings.breach, findings.complete, findings.depth), (None, false, 5));
}

#[test]
fn a_host_that_forgets_its_vote_is_found() {
    let (law, path) = find(Planted::ForgetsVote, Bounds { terms: 1, ..SMALL });
    assert_eq!(law, Law::ElectionSafety);
    assert!(path.iter().any(|action| action.contains("crashes")), "{path:?}");
}

#[test]
fn a_host_that_sends_before_it_stores_is_found() {
    assert_eq!(find(Planted::SendsBeforeStoring, Bounds { terms: 1, ..SMALL }).0, Law::ElectionSafety);
}

#[test]
fn a_host_that_forgets_an_entry_is_found() {
    let (law, path) = find(Planted::ForgetsEntry, SMALL);
    assert!(matches!(law, Law::LeaderCompleteness | Law::StateMachineSafety), "{law:?}: {path:?}");
}
