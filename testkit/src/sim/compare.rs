//! The same run on two embeddings of the library: everything observed must be the same.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::calls::{Calls, Recorded, SharedCalls};
use super::hosted::{HostProcess, Hosted};
use super::node::{Driver, Native};
use super::trace::Trace;
use super::{Failure, Report, run_once};

/// How two runs of a seed compare.
#[derive(Debug)]
pub enum Comparison {
    /// The same: every call's outcome, every Ready, every state, and the end.
    Same(Box<Result<Report, Box<Failure>>>),
    /// Not the same.
    Differs(Difference),
}

/// The first difference between two runs.
#[derive(Debug)]
pub struct Difference {
    /// How many calls of nodes went before.
    pub call: usize,
    /// The call and its outcome in Rust; None if there was no further one.
    pub native: Option<String>,
    /// The same in the host.
    pub hosted: Option<String>,
    /// How the run in Rust ended.
    pub native_end: String,
    /// How that in the host ended.
    pub hosted_end: String,
}

/// A run and its record.
struct Run {
    record: SharedCalls,
    end: Result<Report, Box<Failure>>,
}

impl Run {
    fn new(seed: u64, steps: u64, driver: Box<dyn Driver>, tell: Option<usize>) -> Self {
        let record = Calls::new(tell);
        let driver = Box::new(Recorded::new(driver, &record));
        let (end, _) = run_once(seed, steps, driver, Trace::default());
        let end = end.map(|report| Report { digest: digest(report.digest, &record), ..report });
        Self { record, end }
    }

    /// What must be equal of the end: all of a success; of a failure, what failed and when.
    fn essence(&self) -> Result<&Report, (u64, String)> {
        self.end.as_ref().map_err(|failure| (failure.events, failure.violation.to_string()))
    }

    fn describe_end(&self) -> String {
        match &self.end {
            Ok(report) => format!("{report:?}"),
            Err(failure) => format!("after {} events: {}", failure.events, failure.violation),
        }
    }

    fn told(&self) -> Option<String> {
        self.record.borrow().told.clone()
    }
}

fn digest(events: u64, record: &SharedCalls) -> u64 {
    let mut hasher = DefaultHasher::new();
    (events, record.borrow().digest()).hash(&mut hasher);
    hasher.finish()
}

/// Runs a seed in Rust, so that the report's digest depends on everything that nodes were told and
/// gave: the same in every build, and in every language.
pub fn run_recorded(seed: u64, steps: u64) -> Result<Report, Box<Failure>> {
    Run::new(seed, steps, Box::new(Native), None).end
}

/// Runs a seed in Rust and in a host, and compares. Both runs are repeated to tell a difference.
pub fn compare(seed: u64, steps: u64, host: &Rc<RefCell<HostProcess>>) -> Comparison {
    let native = |tell| Run::new(seed, steps, Box::new(Native), tell);
    let hosted = |tell| Run::new(seed, steps, Box::new(Hosted(Rc::clone(host))), tell);
    let (ours, theirs) = (native(None), hosted(None));
    let call = {
        let (ours, theirs) = (&ours.record.borrow().hashes, &theirs.record.borrow().hashes);
        let same = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        (same < ours.len().max(theirs.len())).then_some(same)
    };
    if call.is_none() && ours.essence() == theirs.essence() {
        return Comparison::Same(Box::new(ours.end));
    }
    let is_usable = host.borrow_mut().is_usable();
    Comparison::Differs(Difference {
        call: call.unwrap_or_else(|| ours.record.borrow().hashes.len()),
        native: native(call).told(),
        // A host that died has said its last word.
        hosted: is_usable.then(|| hosted(call).told()).flatten(),
        native_end: ours.describe_end(),
        hosted_end: theirs.describe_end(),
    })
}
