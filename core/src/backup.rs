//! A copy of a group's state outside of the group, and a new group from it.
//!
//! A backup is a snapshot in a frame that says what it is and notices damage:
//!
//! ```text
//! 0   "raftbkup"
//! 8   version, 1          (u32)
//! 12  checksum            (u32, CRC-32 as of zlib, of everything behind it)
//! 16  length of the rest  (u64)
//! 24  the snapshot        (raftpb Snapshot)
//! ```
//!
//! Numbers are little-endian. The snapshot has the host's data, the last entry that it covers, and the
//! membership there.

use bytes::Bytes;

use crate::error::{ConfChangeError, DecodeError, Error, RecoveryError};
use crate::membership::{ConfState, Configuration};
use crate::message::Snapshot;
use crate::storage::check::Write;
use crate::types::{EntryId, HardState, MAX_INDEX, MAX_TERM};
use crate::wire;

const MAGIC: &[u8; 8] = b"raftbkup";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 24;

/// The bytes of a backup of what `snapshot` holds: the latest one of a storage, or one that was made of
/// the state machine for this.
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let body = wire::encode_snapshot(snapshot);
    let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&body);
    let checksum = crc32(bytes.get(16..).unwrap_or_default());
    if let Some(place) = bytes.get_mut(12..16) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

/// What a backup holds; the data shares its memory. [`DecodeError`] if the bytes are not a backup, of a
/// later version, or damaged in any place.
pub fn decode(backup: &Bytes) -> Result<Snapshot, DecodeError> {
    let invalid = |text| Err(DecodeError::Invalid(text));
    let Some((header, body)) = backup.split_first_chunk::<HEADER_LEN>() else {
        return invalid("a backup is longer");
    };
    let (magic, numbers) = header.split_at(8);
    let (version, numbers) = numbers.split_at(4);
    let (checksum, length) = numbers.split_at(4);
    if magic != MAGIC {
        return invalid("it is not a backup");
    }
    if version != VERSION.to_le_bytes() {
        return invalid("a backup of a version that is not known here");
    }
    if length != (body.len() as u64).to_le_bytes() {
        return invalid("the backup is cut off, or something follows it");
    }
    if checksum != crc32(backup.get(16..).unwrap_or_default()).to_le_bytes() {
        return invalid("the backup is damaged: its checksum does not fit");
    }
    wire::decode_snapshot(&backup.slice(HEADER_LEN..))
}

/// What each first member of a new group writes into its empty storage: the state of a backup, at the
/// place in the log where it was, with the members of the new group. The same on all of them. The new
/// group has an id of its own, and its nodes have ids that the old one never had.
///
/// [`Error::Decode`] as [`decode`]; [`Error::Recovery`] or [`Error::ConfChange`] if nobody can begin with
/// such members.
pub fn restore(backup: &Bytes, members: ConfState) -> Result<Write, Error> {
    found_group(decode(backup)?, members)
}

/// The same from a snapshot that came in another way.
pub fn found_group(snapshot: Snapshot, members: ConfState) -> Result<Write, Error> {
    let configuration = Configuration::restore(&members)?;
    if configuration.is_joint() {
        return Err(Error::Recovery(RecoveryError::JointMembership));
    }
    if members.voters.is_empty() {
        return Err(Error::ConfChange(ConfChangeError::NoVoters));
    }
    let snapshot = Snapshot { conf_state: members, ..snapshot };
    let EntryId { term, index } = snapshot.id;
    if !(1..=MAX_TERM).contains(&term) || !(1..=MAX_INDEX).contains(&index) {
        return Err(DecodeError::Invalid("the backup is of no place in a log").into());
    }
    let hard_state = HardState { term: snapshot.id.term, vote: 0, commit: snapshot.id.index };
    Ok(Write { snapshot: Some(snapshot), entries: Vec::new(), hard_state: Some(hard_state), must_sync: true })
}

/// CRC-32 with the polynomial of IEEE 802.3, as zlib computes it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let place = (sum as u8 ^ byte) as usize;
        TABLE.get(place).copied().unwrap_or_default() ^ (sum >> 8)
    };
    !bytes.iter().fold(!0, step)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        let mut value = place as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[place] = value;
        place += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
