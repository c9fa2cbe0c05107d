//! Quorum arithmetic: pure functions over sets of voters.

mod joint;
mod majority;

pub(crate) use joint::JointQuorum;
pub(crate) use majority::Majority;

/// How a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VoteResult {
    /// Not decided yet.
    Pending,
    /// A quorum said yes.
    Won,
    /// No quorum can say yes any more.
    Lost,
}

#[cfg(test)]
mod tests;
