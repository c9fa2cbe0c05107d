//! Snapshots: owned by the library, lent by the host, as bytes.

use bytes::Bytes;
use raftcore::{Message, Snapshot, wire};

use crate::args::{self, Buffer, Output};
use crate::handle;
use crate::status::raft_status;
use crate::types::{self, raft_slice, raft_snapshot};

/// A snapshot that the library owns, its data perhaps lent by the host. Does not change; any thread
/// may read it.
pub struct raft_snapshot_buffer {
    pub(crate) snapshot: Snapshot,
}

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
    handle::without_node(|| {
        // SAFETY: the header demands NULL or a live buffer, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            let snapshot = args::reference(buffer, "buffer")?.snapshot.clone();
            out.set(Box::into_raw(Box::new(raft_snapshot_buffer { snapshot })));
            Ok(())
        }
    })
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
    handle::without_node(|| {
        // SAFETY: the header demands a snapshot as long as it says, and room for the results.
        unsafe {
            let buffer = Buffer::new(buffer, capacity, needed)?;
            buffer.fill(&wire::encode_snapshot(&types::snapshot(snapshot)?))
        }
    })
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
    handle::without_node(|| {
        // SAFETY: the header demands bytes as long as they say, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            let bytes = args::copy(encoded, "encoded")?;
            let snapshot = wire::decode_snapshot(&bytes)?;
            out.set(Box::into_raw(Box::new(raft_snapshot_buffer { snapshot })));
            Ok(())
        }
    })
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
    handle::without_node(|| {
        // SAFETY: the header demands NULL or a live buffer, and room for the result.
        unsafe {
            let out = Output::required(out, "out")?;
            out.set((&args::reference(buffer, "buffer")?.snapshot).into());
            Ok(())
        }
    })
}

/// Frees a snapshot. NULL is allowed. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raft_snapshot_buffer_free(buffer: *mut raft_snapshot_buffer) {
    if !buffer.is_null() {
        // SAFETY: the header demands a buffer that was not freed; it came from `Box::into_raw`.
        drop(unsafe { Box::from_raw(buffer) });
    }
}
