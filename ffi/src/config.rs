//! A node's configuration.

use std::mem::offset_of;

use raftcore::wire::Dialect;
use raftcore::{Config, Error, ReadMode};

use crate::args::{self, Buffer};
use crate::door;
use crate::sized::{self, SizedStruct};
use crate::status::{Failure, raft_status};
use crate::types::raft_slice;

/// Reads are confirmed by a round of heartbeats: safe whatever the clocks do.
pub const RAFT_READ_SAFE: i32 = 0;
/// Reads are confirmed by the leader's lease: no round, but only as good as the clocks. Needs
/// check_quorum. A node with this mode grants leases, and does not vote for an election timeout after a
/// start. Three conditions are the host's; where one fails, reads may be stale:
/// - Ticks of all hosts are equally long: their rates differ by less than one tick in an election
///   timeout.
/// - A host that was late (paused, busy) gives the node the ticks that it missed (raft_tick_n) before it
///   calls raft_read_index: tick by deadlines, not after each pause.
/// - A node that starts with another mode, or with fewer election_ticks than before, forgets what it has
///   granted. It starts no sooner than its old election timeout after it has stopped.
///
/// Members without this mode, or with fewer election_ticks than the leader, grant no lease. Reads take a
/// round where no quorum grants one. So leases may be switched on by restarting one node after the other.
pub const RAFT_READ_LEASE: i32 = 1;

/// Messages are encoded as etcd/raft does it (raftpb).
pub const RAFT_DIALECT_ETCD: i32 = 0;
/// Messages are encoded as TiKV's raft-rs does it (eraftpb).
pub const RAFT_DIALECT_TIKV: i32 = 1;

/// A node's configuration. Fill it with raft_config_init, then change what you need.
///
/// In byte limits, UINT64_MAX means "no limit".
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_config {
    /// sizeof(raft_config), set by raft_config_init.
    pub struct_size: usize,
    /// This node; not 0, and never given to another node of the group.
    pub id: u64,
    /// Seed of the randomised election timeouts; the node's id is mixed in. 0 stands for a seed that
    /// follows from group_id, by no clock and no address: the same one in all languages.
    pub seed: u64,
    /// The last entry that the host's state machine has applied durably: entries up to it are not
    /// handed out again. 0 if it has none, or keeps none over restarts.
    /// A crash between persist and apply_snapshot leaves a state machine that is behind the log: install the
    /// storage's snapshot in it first, if it has not applied the entry before the log's first.
    pub applied: u64,
    /// Ticks without a leader before a follower campaigns; each time a random number from
    /// [this, 2 x this). More than heartbeat_ticks. Default 10.
    pub election_ticks: u32,
    /// Ticks between heartbeats; at least 1. Default 1.
    pub heartbeat_ticks: u32,
    /// Encoded bytes of entries in one message; one entry is always allowed. Default 1 MiB.
    pub max_message_bytes: u64,
    /// Payload bytes on their way to one peer; at least max_message_bytes. Default 64 MiB.
    pub max_inflight_bytes: u64,
    /// Payload bytes in the leader's log that are not committed; proposals beyond are dropped.
    /// Default 1 GiB.
    pub max_uncommitted_bytes: u64,
    /// Encoded bytes of committed entries in one ready view; one entry is always allowed. Default
    /// 64 MiB.
    pub max_committed_bytes_per_ready: u64,
    /// Bytes of recent entries kept in memory although the storage has them. Default 8 MiB.
    pub log_cache_bytes: u64,
    /// Appends on their way to one peer; at least 1. Default 256.
    pub max_inflight_messages: u32,
    /// How reads are confirmed: RAFT_READ_SAFE (default) or RAFT_READ_LEASE.
    pub read_mode: i32,
    /// How messages are encoded: RAFT_DIALECT_ETCD (default) or RAFT_DIALECT_TIKV. The same on all
    /// nodes of a group.
    pub dialect: i32,
    /// Ask before campaigning: a node that was cut off does not disturb the group. Default true.
    pub pre_vote: bool,
    /// A leader that hears from no quorum for an election timeout steps down, and a follower that
    /// hears from its leader ignores candidates. Default true.
    pub check_quorum: bool,
    /// Whether followers pass proposals on to their leader. Default true.
    pub forward_proposals: bool,
    /// Whether a leader tries membership changes when they are proposed, and refuses one while another
    /// may be pending, that cannot be applied or that changes no member (RAFT_ERR_CONF_CHANGE). Default
    /// true.
    pub validate_conf_changes: bool,
    /// Whether a leader steps down when it applies its own removal or demotion. Default true.
    pub step_down_on_removal: bool,
    /// Message for message as etcd/raft does it: entries are sent at each proposal instead of once per ready
    /// view, and without this library's own precautions. For comparison, not for use. Default false.
    pub etcd_compat: bool,
    /// A voter refuses candidates of lower priority whose log is no newer than its own: among equally
    /// good ones the highest priority wins. It is no veto: a voter that has heard from no leader for
    /// two election timeouts refuses nobody for it. Leadership transfers do not look at it. Default 0.
    pub priority: i64,
    /// Storage work is acknowledged with raft_acknowledge when it is done, instead of raft_advance:
    /// several ready views may be worked on at a time. See raft_ready_view. Default false.
    pub async_storage_writes: bool,
    /// With async_storage_writes: hand out committed entries for applying although this node has not
    /// stored them yet; others have. The state machine must then not be durable ahead of the log.
    /// Default false.
    pub apply_before_persist: bool,
    /// Snapshots are handed out without their data in the encoded bytes, so that the library never
    /// copies it: those to send as raft_snapshot_message and not as raft_message, the one to store
    /// with an encoding of its metadata only. For snapshots that are large. Default false.
    pub lend_snapshots: bool,
    /// The group that the node belongs to, if the host has several; the same on all its members. With
    /// seed 0 it keeps groups from electing the same node in the same tick. Hosts compare it when they
    /// connect (raft_config_handshake): groups whose nodes have the same ids destroy each other when they
    /// get each other's messages, which do not name the group. Default 0: of no group in particular.
    pub group_id: u64,
    /// Bytes from peers and clients that wait for the next ready view: received entries, forwarded
    /// proposals, contexts. While so many wait, messages from peers are refused as a network loses them,
    /// heartbeats and candidacies are left out, and nothing is forwarded (RAFT_ERR_LIMIT). Default 1 GiB.
    pub max_waiting_bytes: u64,
    /// Messages and confirmed reads that wait for the next ready view. The same happens while so many
    /// wait. Default 65536.
    pub max_waiting_messages: u32,
    /// Entries in the leader's log that are not committed; proposals beyond are dropped, empty ones too.
    /// Default 1048576.
    pub max_uncommitted_entries: u32,
    /// Reads that a leader has not confirmed yet, its own and those of followers; reads beyond are
    /// refused (RAFT_ERR_LIMIT). A context counts as one more read for each KiB in it. Default 65536.
    pub max_pending_reads: u32,
}

// SAFETY: repr(C), the size comes first, and these are all its bools.
unsafe impl SizedStruct for raft_config {
    const MIN_SIZE: usize = offset_of!(Self, priority);
    const BOOLS: &'static [usize] = &[
        offset_of!(Self, pre_vote),
        offset_of!(Self, check_quorum),
        offset_of!(Self, forward_proposals),
        offset_of!(Self, validate_conf_changes),
        offset_of!(Self, step_down_on_removal),
        offset_of!(Self, etcd_compat),
        offset_of!(Self, async_storage_writes),
        offset_of!(Self, apply_before_persist),
        offset_of!(Self, lend_snapshots),
    ];
}

/// Fills `*config` with the defaults for node `id`, good for a tick of 10 to 100 milliseconds.
///
/// `config` is not NULL; `struct_size` is sizeof(raft_config) as the caller was compiled. Any
/// thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_config_init(
    config: *mut raft_config,
    struct_size: usize,
    id: u64,
) -> raft_status {
    // SAFETY: the header demands that `config` has `struct_size` bytes.
    door::without_node(|| unsafe { sized::write(config, struct_size, defaults(id), "config") })
}

/// Writes what a peer needs to know to tell whether it can be in one group with this node: send it, with
/// its length, when a connection is made, and give the peer's to raft_config_check_handshake. It is no
/// message of Raft; 24 bytes in this version.
///
/// `config` is not NULL. `buffer` has room for `capacity` bytes, and may be NULL if that is 0. `needed` may
/// be NULL; it is set to the number of bytes also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_config_handshake(
    config: *const raft_config,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands NULL or a configuration of the size that it states, and room for the
    // results.
    door::without_node(|| unsafe {
        let buffer = Buffer::new(buffer, capacity, needed)?;
        buffer.fill(&read(config)?.core.handshake())
    })
}

/// Checks whether the peer that sent these bytes, those of its raft_config_handshake, can be in one group
/// with a node of this configuration. Refuse the connection if it cannot, and log why.
///
/// What is refused: another group_id (if both have one); another dialect; other election_ticks, if both
/// have RAFT_READ_LEASE; election_ticks of one that are not more than the heartbeat_ticks of the other.
/// Peers without leases fit one with RAFT_READ_LEASE: they grant it none.
///
/// `config` is not NULL; `peer` is borrowed during the call. Any thread. Errors: RAFT_ERR_CONFIG
/// (raft_node_last_error(NULL, ..) names the field; "handshake" if the bytes are none),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_config_check_handshake(
    config: *const raft_config,
    peer: raft_slice,
) -> raft_status {
    // SAFETY: the header demands NULL or a configuration of the size that it states, and bytes as long as
    // they say.
    door::without_node(|| unsafe {
        let peer = args::bytes(peer, "peer")?;
        Ok(read(config)?.core.check_handshake(peer).map_err(Error::Config)?)
    })
}

fn defaults(id: u64) -> raft_config {
    describe(&Config::new(id), false)
}

/// A configuration as C sees it.
pub(crate) fn describe(config: &Config, lend_snapshots: bool) -> raft_config {
    raft_config {
        struct_size: size_of::<raft_config>(),
        id: config.id,
        seed: config.seed,
        applied: config.applied,
        election_ticks: config.election_ticks,
        heartbeat_ticks: config.heartbeat_ticks,
        max_message_bytes: config.max_message_bytes,
        max_inflight_bytes: config.max_inflight_bytes,
        max_uncommitted_bytes: config.max_uncommitted_bytes,
        max_committed_bytes_per_ready: config.max_committed_bytes_per_ready,
        log_cache_bytes: config.log_cache_bytes,
        max_inflight_messages: config.max_inflight_messages,
        read_mode: match config.read_mode {
            ReadMode::Safe => RAFT_READ_SAFE,
            ReadMode::Lease => RAFT_READ_LEASE,
        },
        dialect: match config.dialect {
            Dialect::Etcd => RAFT_DIALECT_ETCD,
            Dialect::Tikv => RAFT_DIALECT_TIKV,
        },
        pre_vote: config.pre_vote,
        check_quorum: config.check_quorum,
        forward_proposals: config.forward_proposals,
        validate_conf_changes: config.validate_conf_changes,
        step_down_on_removal: config.step_down_on_removal,
        etcd_compat: config.eager_append,
        priority: config.priority,
        async_storage_writes: config.async_storage_writes,
        apply_before_persist: config.apply_before_persist,
        lend_snapshots,
        group_id: config.group_id,
        max_waiting_bytes: config.max_waiting_bytes,
        max_waiting_messages: config.max_waiting_messages,
        max_uncommitted_entries: config.max_uncommitted_entries,
        max_pending_reads: config.max_pending_reads,
    }
}

/// What a caller's configuration says.
pub(crate) struct Settings {
    pub(crate) core: Config,
    pub(crate) lend_snapshots: bool,
}

/// A caller's configuration.
///
/// # Safety
/// `config` is NULL or points to a `raft_config` of the size that it states.
pub(crate) unsafe fn read(config: *const raft_config) -> Result<Settings, Failure> {
    // SAFETY: the same contract.
    let given = unsafe { sized::read(config, defaults(0), "config") }?;
    // Spelled out, so that a new field is not forgotten here.
    let core = Config {
        id: given.id,
        group_id: given.group_id,
        max_waiting_bytes: given.max_waiting_bytes,
        max_waiting_messages: given.max_waiting_messages,
        max_uncommitted_entries: given.max_uncommitted_entries,
        max_pending_reads: given.max_pending_reads,
        seed: given.seed,
        applied: given.applied,
        election_ticks: given.election_ticks,
        heartbeat_ticks: given.heartbeat_ticks,
        max_message_bytes: given.max_message_bytes,
        max_inflight_messages: given.max_inflight_messages,
        max_inflight_bytes: given.max_inflight_bytes,
        max_uncommitted_bytes: given.max_uncommitted_bytes,
        max_committed_bytes_per_ready: given.max_committed_bytes_per_ready,
        log_cache_bytes: given.log_cache_bytes,
        pre_vote: given.pre_vote,
        check_quorum: given.check_quorum,
        read_mode: match given.read_mode {
            RAFT_READ_SAFE => ReadMode::Safe,
            RAFT_READ_LEASE => ReadMode::Lease,
            other => {
                return Err(Failure::argument("config.read_mode", format!("is unknown: {other}")));
            }
        },
        forward_proposals: given.forward_proposals,
        validate_conf_changes: given.validate_conf_changes,
        step_down_on_removal: given.step_down_on_removal,
        dialect: dialect(given.dialect, "config.dialect")?,
        eager_append: given.etcd_compat,
        priority: given.priority,
        async_storage_writes: given.async_storage_writes,
        apply_before_persist: given.apply_before_persist,
    };
    Ok(Settings { core, lend_snapshots: given.lend_snapshots })
}

pub(crate) fn dialect(number: i32, name: &'static str) -> Result<Dialect, Failure> {
    match number {
        RAFT_DIALECT_ETCD => Ok(Dialect::Etcd),
        RAFT_DIALECT_TIKV => Ok(Dialect::Tikv),
        other => Err(Failure::argument(name, format!("is unknown: {other}"))),
    }
}
