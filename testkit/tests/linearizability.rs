//! Two checkers of linearizability, ours and porcupine-rs, held against each other: they search in
//! different ways (ours goes forward through all possible states, the other backtracks).

use porcupine_rs::{Model, check_operations};
use raftcore_testkit::linearizability::{Op, Operation, Verdict, check};
use raftcore_testkit::sim::{self, Course, Length};

/// One object, for the other checker.
#[derive(Clone)]
struct Object;

impl Model for Object {
    type State = u64;
    type Op = (Op, Option<u64>);
    type Metadata = ();

    fn init() -> u64 {
        0
    }

    fn step(state: &u64, (op, seen): &Self::Op) -> (bool, u64) {
        let (next, answer) = op.apply(*state);
        (seen.is_none_or(|seen| seen == answer), next)
    }
}

fn porcupine(history: &[Operation]) -> bool {
    let operation = |operation: &Operation| porcupine_rs::Operation {
        client_id: None,
        call_time: operation.call as i64,
        return_time: operation.outcome.map_or(i64::MAX, |(time, _)| time as i64),
        op: (operation.op, operation.outcome.map(|(_, answer)| answer)),
        metadata: None,
    };
    check_operations::<Object>(&history.iter().map(operation).collect::<Vec<_>>())
}

fn ours(history: &[Operation]) -> bool {
    match check(history) {
        Verdict::TooConcurrent => panic!("no verdict: {history:#?}"),
        verdict => verdict == Verdict::Linearizable,
    }
}

/// Small numbers that depend on a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A history of a few clients. They are answered as an object would, but with some answers changed, so
/// that about half of the histories are illegal.
fn random_history(seed: u64) -> Vec<Operation> {
    let mut numbers = Numbers(seed);
    let clients = 2 + numbers.below(3);
    let kind = numbers.below(3);
    let faulty = numbers.below(2) == 0;
    let mut free_at = vec![0; clients as usize];
    let mut history: Vec<Operation> = Vec::new();
    let mut effects: Vec<(u64, usize)> = Vec::new();
    for number in 0..4 + numbers.below(9) {
        let client = numbers.below(clients) as usize;
        let value = 1 + numbers.below(3);
        let op = match (kind, numbers.below(5)) {
            (_, 0 | 1) => Op::Read,
            (0, 2) => Op::CompareAndSwap { old: value, new: number + 10 },
            (0, _) => Op::Write(value),
            (1, _) => Op::Append(value),
            _ => Op::Add(value),
        };
        // Moments are spread so that no two are the same.
        let call = free_at[client] + 1 + numbers.below(20) * 100 + client as u64;
        let end = call + 10 * (1 + numbers.below(300));
        free_at[client] = end + 1000;
        let effect = call + 1 + numbers.below(end - call);
        let is_unknown = op != Op::Read && numbers.below(5) == 0;
        effects.push((effect, history.len()));
        history.push(Operation { op, call, outcome: (!is_unknown).then_some((end, 0)) });
    }
    effects.sort_unstable();
    let mut state = 0;
    for (_, place) in effects {
        let operation = &mut history[place];
        let (next, answer) = operation.op.apply(state);
        match &mut operation.outcome {
            Some((_, seen)) => {
                state = next;
                *seen = answer;
            }
            // Half of what nobody knows of took effect.
            None if numbers.below(2) == 0 => state = next,
            None => {}
        }
    }
    if faulty {
        let answers: Vec<_> = history.iter().filter_map(|operation| operation.outcome).collect();
        let place = numbers.below(history.len() as u64) as usize;
        if let (Some((_, seen)), false) = (&mut history[place].outcome, answers.is_empty()) {
            *seen = answers[numbers.below(answers.len() as u64) as usize].1;
        }
    }
    distinct(history)
}

/// The same history with its moments numbered, so that no two are the same.
fn distinct(mut history: Vec<Operation>) -> Vec<Operation> {
    let mut moments: Vec<(u64, usize, bool)> = Vec::new();
    for (place, operation) in history.iter().enumerate() {
        moments.push((operation.call, place, false));
        moments.extend(operation.outcome.map(|(time, _)| (time, place, true)));
    }
    moments.sort_unstable();
    for (number, (_, place, is_return)) in moments.into_iter().enumerate() {
        match &mut history[place] {
            Operation { outcome: Some((time, _)), .. } if is_return => *time = number as u64,
            operation => operation.call = number as u64,
        }
    }
    history
}

#[test]
fn both_agree_on_random_histories() {
    let count = if cfg!(debug_assertions) { 3000 } else { 20_000 };
    let mut illegal = 0;
    for seed in 0..count {
        let history = random_history(seed);
        let verdict = ours(&history);
        assert_eq!(verdict, porcupine(&history), "seed {seed}: {history:#?}");
        illegal += u64::from(!verdict);
    }
    assert!((count / 10..count / 2).contains(&illegal), "{illegal} of {count} are illegal");
}

#[test]
fn both_accept_what_simulated_clients_saw() {
    let (mut histories, mut operations) = (0, 0);
    for seed in 0..20 {
        for history in sim::histories(&Course::of_seed(seed, Length::Events(10_000))) {
            assert!(ours(&history) && porcupine(&history), "seed {seed}: {history:#?}");
            histories += 1;
            operations += history.len();
        }
    }
    assert!(histories > 100 && operations > 1000, "only {operations} operations in {histories} histories");
}

#[test]
fn both_notice_a_stale_read_in_what_simulated_clients_saw() {
    let (mut planted, mut legal) = (0, 0);
    for seed in 0..20 {
        for mut history in sim::histories(&Course::of_seed(seed, Length::Events(10_000))) {
            let answered = |operation: &Operation| operation.outcome.is_some();
            let is_effective = |operation: &&Operation| {
                !matches!(operation.op, Op::Read | Op::CompareAndSwap { .. }) && answered(operation)
            };
            let Some((time, _)) = history.iter().find(is_effective).and_then(|write| write.outcome) else {
                continue;
            };
            let late = |operation: &&mut Operation| {
                operation.op == Op::Read && operation.call > time && answered(operation)
            };
            // What objects begin with, after a write was acknowledged: nothing writes that again.
            let Some(read) = history.iter_mut().find(late) else { continue };
            read.outcome = read.outcome.map(|(time, _)| (time, 0));
            let verdict = ours(&history);
            assert_eq!(verdict, porcupine(&history), "seed {seed}: {history:#?}");
            planted += 1;
            legal += u64::from(verdict);
        }
    }
    assert!(planted > 20 && legal == 0, "{legal} of {planted} stale reads were not noticed");
}
