//! What an operator does: a survivor of a lost quorum goes on with a new membership, and a new group
//! starts from a backup. Offline: no node is running.

use std::mem::offset_of;
use std::ptr;

use raftcore::recovery::{self, LogPosition, Plan, Request};
use raftcore::storage::check::Write;
use raftcore::{ConfState, EntryId, Snapshot, backup, wire};

use crate::args::{self, Output};
use crate::config;
use crate::door::without_node;
use crate::drive::raft_persist;
use crate::object::{self, Mark, object};
use crate::sized::{self, SizedStruct};
use crate::snapshot::raft_snapshot_buffer;
use crate::status::{Failure, Within, raft_status};
use crate::storage::{HostStorage, raft_storage};
use crate::types::{
    self, raft_conf_state, raft_entry, raft_entry_id, raft_hard_state, raft_slice, raft_snapshot,
};

/// How far a survivor's log reaches. The survivor whose `last` is the greatest, by term and then by index,
/// is the one to recover from.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct raft_log_position {
    /// The node.
    pub node: u64,
    /// The latest term it has seen.
    pub term: u64,
    /// The last entry of its log.
    pub last: raft_entry_id,
    /// Highest index that it knows to be committed.
    pub commit: u64,
}

impl From<LogPosition> for raft_log_position {
    fn from(position: LogPosition) -> Self {
        let LogPosition { node, term, last, commit } = position;
        Self { node, term, last: last.into(), commit }
    }
}

impl From<&raft_log_position> for LogPosition {
    fn from(position: &raft_log_position) -> Self {
        let last = EntryId::new(position.last.term, position.last.index);
        Self { node: position.node, term: position.term, last, commit: position.commit }
    }
}

/// What is to become of a survivor: for raft_recover. Set unused bytes to zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_recovery_request {
    /// sizeof(raft_recovery_request).
    pub struct_size: usize,
    /// The survivor whose storage is read.
    pub node: u64,
    /// As raft_config.applied when the node was last made from this storage.
    pub applied: u64,
    /// The new membership: this node as a voter, best alone. Others have new ids and an empty storage, or
    /// are among `survivors`.
    pub members: *const raft_conf_state,
    /// The positions of all other survivors; may be NULL if there are none.
    pub survivors: *const raft_log_position,
    /// How many there are.
    pub survivors_len: usize,
    /// As raft_config.dialect.
    pub dialect: i32,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_recovery_request {
    const MIN_SIZE: usize = size_of::<Self>();
}

const NO_REQUEST: raft_recovery_request = raft_recovery_request {
    struct_size: size_of::<raft_recovery_request>(),
    node: 0,
    applied: 0,
    members: ptr::null(),
    survivors: ptr::null(),
    survivors_len: 0,
    dialect: config::RAFT_DIALECT_ETCD,
};

/// What is to be written, and what that means: see raft_recovery_view. All of it is borrowed from the
/// raft_recovery.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_recovery_plan {
    /// sizeof(raft_recovery_plan), set by the caller.
    pub struct_size: usize,
    /// What to store, in one batch, exactly as raft_host.persist does it.
    pub persist: *const raft_persist,
    /// The membership at the end of the log as it is now; of a backup, the one in it.
    pub before: raft_conf_state,
    /// The last entry that is kept: all of the log; of a backup, the last entry that it covers.
    pub last: raft_entry_id,
    /// The highest index known to be committed until now. Entries from here to `last` become committed
    /// although nobody may have been told that they are: clients may see writes that they gave up.
    pub committed: u64,
    /// Membership changes of the log behind the applied entry: they take effect before the new ones.
    pub changes: u64,
    /// Whether entries may be missing that were committed and acknowledged: the members that are neither
    /// this node nor among the survivors are enough to commit by themselves.
    pub may_miss_committed: bool,
}

// SAFETY: repr(C), the size comes first, and these are all its bools.
unsafe impl SizedStruct for raft_recovery_plan {
    const MIN_SIZE: usize = size_of::<Self>();
    const BOOLS: &'static [usize] = &[
        offset_of!(Self, before) + offset_of!(raft_conf_state, auto_leave),
        offset_of!(Self, may_miss_committed),
    ];
}

/// What raft_recover or raft_restore has found to be written. Does not change; any thread may read it.
pub struct raft_recovery {
    mark: Mark,
    plan: Plan,
    shown: Shown,
}

object!(raft_recovery, 0x51e0_0cc6, "recovery");

/// What the plan's write looks like from C. The pointers go to what the boxes and the vectors hold, which
/// stays where it is when the whole is moved.
struct Shown {
    persist: Box<raft_persist>,
    _entries: Vec<raft_entry>,
    _hard_state: Option<Box<raft_hard_state>>,
    _snapshot: Option<(Box<raft_snapshot>, Vec<u8>, Box<raft_snapshot_buffer>)>,
}

// SAFETY: the pointers go to memory of the same object, and nothing in it changes.
unsafe impl Send for Shown {}
// SAFETY: the same.
unsafe impl Sync for Shown {}

impl Shown {
    /// `write` stays where it is and as it is: the plan's vectors hold what is pointed to.
    fn of(write: &Write) -> Self {
        let entries: Vec<_> = write.entries.iter().map(raft_entry::from).collect();
        let hard_state = write.hard_state.map(|state| Box::new(raft_hard_state::from(state)));
        let snapshot = write.snapshot.as_ref().map(|snapshot| {
            let buffer = Box::new(raft_snapshot_buffer::lent(snapshot.clone()));
            (Box::new(raft_snapshot::from(&buffer.snapshot)), wire::encode_snapshot(snapshot), buffer)
        });
        let shown = snapshot.as_ref();
        let persist = raft_persist {
            entries: entries.as_ptr(),
            entries_len: entries.len(),
            hard_state: hard_state.as_deref().map_or(ptr::null(), ptr::from_ref),
            snapshot: shown.map_or(ptr::null(), |(snapshot, ..)| ptr::from_ref(&**snapshot)),
            snapshot_encoded: shown.map_or(raft_slice::EMPTY, |(_, encoded, _)| raft_slice::of(encoded)),
            must_sync: write.must_sync,
            snapshot_buffer: shown.map_or(ptr::null(), |(.., buffer)| ptr::from_ref(&**buffer)),
        };
        Self { persist: Box::new(persist), _entries: entries, _hard_state: hard_state, _snapshot: snapshot }
    }
}

impl raft_recovery {
    fn new(plan: Plan) -> Self {
        Self { mark: Mark::owned::<Self>(), shown: Shown::of(&plan.write), plan }
    }

    fn show(&self) -> raft_recovery_plan {
        raft_recovery_plan {
            struct_size: size_of::<raft_recovery_plan>(),
            persist: &raw const *self.shown.persist,
            before: (&self.plan.before).into(),
            last: self.plan.last.into(),
            committed: self.plan.committed,
            changes: self.plan.changes,
            may_miss_committed: self.plan.may_miss_committed,
        }
    }
}

/// Tells how far the log of `node` reaches, for choosing the survivor to recover from.
///
/// `storage` is read during the call, and its release is not called. Neither pointer is NULL. Any thread.
/// Errors: RAFT_ERR_INCONSISTENT_STORAGE, RAFT_ERR_STORAGE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_recovery_position(
    storage: *const raft_storage,
    node: u64,
    out: *mut raft_log_position,
) -> raft_status {
    without_node(|| {
        // SAFETY: the header demands NULL or a table of the size that it states, and room for the result.
        let (out, storage) =
            unsafe { (Output::required(out, "out")?, HostStorage::lent(storage, "storage")?) };
        out.set(recovery::log_position(node, &storage)?.into());
        Ok(())
    })
}

/// Says what has to be written into a survivor's storage so that it goes on with a new membership,
/// although a quorum of the old one is lost for good. Offline: no node runs on the storage. The log stays;
/// membership changes behind its end, committed, lead to the new membership, and the term is raised.
///
/// The lost members must not come back: give the group a new id in the hosts' handshake, and every machine
/// that joins a new node id and an empty storage. docs/operations.md goes through it.
///
/// `storage` is read during the call, and its release is not called. No pointer is NULL;
/// request->struct_size is set. On success `*out` is to be freed with raft_recovery_free. Any thread.
/// Errors: RAFT_ERR_RECOVERY (it is refused; raft_node_last_error(NULL, ..) says why),
/// RAFT_ERR_CONF_CHANGE (the membership contradicts itself), RAFT_ERR_INCONSISTENT_STORAGE,
/// RAFT_ERR_STORAGE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_recover(
    storage: *const raft_storage,
    request: *const raft_recovery_request,
    out: *mut *mut raft_recovery,
) -> raft_status {
    // SAFETY: the header demands NULL or structs of the sizes that they state, and room for the result.
    unsafe {
        object::give(out, || {
            let storage = HostStorage::lent(storage, "storage")?;
            let request = read(request)?;
            Ok(raft_recovery::new(recovery::plan(&storage, &request)?))
        })
    }
}

/// # Safety
/// `request` is NULL or points to a struct of the size that it states, whose arrays are as long as it says.
unsafe fn read(request: *const raft_recovery_request) -> Result<Request, Failure> {
    // SAFETY: the same contract.
    unsafe {
        let given = sized::read(request, NO_REQUEST, "request")?;
        let survivors = args::array(given.survivors, given.survivors_len, "request.survivors")?;
        Ok(Request {
            node: given.node,
            applied: given.applied,
            members: types::conf_state(given.members).within("request.members")?,
            survivors: survivors.iter().map(LogPosition::from).collect(),
            dialect: config::dialect(given.dialect, "request.dialect")?,
        })
    }
}

/// Says what each first member of a new group has to write into its empty storage to start from a backup:
/// the same on all of them. raft_config.applied is then the backup's index. The new group has an id of
/// its own in the hosts' handshake, and its nodes have ids that the old group never had.
///
/// `backup` is borrowed during the call. Neither pointer is NULL. On success `*out` is to be freed with
/// raft_recovery_free. Any thread. Errors: RAFT_ERR_DECODE (damaged, or no backup), RAFT_ERR_RECOVERY and
/// RAFT_ERR_CONF_CHANGE (nobody can begin with such members), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_restore(
    backup: raft_slice,
    members: *const raft_conf_state,
    out: *mut *mut raft_recovery,
) -> raft_status {
    // SAFETY: the header demands bytes and a membership as long as they say, and room for the result.
    unsafe {
        object::give(out, || {
            let (bytes, members) =
                (args::copy(backup, "backup")?, types::conf_state(members).within("members")?);
            Ok(raft_recovery::new(restore(backup::decode(&bytes)?, members)?))
        })
    }
}

fn restore(snapshot: Snapshot, members: ConfState) -> Result<Plan, Failure> {
    let (before, last) = (snapshot.conf_state.clone(), snapshot.id);
    let write = backup::found_group(snapshot, members)?;
    Ok(Plan { write, before, last, committed: last.index, changes: 0, may_miss_committed: false })
}

/// Shows what is to be written. `buffer` and `out` are not NULL; out->struct_size is set. What `*out`
/// points to lives as long as the recovery.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_recovery_view(
    buffer: *const raft_recovery,
    out: *mut raft_recovery_plan,
) -> raft_status {
    // SAFETY: the header demands NULL or a live recovery, and a result with its size.
    unsafe { object::show_sized(buffer, out, raft_recovery::show) }
}

/// Frees a recovery. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_recovery_free(buffer: *mut raft_recovery) {
    // SAFETY: the header demands NULL or a recovery that nobody uses any more.
    unsafe { object::free(buffer) }
}

/// Encodes a backup of a snapshot: the latest one of a storage, or one that the host makes of its state
/// for this, with the last applied entry and the membership there. The bytes say what they are and notice
/// damage. As raft_conf_state_encode.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_backup_encode(
    snapshot: *const raft_snapshot,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands a snapshot as long as it says, and room for the results.
    unsafe {
        object::encode(buffer, capacity, needed, || {
            Ok(backup::encode(&types::snapshot(snapshot).within("snapshot")?))
        })
    }
}

/// Decodes a backup: the state, the last entry that it covers, and the old group's membership. `backup` is
/// borrowed during the call. `out` is not NULL; on success `*out` is to be freed with
/// raft_snapshot_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE (damaged, or no backup), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_backup_decode(
    backup: raft_slice,
    out: *mut *mut raft_snapshot_buffer,
) -> raft_status {
    // SAFETY: the header demands bytes as long as they say, and room for the result.
    unsafe {
        object::give(out, || Ok(raft_snapshot_buffer::owned(backup::decode(&args::copy(backup, "backup")?)?)))
    }
}
