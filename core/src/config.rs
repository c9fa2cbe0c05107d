//! A node's configuration.

mod handshake;

pub use handshake::HANDSHAKE_BYTES;

use crate::error::ConfigError;
use crate::types::{Index, NO_NODE, NodeId};
use crate::wire::Dialect;

/// Where "no limit" is meant.
pub const NO_LIMIT: u64 = u64::MAX;

/// How linearizable reads are confirmed (thesis section 6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// By a round of heartbeats: safe whatever the clocks do.
    #[default]
    Safe,
    /// By the leader's lease: usually without a round, but only as good as the clocks. Needs
    /// `check_quorum`. A node with this mode grants leases, and does not vote for an election timeout
    /// after a start. Three conditions are the host's; where one fails, reads may be stale:
    /// - Ticks of all hosts are equally long: their rates differ by less than one tick in an election
    ///   timeout.
    /// - A host that was late (paused, busy) gives the node the ticks that it missed before it asks for a
    ///   read.
    /// - A node that starts with another mode, or with fewer `election_ticks` than before, forgets what
    ///   it has granted. It starts no sooner than its old election timeout after it has stopped.
    ///
    /// Members without this mode, or with fewer `election_ticks` than the leader, grant no lease. Reads
    /// take a round where no quorum grants one. So leases may be switched on by restarting one node after
    /// the other.
    Lease,
}

/// A node's configuration. `Config::new(id)` has good defaults for a tick of 10 to 100 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This node; not 0.
    pub id: NodeId,
    /// Ticks without a leader before a follower campaigns; each time a random number from
    /// [this, 2 x this). More than `heartbeat_ticks`.
    pub election_ticks: u32,
    /// Ticks between heartbeats; at least 1.
    pub heartbeat_ticks: u32,
    /// The group that the node belongs to, if the host has several; the same on all its members. With
    /// seed 0 it keeps groups from electing the same node in the same tick. Hosts can compare it when
    /// they connect; the library sends it nowhere.
    pub group_id: u64,
    /// Seed of the randomised election timeouts; the node's id is mixed in. 0 stands for a seed that
    /// follows from `group_id`, by no clock and no address: the same one in all languages.
    pub seed: u64,
    /// The last entry that the host's state machine has applied durably. 0 if it has none, or keeps
    /// none over restarts.
    ///
    /// A crash between storing a snapshot and installing it in the state machine leaves that behind the log:
    /// install the storage's snapshot first, if the entry before the log's first is not applied.
    pub applied: Index,
    /// Encoded bytes of entries in one Append; one entry is always allowed.
    pub max_message_bytes: u64,
    /// Appends on their way to one peer; at least 1.
    pub max_inflight_messages: u32,
    /// Payload bytes on their way to one peer. At least `max_message_bytes`.
    pub max_inflight_bytes: u64,
    /// Payload bytes in the leader's log that are not committed; proposals beyond are refused.
    pub max_uncommitted_bytes: u64,
    /// Encoded bytes of committed entries handed out and not yet applied; one entry is always
    /// allowed.
    pub max_committed_bytes_per_ready: u64,
    /// Bytes of recent entries kept in memory although the storage has them.
    pub log_cache_bytes: u64,
    /// A voter refuses candidates of lower priority whose log is no newer than its own: among equally
    /// good ones the highest priority wins. Higher is preferred; all 0 means no preference. It is no
    /// veto: a voter that has heard from no leader for two election timeouts refuses nobody for it.
    /// Leadership transfers do not look at it.
    pub priority: i64,
    /// Ask before campaigning (section 9.6): a node that was cut off does not disturb the group.
    pub pre_vote: bool,
    /// A leader that hears from no quorum for an election timeout steps down; a follower that hears
    /// from its leader ignores candidates.
    pub check_quorum: bool,
    /// How reads are confirmed.
    pub read_mode: ReadMode,
    /// Whether followers pass proposals on to their leader.
    pub forward_proposals: bool,
    /// Whether a leader tries membership changes when they are proposed, and refuses one while another may be
    /// pending, that cannot be applied or that changes no member.
    pub validate_conf_changes: bool,
    /// Whether a leader steps down when it applies its own removal or demotion.
    pub step_down_on_removal: bool,
    /// Storage work is handed out with acknowledgements to return, instead of one `advance`.
    pub async_storage_writes: bool,
    /// With asynchronous writes: hand out committed entries for applying although this node has not
    /// stored them yet; others have. The state machine must then not be durable ahead of the log
    /// (with synchronous writes a `Ready` is stored before it is applied, so this changes nothing).
    pub apply_before_persist: bool,
    /// Which family of peers the group is shared with: how membership changes are encoded.
    pub dialect: Dialect,
    /// Message for message as etcd/raft does it: an Append at each proposal instead of one per
    /// `Ready`, and without this library's own precautions (with asynchronous writes, requests for
    /// votes leave before the candidacy is durable; snapshots are taken while entries are applied; a
    /// leader that steps down tells nobody why; a membership change that is refused for its size keeps
    /// the next one out all the same). For comparison, not for use.
    pub eager_append: bool,
    /// Entries in the leader's log that are not committed; proposals beyond are refused, empty ones too.
    pub max_uncommitted_entries: u32,
    /// Reads that a leader has not confirmed yet, its own and those of followers; reads beyond are
    /// refused. A context counts as one more read for each KiB in it.
    pub max_pending_reads: u32,
    /// Messages and confirmed reads that wait for the next `Ready`. While so many wait, messages from
    /// peers are refused as a network loses them, heartbeats and candidacies are left out, and nothing
    /// is forwarded.
    pub max_waiting_messages: u32,
    /// Bytes from peers and clients that wait for the next `Ready`: received entries, forwarded
    /// proposals, contexts. The same happens while so many wait.
    pub max_waiting_bytes: u64,
}

impl Config {
    /// The defaults for node `id`.
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            election_ticks: 10,
            heartbeat_ticks: 1,
            group_id: 0,
            seed: 0,
            applied: 0,
            max_message_bytes: 1 << 20,
            max_inflight_messages: 256,
            max_inflight_bytes: 64 << 20,
            max_uncommitted_bytes: 1 << 30,
            max_committed_bytes_per_ready: 64 << 20,
            log_cache_bytes: 8 << 20,
            priority: 0,
            pre_vote: true,
            check_quorum: true,
            read_mode: ReadMode::Safe,
            forward_proposals: true,
            validate_conf_changes: true,
            step_down_on_removal: true,
            async_storage_writes: false,
            apply_before_persist: false,
            dialect: Dialect::Etcd,
            eager_append: false,
            max_uncommitted_entries: 1 << 20,
            max_pending_reads: 1 << 16,
            max_waiting_messages: 1 << 16,
            max_waiting_bytes: 1 << 30,
        }
    }

    /// Whether the configuration is usable; names the first field that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let problem = |field, problem| Err(ConfigError { field, problem });
        if self.id == NO_NODE {
            return problem("id", "must not be 0");
        }
        if self.heartbeat_ticks == 0 {
            return problem("heartbeat_ticks", "must be at least 1");
        }
        if self.election_ticks <= self.heartbeat_ticks {
            return problem("election_ticks", "must be greater than heartbeat_ticks");
        }
        if self.election_ticks > 1 << 30 {
            return problem("election_ticks", "must be at most 2^30");
        }
        if self.max_inflight_messages == 0 {
            return problem("max_inflight_messages", "must be at least 1");
        }
        if self.max_inflight_bytes < self.max_message_bytes {
            return problem("max_inflight_bytes", "must be at least max_message_bytes");
        }
        if self.max_uncommitted_bytes == 0 {
            return problem("max_uncommitted_bytes", "must not be 0");
        }
        if self.max_committed_bytes_per_ready == 0 {
            return problem("max_committed_bytes_per_ready", "must not be 0");
        }
        let limits = [
            ("max_uncommitted_entries", u64::from(self.max_uncommitted_entries)),
            ("max_pending_reads", u64::from(self.max_pending_reads)),
            ("max_waiting_messages", u64::from(self.max_waiting_messages)),
            ("max_waiting_bytes", self.max_waiting_bytes),
        ];
        if let Some((field, _)) = limits.iter().find(|(_, limit)| *limit == 0) {
            return problem(field, "must be at least 1");
        }
        if self.read_mode == ReadMode::Lease && !self.check_quorum {
            return problem("read_mode", "may be Lease only with check_quorum");
        }
        Ok(())
    }

    /// Ticks of the leases that a node asks for as a leader, and grants by hearing its leader (thesis
    /// section 6.4.1); 0: none. The reference counts none: it takes its leader's for granted.
    pub(crate) fn lease_ticks(&self) -> u32 {
        if self.read_mode == ReadMode::Lease && !self.eager_append { self.election_ticks } else { 0 }
    }
}
