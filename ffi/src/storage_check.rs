//! The storage suite for C hosts.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use raftcore::storage::check::{self, CheckedStorage, Finding, Outcome, Reopen, Write};
use raftcore::{
    ConfState, Entries, Entry, Error, HardState, Index, NodeId, Snapshot, Storage, StorageError, Term, wire,
};

use crate::door;
use crate::drive::raft_persist;
use crate::sized::{self, SizedStruct};
use crate::snapshot::raft_snapshot_buffer;
use crate::status::{Failure, RAFT_ERR_UNAVAILABLE, raft_status};
use crate::storage::{HostStorage, answer, present, raft_storage};
use crate::types::{raft_entry, raft_hard_state, raft_slice, raft_snapshot};

/// How raft_checked_storage.reopen opens again: it was closed in good order, everything is there.
pub const RAFT_REOPEN_CLOSED: i32 = 0;
/// How raft_checked_storage.reopen opens again: the machine lost its power. What was not synced may
/// be gone, the latest writes first.
pub const RAFT_REOPEN_CRASHED: i32 = 1;

/// What raft_storage_check found of a rule: the storage keeps it.
pub const RAFT_RULE_KEPT: i32 = 0;
/// What raft_storage_check found of a rule: the storage breaks it.
pub const RAFT_RULE_BROKEN: i32 = 1;
/// What raft_storage_check found of a rule: the storage offers no way to try it.
pub const RAFT_RULE_NOT_CHECKED: i32 = 2;

/// A host's storage with all that raft_storage_check needs to try it. Callbacks answer RAFT_OK or an
/// error, must not throw, and not longjmp.
///
/// All members but reopen and set_failing are required. Set unused bytes to zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_checked_storage {
    /// sizeof(raft_checked_storage).
    pub struct_size: usize,
    /// Handed to every callback; may be NULL. Not used otherwise.
    pub context: *mut c_void,
    /// How a node would read it. Looked at again after each reset and reopen, which may change it.
    /// Its release is not called.
    pub storage: *const raft_storage,
    /// Starts over with a storage in which nothing was ever stored: an empty one or, for hosts that
    /// have no such thing, that of a group's first member (see raft_storage).
    pub reset: Option<unsafe extern "C" fn(context: *mut c_void) -> raft_status>,
    /// As raft_host.persist. The membership of a snapshot is to be stored with it.
    pub persist: Option<unsafe extern "C" fn(context: *mut c_void, what: *const raft_persist) -> raft_status>,
    /// Forgets the log up to and including `index`, as the host does it when it has made a snapshot
    /// there. The commit index covers it; take it for applied.
    pub compact: Option<unsafe extern "C" fn(context: *mut c_void, index: u64) -> raft_status>,
    /// Closes the storage and opens it again; `how` is RAFT_REOPEN_CLOSED or RAFT_REOPEN_CRASHED.
    /// NULL, or an answer of RAFT_ERR_UNAVAILABLE: there is no such way.
    pub reopen: Option<unsafe extern "C" fn(context: *mut c_void, how: i32) -> raft_status>,
    /// From now on, until called with false, nothing can be read or written. NULL, or an answer of
    /// RAFT_ERR_UNAVAILABLE: there is no such way.
    pub set_failing: Option<unsafe extern "C" fn(context: *mut c_void, failing: bool) -> raft_status>,
}

// SAFETY: repr(C), the size comes first, there is no bool.
unsafe impl SizedStruct for raft_checked_storage {
    const MIN_SIZE: usize = size_of::<Self>();
}

const NO_STORAGE: raft_checked_storage = raft_checked_storage {
    struct_size: size_of::<raft_checked_storage>(),
    context: ptr::null_mut(),
    storage: ptr::null(),
    reset: None,
    persist: None,
    compact: None,
    reopen: None,
    set_failing: None,
};

/// What raft_storage_check found of one rule. All of it is borrowed during the report; the texts end
/// with NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_storage_finding {
    /// Size of the struct as the library knows it: fields beyond are not there.
    pub struct_size: usize,
    /// The rule's name.
    pub rule: *const c_char,
    /// What it demands, in a sentence.
    pub demand: *const c_char,
    /// RAFT_RULE_KEPT, RAFT_RULE_BROKEN or RAFT_RULE_NOT_CHECKED.
    pub outcome: i32,
    /// If broken: what was expected, where it was first not met. Empty otherwise.
    pub expected: *const c_char,
    /// If broken: what came. If not checked: why not. Empty otherwise.
    pub got: *const c_char,
}

/// Tries a host's storage against the contract of raft_storage, before a node relies on it: appends,
/// conflicts, ranges, compaction, snapshots and, where the host offers a way, restarts, crashes and
/// failures. Each rule starts from a fresh storage; what the storage holds is lost.
///
/// `storage` is not NULL, and borrowed during the call. `report` may be NULL; otherwise it is called
/// once for each rule, the basic ones first, with the `context` given here: start with the first broken
/// rule, the later ones build on it.
///
/// Any thread; the callbacks are called by this one. Errors: RAFT_ERR_STORAGE (a rule is broken;
/// raft_node_last_error(NULL, ..) tells the first), RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_storage_check(
    storage: *const raft_checked_storage,
    report: Option<unsafe extern "C" fn(context: *mut c_void, finding: *const raft_storage_finding)>,
    context: *mut c_void,
) -> raft_status {
    door::without_node(|| {
        // SAFETY: the header demands NULL or a table of the size that it states.
        let mut host = unsafe { CheckedHost::read(storage) }?;
        let found = check::run(&mut host);
        for finding in found.findings.iter().filter(|_| report.is_some()) {
            // SAFETY: the host's callback with the host's context.
            unsafe { tell(finding, report, context) }
        }
        match found.broken().next() {
            None => Ok(()),
            Some(finding) => Err(Error::Storage(StorageError::Contract(finding.to_string())).into()),
        }
    })
}

/// # Safety
/// `report` may be called with `context`.
unsafe fn tell(
    finding: &Finding,
    report: Option<unsafe extern "C" fn(*mut c_void, *const raft_storage_finding)>,
    context: *mut c_void,
) {
    // What a host's error says may hold a NUL: such a text ends there.
    let text = |text: &str| {
        let end = text.find('\0').unwrap_or(text.len());
        CString::new(&text[..end]).unwrap_or_default()
    };
    let (outcome, expected, got) = match &finding.outcome {
        Outcome::Kept => (RAFT_RULE_KEPT, "", ""),
        Outcome::NotChecked(reason) => (RAFT_RULE_NOT_CHECKED, "", *reason),
        Outcome::Broken { expected, got } => (RAFT_RULE_BROKEN, expected.as_str(), got.as_str()),
    };
    let texts = [finding.rule, finding.demand, expected, got].map(text);
    let [rule, demand, expected, got] = texts.each_ref().map(|text| text.as_ptr());
    let struct_size = size_of::<raft_storage_finding>();
    let finding = raft_storage_finding { struct_size, rule, demand, outcome, expected, got };
    if let Some(report) = report {
        // SAFETY: this function's contract; the texts outlive the call.
        unsafe { report(context, &raw const finding) }
    }
}

/// A copy of some bytes, known by raw pointers only: the host may still have one when it is wiped.
struct Lent(*mut [u8]);

impl Lent {
    fn new(bytes: &[u8]) -> Self {
        Self(Box::into_raw(bytes.into()))
    }

    fn slice(&self) -> raft_slice {
        raft_slice { data: self.0.cast(), len: self.0.len() }
    }

    fn wipe(&self) {
        // SAFETY: owned, as long as it says, and nobody has a reference to it.
        unsafe { self.0.cast::<u8>().write_bytes(0xdd, self.0.len()) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and is dropped once.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// The host's table, and what it was lent.
struct CheckedHost {
    table: raft_checked_storage,
    reads: HostStorage,
    /// What `persist` was given, wiped afterwards: a host that keeps the pointers instead of the bytes
    /// reads something else then, and that is found.
    lent: Vec<Lent>,
}

impl CheckedHost {
    /// # Safety
    /// `storage` is NULL or points to a `raft_checked_storage` of the size that it states, whose
    /// callbacks and `raft_storage` keep the contract in the header.
    unsafe fn read(storage: *const raft_checked_storage) -> Result<Self, Failure> {
        // SAFETY: the same contract.
        let table = unsafe { sized::read(storage, NO_STORAGE, "storage") }?;
        let given = [
            ("storage.reset", table.reset.is_some()),
            ("storage.persist", table.persist.is_some()),
            ("storage.compact", table.compact.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| !given) {
            return Err(Failure::argument(*name, "is NULL"));
        }
        // SAFETY: the same contract.
        let reads = unsafe { HostStorage::lent(table.storage, "storage.storage") }?;
        Ok(Self { table, reads, lent: Vec::new() })
    }

    /// After the host may have changed it.
    fn read_again(&mut self) -> Result<(), StorageError> {
        // SAFETY: `read` relied on the same, and the header demands it until the call returns.
        let reads = unsafe { HostStorage::lent(self.table.storage, "storage.storage") };
        self.reads = reads.map_err(|failure| StorageError::Contract(failure.to_string()))?;
        Ok(())
    }

    fn lend(&mut self, bytes: &[u8]) -> raft_slice {
        let copy = Lent::new(bytes);
        let slice = copy.slice();
        self.lent.push(copy);
        slice
    }
}

impl CheckedStorage for CheckedHost {
    fn reset(&mut self) -> Result<(), StorageError> {
        self.lent.clear();
        // SAFETY: the host's callback with the host's context.
        answer(unsafe { present(self.table.reset)?(self.table.context) })?;
        self.read_again()
    }

    fn persist(&mut self, write: &Write) -> Result<(), StorageError> {
        let known = self.lent.len();
        let lent = |host: &mut Self, entry: &Entry| raft_entry {
            data: host.lend(&entry.data),
            ..raft_entry::from(entry)
        };
        let entries: Vec<_> = write.entries.iter().map(|entry| lent(self, entry)).collect();
        let snapshot = write.snapshot.as_ref().map(|snapshot| {
            let data = self.lend(&snapshot.data);
            let encoded = self.lend(&wire::encode_snapshot(snapshot));
            (raft_snapshot { data, ..raft_snapshot::from(snapshot) }, encoded)
        });
        let hard_state = write.hard_state.map(raft_hard_state::from);
        let buffer = write.snapshot.clone().map(raft_snapshot_buffer::lent);
        let what = raft_persist {
            entries: entries.as_ptr(),
            entries_len: entries.len(),
            hard_state: hard_state.as_ref().map_or(ptr::null(), ptr::from_ref),
            snapshot: snapshot.as_ref().map_or(ptr::null(), |(snapshot, _)| ptr::from_ref(snapshot)),
            snapshot_encoded: snapshot.map_or(raft_slice::EMPTY, |(_, encoded)| encoded),
            must_sync: write.must_sync,
            snapshot_buffer: buffer.as_ref().map_or(ptr::null(), ptr::from_ref),
        };
        // SAFETY: the host's callback with the host's context; what it is shown outlives the call.
        let status = unsafe { present(self.table.persist)?(self.table.context, &raw const what) };
        self.lent.iter().skip(known).for_each(Lent::wipe);
        answer(status)
    }

    fn compact(&mut self, index: Index) -> Result<(), StorageError> {
        // SAFETY: the host's callback with the host's context.
        answer(unsafe { present(self.table.compact)?(self.table.context, index) })
    }

    fn reopen(&mut self, how: Reopen) -> Result<bool, StorageError> {
        let Some(reopen) = self.table.reopen else { return Ok(false) };
        let how = match how {
            Reopen::Closed => RAFT_REOPEN_CLOSED,
            Reopen::Crashed => RAFT_REOPEN_CRASHED,
        };
        // SAFETY: the host's callback with the host's context.
        match unsafe { reopen(self.table.context, how) } {
            RAFT_ERR_UNAVAILABLE => Ok(false),
            status => answer(status).and_then(|()| self.read_again()).map(|()| true),
        }
    }

    fn set_failing(&mut self, failing: bool) -> bool {
        // SAFETY: the host's callback with the host's context.
        self.table.set_failing.is_some_and(|fail| unsafe { fail(self.table.context, failing) } == 0)
    }
}

impl Storage for CheckedHost {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.reads.initial_state()
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> Result<Entries, StorageError> {
        self.reads.entries(low, high, max_bytes)
    }

    fn term(&self, index: Index) -> Result<Term, StorageError> {
        self.reads.term(index)
    }

    fn first_index(&self) -> Result<Index, StorageError> {
        self.reads.first_index()
    }

    fn last_index(&self) -> Result<Index, StorageError> {
        self.reads.last_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        self.reads.snapshot()
    }

    fn snapshot_for(&self, peer: NodeId) -> Result<Snapshot, StorageError> {
        self.reads.snapshot_for(peer)
    }
}
