//! Where storage callbacks put what they read.

use std::ffi::c_void;

use raftcore::{ConfState, Entry, Index, Snapshot, wire};

use crate::args;
use crate::handle;
use crate::lend::Release;
use crate::status::{Failure, Within, raft_status};
use crate::types::{self, raft_conf_state, raft_entry, raft_slice, raft_snapshot};

/// Takes the entries that raft_storage.entries answers. Valid during that callback only.
pub struct raft_entry_sink {
    pub(crate) entries: Vec<Entry>,
    low: Index,
    high: Index,
    max_bytes: u64,
    bytes: u64,
    pub(crate) full: bool,
}

/// Takes the membership that raft_storage.initial_state answers. Valid during that callback only.
pub struct raft_conf_state_sink {
    pub(crate) state: ConfState,
}

/// Takes the snapshot that raft_storage.snapshot answers. Valid during that callback only.
pub struct raft_snapshot_sink {
    pub(crate) snapshot: Option<Snapshot>,
}

/// Hands one entry over; the sink copies it. For raft_storage.entries, which pushes entries from
/// `low` on, one after the other.
///
/// `sink` and `entry` are not NULL. Errors: RAFT_ERR_TOO_LARGE if the entry does not fit max_bytes
/// any more: it was not taken; stop, and return RAFT_OK from the callback.
/// RAFT_ERR_INVALID_ARGUMENT if it is not the next one, or not an entry.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_entry_sink_push(
    sink: *mut raft_entry_sink,
    entry: *const raft_entry,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: the header demands that both are NULL or valid, and that the sink is the one that
        // the running callback got; nobody else uses it until that callback returns.
        let (sink, entry) = unsafe { (sink.as_mut(), args::reference(entry, "entry")?) };
        let sink = sink.ok_or_else(|| Failure::argument("sink", "is NULL"))?;
        // SAFETY: the header demands that the payload is as long as the entry says.
        sink.push(unsafe { entry.to_entry() }.within("entry")?)
    })
}

impl raft_entry_sink {
    /// For entries `low..high`.
    pub(crate) fn new(low: Index, high: Index, max_bytes: u64) -> Self {
        let room = high.saturating_sub(low).min(64) as usize;
        Self { entries: Vec::with_capacity(room), low, high, max_bytes, bytes: 0, full: false }
    }

    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Failure> {
        let bytes = self.bytes.saturating_add(entry.encoded_len());
        if self.full || (bytes > self.max_bytes && !self.entries.is_empty()) {
            self.full = true;
            return Err(Failure::TooLarge { needed: usize::try_from(bytes).unwrap_or(usize::MAX) });
        }
        let next = self.low + self.entries.len() as u64;
        if entry.id.index != next || next >= self.high {
            let problem = format!("is {}, expected {next} (below {})", entry.id.index, self.high);
            return Err(Failure::argument("entry.index", problem));
        }
        self.bytes = bytes;
        self.entries.push(entry);
        Ok(())
    }
}

/// Hands the membership over; the sink copies it. For raft_storage.initial_state.
///
/// `sink` and `state` are not NULL. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_sink_set(
    sink: *mut raft_conf_state_sink,
    state: *const raft_conf_state,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: as in `raft_entry_sink_push`.
        let (sink, state) = unsafe { (sink.as_mut(), types::conf_state(state).within("state")?) };
        sink.ok_or_else(|| Failure::argument("sink", "is NULL"))?.state = state;
        Ok(())
    })
}

/// Hands the membership over in the form that raft_conf_state_encode gave. For
/// raft_storage.initial_state.
///
/// `sink` is not NULL; `encoded` is borrowed during the call. Errors: RAFT_ERR_INVALID_ARGUMENT,
/// RAFT_ERR_DECODE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_conf_state_sink_set_encoded(
    sink: *mut raft_conf_state_sink,
    encoded: raft_slice,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: as in `raft_entry_sink_push`.
        let (sink, encoded) = unsafe { (sink.as_mut(), args::bytes(encoded, "encoded")?) };
        let sink = sink.ok_or_else(|| Failure::argument("sink", "is NULL"))?;
        sink.state = wire::decode_conf_state(encoded)?;
        Ok(())
    })
}

/// Hands the snapshot over; the sink copies it. For raft_storage.snapshot.
///
/// `sink` and `snapshot` are not NULL. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_sink_set(
    sink: *mut raft_snapshot_sink,
    snapshot: *const raft_snapshot,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: as in `raft_entry_sink_push`.
        let (sink, snapshot) = unsafe { (sink.as_mut(), types::snapshot(snapshot).within("snapshot")?) };
        sink.ok_or_else(|| Failure::argument("sink", "is NULL"))?.snapshot = Some(snapshot);
        Ok(())
    })
}

/// Hands the snapshot over without copying its data: snapshot->data must stay as it is until
/// `release(context)` is called, exactly once, by any thread, whatever this function answers.
/// `release` is not NULL, and must not call the library. For raft_storage.snapshot. A snapshot that is
/// sent is copied into the message all the same, unless raft_config.lend_snapshots.
///
/// `sink` and `snapshot` are not NULL. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_sink_set_owned(
    sink: *mut raft_snapshot_sink,
    snapshot: *const raft_snapshot,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
) -> raft_status {
    let release = Release::new(release, context);
    handle::without_node(|| {
        let release = release?;
        // SAFETY: as in `raft_entry_sink_push`, and the data stays as it is until the release.
        let (sink, snapshot) =
            unsafe { (sink.as_mut(), types::snapshot_owned(snapshot, release).within("snapshot")?) };
        sink.ok_or_else(|| Failure::argument("sink", "is NULL"))?.snapshot = Some(snapshot);
        Ok(())
    })
}

/// Hands the snapshot over in its encoded form (raft_snapshot_encode, or
/// raft_ready_view.snapshot_encoded). For raft_storage.snapshot.
///
/// `sink` is not NULL; `encoded` is borrowed during the call. Errors: RAFT_ERR_INVALID_ARGUMENT,
/// RAFT_ERR_DECODE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_sink_set_encoded(
    sink: *mut raft_snapshot_sink,
    encoded: raft_slice,
) -> raft_status {
    handle::without_node(|| {
        // SAFETY: as in `raft_entry_sink_push`.
        let (sink, encoded) = unsafe { (sink.as_mut(), args::copy(encoded, "encoded")?) };
        let sink = sink.ok_or_else(|| Failure::argument("sink", "is NULL"))?;
        sink.snapshot = Some(wire::decode_snapshot(&encoded)?);
        Ok(())
    })
}
