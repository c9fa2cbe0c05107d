//! Choices made by the input's bytes.

use raftcore::Bytes;

/// The rest of the input. At its end every choice is the first one.
pub(crate) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn choose<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        const { assert!(N > 0 && N < 256) };
        items[usize::from(self.below(N as u8))]
    }

    /// Up to `len` bytes, fewer at the end.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let taken = self.take(8);
        bytes[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(bytes)
    }

    /// A payload of at most a few bytes, seldom of a few hundred.
    pub(crate) fn payload(&mut self) -> Bytes {
        let len = self.byte();
        let fill = self.byte();
        match len {
            0..=239 => Bytes::from(vec![fill; usize::from(len % 8)]),
            _ => Bytes::from(vec![fill; usize::from(len - 239) * 50]),
        }
    }

    /// A number that is likely to matter where `base` does: near it, small, or at an edge.
    pub(crate) fn near(&mut self, base: u64) -> u64 {
        match self.byte() {
            choice @ 0..=159 => base.saturating_add(u64::from(choice % 8)).saturating_sub(3),
            choice @ 160..=239 => u64::from(choice % 16),
            240 => u64::MAX,
            241 => u64::MAX - 1,
            242 => 1 << 63,
            243 => i64::MAX as u64,
            244 => 1 << 32,
            245..=247 => u64::MAX - u64::from(self.byte()),
            _ => self.u64(),
        }
    }
}
