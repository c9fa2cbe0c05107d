//! Whether what clients saw can be explained by operations that took effect one at a time, each at
//! some moment between its call and its return (Herlihy and Wing).
//!
//! A history is about one object. The search keeps every state that the object can be in, together
//! with the open operations that took effect already, and lets an open operation take effect only
//! when a return demands it (Lowe, "Testing for linearizability", 2017: just-in-time linearization).
//! What it costs depends on how many operations are open at a time, not on the history's length.

use std::collections::HashSet;

/// What clients do to an object. Its state is a number, 0 at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Register: stores a value. Answers 0.
    Write(u64),
    /// Register: stores `new` if it holds `old`. Answers 1 if it did, otherwise 0.
    CompareAndSwap {
        /// What has to be there.
        old: u64,
        /// What is then stored.
        new: u64,
    },
    /// List: appends an element. A list stands for itself by a number that depends on all elements and
    /// their order. Answers the new list.
    Append(u64),
    /// Counter: adds. Answers the sum.
    Add(u64),
    /// Answers the state.
    Read,
}

impl Op {
    /// What the operation does to `state`: the state after it, and its answer.
    pub fn apply(self, state: u64) -> (u64, u64) {
        match self {
            Self::Write(value) => (value, 0),
            Self::CompareAndSwap { old, new } if state == old => (new, 1),
            Self::CompareAndSwap { .. } => (state, 0),
            Self::Append(value) => {
                let list = (state.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (list, list)
            }
            Self::Add(value) => (state.wrapping_add(value), state.wrapping_add(value)),
            Self::Read => (state, state),
        }
    }
}

/// An operation as its client saw it. Moments are numbers of any unit, no two the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What was asked.
    pub op: Op,
    /// When it was asked.
    pub call: u64,
    /// When the answer came, and what it was. None: nobody knows whether the operation took, or will
    /// take, effect.
    pub outcome: Option<(u64, u64)>,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains all answers.
    Linearizable,
    /// There is none.
    Illegal,
    /// More operations are open at some moment than the search can keep apart (64).
    TooConcurrent,
}

/// A state that the object can be in, and which of the open operations have taken effect: bits by slot.
type Configuration = (u64, u64);

/// Checks the history of one object, in any order.
pub fn check(history: &[Operation]) -> Verdict {
    let mut moments: Vec<(u64, usize, bool)> = Vec::with_capacity(2 * history.len());
    for (number, operation) in history.iter().enumerate() {
        moments.push((operation.call, number, false));
        if let Some((time, _)) = operation.outcome {
            moments.push((time, number, true));
        }
    }
    moments.sort_unstable();
    let mut slots: Vec<Option<usize>> = Vec::new();
    let mut possible: HashSet<Configuration> = HashSet::from([(0, 0)]);
    for (_, number, is_return) in moments {
        let slot = slots.iter().position(|slot| *slot == is_return.then_some(number));
        match (is_return, slot) {
            (false, Some(free)) => slots[free] = Some(number),
            (false, None) if slots.len() == 64 => return Verdict::TooConcurrent,
            (false, None) => slots.push(Some(number)),
            (true, slot) => {
                let slot = slot.expect("what returns was called");
                possible = after_return(history, &slots, slot, possible);
                slots[slot] = None;
                if possible.is_empty() {
                    return Verdict::Illegal;
                }
            }
        }
    }
    Verdict::Linearizable
}

/// The configurations in which the operation in `slot` has taken effect, that bit cleared.
fn after_return(
    history: &[Operation],
    slots: &[Option<usize>],
    slot: usize,
    possible: HashSet<Configuration>,
) -> HashSet<Configuration> {
    let wanted = 1 << slot;
    let mut after = HashSet::with_capacity(possible.len());
    let mut seen = possible.clone();
    let mut work: Vec<_> = possible.into_iter().collect();
    while let Some((state, done)) = work.pop() {
        if done & wanted != 0 {
            after.insert((state, done & !wanted));
            continue;
        }
        for (other, number) in slots.iter().enumerate() {
            let Some(number) = number.filter(|_| done & (1 << other) == 0) else { continue };
            let operation = &history[number];
            let (next, answer) = operation.op.apply(state);
            let fits = operation.outcome.is_none_or(|(_, seen)| seen == answer);
            let configuration = (next, done | 1 << other);
            if fits && seen.insert(configuration) {
                work.push(configuration);
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(op: Op, call: u64, outcome: Option<(u64, u64)>) -> Operation {
        Operation { op, call, outcome }
    }

    #[test]
    fn a_stale_read_is_illegal_and_a_concurrent_one_is_not() {
        let write = operation(Op::Write(7), 1, Some((4, 0)));
        let during = |answer| check(&[write, operation(Op::Read, 2, Some((3, answer)))]);
        let after = |answer| check(&[write, operation(Op::Read, 5, Some((6, answer)))]);
        assert_eq!([during(0), during(7), during(8)], {
            [Verdict::Linearizable, Verdict::Linearizable, Verdict::Illegal]
        });
        assert_eq!([after(0), after(7)], [Verdict::Illegal, Verdict::Linearizable]);
    }

    #[test]
    fn an_unknown_write_may_happen_late_or_never_but_once() {
        let add = operation(Op::Add(1), 1, None);
        let reads = |answers: [u64; 3]| {
            let read = |(place, answer)| {
                let call = 10 * (place as u64 + 1);
                operation(Op::Read, call, Some((call + 1, answer)))
            };
            let reads: Vec<_> = answers.into_iter().enumerate().map(read).collect();
            check(&[vec![add], reads].concat())
        };
        for legal in [[0, 0, 0], [0, 0, 1], [1, 1, 1]] {
            assert_eq!(reads(legal), Verdict::Linearizable, "{legal:?}");
        }
        for illegal in [[1, 0, 0], [1, 1, 0], [0, 1, 2]] {
            assert_eq!(reads(illegal), Verdict::Illegal, "{illegal:?}");
        }
    }

    #[test]
    fn reads_by_different_clients_do_not_go_back() {
        let write = operation(Op::Write(1), 1, Some((9, 0)));
        let (new, old) = (operation(Op::Read, 2, Some((3, 1))), operation(Op::Read, 4, Some((5, 0))));
        assert_eq!(check(&[write, new, old]), Verdict::Illegal);
    }

    #[test]
    fn lists_know_their_order_and_swaps_their_condition() {
        let append = |value, call, answer| operation(Op::Append(value), call, Some((call + 1, answer)));
        let first = Op::Append(1).apply(0).0;
        let second = Op::Append(2).apply(first).0;
        assert_eq!(check(&[append(1, 1, first), append(2, 3, second)]), Verdict::Linearizable);
        assert_eq!(check(&[append(2, 1, second), append(1, 3, first)]), Verdict::Illegal);
        let swap = |answer| operation(Op::CompareAndSwap { old: 1, new: 2 }, 1, Some((2, answer)));
        assert_eq!([check(&[swap(0)]), check(&[swap(1)])], [Verdict::Linearizable, Verdict::Illegal]);
    }

    #[test]
    fn too_many_open_operations_are_no_verdict() {
        let open = |count| (0..count).map(|call| operation(Op::Add(1), call, None));
        assert_eq!(check(&open(64).collect::<Vec<_>>()), Verdict::Linearizable);
        assert_eq!(check(&open(65).collect::<Vec<_>>()), Verdict::TooConcurrent);
    }
}
