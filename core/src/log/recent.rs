//! The recent part of the log in memory.
//!
//! What comes one by one from a proposer, or in several pieces from a leader, is collected in an open run; as
//! soon as somebody wants to have entries of it, it is closed. From then on the same run serves the host
//! that stores it, all peers it is sent to and the state machine: one reference count each, however many
//! entries there are.

use crate::entry::{Entries, Entry, EntryRuns, Runs, SHARED_RUN};
use crate::types::{Index, Term};

#[derive(Clone, Debug)]
pub(crate) struct Recent {
    /// Made when the first entry comes: a group that does nothing has none.
    window: Option<Box<Window>>,
    next: Index,
}

#[derive(Clone, Debug)]
struct Window {
    closed: Runs,
    /// One piece as it came, that continues the closed runs. Left as it is if no other one follows.
    piece: Entries,
    /// The run that is being filled, if there is no piece.
    open: Vec<Entry>,
}

impl Window {
    #[inline]
    fn close(&mut self) {
        let run = match self.open.len() {
            0 if self.piece.is_empty() => return,
            0 => std::mem::take(&mut self.piece),
            1 => self.open.pop().map(Entries::one).unwrap_or_default(),
            _ => std::mem::take(&mut self.open).into(),
        };
        self.closed.append(run);
    }

    /// The run that is being filled, with all in it that is not closed.
    fn open(&mut self) -> &mut Vec<Entry> {
        if self.piece.len() >= SHARED_RUN {
            self.close();
        } else if !self.piece.is_empty() {
            self.open = std::mem::take(&mut self.piece).into_vec();
        }
        &mut self.open
    }
}

impl Recent {
    /// An empty window, to be continued at index `next`.
    pub(crate) fn new(next: Index) -> Self {
        Self { window: None, next }
    }

    /// Lets memory go that holds no entries.
    pub(crate) fn shrink(&mut self) {
        if let Some(window) = &mut self.window {
            window.open.shrink_to_fit();
            window.closed.shrink();
        }
    }

    /// Index of the first entry, or of the next one if there is none.
    pub(crate) fn first(&self) -> Index {
        self.window.as_ref().map_or(self.next, |window| window.closed.first())
    }

    pub(crate) fn term(&self, index: Index) -> Option<Term> {
        let window = self.window.as_ref()?;
        match index.checked_sub(window.closed.next()) {
            Some(place) => {
                window.piece.get(place as usize).or(window.open.get(place as usize)).map(Entry::term)
            }
            None => window.closed.term(index),
        }
    }

    fn window(&mut self) -> &mut Window {
        let next = self.next;
        self.window.get_or_insert_with(|| {
            Box::new(Window { closed: Runs::new(next), piece: Entries::new(), open: Vec::new() })
        })
    }

    /// Adds the entry at the next index.
    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index(), self.next, "a gap in the log");
        let window = self.window();
        if window.open().capacity() == 0 {
            // Steady load: the next run will be about as long as the last one.
            window.open.reserve_exact(window.closed.last_run_len().clamp(1, 1024));
        }
        window.open.push(entry);
        self.next += 1;
    }

    /// Adds entries from the next index on.
    #[inline]
    pub(crate) fn append(&mut self, entries: Entries) {
        let count = entries.len() as u64;
        let window = self.window();
        if entries.len() >= SHARED_RUN {
            window.close();
        }
        match window.open.is_empty() && window.piece.is_empty() {
            true => window.piece = entries,
            false => entries.append_to(window.open()),
        }
        self.next += count;
    }

    /// Removes the entries from `from` on; continues there.
    pub(crate) fn truncate(&mut self, from: Index) {
        if from >= self.next {
            return;
        }
        if let Some(window) = &mut self.window {
            window.close();
            window.closed.truncate(from);
        }
        self.next = from;
    }

    /// Entries `low..high`, which must be here, as far as they fit `max_bytes`; at least one, but not all if
    /// they are in several runs, some of them long.
    #[inline]
    pub(crate) fn slice(&mut self, low: Index, high: Index, max_bytes: u64) -> Entries {
        let Some(window) = self.window.as_mut().filter(|_| low < high) else { return Entries::new() };
        if high > window.closed.next() {
            window.close();
        }
        window.closed.shared_slice(low, high, max_bytes)
    }

    /// Entries from `low` on, which must be here.
    #[inline]
    pub(crate) fn tail(&mut self, low: Index) -> EntryRuns {
        let Some(window) = self.window.as_mut().filter(|_| low < self.next) else { return EntryRuns::new() };
        window.close();
        window.closed.tail(low)
    }

    /// What the closed runs cost that [`Self::evict`] could let go of.
    pub(crate) fn bytes_up_to(&self, last: Index) -> u64 {
        self.window.as_ref().map_or(0, |window| window.closed.bytes_up_to(last))
    }

    /// Lets go of whole runs from the front, none of them beyond `last`, while more than `max_bytes`
    /// are held.
    pub(crate) fn evict(&mut self, last: Index, max_bytes: u64) {
        let Some(window) = &mut self.window else { return };
        if window.closed.next() <= last {
            window.close();
        }
        window.closed.evict(last, max_bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::config::NO_LIMIT;
    use crate::entry::EntryKind;
    use crate::types::EntryId;

    fn entry(index: Index) -> Entry {
        Entry::new(EntryId::new(1, index), EntryKind::Normal, vec![b'x'; 10].into())
    }

    fn entries(indexes: Range<Index>) -> Entries {
        indexes.map(entry).collect()
    }

    /// A run 5..=7; open 8..=9, as a piece, in pieces, and one by one.
    fn windows() -> [Recent; 3] {
        let mut closed = Recent::new(5);
        closed.append(entries(5..8));
        assert_eq!(closed.slice(5, 8, NO_LIMIT).len(), 3);
        let mut windows = [closed.clone(), closed.clone(), closed];
        windows[0].append(entries(8..10));
        windows[1].append(entries(8..9));
        windows[1].append(entries(9..10));
        windows[2].push(entry(8));
        windows[2].push(entry(9));
        windows
    }

    #[test]
    fn every_slice_is_what_was_put_in() {
        for low in 5..=9 {
            for high in low..=10 {
                for mut window in windows() {
                    let slice = window.slice(low, high, NO_LIMIT);
                    assert_eq!(slice, entries(low..high));
                }
            }
        }
    }

    #[test]
    fn it_goes_on_where_it_was_truncated() {
        for (from, mut recent) in (3..=12).flat_map(|from| windows().map(|window| (from, window))) {
            recent.truncate(from);
            for index in 1..15 {
                assert_eq!(
                    recent.term(index).is_some(),
                    (5..from.min(10)).contains(&index),
                    "{from} {index}"
                );
            }
            recent.push(entry(from.min(10)));
            assert_eq!(recent.term(from.min(10)), Some(1));
        }
    }

    #[test]
    fn eviction_spares_what_is_not_stored() {
        for mut recent in windows() {
            recent.evict(7, 0);
            assert_eq!(recent.first(), 8);
            assert_eq!((recent.term(8), recent.term(9)), (Some(1), Some(1)));
            recent.evict(9, 0);
            assert_eq!(recent.first(), 10);
            recent.push(entry(10));
            assert_eq!(recent.term(10), Some(1));
        }
    }

    /// Runs that are as long as given, from 5 on, put in as pieces and one by one in turn.
    fn of_pieces(lens: &[u64]) -> Recent {
        let mut recent = Recent::new(5);
        for (place, len) in lens.iter().enumerate() {
            let indexes = recent.next..recent.next + len;
            match place % 2 {
                0 => recent.append(entries(indexes)),
                _ => indexes.for_each(|index| recent.push(entry(index))),
            }
        }
        recent
    }

    #[test]
    fn the_tail_is_what_was_put_in_and_long_pieces_stay_as_they_came() {
        let long = SHARED_RUN as u64;
        for (lens, runs) in [
            (&[3, 2, 4][..], &[9][..]),
            (&[long, 1, 1, 0, long], &[long, 2, long]),
            (&[2, 0, long, 0, long + 1, 0, 3], &[2, long, long + 1, 3]),
            (&[0, 2, long, 3], &[2, long, 3]),
        ] {
            let next = 5 + lens.iter().sum::<u64>();
            for low in (5..12).chain(next - 6..=next) {
                let mut recent = of_pieces(lens);
                assert_eq!(recent.term(low).is_some(), low < next);
                let tail = recent.tail(low);
                assert!(tail == entries(low..next).into(), "{lens:?} from {low}");
                if low == 5 {
                    assert_eq!(tail.runs().iter().map(|run| run.len() as u64).collect::<Vec<_>>(), runs);
                }
            }
        }
    }

    #[test]
    fn a_slice_ends_where_a_long_piece_would_be_copied() {
        let long = SHARED_RUN as u64;
        let mut recent = of_pieces(&[long, 2, 1, 0, long, 1]);
        let (short, second, last) = (5 + long, 5 + long + 3, 5 + long + 3 + long);
        for (low, high, end) in [
            (5, last + 1, short),
            (5, short, short),
            (5, 9, 9),
            // What is left of a long one is not long any more.
            (6, last + 1, second),
            (6, short + 1, short + 1),
            (short, last + 1, second),
            (short + 1, second, second),
            (second, last + 1, last),
            (second + 1, last + 1, last + 1),
            (last, last + 1, last + 1),
        ] {
            let slice = recent.slice(low, high, NO_LIMIT);
            assert!(slice == entries(low..end), "{low}..{high}");
            let run = recent.tail(low).runs()[0].clone();
            let is_copied = slice.as_ptr() != run.as_ptr();
            assert_eq!(is_copied, slice.len() > run.len(), "{low}..{high}");
        }
    }

    #[test]
    fn what_comes_in_pieces_becomes_one_run() {
        let [mut piece, mut pieces, mut one_by_one] = windows();
        for recent in [&mut piece, &mut pieces, &mut one_by_one] {
            recent.append(entries(10..12));
            let (run, again) = (recent.slice(8, 12, NO_LIMIT), recent.slice(9, 12, NO_LIMIT));
            assert_eq!(run[1..].as_ptr(), again.as_ptr());
            assert_eq!(run, entries(8..12));
        }
    }
}
