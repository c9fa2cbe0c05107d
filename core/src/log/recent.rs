//! The recent part of the log in memory, as a queue of shared runs of entries.
//!
//! What a proposer appends one by one is collected in an open run; as soon as somebody wants to have
//! entries of it, it is closed. From then on the same run serves the host that stores it, all peers
//! it is sent to and the state machine: one reference count each, however many entries there are.

use std::collections::VecDeque;

use crate::entry::{Entries, Entry, fitting, payload_len};
use crate::types::{Index, Term};

#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    /// Closed runs, consecutive, none empty.
    runs: VecDeque<Entries>,
    /// The run that is being filled; continues the closed ones.
    open: Vec<Entry>,
    first: Index,
    next: Index,
    bytes: u64,
}

impl Recent {
    /// An empty window, to be continued at index `next`.
    pub(crate) fn new(next: Index) -> Self {
        Self { first: next, next, ..Self::default() }
    }

    /// Index of the first entry, or of the next one if there is none.
    pub(crate) fn first(&self) -> Index {
        self.first
    }

    pub(crate) fn term(&self, index: Index) -> Option<Term> {
        self.get(index).map(Entry::term)
    }

    fn get(&self, index: Index) -> Option<&Entry> {
        if index < self.first || index >= self.next {
            return None;
        }
        let open_first = self.next - self.open.len() as u64;
        if index >= open_first {
            return self.open.get((index - open_first) as usize);
        }
        let run = self.runs.get(self.run_of(index))?;
        run.get((index - run.first()?.index()) as usize)
    }

    /// Place of the closed run that holds `index`.
    fn run_of(&self, index: Index) -> usize {
        self.runs
            .partition_point(|run| run.first().is_some_and(|entry| entry.index() <= index))
            .saturating_sub(1)
    }

    /// Adds the entry at the next index.
    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index(), self.next, "a gap in the log");
        if self.open.capacity() == 0 {
            // Steady load: the next run will be about as long as the last one.
            self.open.reserve(self.runs.back().map_or(1, |run| run.len()));
        }
        self.bytes += entry_bytes(&entry);
        self.next += 1;
        self.open.push(entry);
    }

    /// Adds entries from the next index on.
    pub(crate) fn append(&mut self, entries: Entries) {
        let Some(first) = entries.first() else { return };
        debug_assert_eq!(first.index(), self.next, "a gap in the log");
        self.close();
        self.bytes += run_bytes(&entries);
        self.next += entries.len() as u64;
        self.runs.push_back(entries);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.runs.push_back(Entries::from(std::mem::take(&mut self.open)));
        }
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
        self.close();
        while let Some(run) = self.runs.pop_back() {
            let Some(first) = run.first().map(Entry::index) else { continue };
            self.bytes -= run_bytes(&run);
            if first < from {
                let kept = run.slice(0..(from - first) as usize);
                self.bytes += run_bytes(&kept);
                self.runs.push_back(kept);
                break;
            }
        }
        self.next = from;
    }

    /// Entries `low..high`, which must be here, as far as they fit `max_bytes`; at least one.
    pub(crate) fn slice(&mut self, low: Index, high: Index, max_bytes: u64) -> Entries {
        debug_assert!(self.first <= low && high <= self.next, "not in the window");
        if low >= high {
            return Entries::new();
        }
        if high > self.next - self.open.len() as u64 {
            self.close();
        }
        let place = self.run_of(low);
        let Some(run) = self.runs.get(place) else { return Entries::new() };
        let Some(first) = run.first().map(Entry::index) else { return Entries::new() };
        let head = run.slice((low - first) as usize..(high - first) as usize);
        if head.len() as u64 == high - low {
            return match fitting(&head, max_bytes) {
                all if all == head.len() => head,
                some => head.slice(0..some),
            };
        }
        let wanted = self.runs.range(place + 1..).flat_map(|run| run.iter());
        let all = head.iter().chain(wanted).take((high - low) as usize);
        Entries::from(collect_fitting(all, max_bytes))
    }

    /// What the closed runs cost that [`Self::evict`] could let go of.
    pub(crate) fn bytes_up_to(&self, last: Index) -> u64 {
        let is_up_to = |run: &&Entries| run.last().is_some_and(|entry| entry.index() <= last);
        self.runs.iter().take_while(is_up_to).map(|run| run_bytes(run)).sum()
    }

    /// Lets go of whole runs from the front, none of them beyond `last`, while more than `max_bytes`
    /// are held.
    pub(crate) fn evict(&mut self, last: Index, max_bytes: u64) {
        if self.bytes > max_bytes && self.next == last + 1 {
            self.close();
        }
        while self.bytes > max_bytes {
            match self.runs.front() {
                Some(run) if run.last().is_some_and(|entry| entry.index() <= last) => {
                    self.first += run.len() as u64;
                    self.bytes -= run_bytes(run);
                    self.runs.pop_front();
                }
                _ => break,
            }
        }
    }
}

fn collect_fitting<'a>(entries: impl Iterator<Item = &'a Entry>, max_bytes: u64) -> Vec<Entry> {
    let mut size = 0u64;
    let mut found = Vec::new();
    for entry in entries {
        size = size.saturating_add(entry.encoded_len());
        if size > max_bytes && !found.is_empty() {
            break;
        }
        found.push(entry.clone());
    }
    found
}

/// What an entry costs in memory.
fn entry_bytes(entry: &Entry) -> u64 {
    (size_of::<Entry>() + entry.data.len()) as u64
}

fn run_bytes(run: &[Entry]) -> u64 {
    size_of_val(run) as u64 + payload_len(run)
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

    fn indexes(entries: &Entries) -> Vec<Index> {
        entries.iter().map(Entry::index).collect()
    }

    /// Runs 5..=6 and 7..=9, open 10..=11.
    fn window() -> Recent {
        let mut recent = Recent::new(5);
        recent.append(vec![entry(5), entry(6)].into());
        recent.append(vec![entry(7), entry(8), entry(9)].into());
        recent.push(entry(10));
        recent.push(entry(11));
        recent
    }

    #[test]
    fn every_slice_is_what_was_put_in() {
        for low in 5..=11 {
            for high in low..=12 {
                let mut recent = window();
                assert_eq!(indexes(&recent.slice(low, high, NO_LIMIT)), (low..high).collect::<Vec<_>>());
                let one_each = entry(5).encoded_len();
                let two = recent.slice(low, high, 2 * one_each);
                assert_eq!(two.len() as u64, (high - low).min(2));
                assert_eq!(recent.slice(low, high, 0).len() as u64, (high - low).min(1));
            }
        }
    }

    #[test]
    fn truncation_keeps_what_is_before() {
        for from in 3..=13 {
            let mut recent = window();
            recent.truncate(from);
            let end = from.min(12);
            for index in 1..15 {
                assert_eq!(recent.term(index).is_some(), (5..end).contains(&index), "{from} {index}");
            }
            if from <= 12 {
                recent.push(entry(end));
                assert_eq!(recent.term(end), Some(1));
            }
            let first = recent.first();
            let held = recent.slice(first, first.max(end), NO_LIMIT);
            assert_eq!(run_bytes(&held) + if from <= 12 { entry_bytes(&entry(1)) } else { 0 }, recent.bytes);
        }
    }

    #[test]
    fn eviction_spares_what_is_not_stored() {
        let mut recent = window();
        recent.evict(8, 0);
        assert_eq!(recent.first(), 7);
        recent.evict(11, 0);
        assert_eq!((recent.first(), recent.bytes), (12, 0));
        recent.push(entry(12));
        assert_eq!(recent.term(12), Some(1));
    }
}
