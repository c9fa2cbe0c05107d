//! What must hold, and what has to be remembered to see whether it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use raftcore::{Entry, EntryId, NodeId, RoleKind, Term};

use super::deeds::Replica;

/// What must hold in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// Nobody becomes leader in a term that has had one, not even the same node once more.
    ElectionSafety,
    /// Logs that have the same entry have the same entries before it.
    LogMatching,
    /// What any node takes for committed is the same everywhere, for ever.
    StateMachineSafety,
    /// A new leader has everything that was committed in older terms.
    LeaderCompleteness,
    /// The library reports no error but those for what came at the wrong time.
    NoErrors,
}

impl Law {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ElectionSafety,
        Self::LogMatching,
        Self::StateMachineSafety,
        Self::LeaderCompleteness,
        Self::NoErrors,
    ];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::ElectionSafety => "election safety",
            Self::LogMatching => "log matching",
            Self::StateMachineSafety => "state machine safety",
            Self::LeaderCompleteness => "leader completeness",
            Self::NoErrors => "no errors",
        }
    }
}

/// What has happened, as far as the laws need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// Who has led in which term.
    pub(super) leaders: BTreeMap<Term, NodeId>,
    /// What some node took for committed, and in which term of that node.
    pub(super) committed: Vec<(EntryId, Vec<u8>, Term)>,
}

impl History {
    /// Looks at a node that has just acted: was it right, and what is to be remembered?
    pub(super) fn observe(this: &mut Arc<Self>, before: &Replica, after: &Replica) -> Result<(), Law> {
        let (was, is) = (before.node.soft_state().role, after.node.soft_state().role);
        let (old_term, term) = (before.node.hard_state().term, after.node.hard_state().term);
        if is == RoleKind::Leader && (was != RoleKind::Leader || old_term != term) {
            if Arc::make_mut(this).leaders.insert(term, after.node.id()).is_some() {
                return Err(Law::ElectionSafety);
            }
            let mut must_have = this.committed.iter().filter(|(_, _, committed_in)| *committed_in < term);
            if must_have.any(|(id, data, _)| !after.has(*id, data)) {
                return Err(Law::LeaderCompleteness);
            }
        }
        let commit = after.node.hard_state().commit;
        for entry in after.log.iter().take_while(|entry| entry.index() <= commit) {
            let place = (entry.index() - after.first_index()) as usize;
            match this.committed.get(place) {
                Some((id, data, _)) if *id == entry.id && data[..] == entry.data[..] => {}
                Some(_) => return Err(Law::StateMachineSafety),
                None => Arc::make_mut(this).committed.push((entry.id, entry.data.to_vec(), term)),
            }
        }
        Ok(())
    }
}

/// Whether two logs, which begin at the same place, are the same up to the last entry that both have.
pub(super) fn logs_match(one: &[Entry], other: &[Entry]) -> bool {
    let both = one.iter().zip(other);
    let last_common = both.clone().rposition(|(mine, theirs)| mine.id == theirs.id);
    let common = last_common.map_or(0, |place| place + 1);
    both.take(common).all(|(mine, theirs)| mine == theirs)
}

#[cfg(test)]
mod tests {
    use raftcore::{Bytes, EntryKind};

    use super::*;

    fn log(entries: &[(Term, &'static str)]) -> Vec<Entry> {
        let entry = |(place, (term, data)): (usize, &(Term, &'static str))| {
            let id = EntryId::new(*term, place as u64 + 2);
            Entry::new(id, EntryKind::Normal, Bytes::from_static(data.as_bytes()))
        };
        entries.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn logs_may_differ_only_after_the_last_entry_in_common() {
        let one = log(&[(1, "a"), (2, "b")]);
        assert!(logs_match(&one, &[]));
        assert!(logs_match(&one, &log(&[(1, "a")])));
        assert!(logs_match(&one, &log(&[(1, "a"), (3, "c"), (3, "d")])));
        assert!(!logs_match(&one, &log(&[(1, "x"), (2, "b")])));
        assert!(!logs_match(&one, &log(&[(1, "x")])));
        assert!(!logs_match(&log(&[(1, "a"), (3, "c")]), &log(&[(2, "b"), (3, "c")])));
    }
}
