//! Where storage callbacks put what they read.

use std::ffi::c_void;

use raftcore::{ConfState, Entry, Index, Snapshot, StorageError, wire};

use crate::args;
use crate::door;
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
    pub(crate) refusal: Refusal,
}

/// Takes the membership that raft_storage.initial_state answers. Valid during that callback only.
#[derive(Default)]
pub struct raft_conf_state_sink {
    pub(crate) state: ConfState,
    pub(crate) refusal: Refusal,
}

/// Takes the snapshot that raft_storage.snapshot answers. Valid during that callback only.
#[derive(Default)]
pub struct raft_snapshot_sink {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) refusal: Refusal,
}

/// Why a sink did not take what it was given last. The callback that used it only passes a status on, and
/// may forget that too.
#[derive(Default)]
pub(crate) struct Refusal(Option<String>);

impl Refusal {
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// `text`, and why the sink refused what it got.
    pub(crate) fn appended_to(&self, text: String) -> String {
        self.0.as_ref().map_or(text.clone(), |why| format!("{text}; the sink refused what it got: {why}"))
    }

    /// The host broke the contract, and why that may be.
    pub(crate) fn explain(&self, problem: String) -> StorageError {
        StorageError::Contract(self.appended_to(problem))
    }
}

/// A sink that remembers what it refused.
trait Sink {
    fn refusal(&mut self) -> &mut Refusal;
}

macro_rules! remembers {
    ($($sink:ident),*) => {
        $(impl Sink for $sink {
            fn refusal(&mut self) -> &mut Refusal {
                &mut self.refusal
            }
        })*
    };
}

remembers!(raft_entry_sink, raft_conf_state_sink, raft_snapshot_sink);

/// Puts something into a sink. A sink that is full has refused nothing: that is how it says so.
///
/// # Safety
/// `sink` is NULL or the one that the running callback got; nobody else uses it until that returns.
unsafe fn put<S: Sink>(sink: *mut S, put: impl FnOnce(&mut S) -> Result<(), Failure>) -> raft_status {
    door::without_node(|| {
        // SAFETY: the same contract.
        let sink = unsafe { sink.as_mut() }.ok_or_else(|| Failure::argument("sink", "is NULL"))?;
        let result = put(sink);
        sink.refusal().0 = match &result {
            Ok(()) | Err(Failure::TooLarge { .. }) => None,
            Err(failure) => Some(failure.to_string()),
        };
        result
    })
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
    // SAFETY: the header demands that both are NULL or valid, that the sink is the one that the running
    // callback got, and that the payload is as long as the entry says.
    unsafe { put(sink, |sink| sink.push(args::reference(entry, "entry")?.to_entry().within("entry")?)) }
}

impl raft_entry_sink {
    /// For entries `low..high`.
    pub(crate) fn new(low: Index, high: Index, max_bytes: u64) -> Self {
        let room = high.saturating_sub(low).min(64) as usize;
        Self {
            entries: Vec::with_capacity(room),
            low,
            high,
            max_bytes,
            bytes: 0,
            full: false,
            refusal: Refusal::default(),
        }
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
    // SAFETY: as in `raft_entry_sink_push`.
    unsafe {
        put(sink, |sink| {
            sink.state = types::conf_state(state).within("state")?;
            Ok(())
        })
    }
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
    // SAFETY: as in `raft_entry_sink_push`.
    unsafe {
        put(sink, |sink| {
            sink.state = wire::decode_conf_state(args::bytes(encoded, "encoded")?)?;
            Ok(())
        })
    }
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
    // SAFETY: as in `raft_entry_sink_push`.
    unsafe {
        put(sink, |sink| {
            sink.snapshot = Some(types::snapshot(snapshot).within("snapshot")?);
            Ok(())
        })
    }
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
    // SAFETY: as in `raft_entry_sink_push`, and the data stays as it is until the release.
    unsafe {
        put(sink, |sink| {
            sink.snapshot = Some(types::snapshot_owned(snapshot, release?).within("snapshot")?);
            Ok(())
        })
    }
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
    // SAFETY: as in `raft_entry_sink_push`.
    unsafe {
        put(sink, |sink| {
            sink.snapshot = Some(wire::decode_snapshot(&args::copy(encoded, "encoded")?)?);
            Ok(())
        })
    }
}
