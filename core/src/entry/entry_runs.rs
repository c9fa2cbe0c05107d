//! Entries that need not be in one piece.

use std::{fmt, mem, slice};

use super::{Entries, Entry};

/// Consecutive entries in the runs in which they came: nothing is copied to put them side by side.
#[derive(Clone)]
pub struct EntryRuns(Parts);

#[derive(Clone)]
enum Parts {
    /// Perhaps empty.
    One(Entries),
    /// At least one, none of them empty.
    Many(Vec<Entries>),
}

impl EntryRuns {
    /// No entries.
    pub const fn new() -> Self {
        Self(Parts::One(Entries::new()))
    }

    /// Adds the entries that follow.
    pub(crate) fn push(&mut self, run: Entries) {
        match &mut self.0 {
            _ if run.is_empty() => {}
            Parts::One(first) if first.is_empty() => *first = run,
            Parts::One(first) => self.0 = Parts::Many(vec![mem::take(first), run]),
            Parts::Many(runs) => runs.push(run),
        }
    }

    /// The runs, none of them empty.
    pub fn runs(&self) -> &[Entries] {
        match &self.0 {
            Parts::One(run) if run.is_empty() => &[],
            Parts::One(run) => slice::from_ref(run),
            Parts::Many(runs) => runs,
        }
    }

    /// The entries.
    pub fn iter(&self) -> EntryRunsIter<'_> {
        EntryRunsIter { run: [].iter(), more: self.runs().iter() }
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.runs().iter().map(Entries::len).sum()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Parts::One(run) if run.is_empty())
    }

    /// The first entry.
    pub fn first(&self) -> Option<&Entry> {
        self.runs().first()?.first()
    }

    /// The last entry.
    pub fn last(&self) -> Option<&Entry> {
        self.runs().last()?.last()
    }

    /// All in one run: copied, payloads shared, unless they are that already.
    pub fn into_entries(self) -> Entries {
        match self.0 {
            Parts::One(run) => run,
            Parts::Many(runs) => {
                let mut entries = Vec::with_capacity(runs.iter().map(Entries::len).sum());
                runs.into_iter().for_each(|run| run.append_to(&mut entries));
                entries.into()
            }
        }
    }

    /// Gives the runs away, one by one, as long as nothing fails.
    pub(crate) fn try_for_each_run<E>(self, mut f: impl FnMut(Entries) -> Result<(), E>) -> Result<(), E> {
        match self.0 {
            Parts::One(run) => f(run),
            Parts::Many(runs) => runs.into_iter().try_for_each(f),
        }
    }
}

impl Default for EntryRuns {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Into<Entries>> From<T> for EntryRuns {
    fn from(entries: T) -> Self {
        Self(Parts::One(entries.into()))
    }
}

impl From<&EntryRuns> for EntryRuns {
    fn from(entries: &EntryRuns) -> Self {
        entries.clone()
    }
}

/// The entries of [`EntryRuns`].
#[derive(Clone, Debug)]
pub struct EntryRunsIter<'a> {
    run: slice::Iter<'a, Entry>,
    more: slice::Iter<'a, Entries>,
}

impl<'a> Iterator for EntryRunsIter<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        loop {
            match self.run.next() {
                Some(entry) => return Some(entry),
                None => self.run = self.more.next()?.iter(),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.run.len() + self.more.as_slice().iter().map(Entries::len).sum::<usize>();
        (len, Some(len))
    }

    fn fold<B, F: FnMut(B, &'a Entry) -> B>(mut self, init: B, mut f: F) -> B {
        let first = mem::take(&mut self.run).fold(init, &mut f);
        self.more.fold(first, |folded, run| run.iter().fold(folded, &mut f))
    }
}

impl ExactSizeIterator for EntryRunsIter<'_> {}

impl<'a> IntoIterator for &'a EntryRuns {
    type Item = &'a Entry;
    type IntoIter = EntryRunsIter<'a>;

    fn into_iter(self) -> EntryRunsIter<'a> {
        self.iter()
    }
}

impl PartialEq for EntryRuns {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for EntryRuns {}

impl fmt::Debug for EntryRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_was_put_in() {
        let run = |payloads: &[&'static str]| payloads.iter().map(|data| Entry::normal(*data)).collect();
        let mut entries = EntryRuns::new();
        assert_eq!(
            (entries.len(), entries.first(), entries.last(), entries.runs().len()),
            (0, None, None, 0)
        );
        for payloads in [&[][..], &["a", "b"], &[], &["c"], &["d", "e"]] {
            entries.push(run(payloads));
        }
        let all: Entries = run(&["a", "b", "c", "d", "e"]);
        assert_eq!(entries.runs().iter().map(Entries::len).collect::<Vec<_>>(), [2, 1, 2]);
        assert_eq!((entries.first(), entries.last()), (all.first(), all.last()));
        for skipped in 0..=5 {
            let mut iter = entries.iter();
            iter.by_ref().take(skipped).for_each(drop);
            assert_eq!(iter.len(), 5 - skipped);
            assert!(iter.eq(&all[skipped..]));
        }
        assert_eq!(entries, EntryRuns::from(&all));
        assert_eq!(entries.into_entries(), all);
    }
}
