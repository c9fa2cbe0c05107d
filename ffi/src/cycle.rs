//! How far `raft_drive` is with a piece of work.

use raftcore::ConfState;

/// How far a cycle has come.
#[derive(Default)]
pub(crate) struct Reached {
    pub(crate) stage: Stage,
    pub(crate) snapshots_sent: usize,
    /// How many committed entries were applied.
    pub(crate) applied: usize,
    /// The membership that the next committed entry has led to in the node, while the host is yet
    /// to be told.
    pub(crate) membership: Option<Box<Membership>>,
}

pub(crate) struct Membership {
    pub(crate) state: ConfState,
    pub(crate) encoded: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Stage {
    #[default]
    SendNow,
    SendSnapshots,
    Persist,
    SendRest,
    ApplySnapshot,
    ApplyEntries,
    Read,
    StateChanged,
}

impl Stage {
    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::SendNow => Some(Self::SendSnapshots),
            Self::SendSnapshots => Some(Self::Persist),
            Self::Persist => Some(Self::SendRest),
            Self::SendRest => Some(Self::ApplySnapshot),
            Self::ApplySnapshot => Some(Self::ApplyEntries),
            Self::ApplyEntries => Some(Self::Read),
            Self::Read => Some(Self::StateChanged),
            Self::StateChanged => None,
        }
    }
}
