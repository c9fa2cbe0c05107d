//! From a failing run to a small scenario that fails in the same way.

use super::node::Native;
use super::plan::CALMING;
use super::run_once;
use super::scenario::{Course, Scenario};
use super::trace::Trace;
use super::violation::Invariant;

/// The search ends after so many simulated events.
const MOST_EVENTS: u64 = 30_000_000;

/// Repeats a failing run as a scenario in which everything that was done is written down, and leaves out of
/// it what is not needed to break the same invariant. None if the run does not fail, or if even the
/// complete scenario does not.
pub fn shrink(course: &Course) -> Option<Scenario> {
    let run = run_once(course, Box::new(Native), Trace::default(), true);
    let invariant = run.result.err()?.violation.invariant;
    let Course { seed, base, settings, .. } = course.clone();
    let scenario = Scenario { seed, base, settings, actions: run.journal, end: run.storm_end };
    let mut search = Search { best: scenario.clone(), invariant, events: 0 };
    search.fails(&scenario).then(|| search.run())
}

struct Search {
    /// The smallest scenario so far.
    best: Scenario,
    invariant: Invariant,
    events: u64,
}

impl Search {
    fn run(mut self) -> Scenario {
        loop {
            let before = self.best.clone();
            self.calm_down();
            self.drop_actions();
            self.end_earlier();
            if self.best == before || self.events > MOST_EVENTS {
                return self.best;
            }
        }
    }

    /// Whether a scenario breaks the invariant.
    fn fails(&mut self, scenario: &Scenario) -> bool {
        let run = run_once(&Course::of_scenario(scenario), Box::new(Native), Trace::default(), false);
        let (events, fails) = match run.result {
            Ok(report) => (report.events, false),
            Err(failure) => (failure.events, failure.violation.invariant == self.invariant),
        };
        self.events += events;
        fails
    }

    /// Keeps a smaller scenario if it still fails.
    fn try_out(&mut self, smaller: Scenario) -> bool {
        let fails = self.events <= MOST_EVENTS && smaller.plan().is_ok() && self.fails(&smaller);
        if fails {
            self.best = smaller;
        }
        fails
    }

    /// Switches off one source of trouble after the other.
    fn calm_down(&mut self) {
        for (key, value) in CALMING {
            if self.best.settings.iter().any(|(known, _)| known == key) {
                continue;
            }
            let mut calmer = self.best.clone();
            calmer.settings.push((key.to_owned(), value.to_owned()));
            let plan = |scenario: &Scenario| scenario.plan().map(|plan| format!("{plan:?}"));
            if plan(&calmer) != plan(&self.best) {
                self.try_out(calmer);
            }
        }
    }

    /// Leaves out actions: first many at a time, then one by one.
    fn drop_actions(&mut self) {
        let mut size = self.best.actions.len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < self.best.actions.len() {
                let mut smaller = self.best.clone();
                let end = (start + size).min(smaller.actions.len());
                smaller.actions.drain(start..end);
                if !self.try_out(smaller) {
                    start += size;
                }
            }
            size /= 2;
        }
    }

    /// Ends the faults with the last action.
    fn end_earlier(&mut self) {
        let end = self.best.actions.last().map_or(0, |(time, _)| *time);
        if end < self.best.end {
            self.try_out(Scenario { end, ..self.best.clone() });
        }
    }
}
