//! A stretch of the log as a queue of shared runs.

use std::collections::VecDeque;

use super::{Entries, Entry, EntryRuns};
use crate::types::{Index, Term};

/// A run of so many entries is not copied to put it beside others: by then that costs more than to handle it
/// on its own.
pub(crate) const SHARED_RUN: usize = 512;

/// Consecutive entries, in the runs in which they came. Handing out what came together costs one
/// reference count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    /// Consecutive, none empty.
    runs: VecDeque<Run>,
    first: Index,
    next: Index,
    /// What all runs cost that are here or once were before the first.
    total: u64,
    /// What those cost that once were before the first.
    gone: u64,
}

#[derive(Clone, Debug)]
struct Run {
    /// Index of the first entry. Kept here so that a search touches no entry.
    first: Index,
    entries: Entries,
    /// What it and all before it cost, those included that are gone: so what any of them cost together is a
    /// difference of two.
    total: u64,
}

impl Run {
    fn next(&self) -> Index {
        self.first + self.entries.len() as u64
    }
}

impl Runs {
    /// Nothing, to be continued at index `next`.
    pub(crate) fn new(next: Index) -> Self {
        Self { first: next, next, ..Self::default() }
    }

    /// Lets memory go that holds no runs.
    pub(crate) fn shrink(&mut self) {
        self.runs.shrink_to_fit();
    }

    /// Index of the first entry, or of the next one if there is none.
    pub(crate) fn first(&self) -> Index {
        self.first
    }

    /// Index after the last entry.
    pub(crate) fn next(&self) -> Index {
        self.next
    }

    /// What all runs cost together.
    fn bytes(&self) -> u64 {
        self.total - self.gone
    }

    /// How many entries the last run has.
    pub(crate) fn last_run_len(&self) -> usize {
        self.runs.back().map_or(0, |run| run.entries.len())
    }

    pub(crate) fn get(&self, index: Index) -> Option<&Entry> {
        if index < self.first || index >= self.next {
            return None;
        }
        let run = self.runs.get(self.run_of(index))?;
        run.entries.get(index.checked_sub(run.first)? as usize)
    }

    pub(crate) fn term(&self, index: Index) -> Option<Term> {
        self.get(index).map(Entry::term)
    }

    /// Place of the run that holds `index`. It is nearly always one of the last.
    fn run_of(&self, index: Index) -> usize {
        for back in 1..=4 {
            let place = self.runs.len().saturating_sub(back);
            if self.runs.get(place).is_none_or(|run| run.first <= index) {
                return place;
            }
        }
        self.runs.partition_point(|run| run.first <= index).saturating_sub(1)
    }

    /// Adds entries from the next index on.
    #[inline]
    pub(crate) fn append(&mut self, entries: Entries) {
        let Some(first) = entries.first().map(Entry::index) else { return };
        debug_assert_eq!(first, self.next, "a gap in the log");
        self.total += run_bytes(&entries);
        self.next += entries.len() as u64;
        self.runs.push_back(Run { first, entries, total: self.total });
    }

    /// Removes the entries from `from` on; continues there.
    pub(crate) fn truncate(&mut self, from: Index) {
        if from <= self.first {
            *self = Self::new(from);
            return;
        }
        if from >= self.next {
            return;
        }
        while let Some(run) = self.runs.pop_back() {
            self.next = run.first;
            self.total = self.runs.back().map_or(self.gone, |run| run.total);
            if run.first < from {
                self.append(run.entries.slice(0..(from - run.first) as usize));
                break;
            }
        }
    }

    /// Removes the entries before `first`. The memory of a run goes when all of it is gone.
    pub(crate) fn compact(&mut self, first: Index) {
        let first = first.min(self.next);
        while self.first < first {
            let Some(run) = self.runs.front_mut() else { return };
            let next = run.next();
            if next <= first {
                (self.first, self.gone) = (next, run.total);
                self.runs.pop_front();
            } else {
                let entries = run.entries.slice((first - run.first) as usize..run.entries.len());
                (self.first, self.gone) = (first, run.total - run_bytes(&entries));
                *run = Run { first, entries, total: run.total };
            }
        }
    }

    /// Removes whole runs from the front, none of them beyond `last`, while more than `max_bytes` are
    /// held.
    pub(crate) fn evict(&mut self, last: Index, max_bytes: u64) {
        while self.bytes() > max_bytes {
            let Some(run) = self.runs.front().filter(|run| run.next() <= last + 1) else { return };
            (self.first, self.gone) = (run.next(), run.total);
            self.runs.pop_front();
        }
    }

    /// What the runs cost that [`Self::evict`] could let go of.
    pub(crate) fn bytes_up_to(&self, last: Index) -> u64 {
        let count = self.runs.partition_point(|run| run.next() <= last + 1);
        let run = count.checked_sub(1).and_then(|place| self.runs.get(place));
        run.map_or(0, |run| run.total - self.gone)
    }

    /// Entries `low..high`, which must be here, as far as they fit `max_bytes`; at least one. Not all of them if
    /// a long run is most of what fits: then nothing is copied.
    pub(crate) fn slice(&self, low: Index, high: Index, max_bytes: u64) -> Entries {
        self.slice_sparing(usize::MAX, low, high, max_bytes)
    }

    /// The same, or fewer, so that no long run is copied.
    #[inline]
    pub(crate) fn shared_slice(&self, low: Index, high: Index, max_bytes: u64) -> Entries {
        self.slice_sparing(SHARED_RUN, low, high, max_bytes)
    }

    /// The same, but runs of `long` entries and more stand alone.
    #[inline]
    fn slice_sparing(&self, long: usize, low: Index, high: Index, max_bytes: u64) -> Entries {
        debug_assert!(self.first <= low && high <= self.next, "not here");
        // What came last is asked for most often, all of it.
        match self.runs.back() {
            Some(last) if low == last.first && high == self.next && last.entries.surely_fit(max_bytes) => {
                last.entries.clone()
            }
            _ => self.any_slice(long, low, high, max_bytes),
        }
    }

    /// Entries `low..`, which must be here.
    #[inline]
    pub(crate) fn tail(&self, low: Index) -> EntryRuns {
        match self.runs.back() {
            Some(last) if low == last.first => last.entries.clone().into(),
            _ => self.any_tail(low),
        }
    }

    fn any_tail(&self, low: Index) -> EntryRuns {
        let mut tail = EntryRuns::new();
        if low < self.next {
            for run in self.runs.range(self.run_of(low)..) {
                let start = low.saturating_sub(run.first) as usize;
                tail.push(run.entries.slice(start..run.entries.len()));
            }
        }
        tail
    }

    fn any_slice(&self, long: usize, low: Index, high: Index, max_bytes: u64) -> Entries {
        if low >= high {
            return Entries::new();
        }
        if let Some(last) = self.runs.back().filter(|run| run.first <= low) {
            let slice = last.entries.slice((low - last.first) as usize..(high - last.first) as usize);
            return slice.fitting(max_bytes);
        }
        let place = self.run_of(low);
        let Some(run) = self.runs.get(place) else { return Entries::new() };
        let start = low.saturating_sub(run.first) as usize;
        let head = run.entries.slice(start..start + (high - low) as usize);
        let most = if head.len() >= SHARED_RUN { max_bytes / 2 } else { max_bytes };
        let stands_alone = |run: &Run| run.entries.len() >= long;
        let is_alone = head.len() >= long || self.runs.get(place + 1).is_none_or(stands_alone);
        if is_alone || head.len() as u64 == high - low || head.encoded_len() >= most {
            return head.fitting(max_bytes);
        }
        let short = self.runs.range(place + 1..).take_while(|run| !stands_alone(run));
        let wanted = short.flat_map(|run| run.entries.iter());
        collect_fitting(head.iter().chain(wanted).take((high - low) as usize), max_bytes)
    }
}

fn collect_fitting<'a>(entries: impl Iterator<Item = &'a Entry>, max_bytes: u64) -> Entries {
    let mut size = 0u64;
    let mut found = Vec::new();
    for entry in entries {
        size = size.saturating_add(entry.encoded_len());
        if size > max_bytes && !found.is_empty() {
            break;
        }
        found.push(entry.clone());
    }
    found.into()
}

fn run_bytes(run: &Entries) -> u64 {
    (run.len() * size_of::<Entry>()) as u64 + run.payload_len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NO_LIMIT;
    use crate::entry::EntryKind;
    use crate::types::EntryId;

    fn entry(index: Index) -> Entry {
        Entry::new(EntryId::new(1, index), EntryKind::Normal, vec![b'x'; 10].into())
    }

    /// Runs of 1, 2, 3, 1, 2, 3 entries from 5 on: 5..=16.
    fn runs() -> Runs {
        let mut runs = Runs::new(5);
        for len in [1, 2, 3, 1, 2, 3] {
            runs.append((runs.next()..).take(len).map(entry).collect());
        }
        runs
    }

    fn check(runs: &Runs, first: Index, next: Index) {
        assert_eq!((runs.first(), runs.next()), (first, next));
        for index in 1..20 {
            assert_eq!(runs.term(index).is_some(), (first..next).contains(&index), "{index}");
        }
        let held: u64 = runs.runs.iter().map(|run| run_bytes(&run.entries)).sum();
        assert_eq!(runs.bytes(), held);
        for last in 1..20 {
            let whole = runs.runs.iter().filter(|run| run.next() <= last + 1);
            assert_eq!(
                runs.bytes_up_to(last),
                whole.map(|run| run_bytes(&run.entries)).sum::<u64>(),
                "{last}"
            );
        }
    }

    #[test]
    fn every_slice_is_what_was_put_in() {
        let runs = runs();
        let one = entry(5).encoded_len();
        for low in 5..=16 {
            for high in low..=17 {
                for limit in 0..14 {
                    let expected = if limit == 13 { high - low } else { (high - low).min(limit.max(1)) };
                    let max_bytes = if limit == 13 { NO_LIMIT } else { limit * one };
                    let slice = runs.slice(low, high, max_bytes);
                    let indexes: Vec<_> = slice.iter().map(Entry::index).collect();
                    assert_eq!(indexes, (low..low + expected).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn a_slice_of_long_runs_is_whole() {
        let mut runs = Runs::new(1);
        for len in [SHARED_RUN, 1, SHARED_RUN + 1, SHARED_RUN] {
            runs.append((runs.next()..).take(len).map(entry).collect());
        }
        for low in [1, 2, SHARED_RUN as u64, SHARED_RUN as u64 + 2] {
            let indexes: Vec<_> = runs.slice(low, runs.next(), NO_LIMIT).iter().map(Entry::index).collect();
            assert!(indexes.into_iter().eq(low..runs.next()), "from {low}");
        }
    }

    #[test]
    fn truncation_keeps_what_is_before() {
        for from in 3..=18 {
            let mut runs = runs();
            runs.truncate(from);
            check(&runs, from.min(5), from.min(17));
        }
    }

    #[test]
    fn compaction_keeps_what_is_not_before() {
        for first in 3..=18 {
            let mut runs = runs();
            runs.compact(first);
            check(&runs, first.clamp(5, 17), 17);
        }
    }

    #[test]
    fn eviction_lets_whole_runs_go() {
        let mut runs = runs();
        runs.evict(10, 0);
        check(&runs, 11, 17);
        runs.evict(14, 0);
        check(&runs, 14, 17);
        runs.evict(16, NO_LIMIT);
        check(&runs, 14, 17);
        runs.evict(16, 0);
        check(&runs, 17, 17);
        runs.append([entry(17)].into_iter().collect());
        check(&runs, 17, 18);
    }
}
