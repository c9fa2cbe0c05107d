//! A node as seen from outside, and how it differs from when it was last seen.

use std::collections::BTreeMap;

use raftcore::{
    ConfState, Entries, EntryId, HardState, Index, MemoryStorage, NodeId, RoleKind, SoftState, Storage, Term,
};

use super::super::replica::Replica;
use super::happening::{Happening, Place};
use super::message::tell_entry;

/// What was told of a node.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// None while it does not run.
    state: Option<(HardState, SoftState)>,
    log: Outline,
    durable: (HardState, Index),
    applied: Index,
    members: ConfState,
}

/// Terms and places of a written log.
#[derive(Debug, Default)]
struct Outline {
    base: EntryId,
    terms: BTreeMap<Index, Term>,
}

impl Watched {
    /// Tells what is new.
    pub(super) fn update(&mut self, node: NodeId, replica: &Replica, news: &mut Vec<Happening>) {
        if let Some((base, keep, first_new)) = self.log.update(&replica.disk.visible()) {
            let visible = replica.disk.visible();
            let last = visible.last_index().unwrap_or_default();
            let entries = match first_new {
                first if first <= last => visible.entries(first, last + 1, u64::MAX).unwrap_or_default(),
                _ => Entries::new(),
            };
            let entries = entries.iter().map(tell_entry).collect();
            news.push(Happening::Log { node, base, keep, entries });
        }
        let durable = (replica.disk.durable_hard_state(), replica.disk.durable_last().index);
        if durable != self.durable {
            self.durable = durable;
            let (HardState { term, vote, commit }, last) = durable;
            news.push(Happening::Durable { node, term, vote, commit, last });
        }
        let Some(host) = &replica.host else {
            self.state = None;
            return;
        };
        let state = (host.raft.hard_state(), host.raft.soft_state());
        if self.state != Some(state) {
            self.state = Some(state);
            news.push(tell_state(node, state));
        }
        if self.applied != host.machine.index() {
            self.applied = host.machine.index();
            news.push(Happening::Applied { node, index: self.applied });
        }
        if self.members != host.machine.conf_state {
            self.members.clone_from(&host.machine.conf_state);
            news.push(Happening::members(node, &self.members));
        }
    }
}

fn tell_state(node: NodeId, (hard, soft): (HardState, SoftState)) -> Happening {
    let role = match soft.role {
        RoleKind::Follower => "follower",
        RoleKind::PreCandidate => "pre_candidate",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
    };
    let HardState { term, vote, commit } = hard;
    Happening::State { node, term, role, leader: soft.leader, vote, commit }
}

impl Outline {
    /// Takes over the log's outline. If it has changed: what the log continues now, up to where it
    /// is as it was, and from where on its entries are new.
    fn update(&mut self, log: &MemoryStorage) -> Option<(Place, Index, Index)> {
        let (first, last) = (log.first_index().ok()?, log.last_index().ok()?);
        let term = |index| log.term(index).ok();
        let base = EntryId::new(term(first - 1)?, first - 1);
        let known_last = self.terms.last_key_value().map_or(self.base.index, |(index, _)| *index);
        // By Log Matching, which is checked elsewhere, the last entry stands for all before it.
        if base == self.base && known_last == last && self.term(last) == term(last) {
            return None;
        }
        // After a crash the log may begin earlier again: all of it is told anew.
        let known = if base.index < self.base.index { base.index } else { known_last };
        let mut keep = known.min(last).max(base.index);
        while keep > base.index && self.term(keep) != term(keep) {
            keep -= 1;
        }
        self.base = base;
        self.terms = self.terms.split_off(&first);
        self.terms.split_off(&(keep + 1));
        self.terms.extend((keep + 1..=last).filter_map(|index| Some((index, term(index)?))));
        Some((Place { term: base.term, index: base.index }, keep, keep + 1))
    }

    fn term(&self, index: Index) -> Option<Term> {
        if index == self.base.index { Some(self.base.term) } else { self.terms.get(&index).copied() }
    }
}

#[cfg(test)]
mod tests {
    use raftcore::{Bytes, Entry, EntryKind, Snapshot};

    use super::*;

    fn entries(terms: &[(Term, Index)]) -> Vec<Entry> {
        let entry = |(term, index)| Entry::new(EntryId::new(term, index), EntryKind::Normal, Bytes::new());
        terms.iter().copied().map(entry).collect()
    }

    #[test]
    fn the_outline_follows_appends_overwrites_compactions_and_snapshots() {
        let snapshot = |term, index| Snapshot { id: EntryId::new(term, index), ..Snapshot::default() };
        let place = |term, index| Place { term, index };
        let mut log = MemoryStorage::with_snapshot(snapshot(1, 1));
        let mut outline = Outline::default();
        assert_eq!(outline.update(&log), Some((place(1, 1), 1, 2)));
        assert_eq!(outline.update(&log), None);
        log.append(entries(&[(1, 2), (1, 3), (1, 4)])).unwrap();
        assert_eq!(outline.update(&log), Some((place(1, 1), 1, 2)));
        log.append(entries(&[(2, 3), (2, 4)])).unwrap();
        assert_eq!(outline.update(&log), Some((place(1, 1), 2, 3)));
        log.compact(3).unwrap();
        let before = log.clone();
        log.compact(4).unwrap();
        assert_eq!(outline.update(&log), Some((place(2, 4), 4, 5)));
        log = before;
        assert_eq!(outline.update(&log), Some((place(2, 3), 3, 4)));
        log.apply_snapshot(snapshot(3, 9)).unwrap();
        assert_eq!(outline.update(&log), Some((place(3, 9), 9, 10)));
        log.append(entries(&[(3, 10)])).unwrap();
        assert_eq!(outline.update(&log), Some((place(3, 9), 9, 10)));
        assert_eq!(outline.update(&log), None);
    }
}
