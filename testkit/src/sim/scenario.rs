//! Scenarios: runs in which everything that is done to the group is written down.
//!
//! ```text
//! # What is expected, and why.
//! seed 7                      what chance remains (latencies, election timeouts) follows from it
//! base quiet                  settings to start from: quiet (the default), or those of the seed
//! set voters 5                changes a setting; `Plan::set` lists them
//! for K in 0..40              the whole scenario is run for each K; $K stands for it
//! at 20 cut 1-2 3>1           at tick 20, do this; see `Action`
//! at 10..100/2 propose leader 1    every two ticks from 10 on, before 100
//! end 300                     when the faults stop and the group has to recover
//! ```

use std::fmt::{self, Display, Formatter};

use super::action::{Action, Time};
use super::plan::{Plan, TICK};
use crate::rng::Rng;

/// A run of the simulation, written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Decides what is left to chance.
    pub seed: u64,
    /// Whether the settings are those that the seed stands for, or quiet ones.
    pub(super) base: Base,
    /// Settings that differ from the base.
    pub(super) settings: Vec<(String, String)>,
    /// What is done, in order of time.
    pub(super) actions: Vec<(u64, Action)>,
    /// When the faults stop.
    pub(super) end: u64,
}

/// What the settings are unless a scenario says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// A reliable group of three with nothing unusual.
    Quiet,
    /// As the seed has it.
    Seed,
}

impl Scenario {
    /// Reads a scenario file; gives more than one if it has a `for` line.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let numbered = |line: &str| line.strip_prefix("for ").map(str::to_owned);
        let Some(range) = text.lines().find_map(|line| numbered(line.trim())) else {
            return Ok(vec![Self::parse_one(text)?]);
        };
        let (name, range) = range.split_once(" in ").ok_or("expected: for NAME in A..B")?;
        let (first, end) = range.split_once("..").ok_or("expected: for NAME in A..B")?;
        let parse = |text: &str| text.trim().parse::<u64>().map_err(|_| format!("{text:?} is not a number"));
        let variable = format!("${}", name.trim());
        let instance = |value: u64| Self::parse_one(&text.replace(&variable, &value.to_string()));
        (parse(first)?..parse(end)?).map(instance).collect()
    }

    fn parse_one(text: &str) -> Result<Self, String> {
        let mut scenario =
            Self { seed: 1, base: Base::Quiet, settings: Vec::new(), actions: Vec::new(), end: 0 };
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            scenario
                .parse_line(word, rest.trim())
                .map_err(|error| format!("line {}: {error}", number + 1))?;
        }
        scenario.actions.sort_by_key(|(time, _)| *time);
        if let Some((last, _)) = scenario.actions.last() {
            scenario.end = scenario.end.max(*last);
        }
        scenario.plan()?;
        Ok(scenario)
    }

    fn parse_line(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "" | "for" => {}
            "seed" => self.seed = rest.parse().map_err(|_| format!("{rest:?} is not a number"))?,
            "base" => {
                self.base = match rest {
                    "quiet" => Base::Quiet,
                    "seed" => Base::Seed,
                    other => return Err(format!("{other:?} is neither quiet nor seed")),
                }
            }
            "set" => {
                let (key, value) = rest.split_once(' ').ok_or("expected: set NAME VALUE")?;
                self.settings.push((key.to_owned(), value.trim().to_owned()));
            }
            "end" => self.end = rest.parse::<Time>()?.0,
            "at" => {
                let (when, action) = rest.split_once(' ').ok_or("expected: at TIME ACTION")?;
                let action: Action = action.parse()?;
                for time in times(when)? {
                    self.actions.push((time, action.clone()));
                }
            }
            other => return Err(format!("{other:?} is not one of seed, base, set, for, at, end")),
        }
        Ok(())
    }

    /// The settings.
    pub(super) fn plan(&self) -> Result<Plan, String> {
        let mut plan = match self.base {
            Base::Quiet => Plan::quiet(self.seed),
            Base::Seed => Plan::draw(&mut Rng::new(self.seed)),
        };
        for (key, value) in &self.settings {
            plan.set(key, value)?;
        }
        plan.validate()?;
        Ok(plan)
    }
}

/// `12`, or `A..B/STEP`.
fn times(text: &str) -> Result<Vec<u64>, String> {
    let Some((first, rest)) = text.split_once("..") else {
        return Ok(vec![text.parse::<Time>()?.0]);
    };
    let (end, step) = rest.split_once('/').unwrap_or((rest, "1"));
    let [first, end, step] = [first, end, step].map(|text| text.parse::<Time>().map(|time| time.0));
    let (first, end, step) = (first?, end?, step?);
    if step == 0 || (end.saturating_sub(first)) / step > 100_000 {
        return Err(format!("{text:?} has too many steps"));
    }
    Ok((first..end).step_by(step as usize).collect())
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "base {}", if self.base == Base::Seed { "seed" } else { "quiet" })?;
        for (key, value) in &self.settings {
            writeln!(f, "set {key} {value}")?;
        }
        for (time, action) in &self.actions {
            writeln!(f, "at {} {action}", Time(*time))?;
        }
        writeln!(f, "end {}", Time(self.end))
    }
}

/// Everything that decides what happens in a run.
#[derive(Clone, Debug)]
pub struct Course {
    pub(super) seed: u64,
    /// Decides what faults and clients do.
    pub(super) rng: Rng,
    pub(super) base: Base,
    pub(super) settings: Vec<(String, String)>,
    pub(super) plan: Plan,
    /// What is done to the group; None: what chance decides.
    pub(super) script: Option<Vec<(u64, Action)>>,
    pub(super) length: Length,
}

impl Course {
    /// The run that a seed stands for.
    pub fn of_seed(seed: u64, length: Length) -> Self {
        let plan = Plan::draw(&mut Rng::new(seed));
        let rng = Rng::derived(seed, 0);
        Self { seed, rng, base: Base::Seed, settings: Vec::new(), plan, script: None, length }
    }

    /// The run that a fuzzer's bytes stand for, in the place of chance as far as they reach: the settings, and
    /// what faults and clients do.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let mut rng = Rng::from_bytes(bytes, 0);
        let plan = Plan::draw(&mut rng);
        let length = Length::Events(bytes.len() as u64);
        Self { seed: 0, rng, base: Base::Seed, settings: Vec::new(), plan, script: None, length }
    }

    /// The run that a scenario describes.
    pub fn of_scenario(scenario: &Scenario) -> Self {
        let Scenario { seed, base, settings, actions, end } = scenario.clone();
        let plan = scenario.plan().expect("it was tried when the scenario was made");
        let (rng, length) = (Rng::derived(seed, 0), Length::Time(end));
        Self { seed, rng, base, settings, plan, script: Some(actions), length }
    }

    /// The same with one setting changed; fails if there is no such setting or value.
    pub fn with(mut self, key: &str, value: &str) -> Result<Self, String> {
        self.plan.set(key, value)?;
        self.plan.validate()?;
        self.settings.push((key.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// How long runs are whose seed decides everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// At least so many events.
    Events(u64),
    /// So much time, in hundredths of a tick.
    Time(u64),
}

impl Length {
    /// So many ticks of an average node.
    pub fn ticks(count: u64) -> Self {
        Self::Time(count.saturating_mul(TICK))
    }

    /// Whether a run is over that has had so many events, its next one being at `next`.
    pub(super) fn is_reached(self, events: u64, now: u64, next: u64) -> bool {
        match self {
            // All that happens at the same time happens, so that the time of the end says it all.
            Self::Events(count) => events >= count && next > now,
            Self::Time(end) => next > end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A comment.\nseed 3\nset voters 5  # and another\nfor K in 1..3\n\
        at 1..3/1 propose leader $K\nat 0.50 crash 2\nend 9\n";

    #[test]
    fn a_scenario_reads_what_it_writes() {
        let scenarios = Scenario::parse(TEXT).unwrap();
        assert_eq!(scenarios.len(), 2);
        let text = scenarios[1].to_string();
        assert!(text.contains("at 0.50 crash 2\nat 1 propose leader 2\nat 2 propose"), "{text}");
        assert_eq!(Scenario::parse(&text).unwrap(), scenarios[1..]);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [("seed x", "line 1"), ("\nat 5 jump", "line 2"), ("at 1..2/0 mend", "line 1")] {
            let error = Scenario::parse(text).unwrap_err();
            assert!(error.starts_with(line), "{error}");
        }
        for text in ["set voters none", "set colour red", "set check_quorum 7"] {
            Scenario::parse(text).unwrap_err();
        }
    }
}
