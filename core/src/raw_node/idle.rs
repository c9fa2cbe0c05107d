//! Ticks of a node that has nothing to do.

/// Counts ticks in which nothing happens, apart from the node, whose memory then is not touched: a process may
/// have to give a tick to many thousands of idle nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct IdleTicks {
    /// How many more may pass before the node has to look.
    left: u32,
    /// How many have passed that the node does not know of.
    passed: u32,
}

impl IdleTicks {
    /// Counts a tick. False, and not counted, if the node has to see to it.
    #[inline]
    pub(super) fn count(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        self.passed += 1;
        true
    }

    /// Lets so many ticks pass by the node, from now on.
    pub(super) fn allow(&mut self, ticks: u32) {
        *self = Self { left: ticks, passed: 0 };
    }

    /// The ticks that the node does not know of, and no more of them: something happens to the node now.
    pub(super) fn end(&mut self) -> u32 {
        std::mem::take(self).passed
    }
}
