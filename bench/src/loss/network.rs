//! Which messages are lost.

use crate::payload::mix;

/// Links that lose messages. Message number `n` from `a` to `b` is lost or not for every implementation: it depends on
/// the seed and these numbers only.
#[derive(Debug)]
pub(super) struct Network {
    seed: u64,
    nodes: u64,
    loss_percent: u64,
    /// How many messages each link was given so far.
    sent: Vec<u64>,
}

impl Network {
    pub(super) fn new(seed: u64, nodes: u64, loss_percent: u64) -> Self {
        Self { seed, nodes, loss_percent, sent: vec![0; (nodes * nodes) as usize] }
    }

    /// Whether the next message of a link is lost; nodes are counted from 0.
    pub(super) fn loses(&mut self, from: u64, to: u64) -> bool {
        let link = from * self.nodes + to;
        let number = &mut self.sent[link as usize];
        *number += 1;
        mix(mix(mix(self.seed) ^ link) ^ *number) % 100 < self.loss_percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same is in interop/go/cmd/bench.
    #[test]
    fn the_schedule_is_fixed() {
        let mut network = Network::new(7, 3, 30);
        let lost: Vec<_> = (1..=40).filter(|_| network.loses(0, 1)).collect();
        let other: Vec<_> = (1..=40).filter(|_| network.loses(2, 0)).collect();
        assert_eq!(lost, [2, 5, 7, 8, 10, 12, 14, 15, 21, 29, 34, 35, 37]);
        assert_eq!(other, [5, 10, 12, 16, 19, 25, 28, 29, 32, 33, 34, 35, 37, 38]);
    }
}
