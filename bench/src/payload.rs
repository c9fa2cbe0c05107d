//! What is proposed, and how it is recognised when it is applied.
//!
//! Payloads are made before the clock starts, a lap of them at a time, as slices of one buffer: as a host has
//! them that reads requests from a socket. No two payloads of a run are alike.

use bytes::{Bytes, BytesMut};

use crate::Failure;

/// Shorter payloads have no room for their number.
pub(crate) const MIN_LEN: usize = 8;

/// Mixes a number well (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Payloads number `first..first + count`. Each begins with its number; the rest follows from it.
pub(crate) fn lap(first: u64, count: usize, len: usize) -> Vec<Bytes> {
    let mut buffer = BytesMut::with_capacity(count * len);
    for number in first..first + count as u64 {
        let end = buffer.len() + len;
        buffer.extend_from_slice(&number.to_le_bytes());
        let mut word = number;
        while buffer.len() < end {
            word = mix(word);
            let bytes = word.to_le_bytes();
            let room = (end - buffer.len()).min(bytes.len());
            buffer.extend_from_slice(&bytes[..room]);
        }
    }
    let buffer = buffer.freeze();
    (0..count).map(|i| buffer.slice(i * len..(i + 1) * len)).collect()
}

/// How much of each payload is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The first and the last eight bytes: costs next to nothing, and tells any two payloads apart.
    Ends,
    /// All of it.
    All,
}

/// The sequence that a node has applied so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    look: Look,
    hash: u64,
    /// How many payloads.
    pub(crate) count: u64,
    /// Index of the last entry, payload or not.
    pub(crate) index: u64,
}

impl Sequence {
    /// Nothing applied yet; the next entry is the one after `index`.
    pub(crate) fn new(look: Look, index: u64) -> Self {
        Self { look, hash: 0, count: 0, index }
    }

    /// The next entry. Those without a payload (a term starts with one) leave no trace but their index.
    pub(crate) fn apply(&mut self, index: u64, payload: &[u8]) -> Result<(), Failure> {
        if index != self.index + 1 {
            return Err(format!("entry {index} was applied after entry {}", self.index).into());
        }
        self.index = index;
        self.add(payload);
        Ok(())
    }

    /// The next payload.
    pub(crate) fn add(&mut self, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        self.count += 1;
        self.fold(payload.len() as u64);
        match self.look {
            Look::Ends => {
                self.fold(
                    payload.first_chunk().map_or_else(|| short(payload), |first| u64::from_le_bytes(*first)),
                );
                self.fold(
                    payload.last_chunk().map_or_else(|| short(payload), |last| u64::from_le_bytes(*last)),
                );
            }
            Look::All => {
                let words = payload.chunks_exact(8);
                self.fold(short(words.remainder()));
                words.for_each(|word| self.fold(short(word)));
            }
        }
    }

    fn fold(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// Whether the same payloads were applied in the same order.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.count, self.hash) == (other.count, other.hash)
    }
}

/// Up to eight bytes as a number.
fn short(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(look: Look, payloads: &[Bytes]) -> Sequence {
        let mut sequence = Sequence::new(look, 1);
        for (i, payload) in payloads.iter().enumerate() {
            sequence.apply(2 + i as u64, payload).unwrap();
        }
        sequence
    }

    #[test]
    fn a_lost_a_doubled_a_swapped_and_a_damaged_payload_show() {
        let good = lap(7, 5, 24);
        assert_eq!(good, [lap(7, 2, 24), lap(9, 3, 24)].concat());
        let lost = good[..4].to_vec();
        let doubled = [&good[..], &good[4..]].concat();
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        let mut damaged = good.clone();
        let mut bytes = damaged[3].to_vec();
        bytes[23] ^= 1;
        damaged[3] = bytes.into();
        for look in [Look::Ends, Look::All] {
            assert!(sequence(look, &good).is_same(&sequence(look, &good)));
            for bad in [&lost, &doubled, &swapped, &damaged] {
                assert!(!sequence(look, &good).is_same(&sequence(look, bad)));
            }
        }
        let mut middle = good.clone();
        let mut bytes = middle[3].to_vec();
        bytes[12] ^= 1;
        middle[3] = bytes.into();
        assert!(!sequence(Look::All, &good).is_same(&sequence(Look::All, &middle)));
    }

    #[test]
    fn a_gap_is_an_error() {
        let mut sequence = Sequence::new(Look::Ends, 1);
        assert!(sequence.apply(3, b"").is_err());
    }
}
