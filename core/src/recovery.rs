//! What an operator does when a group has lost its quorum for good: one survivor goes on with a new
//! membership. Offline and pure: reads a storage, and says what is to be written into it.
//!
//! The survivor's log stays as it is, and gets membership changes behind its end, committed, that lead
//! from whatever membership the log ends with to the new one:
//!
//! ```text
//! before  .. committed | not known to be committed
//! after   .. ................................. | leave | enter | leave     all committed, term raised
//! ```
//!
//! So nothing that was acknowledged and reached the survivor is dropped, changes that are in the log
//! already take effect first, and every later member learns the new membership as it learns any other:
//! from the log, or from a snapshot behind it.
//!
//! This breaks the promise of consensus if a lost member is not lost. Give the group a new id in the
//! hosts' handshake, and let nobody come back under an old id.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::entry::{Entry, EntryKind};
use crate::error::{ConfChangeError, Error, RecoveryError, StorageError};
use crate::membership::{
    ConfChangeKind, ConfChangeOp, ConfChangeV2, ConfState, Configuration, Transition, change,
};
use crate::quorum::VoteResult;
use crate::storage::Storage;
use crate::storage::check::Write;
use crate::types::{EntryId, HardState, Index, MAX_TERM, NO_NODE, NodeId, Term};
use crate::wire::{self, Dialect};

/// Terms between the highest that a survivor knows and the one it goes on in: more than the lost members
/// can have begun meanwhile, so that one that comes back in spite of all is of an older term.
pub const TERM_STEP: Term = 1 << 20;

/// Bytes of the log that are read at a time.
const PAGE_BYTES: u64 = 1 << 20;

/// How far a survivor's log reaches. The survivor whose `last` is the greatest (term first) is the one to
/// recover from: any other one may lack what was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogPosition {
    /// The node.
    pub node: NodeId,
    /// The latest term it has seen.
    pub term: Term,
    /// The last entry of its log.
    pub last: EntryId,
    /// Highest index that it knows to be committed.
    pub commit: Index,
}

/// What is to become of a survivor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The survivor whose storage is read.
    pub node: NodeId,
    /// As [`crate::Config::applied`] when the node was last made from this storage.
    pub applied: Index,
    /// The new membership: this node as a voter, best alone. Others have new ids and an empty storage, or
    /// are among `survivors`.
    pub members: ConfState,
    /// The positions of all other survivors.
    pub survivors: Vec<LogPosition>,
    /// As [`crate::Config::dialect`].
    pub dialect: Dialect,
}

/// What to write into the survivor's storage, in one batch, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Entries behind the end of the log, and the hard state.
    pub write: Write,
    /// The membership at the end of the log as it is now.
    pub before: ConfState,
    /// The last entry that is kept: all of the log.
    pub last: EntryId,
    /// The highest index known to be committed until now. Entries from here to `last` become committed
    /// although nobody may have been told that they are: clients may see writes that they gave up.
    pub committed: Index,
    /// Membership changes of the log behind the applied entry: they take effect before the new ones.
    pub changes: u64,
    /// Whether entries may be missing that were committed and acknowledged: the members that are neither
    /// this node nor among the survivors are enough to commit by themselves.
    pub may_miss_committed: bool,
}

/// Where the log of `node` ends. [`Error::InconsistentStorage`] if what the storage holds does not fit
/// together.
pub fn log_position<S: Storage + ?Sized>(node: NodeId, storage: &S) -> Result<LogPosition, Error> {
    let (hard_state, _) = storage.initial_state()?;
    let (first, last) = (storage.first_index()?, storage.last_index()?);
    let inconsistent = |text: String| Err(Error::InconsistentStorage(text));
    if first == 0 || last.checked_add(1).is_none_or(|next| next < first) {
        return inconsistent(format!("first index {first}, last index {last}"));
    }
    let last = EntryId::new(storage.term(last)?, last);
    if hard_state.commit > last.index {
        let commit = hard_state.commit;
        return inconsistent(format!("commit index {commit} is beyond the last index {}", last.index));
    }
    let term = hard_state.term.max(last.term);
    Ok(LogPosition { node, term, last, commit: hard_state.commit.max(first - 1) })
}

/// What has to be written into a survivor's storage so that it goes on with the requested membership.
///
/// [`Error::Recovery`] if that is refused, [`Error::InconsistentStorage`] or [`Error::Storage`] if the
/// storage cannot be relied on. Nothing is written here. A second recovery of the same storage to the same
/// membership is refused: there is nothing to change.
pub fn plan<S: Storage + ?Sized>(storage: &S, request: &Request) -> Result<Plan, Error> {
    let position = log_position(request.node, storage)?;
    let target = check_request(request, &position)?;
    let history = History::read(storage, request, &position)?;
    if !history.is_member(request.node) {
        return refused(RecoveryError::NotMember(request.node));
    }
    let listed = |id: NodeId| id == request.node || request.survivors.iter().any(|it| it.node == id);
    if let Some(id) = target.members().into_iter().find(|id| history.seen.contains(id) && !listed(*id)) {
        return refused(RecoveryError::LostMember(id));
    }
    if history.last == target {
        return refused(RecoveryError::NothingToChange);
    }
    let highest = request.survivors.iter().map(|it| it.term).max().unwrap_or(0).max(position.term);
    let term = highest.checked_add(TERM_STEP).filter(|term| *term <= MAX_TERM);
    let Some(term) = term else { return refused(RecoveryError::TermTooHigh(highest)) };
    let entries = history.changes_to(&target, EntryId::new(term, position.last.index), request.dialect)?;
    let commit = entries.last().map_or(position.last.index, Entry::index);
    // As a leader of that term, which nobody else can become.
    let hard_state = HardState { term, vote: request.node, commit };
    Ok(Plan {
        write: Write { snapshot: None, entries, hard_state: Some(hard_state), must_sync: true },
        before: history.last.to_conf_state(),
        last: position.last,
        committed: position.commit.max(request.applied),
        changes: history.changes,
        may_miss_committed: history.others_commit(listed),
    })
}

fn refused<T>(error: RecoveryError) -> Result<T, Error> {
    Err(Error::Recovery(error))
}

/// The new membership, if it is one that this survivor may go on with.
fn check_request(request: &Request, position: &LogPosition) -> Result<Configuration, Error> {
    let target = Configuration::restore(&request.members)?;
    if target.is_joint() {
        return refused(RecoveryError::JointMembership);
    }
    if request.node == NO_NODE || !target.is_voter(request.node) {
        return refused(RecoveryError::NotVoter(request.node));
    }
    let is_better = |it: &&LogPosition| it.last > position.last || it.commit > position.last.index;
    match request.survivors.iter().find(is_better) {
        Some(better) => refused(RecoveryError::BetterSurvivor(better.node)),
        None => Ok(target),
    }
}

/// The memberships from the applied entry to the end of the log.
struct History {
    all: Vec<Configuration>,
    last: Configuration,
    /// Every member of any of them.
    seen: BTreeSet<NodeId>,
    changes: u64,
}

impl History {
    fn read<S: Storage + ?Sized>(
        storage: &S,
        request: &Request,
        position: &LogPosition,
    ) -> Result<Self, Error> {
        let (_, conf_state) = storage.initial_state()?;
        let compacted = storage.first_index()? - 1;
        let (applied, last) = (request.applied, position.last.index);
        if applied != 0 && !(compacted..=last).contains(&applied) {
            let text = format!("applied index {applied} is outside of {compacted}..={last}");
            return Err(Error::InconsistentStorage(text));
        }
        let start = Configuration::restore(&conf_state)?;
        let mut history =
            Self { all: Vec::new(), last: Configuration::default(), seen: BTreeSet::new(), changes: 0 };
        history.put(start);
        let mut low = applied.max(compacted) + 1;
        while low <= last {
            let page = storage.entries(low, last + 1, PAGE_BYTES)?;
            let is_next = |(entry, index): (&Entry, Index)| entry.index() == index;
            if page.is_empty() || !page.iter().zip(low..=last).all(is_next) {
                return Err(StorageError::Contract(format!("entry {low} is missing")).into());
            }
            page.iter().filter(|entry| entry.is_conf_change()).for_each(|it| history.follow(it, request));
            low += page.len() as u64;
        }
        Ok(history)
    }

    fn put(&mut self, configuration: Configuration) {
        self.seen.extend(configuration.members());
        self.last = configuration.clone();
        self.all.push(configuration);
    }

    /// A change that cannot be carried out changes nothing, on any node.
    fn follow(&mut self, entry: &Entry, request: &Request) {
        let change = wire::decode_conf_change(entry, request.dialect);
        if let Some(changed) = change.ok().and_then(|it| change::apply(&self.last, &it).ok()) {
            self.changes += 1;
            self.put(changed.configuration);
        }
    }

    fn is_member(&self, id: NodeId) -> bool {
        self.last.contains(id)
    }

    /// Whether those who are not listed may have committed something by themselves.
    fn others_commit(&self, listed: impl Fn(NodeId) -> bool) -> bool {
        let without = |it: &Configuration| it.voters().vote_result(|id| Some(!listed(id)));
        self.all.iter().any(|it| without(it) == VoteResult::Won)
    }

    /// The entries behind `end` that lead to `target`, in the term of `end`. The result does not depend on
    /// whether the host carries out the changes before them: members of any membership are removed.
    fn changes_to(
        &self,
        target: &Configuration,
        end: EntryId,
        dialect: Dialect,
    ) -> Result<Vec<Entry>, Error> {
        let gone = self.seen.iter().filter(|id| !target.contains(**id));
        let ops = gone
            .map(|id| ConfChangeOp { kind: ConfChangeKind::Remove, node: *id })
            .chain(target.members().into_iter().map(|node| {
                let is_learner = target.is_learner(node);
                let kind = if is_learner { ConfChangeKind::AddLearner } else { ConfChangeKind::AddVoter };
                ConfChangeOp { kind, node }
            }))
            .collect();
        let enter = ConfChangeV2 { transition: Transition::Explicit, ops, context: Bytes::new() };
        let leave = ConfChangeV2::default();
        let is_joint = self.last.is_joint();
        let changes: Vec<_> = is_joint.then_some(&leave).into_iter().chain([&enter, &leave]).collect();
        let mut reached = self.last.clone();
        let mut entries = Vec::new();
        for (change, offset) in changes.into_iter().zip(1..) {
            reached = change::apply(&reached, change)?.configuration;
            let Some(index) = end.index.checked_add(offset) else { return refused(RecoveryError::LogFull) };
            let data = match change.leaves_joint() {
                true => Bytes::new(),
                false => wire::encode_conf_change(change, dialect),
            };
            entries.push(Entry::new(EntryId::new(end.term, index), EntryKind::ConfChangeV2, data));
        }
        match reached == *target {
            true => Ok(entries),
            false => Err(ConfChangeError::InvalidState("it cannot be reached from the log's").into()),
        }
    }
}
