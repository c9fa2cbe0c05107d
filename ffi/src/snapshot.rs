//! Snapshots: owned by the library, lent by the host, as bytes.

use bytes::Bytes;
use raftcore::{Message, Snapshot, wire};

use crate::args;
use crate::object::{self, Mark, object};
use crate::status::{Within, raft_status};
use crate::types::{self, raft_slice, raft_snapshot};

/// A snapshot that the library owns, its data perhaps lent by the host. Does not change; any thread
/// may read it.
pub struct raft_snapshot_buffer {
    mark: Mark,
    pub(crate) snapshot: Snapshot,
}

object!(raft_snapshot_buffer, 0x54a9_0706, "snapshot");

/// A snapshot to be sent to a peer (raft_config.lend_snapshots): a message without the snapshot's
/// data, and the snapshot. Bring both to the peer, the data by whatever way suits it, and call
/// raft_step_snapshot there. Report its fate with raft_report_snapshot.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct raft_snapshot_message {
    /// The node that shall get it.
    pub to: u64,
    /// The message without the data. Borrowed from whoever hands out the struct.
    pub message: raft_slice,
    /// The snapshot; see raft_snapshot_buffer_view. Borrowed as well: to send it beyond that, use
    /// raft_snapshot_buffer_share.
    pub snapshot: *const raft_snapshot_buffer,
}

impl raft_snapshot_buffer {
    /// For the host to free.
    pub(crate) fn owned(snapshot: Snapshot) -> Self {
        Self { mark: Mark::owned::<Self>(), snapshot }
    }

    /// For a view: only shown.
    pub(crate) fn lent(snapshot: Snapshot) -> Self {
        Self { mark: Mark::lent::<Self>(), snapshot }
    }

    /// The snapshot without its data: what is sent and stored as bytes if the data is lent.
    pub(crate) fn without_data(snapshot: &Snapshot) -> Snapshot {
        Snapshot { data: Bytes::new(), ..snapshot.clone() }
    }
}

/// The message that brings a snapshot whose data goes another way.
pub(crate) fn bare_message(message: &Message, snapshot: &Snapshot) -> Message {
    let body = raftcore::Body::Snapshot(Box::new(raft_snapshot_buffer::without_data(snapshot)));
    Message { body, ..*message }
}

/// Makes a further owner of a snapshot, without copying its data. `buffer` and `out` are not NULL; on
/// success `*out` is to be freed with raft_snapshot_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_buffer_share(
    buffer: *const raft_snapshot_buffer,
    out: *mut *mut raft_snapshot_buffer,
) -> raft_status {
    // SAFETY: the header demands NULL or a live buffer, and room for the result.
    unsafe {
        object::give(out, || {
            Ok(raft_snapshot_buffer::owned(object::live(buffer, "buffer")?.snapshot.clone()))
        })
    }
}

/// Encodes a snapshot with its metadata for storing. As raft_conf_state_encode.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_encode(
    snapshot: *const raft_snapshot,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands a snapshot as long as it says, and room for the results.
    unsafe {
        object::encode(buffer, capacity, needed, || {
            Ok(wire::encode_snapshot(&types::snapshot(snapshot).within("snapshot")?))
        })
    }
}

/// Decodes a snapshot that raft_snapshot_encode or raft_ready_view.snapshot_encoded gave. `encoded`
/// is borrowed during the call. `out` is not NULL; on success `*out` is to be freed with
/// raft_snapshot_buffer_free.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_decode(
    encoded: raft_slice,
    out: *mut *mut raft_snapshot_buffer,
) -> raft_status {
    // SAFETY: the header demands bytes as long as they say, and room for the result.
    unsafe {
        object::give(out, || {
            let snapshot = wire::decode_snapshot(&args::copy(encoded, "encoded")?)?;
            Ok(raft_snapshot_buffer::owned(snapshot))
        })
    }
}

/// Shows a snapshot. `buffer` and `out` are not NULL; what `*out` points to lives as long as the
/// buffer.
///
/// Any thread. Errors: RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_snapshot_buffer_view(
    buffer: *const raft_snapshot_buffer,
    out: *mut raft_snapshot,
) -> raft_status {
    // SAFETY: the header demands NULL or a live buffer, and room for the result.
    unsafe { object::show(buffer, out, |buffer| (&buffer.snapshot).into()) }
}

/// Frees a snapshot. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_snapshot_buffer_free(buffer: *mut raft_snapshot_buffer) {
    // SAFETY: the header demands NULL or a buffer that nobody uses any more.
    unsafe { object::free(buffer) }
}
