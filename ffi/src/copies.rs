//! Copies of what the host passes: few allocations, and none where nothing is kept.

use bytes::{Bytes, BytesMut};
use raftcore::{Message, wire};

use crate::args;
use crate::status::Failure;

/// Copies the payloads of proposals, many of them into one block of memory.
///
/// A block lives as long as the last of its payloads. None is larger than what was proposed since work
/// was taken last, or between the two times before, and none is begun in one period and filled in
/// another: so all blocks together take at most twice as much as the payloads, one payload keeps at most
/// [`Self::LARGEST`] bytes, and a node without proposals has no block.
#[derive(Default)]
pub(crate) struct Payloads {
    block: BytesMut,
    /// Bytes copied since work was taken last.
    now: usize,
    /// The same, of the period before.
    before: usize,
}

impl Payloads {
    /// Bytes of a block.
    pub(crate) const LARGEST: usize = 64 << 10;

    /// A copy of `data`, which is not larger than [`Self::LARGEST`].
    pub(crate) fn copy(&mut self, data: &[u8]) -> Bytes {
        if data.is_empty() {
            return Bytes::new();
        }
        let block = self.now.max(self.before).min(Self::LARGEST);
        self.now = self.now.saturating_add(data.len());
        if data.len() > self.block.capacity() {
            if data.len() >= block {
                return Bytes::copy_from_slice(data);
            }
            self.block = BytesMut::with_capacity(block);
        }
        self.block.extend_from_slice(data);
        self.block.split().freeze()
    }

    /// Whether there is no block, and nothing was proposed lately.
    pub(crate) fn is_empty(&self) -> bool {
        self.block.capacity() == 0 && self.now == 0
    }

    /// Work is taken: what is proposed from here on belongs to the next.
    pub(crate) fn end_period(&mut self) {
        self.block = BytesMut::new();
        self.before = std::mem::take(&mut self.now);
    }
}

/// Decodes a message that is only borrowed. It is copied, in one piece, if any part of it is kept.
pub(crate) fn decode(message: &[u8]) -> Result<Message, Failure> {
    let mut copy = None;
    let decoded = wire::decode_with(message, |part| {
        if part.is_empty() {
            return Bytes::new();
        }
        let at = part.as_ptr().addr() - message.as_ptr().addr();
        match copy.get_or_insert_with(|| args::owned(message)) {
            Ok(copy) => copy.slice(at..at + part.len()),
            Err(_) => Bytes::new(),
        }
    });
    copy.transpose()?;
    Ok(decoded?)
}

#[cfg(test)]
mod tests {
    use raftcore::{Append, AppendReply, Body, Entry};

    use super::*;

    fn period(payloads: &mut Payloads, sizes: &[usize]) -> Vec<Bytes> {
        let copies = sizes.iter().map(|&size| {
            let data: Vec<u8> = (0..size).map(|at| (at * 7 + size) as u8).collect();
            let copy = payloads.copy(&data);
            assert_eq!(copy, data);
            copy
        });
        let copies = copies.collect();
        payloads.end_period();
        copies
    }

    fn are_together(copies: &[Bytes]) -> bool {
        copies.windows(2).all(|pair| pair[0].as_ptr_range().end == pair[1].as_ptr())
    }

    #[test]
    fn payloads_of_a_period_share_a_block() {
        let mut payloads = Payloads::default();
        let sizes: Vec<_> = (0..100).map(|at| 100 + at).collect();
        assert!(!are_together(&period(&mut payloads, &sizes)));
        assert!(are_together(&period(&mut payloads, &sizes)));
        assert!(are_together(&period(&mut payloads, &sizes[..10])));
    }

    #[test]
    fn a_block_is_never_larger_than_what_a_period_brings() {
        let mut payloads = Payloads::default();
        for sizes in [&[40_000, 40_000, 10, 20_000, 65_000, 1, 2][..], &[5], &[6, 7], &[0, 0], &[9, 9, 9]] {
            let brought = sizes.iter().sum::<usize>().max(payloads.before);
            for &size in sizes {
                let _ = payloads.copy(&vec![1; size]);
                assert!(payloads.block.capacity() <= brought.min(Payloads::LARGEST));
            }
            payloads.end_period();
            assert_eq!(payloads.block.capacity(), 0);
        }
    }

    #[test]
    fn a_message_is_copied_only_if_it_has_something_to_keep() {
        let entries = ["abc", "", "defg"].map(Entry::normal).to_vec();
        let append = Append { entries: entries.into(), ..Append::default() };
        let reply = AppendReply { index: 7, reject: None };
        for body in [Body::Append(append), Body::AppendReply(reply)] {
            let message = Message { from: 1, to: 2, term: 3, body };
            let mut bytes = Vec::new();
            wire::encode(&message, &mut bytes);
            let decoded = decode(&bytes).unwrap();
            bytes.fill(0);
            assert_eq!(decoded, message);
        }
        assert!(decode(b"garbage").is_err());
    }
}
