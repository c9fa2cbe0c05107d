//! What happened in a run, for people: the last lines as text, or everything as a file of JSON lines
//! that the viewer shows.
//!
//! Off it costs one test of a pointer. It only looks: it draws no random number and schedules
//! nothing, so that a run with it is the run without it. The file's format is in `docs/trace.md`.

mod happening;
mod message;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, Write};

use raftcore::NodeId;
use serde::Serialize;

pub(super) use happening::Happening;
pub(crate) use message::describe;
pub(super) use message::tell;

use super::world::World;
use watch::Watched;

/// Where the events of a run go.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// None: nowhere.
    sink: Option<Box<Sink>>,
}

struct Sink {
    /// How many lines of the story to keep.
    keep: usize,
    story: VecDeque<String>,
    file: Option<Box<dyn Write>>,
    /// The first failure to write; nothing is written after it.
    error: Option<io::Error>,
    /// Each node as it was when it was last looked at.
    watched: BTreeMap<NodeId, Watched>,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    /// Simulated time.
    t: u64,
    /// How many events of the simulation there had been.
    n: u64,
    #[serde(flatten)]
    happening: &'a Happening,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("keep", &self.keep).finish_non_exhaustive()
    }
}

impl Trace {
    /// Keeps the last `keep` lines of the story and writes everything to `file`; nothing if neither is
    /// wanted.
    pub(super) fn new(keep: usize, file: Option<Box<dyn Write>>) -> Self {
        if keep == 0 && file.is_none() {
            return Self::default();
        }
        let (story, watched) = (VecDeque::new(), BTreeMap::new());
        Self { sink: Some(Box::new(Sink { keep, story, file, error: None, watched })) }
    }

    /// Notes what a person should know and no other kind of event tells.
    pub(super) fn note(&mut self, time: u64, text: impl FnOnce() -> String) {
        self.record(time, 0, || Happening::Note { text: text() });
    }

    /// Notes an event, before which there were `count` events of the simulation.
    pub(super) fn record(&mut self, time: u64, count: u64, happening: impl FnOnce() -> Happening) {
        if let Some(sink) = &mut self.sink {
            sink.record(time, count, &happening());
        }
    }

    /// The story's lines, oldest first; fails if the file could not be written.
    pub(super) fn finish(self) -> (Vec<String>, io::Result<()>) {
        let Some(mut sink) = self.sink else { return (Vec::new(), Ok(())) };
        let flushed = sink.file.as_mut().map_or(Ok(()), |file| file.flush());
        (sink.story.into(), sink.error.map_or(flushed, Err))
    }
}

impl Sink {
    fn record(&mut self, time: u64, count: u64, happening: &Happening) {
        if self.keep > 0 {
            if let Some(text) = happening.story() {
                if self.story.len() == self.keep {
                    self.story.pop_front();
                }
                self.story.push_back(format!("{time:>9} {text}"));
            }
        }
        let Some(file) = self.file.as_mut().filter(|_| self.error.is_none()) else { return };
        let line = Line { t: time, n: count, happening };
        let written = serde_json::to_writer(&mut *file, &line).map_err(io::Error::from);
        self.error = written.and_then(|()| file.write_all(b"\n")).err();
    }
}

impl World {
    /// Notes how the nodes differ from when they were last looked at.
    pub(super) fn watch_nodes(&mut self) {
        let Some(sink) = self.trace.sink.as_mut().filter(|sink| sink.file.is_some()) else { return };
        let mut news = Vec::new();
        for (id, replica) in &self.replicas {
            sink.watched.entry(*id).or_default().update(*id, replica, &mut news);
        }
        for happening in news {
            sink.record(self.now, self.count, &happening);
        }
    }
}

#[cfg(test)]
mod tests;
