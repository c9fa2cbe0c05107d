//! Seed after seed, for as long as asked, over several calls if need be.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use raftcore_testkit::say;
use serde::{Deserialize, Serialize};

use crate::report::Report;
use crate::{Args, about, pool};

/// Seeds between two looks at the clock.
const BATCH: u64 = 40;

/// What was done so far, over all calls.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The seed to go on with.
    next: u64,
    /// How long each run is, and how it is set: it makes no sense to add up different ones.
    kind: String,
    seeds: u64,
    events: u64,
    seconds: f64,
    /// What was counted, by name.
    counts: BTreeMap<String, u64>,
    /// Runs that failed.
    violations: Vec<String>,
}

/// Runs seeds until the time is over; says whether all was well, now and before.
pub(crate) fn run(args: &Args) -> Result<bool, String> {
    let mut state = load(args)?;
    let time = Duration::try_from_secs_f64(args.minutes.unwrap_or_default() * 60.0);
    let time = time.map_err(|error| format!("--minutes: {error}"))?;
    let start = Instant::now();
    while start.elapsed() < time {
        let began = Instant::now();
        let seeds = state.next..state.next + BATCH;
        let jobs = seeds.clone().map(|seed| args.job(seed)).collect::<Result<Vec<_>, _>>()?;
        let mut report = Report::new(args, jobs.len());
        let done = pool::run(&jobs, args, |job, result| report.take(job, result));
        done.map_err(|error| error.to_string())?;
        state.next = seeds.end;
        state.seeds += report.runs;
        state.events += report.events;
        state.seconds += began.elapsed().as_secs_f64();
        for (name, count) in report.tally.counts() {
            *state.counts.entry(name.to_owned()).or_default() += count;
        }
        state.violations.extend(report.violations);
        if let Some(path) = &args.state {
            save(&state, path).map_err(|error| error.to_string())?;
        }
        let (rate, violations) = (state.events as f64 / state.seconds, state.violations.len());
        let left = time.saturating_sub(start.elapsed()).as_secs();
        eprintln!(
            "{} seeds, {rate:.0} events per second, {violations} violations, {left} s left",
            state.seeds
        );
    }
    Ok(summarize(&state))
}

fn load(args: &Args) -> Result<State, String> {
    let length = args.ticks.map_or(format!("{} events", args.steps), |ticks| format!("{ticks} ticks"));
    let kind = format!("{length} {}", args.settings.join(" ")).trim().to_owned();
    let next = args.seeds.as_ref().map_or(0, |seeds| seeds.start);
    let fresh = State { next, kind: kind.clone(), ..State::default() };
    let Some(path) = &args.state else { return Ok(fresh) };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(fresh),
        Err(error) => return Err(about(path)(error).to_string()),
    };
    let state: State = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if state.kind != kind {
        let was = &state.kind;
        return Err(format!("{} is about runs of {was}, not of {kind}", path.display()));
    }
    Ok(state)
}

/// Replaces the file at once, so that it is never half written.
fn save(state: &State, path: &Path) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec_pretty(state)?).map_err(about(&new))?;
    fs::rename(&new, path).map_err(about(path))
}

fn summarize(state: &State) -> bool {
    say!("in {:.1} hours of {}:", state.seconds / 3600.0, state.kind);
    for (name, count) in &state.counts {
        say!("  {name}: {count}");
    }
    if !state.violations.is_empty() {
        say!("violations: {}", state.violations.join(", "));
    }
    let State { seeds, events, seconds, violations, .. } = state;
    let (rate, count) = (*events as f64 / seconds.max(1e-9), violations.len());
    say!("seeds: {seeds}, events: {events}, events per second: {rate:.0}, violations: {count}");
    violations.is_empty()
}
