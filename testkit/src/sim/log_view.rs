//! A node's log as the library has handed it out, stored or not.

use std::collections::VecDeque;

use raftcore::{Entry, EntryId, Index};

use super::machine::chain;

/// An entry's place, and the hash over it and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: EntryId,
    pub(super) chain: u64,
}

/// A log in outline.
#[derive(Clone, Debug)]
pub(super) struct LogView {
    /// What the first link continues.
    base: Link,
    links: VecDeque<Link>,
}

impl LogView {
    /// A log that begins after `base`.
    pub(super) fn new(base: Link) -> Self {
        Self { base, links: VecDeque::new() }
    }

    pub(super) fn last(&self) -> Link {
        self.links.back().copied().unwrap_or(self.base)
    }

    /// The link at `index`; None if it is not there or was cut off.
    pub(super) fn get(&self, index: Index) -> Option<Link> {
        match index.checked_sub(self.base.id.index)? {
            0 => Some(self.base),
            place => self.links.get(place as usize - 1).copied(),
        }
    }

    /// Whether the log contains `id`, as far as one can still tell.
    pub(super) fn contains(&self, id: EntryId) -> bool {
        id.index < self.base.id.index || self.get(id.index).is_some_and(|link| link.id == id)
    }

    /// Puts an entry in its place, in front of which nothing may be missing; what was there and
    /// after it goes. Gives the new link.
    pub(super) fn put(&mut self, entry: &Entry) -> Option<Link> {
        let before = self.get(entry.id.index.checked_sub(1)?)?;
        self.links.truncate((before.id.index - self.base.id.index) as usize);
        let link = Link { id: entry.id, chain: chain(before.chain, entry) };
        self.links.push_back(link);
        Some(link)
    }

    /// Forgets the links up to and including `index`.
    pub(super) fn compact(&mut self, index: Index) {
        while self.base.id.index < index {
            match self.links.pop_front() {
                Some(link) => self.base = link,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use raftcore::{Bytes, EntryKind};

    use super::*;

    fn entry(term: u64, index: u64) -> Entry {
        Entry::new(EntryId::new(term, index), EntryKind::Normal, Bytes::from_static(b"x"))
    }

    #[test]
    fn putting_an_entry_cuts_off_what_follows() {
        let mut view = LogView::new(Link { id: EntryId::new(1, 5), chain: 0 });
        assert_eq!(view.put(&entry(1, 7)), None);
        for index in 6..=8 {
            view.put(&entry(1, index)).unwrap();
        }
        view.put(&entry(2, 7)).unwrap();
        assert_eq!(view.last().id, EntryId::new(2, 7));
        assert!(view.contains(EntryId::new(1, 6)) && !view.contains(EntryId::new(1, 7)));
        view.compact(6);
        assert_eq!(view.get(5), None);
        assert_eq!(view.get(6).unwrap().id, EntryId::new(1, 6));
    }
}
