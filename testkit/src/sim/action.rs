//! What can be done to a group from outside: everything that faults, clients and operators do. The
//! line of text that stands for an action is what scenario files consist of.

mod text;

use raftcore::{ConfChangeOp, NodeId, Transition};

use super::situations::Situation;
use super::world::World;

pub(super) use text::Time;

/// Whom an action concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Node(NodeId),
    /// The running leader of the highest term when it happens; without one, nothing happens.
    Leader,
    /// The voter with the highest id that does not lead when it happens.
    Follower,
}

/// A link in one direction: from, to.
pub(super) type Link = (NodeId, NodeId);

/// Times are in units of simulated time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Kills a node; it comes back after some time, if at all.
    Crash { node: Target, pause: Option<u64> },
    /// Kills a node before its next piece of work but so many.
    CrashIn { node: Target, pieces: u64, pause: u64 },
    /// Starts a node that does not run.
    Restart(NodeId),
    /// Nothing arrives over these links any more.
    Cut(Vec<Link>),
    /// All links of a node are cut, in both directions, but those to one other, if any.
    Isolate { node: Target, but: Option<NodeId> },
    /// These links are cut and mended in turn, each for `period`.
    Flap { period: u64, links: Vec<Link> },
    /// Messages over these links take so much longer.
    Slow { delay: u64, links: Vec<Link> },
    /// All links are as good as at the start.
    Mend,
    /// The network loses, delays and duplicates nothing, or again as it did.
    Weather { calm: bool },
    /// Nothing happens on a node for some time.
    Pause { node: Target, time: u64 },
    /// A node's clock stands still; everything else there goes on.
    StopClock { node: Target, time: u64 },
    /// A node's clock leaps: so many ticks at once.
    Ticks { node: Target, count: u64 },
    /// A node's disk refuses all writes for some time.
    DiskFull { node: Target, time: u64 },
    /// A node's state machine applies nothing for some time.
    Stall { node: Target, time: u64 },
    /// Clients ask for nothing for some time.
    Hush { time: u64 },
    /// Old messages, perhaps from earlier lives of their senders, arrive once more.
    Replay { count: u64 },
    /// An old message arrives at a node that it is not for.
    Misdeliver { node: Target },

    /// Clients write through a node.
    Propose { node: Target, count: u64 },
    /// A client reads through a node.
    Read { node: Target },
    /// A client reads through a node with the context of its latest read.
    ReadAgain { node: Target },
    /// A node makes a snapshot; perhaps it removes entries, all but so many that the snapshot covers.
    Compact { node: Target, keep: Option<u64> },
    /// Whether a node's storage can give a snapshot.
    SnapshotBusy { node: Target, busy: bool },
    /// A membership change is proposed.
    Change { node: Target, transition: Transition, ops: Vec<ConfChangeOp> },
    /// A membership change is proposed in the older format.
    ChangeV1 { node: Target, op: ConfChangeOp },
    /// Leaving a joint membership is proposed.
    LeaveJoint { node: Target },
    /// A leader is asked to hand over.
    Transfer { node: Target, to: Target },
    /// A node is told to campaign.
    Campaign { node: Target },
    /// A node is told to forget its leader.
    ForgetLeader { node: Target },

    /// Remembers where the group is; expectations are about what came after the last mark.
    Mark,
    /// So many entries were committed since the mark.
    ExpectCommits(u64),
    /// A node leads; if named, this one.
    ExpectLeader(Option<NodeId>),
    /// The leader's term is still that of the mark.
    ExpectSameTerm,
    /// A node runs and has applied everything that is committed.
    ExpectUpToDate(NodeId),
    /// A rare situation was met since the beginning.
    ExpectMet(Situation),
}

impl World {
    /// The node that a target means now.
    pub(super) fn resolve(&self, target: Target) -> Option<NodeId> {
        let leader = || {
            let leaders = self.hosts().filter(|host| host.is_leader());
            leaders.max_by_key(|host| host.term()).map(|host| host.id)
        };
        match target {
            Target::Node(id) => Some(id),
            Target::Leader => leader(),
            Target::Follower => {
                let leader = leader();
                let voters = self.oracle.newest_membership().voters.iter().copied();
                voters.filter(|id| self.host(*id).is_some() && Some(*id) != leader).max()
            }
        }
    }
}
