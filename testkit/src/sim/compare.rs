//! The same run on two embeddings of the library: everything observed must be the same.

use std::cell::RefCell;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::calls::{Calls, Recorded, SharedCalls};
use super::hosted::{HostProcess, Hosted};
use super::node::{Driver, Native};
use super::scenario::Course;
use super::trace::Trace;
use super::{Failure, Report, run_once};

/// A host's process, started anew where a run has ended the last one.
#[derive(Debug)]
pub struct Embedding {
    command: Vec<String>,
    process: Rc<RefCell<HostProcess>>,
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

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |call: &Option<String>| call.clone().unwrap_or_else(|| "nothing".to_owned());
        writeln!(f, "the first difference is in call {}", self.call)?;
        writeln!(f, "  in Rust:     {}", shown(&self.native))?;
        writeln!(f, "  in the host: {}", shown(&self.hosted))?;
        writeln!(f, "  the run ends in Rust:     {}", self.native_end)?;
        write!(f, "  the run ends in the host: {}", self.hosted_end)
    }
}

impl Embedding {
    /// Starts the host; the command is as [`super::host_command`] gives it. The error is for people.
    pub fn start(command: Vec<String>) -> Result<Self, String> {
        let process = HostProcess::start(&command)?;
        Ok(Self { command, process: Rc::new(RefCell::new(process)) })
    }

    /// Makes a run in Rust and in the host, and compares. The answer is how both ended, or the first
    /// difference; to tell that one, both are run again. Fails if the host cannot be started again
    /// after its process has ended in a run.
    pub fn compare(&mut self, course: &Course) -> Result<Compared, String> {
        let (native, hosted) = (Run::native(course, None), self.run(course, None)?);
        let call = first_difference(&native.record.borrow().hashes, &hosted.record.borrow().hashes);
        if call.is_none() && native.essence() == hosted.essence() {
            return Ok(Compared::Same(Box::new(native.end)));
        }
        Ok(Compared::Differs(Box::new(Difference {
            call: call.unwrap_or_else(|| native.record.borrow().hashes.len()),
            native: Run::native(course, call).told(),
            hosted: self.run(course, call)?.told(),
            native_end: native.describe_end(),
            hosted_end: hosted.describe_end(),
        })))
    }

    /// Lets the host end. Fails if it ends with an error: its own, or one of a tool that watches over it.
    pub fn finish(self) -> Result<(), String> {
        self.process.borrow_mut().finish()
    }

    fn run(&mut self, course: &Course, tell: Option<usize>) -> Result<Run, String> {
        if !self.process.borrow_mut().is_usable() {
            self.process = Rc::new(RefCell::new(HostProcess::start(&self.command)?));
        }
        Ok(Run::new(course, Box::new(Hosted(Rc::clone(&self.process))), tell))
    }
}

/// How two runs compare.
#[derive(Debug)]
pub enum Compared {
    /// They are the same: every call's outcome, every Ready, every state, and this end.
    Same(Box<Result<Report, Box<Failure>>>),
    /// They are not.
    Differs(Box<Difference>),
}

/// Makes a run in Rust, so that the report's digest depends on everything that nodes were told and
/// gave: the same in every build, and in every language.
pub fn run_recorded(course: &Course) -> Result<Report, Box<Failure>> {
    Run::native(course, None).end
}

/// A run and its record.
struct Run {
    record: SharedCalls,
    end: Result<Report, Box<Failure>>,
}

impl Run {
    fn native(course: &Course, tell: Option<usize>) -> Self {
        Self::new(course, Box::new(Native), tell)
    }

    fn new(course: &Course, driver: Box<dyn Driver>, tell: Option<usize>) -> Self {
        let record = Calls::new(tell);
        let driver = Box::new(Recorded::new(driver, &record));
        let end = run_once(course, driver, Trace::default(), false).result;
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

fn first_difference(ours: &[u64], theirs: &[u64]) -> Option<usize> {
    let same = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    (same < ours.len().max(theirs.len())).then_some(same)
}
