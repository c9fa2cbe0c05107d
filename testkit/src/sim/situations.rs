//! Situations that are rare and hard: a simulation that never meets them proves little.

use std::ops::AddAssign;

macro_rules! situations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A situation that a run can get into.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Situation {
            $($(#[$doc])* $name,)*
        }

        impl Situation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

situations! {
    /// A leader is elected whose log has an uncommitted entry of an older term on a majority of disks:
    /// it must not commit it by counting (figure 8 of the paper).
    OldTermOnMajority,
    /// An entry that was on a majority of disks at that time is overwritten (figure 8, too).
    MajorityOverwritten,
    /// An entry is replaced while it is still being stored (asynchronous writes).
    OverwrittenInFlight,
    /// A member of a joint membership crashes.
    CrashWhileJoint,
    /// A leader is elected in a joint membership.
    ElectionWhileJoint,
    /// No voter is left of those that the group began with.
    AllVotersReplaced,
    /// A crash leaves a part of a write.
    TornWrite,
    /// A crash loses what was not synced.
    LostTail,
    /// A disk refuses to write.
    DiskFull,
    /// A state machine does nothing for some time, though there is something to apply.
    StalledMachine,
    /// A snapshot arrives at a node that is applying entries.
    SnapshotWhileApplying,
    /// The library is told that a read of the storage failed.
    FailedRead,
    /// A snapshot arrives while links are cut.
    SnapshotAcrossPartition,
    /// A snapshot replaces a log that had other entries in its place and after it.
    ConflictingTailDropped,
    /// A leader steps down in its own term because it has not heard of a quorum.
    QuorumLost,
    /// The same, where the leader answers reads by its lease.
    LeaseExpired,
    /// A leader, or the one it hands over to, crashes before that is done.
    TransferInterrupted,
    /// A node hears of a newer term from a node that is not a member.
    RemovedNodeReturns,
    /// A node asks for a read with a context that is in use.
    RepeatedContext,
    /// A message arrives whose sender has crashed since.
    MessageFromEarlierLife,
    /// A message arrives at a node that it is not for.
    Misdelivered,
    /// A node gets a message that nobody sends.
    ImpossibleMessage,
    /// A node that is no member contradicts what is committed.
    StrangerContradicts,
    /// Another group's member, which has a member's id, contradicts what is committed.
    MemberContradicts,
    /// A corrupted message is no message.
    CorruptedIsRefused,
    /// A corrupted message is another message.
    CorruptedIsDecoded,
    /// Two nodes do not reach each other, and a third reaches both.
    BridgePartition,
    /// A link works in one direction only.
    OneWayLink,
    /// Links are cut and mended periodically.
    FlappingLink,
    /// A link is much slower than others.
    SlowLink,
    /// A node's clock stands still.
    StoppedClock,
    /// Many ticks come at once.
    TickStorm,
    /// Another entry takes the place of one that a client waits for.
    ProposalReplaced,
    /// A client never learns what became of its write.
    UnknownOutcome,
    /// A write takes effect after its client gave up.
    LateEffect,
    /// A forwarded proposal is in the log twice.
    RepeatedProposal,
}

/// How often each situation was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situations([u64; Situation::ALL.len()]);

impl Default for Situations {
    fn default() -> Self {
        Self([0; Situation::ALL.len()])
    }
}

impl Situations {
    /// It is met.
    pub(super) fn meet(&mut self, situation: Situation) {
        self.add(situation, 1);
    }

    /// It was met so often.
    pub(super) fn add(&mut self, situation: Situation, count: u64) {
        self.0[situation as usize] += count;
    }

    /// How often it was met.
    pub fn count(&self, situation: Situation) -> u64 {
        self.0[situation as usize]
    }

    /// Those that were never met.
    pub fn missing(&self) -> Vec<Situation> {
        Situation::ALL.iter().copied().filter(|situation| self.count(*situation) == 0).collect()
    }
}

impl AddAssign for Situations {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}
