//! What is going to happen, in order.

use std::cmp::Ordering;

use raftcore::{Message, NodeId, SnapshotStatus};

use super::action::Action;
use super::host::Lane;

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Tick {
        node: NodeId,
        incarnation: u64,
    },
    Work {
        node: NodeId,
        incarnation: u64,
        lane: Lane,
    },
    /// A message arrives that was sent in such a life of its sender's.
    Deliver {
        id: u64,
        life: u64,
        message: Box<Message>,
    },
    SnapshotReport {
        node: NodeId,
        about: NodeId,
        status: SnapshotStatus,
    },
    Restart(NodeId),
    Client,
    Fault,
    /// What a fault brings about some time after it.
    Later(Box<Action>),
    /// The next line of the script.
    Script,
}

/// An event and when it happens. Of those at the same time, what is done to the group comes first; other
/// ties go by order of scheduling.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) time: u64,
    /// Counts what was scheduled.
    pub(super) number: u64,
    pub(super) event: Event,
}

impl Scheduled {
    fn order(&self) -> (u64, bool, u64) {
        let comes_first =
            matches!(self.event, Event::Client | Event::Fault | Event::Later(_) | Event::Script);
        (self.time, !comes_first, self.number)
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}
