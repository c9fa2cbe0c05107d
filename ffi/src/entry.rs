//! Entries by themselves: their encoding, and its size.

use raftcore::wire;

use crate::args::{self, Output};
use crate::door;
use crate::lend::Release;
use crate::object;
use crate::status::{Within, raft_status};
use crate::types::{raft_entry, raft_slice};

/// Encodes an entry: a form to store, the same as inside messages.
///
/// `entry` is not NULL. `buffer` has room for `capacity` bytes, and may be NULL if that is 0. `needed`
/// may be NULL; it is set to the size of the encoding also if that exceeds `capacity`.
///
/// Any thread. Errors: RAFT_ERR_TOO_LARGE (nothing but `*needed` was written),
/// RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_entry_encode(
    entry: *const raft_entry,
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
) -> raft_status {
    // SAFETY: the header demands an entry with a payload as long as it says, and room for the results.
    unsafe {
        object::encode(buffer, capacity, needed, || {
            let mut bytes = Vec::new();
            wire::encode_entry(&args::reference(entry, "entry")?.to_entry().within("entry")?, &mut bytes);
            Ok(bytes)
        })
    }
}

/// Decodes an entry. `out` is not NULL; on success out->data points into `encoded`, and lives as long.
///
/// Any thread. Errors: RAFT_ERR_DECODE, RAFT_ERR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_entry_decode(encoded: raft_slice, out: *mut raft_entry) -> raft_status {
    door::without_node(|| {
        // SAFETY: the header demands bytes as long as they say, and room for the result. The bytes
        // are lent for this call only; the payload's place in them is what remains of it.
        unsafe {
            let out = Output::required(out, "out")?;
            let bytes = Release::none().lend(encoded, "encoded")?;
            let entry = wire::decode_entry(&bytes)?;
            out.set(raft_entry::from(&entry));
            Ok(())
        }
    })
}

/// How many of the first `len` entries fit `max_bytes` of encoded size; at least one if there is one.
/// What raft_storage.entries may answer with, and what all limits on log data count. 0 for NULL.
///
/// `entries` points to `len` entries. Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_entries_fitting(
    entries: *const raft_entry,
    len: usize,
    max_bytes: u64,
) -> usize {
    let mut count = 0;
    let _ = door::without_node(|| {
        // SAFETY: the header demands `len` entries.
        let entries = unsafe { args::array(entries, len, "entries") }?;
        let mut size = 0u64;
        let fits = |entry: &&raft_entry| {
            size = size.saturating_add(encoded_len(entry));
            size <= max_bytes
        };
        count = entries.iter().take_while(fits).count().max(usize::from(len > 0));
        Ok(())
    });
    count
}

/// Bytes of an entry's encoding, the unit of all limits on log data. 0 for NULL.
///
/// `entry` is NULL or an entry; its payload is not read. Any thread.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raft_entry_encoded_len(entry: *const raft_entry) -> u64 {
    let mut len = 0;
    let _ = door::without_node(|| {
        // SAFETY: the header demands NULL or an entry.
        len = encoded_len(unsafe { args::reference(entry, "entry") }?);
        Ok(())
    });
    len
}

/// Without the payload: only its length counts.
fn encoded_len(entry: &raft_entry) -> u64 {
    let bare = raft_entry { data: raft_slice::EMPTY, ..*entry };
    // SAFETY: there is no payload to read.
    let bare = unsafe { bare.to_entry() }.map_or(0, |entry| entry.encoded_len());
    match entry.data.len as u64 {
        0 => bare,
        len => bare + 1 + varint_len(len) + len,
    }
}

/// Bytes that `value` takes as a protobuf varint.
fn varint_len(value: u64) -> u64 {
    u64::from((64 - (value | 1).leading_zeros()).div_ceil(7))
}

#[cfg(test)]
mod tests {
    use raftcore::{Bytes, Entry, EntryId, EntryKind};

    use super::*;

    #[test]
    fn sizes_are_those_of_the_core() {
        for len in [0usize, 1, 127, 128, 16_383, 16_384, 70_000] {
            for (kind, index) in [(EntryKind::Normal, 1), (EntryKind::ConfChangeV2, u64::MAX)] {
                let entry = Entry::new(EntryId::new(300, index), kind, Bytes::from(vec![7; len]));
                assert_eq!(encoded_len(&raft_entry::from(&entry)), entry.encoded_len());
            }
        }
        assert_eq!(encoded_len(&raft_entry::from(&Entry::refused())), Entry::refused().encoded_len());
    }
}
