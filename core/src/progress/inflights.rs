//! The window of Appends on their way to one member, bounded by count and by bytes.

use std::collections::VecDeque;

use crate::types::Index;

#[derive(Clone, Debug)]
pub(crate) struct Inflights {
    /// Last index and payload bytes of each Append, oldest first.
    window: VecDeque<(Index, u64)>,
    bytes: u64,
    max_bytes: u64,
    max_messages: u32,
}

impl Inflights {
    pub(crate) fn new(max_messages: u32, max_bytes: u64) -> Self {
        Self { window: VecDeque::new(), bytes: 0, max_bytes, max_messages }
    }

    pub(crate) fn len(&self) -> usize {
        self.window.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last index of each Append, oldest first.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Index> {
        self.window.iter().map(|(last_index, _)| *last_index)
    }

    /// Whether the window is within its limits, as [`Self::is_full`] has them, and its bytes add up.
    pub(crate) fn is_bounded(&self) -> bool {
        let bytes: u64 = self.window.iter().map(|(_, bytes)| bytes).sum();
        let last = self.window.back().map_or(0, |(_, bytes)| *bytes);
        self.window.len() <= self.max_messages as usize
            && self.bytes == bytes
            && (bytes == 0 || bytes - last < self.max_bytes)
    }

    /// Full also when the last Append went beyond the bytes: one is let through whatever its size.
    pub(crate) fn is_full(&self) -> bool {
        self.window.len() >= self.max_messages as usize || self.bytes >= self.max_bytes
    }

    /// Notes an Append. The caller has asked [`Self::is_full`].
    pub(crate) fn add(&mut self, last_index: Index, bytes: u64) {
        debug_assert!(!self.is_full(), "an Append beyond the window");
        self.window.push_back((last_index, bytes));
        self.bytes += bytes;
    }

    /// Everything up to `index` has arrived.
    pub(crate) fn free_up_to(&mut self, index: Index) {
        while let Some((last_index, bytes)) = self.window.front().copied() {
            if last_index > index {
                break;
            }
            self.window.pop_front();
            self.bytes -= bytes;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.window.clear();
        self.bytes = 0;
    }
}
