//! The contract of [`Storage`] as a suite of rules that a host runs against its own storage, before a
//! node relies on it. Pure: it calls the storage, and looks at the answers.
//!
//! ```
//! use raftcore::{MemoryStorage, storage::check};
//!
//! let report = check::run(&mut MemoryStorage::new());
//! assert!(report.is_kept(), "{report}");
//! ```

mod rules;
mod rules_of_log;
mod rules_of_restart;
mod rules_of_snapshot;
mod subject;

use std::fmt;

use crate::entry::Entry;
use crate::error::StorageError;
use crate::message::Snapshot;
use crate::storage::{MemoryStorage, Storage};
use crate::types::{HardState, Index};

use self::subject::{Stop, Subject};

/// A storage with all that the suite needs to try it. Wrap your own: what is asked for here is what a
/// host does with a `Ready`, and what it does by itself.
pub trait CheckedStorage: Storage {
    /// Starts over with a storage in which nothing was ever stored: an empty one or, for hosts that
    /// have no such thing, that of a first member (compacted up to index 1 of term 1).
    fn reset(&mut self) -> Result<(), StorageError>;

    /// Stores all of `write` in one batch, as the host does it for a `Ready`. A membership that comes
    /// with a snapshot is stored with it.
    fn persist(&mut self, write: &Write) -> Result<(), StorageError>;

    /// Forgets the log up to and including `index`, as the host does it when it has made a snapshot
    /// there. The suite has stored a commit index that covers it; take it for applied.
    fn compact(&mut self, index: Index) -> Result<(), StorageError>;

    /// Closes the storage and opens it again. False if there is no such way; the rules about it are
    /// not checked then.
    fn reopen(&mut self, how: Reopen) -> Result<bool, StorageError> {
        let _ = how;
        Ok(false)
    }

    /// Opens what is open a second time, as another process or another part of this one would by
    /// mistake: an error is what the suite expects. None if there is no such way; the rule about it is
    /// not checked then.
    fn open_twice(&mut self) -> Option<Result<(), StorageError>> {
        None
    }

    /// From now on, until called with false, nothing can be read or written: the disk is gone, the
    /// connection closed. False if there is no such way; the rules about it are not checked then.
    fn set_failing(&mut self, failing: bool) -> bool {
        let _ = failing;
        false
    }
}

/// What is to be stored in one batch, in this order: the part of a `Ready` that concerns the storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// Replaces the whole log.
    pub snapshot: Option<Snapshot>,
    /// Replace what is stored at their indexes and after.
    pub entries: Vec<Entry>,
    /// Replaces the hard state.
    pub hard_state: Option<HardState>,
    /// Whether all of it must be durable when the call returns.
    pub must_sync: bool,
}

/// How a storage is opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reopen {
    /// It was closed in good order: everything is there.
    Closed,
    /// The machine lost its power: what was not synced may be gone, the latest writes first.
    Crashed,
}

/// What became of each rule, in the order in which they were tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One finding a rule.
    pub findings: Vec<Finding>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// What it demands, in a sentence.
    pub demand: &'static str,
    /// What was seen.
    pub outcome: Outcome,
}

/// What was seen of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The storage keeps it.
    Kept,
    /// The storage offers no way to try it.
    NotChecked(&'static str),
    /// The storage breaks it.
    Broken {
        /// What the rule expects at the first point where it was not met.
        expected: String,
        /// What came.
        got: String,
    },
}

impl Report {
    /// Whether no rule was found broken.
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The broken rules, the most basic first.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| matches!(finding.outcome, Outcome::Broken { .. }))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule;
        match &self.outcome {
            Outcome::Kept => write!(f, "kept         {rule}"),
            Outcome::NotChecked(reason) => write!(f, "not checked  {rule}: {reason}"),
            Outcome::Broken { expected, got } => {
                write!(f, "BROKEN       {rule}: {}\n  expected {expected}\n  got      {got}", self.demand)
            }
        }
    }
}

/// Tries every rule, each from a fresh storage. Start with the first broken rule: later ones build on it.
///
/// What the storage holds is lost. A rule ends where it is first broken.
pub fn run(storage: &mut dyn CheckedStorage) -> Report {
    let findings = rules::RULES.iter().map(|&(rule, demand, holds)| {
        let outcome = match Subject::fresh(storage).and_then(|mut subject| holds(&mut subject)) {
            Ok(()) => Outcome::Kept,
            Err(Stop::NotChecked(reason)) => Outcome::NotChecked(reason),
            Err(Stop::Broken { expected, got }) => Outcome::Broken { expected, got },
        };
        Finding { rule, demand, outcome }
    });
    Report { findings: findings.collect() }
}

/// The rules' names and what they demand, in the order in which [`run`] tries them.
pub fn rules() -> impl ExactSizeIterator<Item = (&'static str, &'static str)> {
    rules::RULES.iter().map(|&(rule, demand, _)| (rule, demand))
}

impl CheckedStorage for MemoryStorage {
    fn reset(&mut self) -> Result<(), StorageError> {
        *self = Self::new();
        Ok(())
    }

    fn persist(&mut self, write: &Write) -> Result<(), StorageError> {
        if let Some(snapshot) = &write.snapshot {
            self.apply_snapshot(snapshot.clone())?;
        }
        self.append(&write.entries)?;
        if let Some(hard_state) = write.hard_state {
            self.set_hard_state(hard_state);
        }
        Ok(())
    }

    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        if index > self.snapshot()?.id.index {
            let (_, conf_state) = self.initial_state()?;
            self.create_snapshot(index, conf_state, "state")?;
        }
        self.compact(index)
    }
}
