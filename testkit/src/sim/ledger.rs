//! What an observer keeps account of for one node, to hold against what it does next: what a leader
//! says of its members, what is on its way to them, and how much a node may send.

use std::collections::{BTreeMap, VecDeque};

use raftcore::{
    Body, Config, Index, Message, NodeId, ProgressState, Ready, Response, Status, Term, encoded_len,
    payload_len,
};

use super::log_view::LogView;
use super::oracle::Oracle;
use super::violation::{Check, Invariant};

/// A node under observation, for one of its lives.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The term in which it leads, or 0.
    term: Term,
    /// What it said of each member.
    members: BTreeMap<NodeId, Member>,
    /// How many messages besides Appends it may put into the next Ready: an input is good for one
    /// to each member.
    allowance: usize,
    /// Whether messages wait for the next Ready that were made in another state of their receivers.
    has_leftovers: bool,
}

#[derive(Debug, Default)]
struct Member {
    matched: Index,
    state: ProgressState,
    /// Last index and payload bytes of each Append that was sent and not answered; None if unknown.
    window: Option<VecDeque<(Index, u64)>>,
}

impl Ledger {
    /// The node was given an input, and does not lead.
    pub(super) fn rests(&mut self, members: usize) {
        self.allowance += members + 1;
        self.term = 0;
        self.members.clear();
    }

    /// The node was given an input, and leads.
    pub(super) fn leads(
        &mut self,
        status: &Status,
        config: &Config,
        log: &LogView,
        oracle: &Oracle,
    ) -> Check {
        self.allowance += status.progress.len() + 1;
        if self.term != status.hard_state.term {
            self.term = status.hard_state.term;
            self.members.clear();
        }
        if self.members.len() > status.progress.len() {
            self.members.retain(|id, _| status.progress.iter().any(|progress| progress.id == *id));
        }
        for progress in &status.progress {
            let member = self.members.entry(progress.id).or_default();
            let (matched, id) = (progress.matched, progress.id);
            Invariant::Monotonicity.require(matched >= member.matched, || {
                format!("{}: match of {id} goes from {} to {matched}", status.id, member.matched)
            })?;
            if matched > member.matched {
                oracle.check_acknowledged(status.id, self.term, id, log.get(matched))?;
            }
            member.matched = matched;
            member.state = progress.state;
            // After the report of a loss nothing that was sent counts as being on its way.
            if progress.next == matched + 1 {
                member.window.iter_mut().for_each(VecDeque::clear);
            }
            let mine = member.update_window(self.has_leftovers);
            let theirs = (progress.inflight_messages, progress.inflight_bytes);
            let agree = mine.is_none_or(|mine| mine == theirs) || config.eager_append;
            let bounded = theirs.0 <= config.max_inflight_messages as usize;
            Invariant::InflightAccounting.require(agree && bounded, || {
                format!("{}: {theirs:?} are in flight to {id}, counted were {mine:?}", status.id)
            })?;
        }
        Ok(())
    }

    /// A membership change was applied: a member may begin anew.
    pub(super) fn membership_changed(&mut self) {
        for member in self.members.values_mut() {
            member.matched = 0;
        }
    }

    /// A Ready could not be taken; what it would have sent comes with a later one.
    pub(super) fn ready_failed(&mut self) {
        self.has_leftovers = true;
        self.members.values_mut().for_each(|member| member.window = None);
    }

    /// A Ready was taken. A node sends, hands out and keeps on its way no more than it may.
    pub(super) fn ready(&mut self, ready: &Ready, config: &Config, members: usize) -> Check {
        let has_leftovers = std::mem::take(&mut self.has_leftovers);
        if has_leftovers {
            self.members.values_mut().for_each(|member| member.window = None);
        }
        let mut appends: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut others = 0;
        let deferred = ready.storage_append.iter().flat_map(|append| &append.responses);
        let deferred = deferred.filter_map(|response| match response {
            Response::Send(message) => Some(message),
            Response::Acknowledge(_) => None,
        });
        for message in ready.messages.iter().chain(deferred) {
            match &message.body {
                Body::Append(_) | Body::Snapshot(_) => {
                    *appends.entry(message.to).or_default() += 1;
                    self.sends_append(message, config)?;
                }
                // As many as were asked for.
                Body::ReadIndexReply(_) => {}
                _ => others += 1,
            }
        }
        let bounded = Invariant::BoundedWork;
        // One more than the window, empty; and each Ready may begin a round of heartbeats.
        let most = config.max_inflight_messages as usize + 1;
        let is_known = !config.eager_append && !has_leftovers;
        let too_many = is_known && appends.values().any(|count| *count > most);
        bounded.require(!too_many, || format!("{} sends {appends:?} Appends at once", config.id))?;
        let allowance = std::mem::take(&mut self.allowance) + members;
        bounded.require(others <= allowance || config.eager_append, || {
            format!("{} sends {others} messages at once, besides Appends, and may {allowance}", config.id)
        })?;
        let (entries, limit) = (&ready.committed_entries, config.max_committed_bytes_per_ready);
        bounded.require(entries.len() <= 1 || encoded_len(entries) <= limit, || {
            format!("{} hands out {} bytes to apply", config.id, encoded_len(entries))
        })
    }

    fn sends_append(&mut self, message: &Message, config: &Config) -> Check {
        let Body::Append(append) = &message.body else { return Ok(()) };
        let entries = &append.entries;
        Invariant::BoundedWork
            .require(entries.len() <= 1 || encoded_len(entries) <= config.max_message_bytes, || {
                format!("{} sends {} bytes to {}", config.id, encoded_len(entries), message.to)
            })?;
        let (Some(last), Some(member)) = (entries.last(), self.members.get_mut(&message.to)) else {
            return Ok(());
        };
        let Some(window) = member.window.as_mut().filter(|_| member.state == ProgressState::Replicate) else {
            return Ok(());
        };
        let bytes: u64 = window.iter().map(|(_, bytes)| bytes).sum();
        let has_room = window.len() < config.max_inflight_messages as usize
            && (bytes == 0 || bytes < config.max_inflight_bytes);
        window.push_back((last.index(), payload_len(entries)));
        Invariant::InflightAccounting.require(has_room || config.eager_append, || {
            format!("{} sends to {} beyond the window: {window:?}", config.id, message.to)
        })
    }
}

impl Member {
    /// Takes what was answered out of the window. Gives how much is left, if that is known.
    fn update_window(&mut self, has_leftovers: bool) -> Option<(usize, u64)> {
        if self.state != ProgressState::Replicate {
            self.window = (!has_leftovers).then(VecDeque::new);
        }
        let matched = self.matched;
        let window = self.window.as_mut()?;
        while window.front().is_some_and(|(last, _)| *last <= matched) {
            window.pop_front();
        }
        Some((window.len(), window.iter().map(|(_, bytes)| bytes).sum()))
    }
}
