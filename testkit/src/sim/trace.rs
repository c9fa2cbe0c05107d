//! The story of a run, for people; told only when a run is repeated to explain its failure.

use std::collections::VecDeque;

use raftcore::{Body, Message};

/// The last lines of the story.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// How many lines to keep; 0 to keep none, which costs nothing.
    keep: usize,
    lines: VecDeque<String>,
}

impl Trace {
    pub(super) fn last(keep: usize) -> Self {
        Self { keep, lines: VecDeque::new() }
    }

    pub(super) fn note(&mut self, time: u64, line: impl FnOnce() -> String) {
        if self.keep == 0 {
            return;
        }
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{time:>9} {}", line()));
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// A message in a line.
pub(super) fn describe(message: &Message) -> String {
    let id = |id: raftcore::EntryId| format!("{}/{}", id.term, id.index);
    let body = match &message.body {
        Body::Append(append) => {
            let (prev, count) = (id(append.prev), append.entries.len());
            format!("Append after {prev}, {count} entries, commit {}", append.commit)
        }
        Body::Snapshot(snapshot) => format!("Snapshot {}", id(snapshot.id)),
        Body::Propose(propose) => format!("Propose, {} entries", propose.entries.len()),
        other => format!("{other:?}"),
    };
    format!("{}->{} term {}: {body}", message.from, message.to, message.term)
}
