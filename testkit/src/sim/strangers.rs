//! Messages of strangers: of nodes that are no members, of another group's members that have the same ids, and
//! of nobody's. Each is one that a node must refuse, and that changes nothing.

use raftcore::{
    Append, Body, ConfState, Entry, EntryId, EntryKind, Error, Heartbeat, MAX_TERM, MAX_TERM_LEAD, Message,
    NodeId, Snapshot, Status,
};

use super::situations::Situation;
use super::violation::{Check, Invariant};
use super::world::World;
use crate::rng::Rng;

/// Nobody's id.
const STRANGER: NodeId = 77;

/// What a stranger sends, and what the node must answer.
#[derive(Clone, Debug)]
struct Foreign {
    message: Message,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nobody sends this: [`Error::InvalidMessage`].
    Invalid,
    /// It says that data was lost, which counts only if a member says it.
    Loss,
}

impl World {
    /// Whether a stranger speaks after this delivery. It draws from chances of its own and leaves nothing
    /// behind, so that all else goes on as it would without.
    pub(super) fn stranger_comes(&mut self, message: &Message) -> Option<Message> {
        let comes = self.is_stormy && self.strangers.chance(10);
        comes.then(|| message.clone())
    }

    /// A stranger sends something like `message` to its receiver.
    pub(super) fn stranger_speaks(&mut self, message: Message) -> Check {
        let id = message.to;
        let Some(host) = self.replicas.get(&id).and_then(|replica| replica.host.as_ref()) else {
            return Ok(());
        };
        let before = (host.raft.status(), host.raft.has_ready());
        let Foreign { message, answer } = forge(&mut self.strangers, &before.0, message);
        let is_member = before.0.conf_state.contains(message.from);
        let said = format!("{message:?}");
        let refused = self.input(id, |raft| {
            Ok(match raft.step(message) {
                Err(Error::CommitBeyondLog { .. } | Error::CommittedConflict { .. }) => {
                    answer == Answer::Loss && is_member
                }
                Err(Error::InvalidMessage(_)) => answer == Answer::Invalid || !is_member,
                Err(Error::LimitReached(_)) => true,
                _ => false,
            })
        })?;
        let after = self.host(id).map(|host| (host.raft.status(), host.raft.has_ready()));
        let unchanged = after.is_some_and(|after| format!("{after:?}") == format!("{before:?}"));
        Invariant::StrangersChangeNothing.require(refused == Some(true) && unchanged, || {
            format!("{id}, refused: {refused:?}, unchanged: {unchanged}, was {:?}: {said}", before.0)
        })?;
        let loss = answer == Answer::Loss;
        self.meet(match (loss, is_member) {
            (false, _) => Situation::ImpossibleMessage,
            (true, false) => Situation::StrangerContradicts,
            (true, true) => Situation::MemberContradicts,
        });
        Ok(())
    }
}

/// A message that the node of this status must refuse.
fn forge(rng: &mut Rng, status: &Status, sent: Message) -> Foreign {
    let (own, last) = (status.hard_state.term, status.last);
    // What was forwarded may have come back to where it began.
    let from = if rng.chance(500) || sent.from == status.id { STRANGER } else { sent.from };
    let term = own + rng.between(1, 3);
    let message = |term, body| Message { from, to: status.id, term, body };
    let append = |prev, entries: Vec<Entry>| {
        Body::Append(Append { prev, commit: last.index, entries: entries.into() })
    };
    let entry = |term, index| Entry::new(EntryId::new(term, index), EntryKind::Normal, "foreign".into());
    let all_committed = status.hard_state.commit == last.index;
    let (message, answer) = match rng.below(6) {
        // Whatever it says: it is of a term that no group reaches.
        0 => {
            let far = rng.choose([own + MAX_TERM_LEAD + 1, MAX_TERM + 1, u64::MAX]);
            (Message { from, term: far, ..sent }, Answer::Invalid)
        }
        // It carries what is of a later term than the message.
        1 => {
            let id = EntryId::new(term + 1, last.index + rng.between(0, 2));
            // One for a group without the receiver is ignored by our model, and may be of any term then.
            let conf_state = match status.conf_state.contains(status.id) {
                true => status.conf_state.clone(),
                false => ConfState::new([status.id], []),
            };
            let snapshot = Snapshot { id, conf_state, data: "".into() };
            (message(term, Body::Snapshot(Box::new(snapshot))), Answer::Invalid)
        }
        2 => (message(term, append(last, vec![entry(term + 1, last.index + 1)])), Answer::Invalid),
        // Of another group, which has other entries where all of this log is committed.
        3 if all_committed => (message(term, append(EntryId::new(term, last.index), vec![])), Answer::Loss),
        4 if all_committed && last.index > 0 => {
            let prev = EntryId::new(last.term, last.index - 1);
            (message(term, append(prev, vec![entry(term, last.index)])), Answer::Loss)
        }
        // Of another group, whose log is longer.
        _ => {
            let commit = last.index + rng.choose([1, 1 << 30]);
            (message(term, Body::Heartbeat(Heartbeat { commit, ..Heartbeat::default() })), Answer::Loss)
        }
    };
    Foreign { message, answer }
}
