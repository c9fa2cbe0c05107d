//! Cheap slices of runs of entries.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::{Entry, Sizes, fitting};

/// A run of consecutive entries, shared: a clone or a slice costs one reference count, however
/// many entries there are. Dereferences to `[Entry]`.
#[derive(Clone, Default)]
pub struct Entries {
    chunk: Option<Arc<Chunk>>,
    start: usize,
    end: usize,
}

/// What the slices of a run share. Its sizes are known, so that asking for those of a whole run, or
/// whether a part of it fits, need not look at each entry.
struct Chunk {
    entries: Held,
    sizes: Sizes,
}

/// Under light load runs have one entry: those need no allocation of their own.
enum Held {
    One([Entry; 1]),
    Many(Vec<Entry>),
}

impl Held {
    fn as_slice(&self) -> &[Entry] {
        match self {
            Held::One(entry) => entry,
            Held::Many(entries) => entries,
        }
    }
}

impl Entries {
    /// No entries.
    pub const fn new() -> Self {
        Self { chunk: None, start: 0, end: 0 }
    }

    /// One entry.
    pub(crate) fn one(entry: Entry) -> Self {
        Self::held(Held::One([entry]))
    }

    fn held(entries: Held) -> Self {
        let (sizes, end) = (Sizes::of(entries.as_slice()), entries.as_slice().len());
        Self { chunk: Some(Arc::new(Chunk { entries, sizes })), start: 0, end }
    }

    /// How many entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// The entries at the given positions of this run (not log indexes); positions beyond the end
    /// are cut off.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let len = self.len();
        let end = range.end.min(len);
        let start = range.start.min(end);
        if start == end {
            return Self::new();
        }
        Self { chunk: self.chunk.clone(), start: self.start + start, end: self.start + end }
    }

    /// The same without the first `count`.
    #[inline]
    pub(crate) fn skip(mut self, count: usize) -> Self {
        if count >= self.len() {
            return Self::new();
        }
        self.start += count;
        self
    }

    /// Whether all of the run that these entries are a part of fits `max_bytes` encoded.
    #[inline]
    pub(crate) fn surely_fit(&self, max_bytes: u64) -> bool {
        self.chunk.as_ref().is_none_or(|chunk| chunk.sizes.encoded <= max_bytes)
    }

    /// The first entries, as far as they fit `max_bytes` encoded; at least one if there is one.
    #[inline]
    pub fn fitting(self, max_bytes: u64) -> Self {
        if self.surely_fit(max_bytes) {
            return self;
        }
        let count = fitting(&self, max_bytes);
        if count == self.len() { self } else { self.slice(0..count) }
    }

    /// Sum of the encoded sizes.
    pub fn encoded_len(&self) -> u64 {
        self.sizes().encoded
    }

    /// Sum of the payloads' sizes.
    pub fn payload_len(&self) -> u64 {
        self.sizes().payload
    }

    /// Both sums.
    #[inline]
    pub(crate) fn sizes(&self) -> Sizes {
        match self.chunk.as_deref().filter(|chunk| chunk.entries.as_slice().len() == self.len()) {
            Some(whole) => whole.sizes,
            None => Sizes::of(self),
        }
    }

    /// The entries as a vector: copied, payloads shared, unless nobody else has them.
    pub fn into_vec(self) -> Vec<Entry> {
        let (start, end) = (self.start, self.end);
        let Some(chunk) = self.chunk else { return Vec::new() };
        match Arc::try_unwrap(chunk).map(|chunk| chunk.entries) {
            Ok(Held::One(entry)) => entry.into(),
            Ok(Held::Many(entries)) if entries.len() == end - start => entries,
            Ok(Held::Many(entries)) => entries.into_iter().take(end).skip(start).collect(),
            Err(shared) => shared.entries.as_slice().get(start..end).unwrap_or(&[]).to_vec(),
        }
    }

    /// Adds the entries to a vector: the same.
    pub(crate) fn append_to(self, entries: &mut Vec<Entry>) {
        match self.chunk.as_ref().map(Arc::strong_count) {
            Some(1) => entries.append(&mut self.into_vec()),
            _ => entries.extend_from_slice(&self),
        }
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        match &self.chunk {
            Some(chunk) => chunk.entries.as_slice().get(self.start..self.end).unwrap_or(&[]),
            None => &[],
        }
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(entries: Vec<Entry>) -> Self {
        if entries.is_empty() { Self::new() } else { Self::held(Held::Many(entries)) }
    }
}

impl From<&[Entry]> for Entries {
    fn from(entries: &[Entry]) -> Self {
        entries.to_vec().into()
    }
}

impl From<&Vec<Entry>> for Entries {
    fn from(entries: &Vec<Entry>) -> Self {
        entries.as_slice().into()
    }
}

impl<const N: usize> From<&[Entry; N]> for Entries {
    fn from(entries: &[Entry; N]) -> Self {
        entries.as_slice().into()
    }
}

impl From<&Entries> for Entries {
    fn from(entries: &Entries) -> Self {
        entries.clone()
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Vec::from_iter(entries).into()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{encoded_len, payload_len};

    fn abc() -> Entries {
        ["a", "bb", "ccc"].map(Entry::normal).into_iter().collect()
    }

    #[test]
    fn slices_share_and_never_reach_out() {
        let run = abc();
        let tail = run.slice(1..9);
        assert_eq!(tail.len(), 2);
        assert_eq!(tail.slice(1..2)[0].data, "ccc");
        assert!(run.slice(7..9).is_empty());
        let (start, end) = (2, 1);
        assert!(run.slice(start..end).is_empty());
    }

    #[test]
    fn sizes_are_those_of_the_slice() {
        for start in 0..=3 {
            for end in start..=3 {
                let slice = abc().slice(start..end);
                assert_eq!(slice.encoded_len(), encoded_len(&slice));
                assert_eq!(slice.payload_len(), payload_len(&slice));
                for max_bytes in 0..30 {
                    assert_eq!(slice.clone().fitting(max_bytes).len(), fitting(&slice, max_bytes));
                }
            }
        }
    }

    #[test]
    fn a_vector_of_a_slice_holds_just_that() {
        let run = abc();
        assert_eq!(run.slice(1..3).into_vec(), run[1..3]);
        let expected = run[1..3].to_vec();
        let slice = run.slice(1..3);
        drop(run);
        assert_eq!(slice.into_vec(), expected);
        assert_eq!(abc().into_vec().len(), 3);
        assert!(Entries::new().into_vec().is_empty());
    }
}
