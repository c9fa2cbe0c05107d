//! Interaction scripts: a small cluster driven command by command, its every message printed.
//!
//! The format is that of etcd/raft's data-driven tests (`testdata/*.txt` of the Go module
//! `go.etcd.io/raft/v3`), so that those scripts hold both implementations to the same behaviour.
//! A directive looks like this; what stands below the line is what the command printed:
//!
//! ```text
//! propose 1 hello
//! ----
//! ok
//! ```
//!
//! Log lines of the reference are ignored, and none are written. What goes beyond etcd's format:
//! `read-index <id> <context>`; and options of `add-nodes`: `eager-append=false` (see
//! [`raftcore::Config::eager_append`]; scripts run with it by default, as etcd works that way),
//! `max-message-bytes=<n>`, `max-inflight-bytes=<n>`, `max-uncommitted-bytes=<n>`,
//! `disable-proposal-forwarding=<bool>`. Scripts that use these can be recorded from etcd/raft too:
//! `interop/go/cmd/record` does.

mod args;
mod commands;
mod format;
mod nodes;
mod output;
mod packet;
mod quote;
mod recording;
mod script;
mod storage;
mod world;

pub use recording::{Event, Happened, Recording, Start};
pub use script::SyntaxError;

use script::Script;
use world::World;

/// What scripts do not decide and must not show.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// [`raftcore::Config::log_cache_bytes`] of all nodes.
    pub log_cache_bytes: u64,
    /// [`raftcore::Config::seed`] of all nodes.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { log_cache_bytes: 1 << 20, seed: 1 }
    }
}

/// Why a script could not be run to its end.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScriptError {
    /// The text is not a script.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A directive makes no sense, or the library failed in a way no script may lead to.
    #[error("line {line}: {problem}")]
    Fatal {
        /// Where the directive begins.
        line: usize,
        /// What went wrong.
        problem: String,
    },
}

/// A script as it is and as it should be, both without log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// With the outputs that the script states.
    pub expected: String,
    /// With the outputs that running it gave.
    pub actual: String,
}

impl Outcome {
    /// Whether every command printed what the script states.
    pub fn matches(&self) -> bool {
        self.expected == self.actual
    }

    /// What differs, as a unified diff; empty if nothing does.
    pub fn diff(&self) -> String {
        similar::TextDiff::from_lines(&self.expected, &self.actual)
            .unified_diff()
            .context_radius(8)
            .header("expected", "actual")
            .to_string()
    }
}

/// Runs a script in a world of its own.
pub fn run(text: &str, options: Options) -> Result<Outcome, ScriptError> {
    run_in(&mut World::new(options), text)
}

/// Runs a script; the answer is what happened to its nodes, whatever the script expects.
pub fn record(text: &str, options: Options) -> Result<Recording, ScriptError> {
    let mut world = World::new(options);
    run_in(&mut world, text)?;
    Ok(world.recording)
}

fn run_in(world: &mut World, text: &str) -> Result<Outcome, ScriptError> {
    let script = Script::parse(text)?;
    let mut fatal = None;
    let actual = script.render(|directive| {
        if fatal.is_some() {
            return "(not reached)".to_owned();
        }
        let error = match world.execute(directive) {
            Ok(()) => None,
            Err(CommandError::Answer(text)) => Some(text),
            Err(CommandError::Fatal(problem)) => {
                fatal = Some(ScriptError::Fatal { line: directive.line, problem });
                None
            }
        };
        world.out.finish(error)
    });
    match fatal {
        Some(error) => Err(error),
        None => Ok(Outcome { expected: script.render(|directive| directive.log_free_block()), actual }),
    }
}

/// Why a command did not succeed.
#[derive(Debug, PartialEq, Eq)]
enum CommandError {
    /// Something that scripts provoke: the text is part of the command's output.
    Answer(String),
    /// Something that no script may do: it ends the run.
    Fatal(String),
}

impl CommandError {
    fn answer(text: impl ToString) -> Self {
        Self::Answer(text.to_string())
    }

    fn fatal(text: impl ToString) -> Self {
        Self::Fatal(text.to_string())
    }
}

impl From<raftcore::Error> for CommandError {
    /// The reference's words where it has some.
    fn from(error: raftcore::Error) -> Self {
        match error {
            raftcore::Error::PeerNotFound(_) => Self::answer("raft: cannot step as peer not found"),
            raftcore::Error::ProposalDropped(_) => Self::answer("raft proposal dropped"),
            other => Self::answer(other),
        }
    }
}

impl From<storage::Refusal> for CommandError {
    fn from(refusal: storage::Refusal) -> Self {
        use storage::Refusal::{BeyondEnd, Compacted, Gap, SnapshotOutOfDate};
        match refusal {
            Compacted | SnapshotOutOfDate => Self::answer(refusal),
            BeyondEnd | Gap => Self::fatal(refusal),
        }
    }
}
