//! What a leader knows of one member, and how it decides what to send to it.

mod inflights;

pub(crate) use inflights::Inflights;

use crate::config::Config;
use crate::error::StorageError;
use crate::types::Index;

/// How a member is replicated to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProgressState {
    /// Where its log ends is unknown: one Append at a time until it accepts one.
    #[default]
    Probe,
    /// Appends are pipelined.
    Replicate,
    /// It needs a snapshot; nothing is sent until it has one.
    Snapshot,
}

/// What shall be sent to a member, or to all, when the next `Ready` is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    #[default]
    Nothing,
    /// Entries it lacks, if there are any.
    Entries,
    /// An Append, if need be an empty one: it carries the commit index.
    Append,
}

/// How often reports of losses make a leader send again what a member may lack, until it is heard from. A
/// host reports at once that it cannot reach a dead peer, and each such Append would be reported again.
const MAX_RESENDS: u8 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) matched: Index,
    /// Next index to send; above `matched`.
    pub(crate) next: Index,
    /// The highest commit index sent that the member can have taken over; see [`Self::can_bump_commit`].
    sent_commit: Index,
    /// In state Snapshot: index of the snapshot that is on its way.
    pending_snapshot: Index,
    inflights: Inflights,
    state: ProgressState,
    pub(crate) due: Due,
    /// Heard from since the last quorum check.
    pub(crate) is_active: bool,
    /// Why it could not be sent what it needs, since it was last sent something.
    failure: Option<Box<StorageError>>,
    /// An Append was sent as a probe, or the window is full: wait for an answer.
    is_paused: bool,
    pub(crate) is_learner: bool,
    /// Reports of losses that were acted on since it was heard from.
    resends: u8,
    /// What was on its way when a loss was last reported ended here.
    lost_up_to: Index,
}

impl Progress {
    pub(crate) fn new(next: Index, is_learner: bool, config: &Config) -> Self {
        Self {
            matched: 0,
            next: next.max(1),
            sent_commit: 0,
            pending_snapshot: 0,
            inflights: Inflights::new(config.max_inflight_messages, config.max_inflight_bytes),
            state: ProgressState::Probe,
            due: Due::Nothing,
            is_active: false,
            failure: None,
            is_paused: false,
            is_learner,
            resends: 0,
            lost_up_to: 0,
        }
    }

    /// The member has said something.
    pub(crate) fn heard(&mut self) {
        self.is_active = true;
        self.resends = 0;
    }

    pub(crate) fn state(&self) -> ProgressState {
        self.state
    }

    pub(crate) fn inflights(&self) -> &Inflights {
        &self.inflights
    }

    pub(crate) fn pending_snapshot(&self) -> Index {
        self.pending_snapshot
    }

    fn reset_to(&mut self, state: ProgressState) {
        self.is_paused = false;
        self.pending_snapshot = 0;
        self.state = state;
        self.inflights.clear();
    }

    /// Probes from behind what is known to match or, if it is newer, behind the snapshot sent.
    pub(crate) fn become_probe(&mut self) {
        let snapshot = self.pending_snapshot;
        self.reset_to(ProgressState::Probe);
        self.next = self.matched.max(snapshot) + 1;
        self.sent_commit = self.sent_commit.min(self.next - 1);
    }

    pub(crate) fn become_replicate(&mut self) {
        self.reset_to(ProgressState::Replicate);
        self.next = self.matched + 1;
    }

    pub(crate) fn become_snapshot(&mut self, index: Index) {
        self.reset_to(ProgressState::Snapshot);
        self.pending_snapshot = index;
        self.next = index + 1;
        self.sent_commit = index;
    }

    /// The snapshot arrived, or not; either way wait for the next heartbeat's answer.
    pub(crate) fn snapshot_reported(&mut self, delivered: bool) {
        if self.state != ProgressState::Snapshot {
            return;
        }
        if !delivered {
            self.pending_snapshot = 0;
        }
        self.become_probe();
        self.is_paused = true;
    }

    /// Notes that the storage could not give what the member needs. Whether that is news.
    pub(crate) fn fails_anew(&mut self, error: &StorageError) -> bool {
        let is_known = self.failure.as_ref().is_some_and(|known| known.has_same_cause(error));
        if !is_known {
            self.failure = Some(Box::new(error.clone()));
        }
        !is_known
    }

    /// The member was sent something: what was in the way is gone.
    pub(crate) fn served(&mut self) {
        if self.failure.is_some() {
            self.failure = None;
        }
    }

    /// The host says that something sent to the member was lost; what, it does not say. So all that is on its
    /// way counts as lost, and the commit index, which an empty Append or a heartbeat carries. An Append is due
    /// now, from behind what is known to match; returns whether it is. The first time Appends stay
    /// pipelined; when that is reported as well the member is probed, for perhaps it is the host's queue
    /// that is full.
    pub(crate) fn lost(&mut self) -> bool {
        if self.state == ProgressState::Snapshot {
            return false;
        }
        // Losses reported before the Append is sent are one.
        let is_new = self.due != Due::Append;
        let is_outstanding = self.next > self.matched + 1;
        if is_outstanding && self.state == ProgressState::Replicate {
            match self.resends {
                // Once until all of it is acknowledged: a window of many Appends would lose some each time.
                0 if self.matched >= self.lost_up_to => {
                    self.lost_up_to = self.next - 1;
                    self.inflights.clear();
                    self.next = self.matched + 1;
                }
                _ if is_new => self.become_probe(),
                _ => {}
            }
        }
        if is_new && self.resends == MAX_RESENDS {
            return false;
        }
        self.resends += u8::from(is_new);
        self.sent_commit = 0;
        self.is_paused = false;
        self.due = Due::Append;
        true
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused || self.state == ProgressState::Snapshot
    }

    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Whether entries may be sent: a full window allows only an empty Append, which gets through
    /// even if everything in the window was lost.
    pub(crate) fn may_send_entries(&self) -> bool {
        self.state != ProgressState::Replicate || !self.inflights.is_full()
    }

    /// Notes that an Append with so many entries and payload bytes is on its way.
    pub(crate) fn sent_entries(&mut self, entries: usize, bytes: u64) {
        match self.state {
            ProgressState::Replicate => {
                if entries > 0 {
                    self.next += entries as u64;
                    self.inflights.add(self.next - 1, bytes);
                }
                self.is_paused = self.inflights.is_full();
            }
            ProgressState::Probe => self.is_paused |= entries > 0,
            ProgressState::Snapshot => {}
        }
    }

    pub(crate) fn sent_commit(&mut self, commit: Index) {
        self.sent_commit = commit;
    }

    /// Whether sending this commit index now can make a difference to the member.
    pub(crate) fn can_bump_commit(&self, commit: Index) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next - 1
    }

    /// The member has accepted everything up to `index`. Returns false if that was known.
    pub(crate) fn accepted(&mut self, index: Index) -> bool {
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        // Acceptance of what a former probe had taken back can arrive late.
        self.next = self.next.max(index + 1);
        self.is_paused = false;
        true
    }

    pub(crate) fn free_inflights(&mut self, index: Index) {
        self.inflights.free_up_to(index);
    }

    /// The member has rejected the Append after `rejected`; its log may match at `hint`. Returns
    /// false if the rejection is outdated.
    pub(crate) fn rejected(&mut self, rejected: Index, hint: Index) -> bool {
        if self.state == ProgressState::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched + 1;
        } else {
            // A probe is sent one at a time: the answer must be to the last one.
            if self.next - 1 != rejected {
                return false;
            }
            self.next = rejected.min(hint.saturating_add(1)).max(self.matched + 1);
            self.is_paused = false;
        }
        self.sent_commit = self.sent_commit.min(self.next - 1);
        true
    }
}

#[cfg(test)]
mod tests;
