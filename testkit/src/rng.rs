//! The one source of chance.

use std::sync::Arc;

/// SplitMix64: small, fast, and good enough to choose test cases. Not for secrets. A fuzzer's bytes
/// may take the place of chance, as far as they reach.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
    bytes: Option<Bytes>,
}

/// A fuzzer's input, and how much of it has been used.
#[derive(Clone, Debug)]
struct Bytes {
    all: Arc<[u8]>,
    used: usize,
}

impl Rng {
    /// The sequence that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, bytes: None }
    }

    /// The sequence that begins with what `bytes` say, two of them for each number: its highest bits,
    /// which are what choices depend on. The rest follows from `seed`.
    pub(crate) fn from_bytes(bytes: &[u8], seed: u64) -> Self {
        Self { state: seed, bytes: Some(Bytes { all: bytes.into(), used: 0 }) }
    }

    /// A sequence of its own for something that `salt` stands for.
    pub(crate) fn derived(seed: u64, salt: u64) -> Self {
        let mut rng = Self::new(seed ^ salt.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self::new(rng.next_u64())
    }

    /// Any number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let chance = self.chance_u64();
        match &mut self.bytes {
            None => chance,
            Some(bytes) => bytes.next().map_or(chance, |high| u64::from(high) << 48 | chance >> 16),
        }
    }

    fn chance_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `permille` of a thousand cases.
    pub(crate) fn chance(&mut self, permille: u32) -> bool {
        self.below(1000) < u64::from(permille)
    }

    /// One of `items`, each equally likely; None if there are none.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        items.get(self.below(items.len() as u64) as usize).copied()
    }

    /// One of `items`, each with its own weight; not all weights may be 0.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(u64, T)]) -> T {
        let mut left = self.below(items.iter().map(|(weight, _)| weight).sum());
        for &(weight, item) in items {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return item,
            }
        }
        unreachable!("the number drawn is below the sum of all weights")
    }

    /// One of `items`, each equally likely.
    pub(crate) fn choose<T: Copy, const N: usize>(&mut self, items: [T; N]) -> T {
        const { assert!(N > 0) };
        items[self.below(N as u64) as usize]
    }
}

impl Bytes {
    fn next(&mut self) -> Option<u16> {
        let two = self.all.get(self.used..self.used + 2)?;
        self.used += 2;
        Some(u16::from_be_bytes([two[0], two[1]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_choose_as_far_as_they_reach() {
        let mut rng = Rng::from_bytes(&[0, 0, 0xff, 0xff, 0x80, 0, 7], 1);
        assert_eq!([(); 3].map(|()| rng.below(1000)), [0, 999, 500]);
        let mut chance = Rng::new(1);
        assert_eq!(Some(rng.next_u64()), [(); 4].map(|()| chance.next_u64()).last().copied());
    }

    #[test]
    fn numbers_stay_in_range_and_reach_its_ends() {
        let mut rng = Rng::new(1);
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| rng.between(3, 6)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.between(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn weights_are_respected() {
        let mut rng = Rng::new(1);
        let drawn: Vec<_> =
            (0..1000).map(|_| rng.weighted(&[(0, 'a'), (3, 'b'), (1, 'c'), (0, 'd')])).collect();
        let count = |wanted| drawn.iter().filter(|item| **item == wanted).count();
        assert_eq!((count('a'), count('d')), (0, 0));
        assert!(count('b') > 2 * count('c') && count('c') > 100);
    }

    #[test]
    fn a_seed_determines_the_sequence() {
        let draw = |seed| (0..4).scan(Rng::new(seed), |rng, _| Some(rng.next_u64())).collect();
        let (first, second): (Vec<_>, Vec<_>) = (draw(5), draw(5));
        assert_eq!(first, second);
        assert_ne!(first, draw(6));
    }
}
