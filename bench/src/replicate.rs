//! `replicate`: proposals per second of a whole group.

use std::time::Duration;

use bytes::Bytes;

use crate::Failure;
use crate::alloc;
use crate::group::Group;
use crate::payload::{self, Look, Sequence};
use crate::peer::{Node, Ours, RaftRs, Settings};
use crate::report::{Measurement, Sample};
use crate::workload::{Limit, Replicator, Workload};
use crate::{Impl, external};

/// Payloads that are made at a time, before the clock goes on.
const LAP: usize = 4 * 1024;

/// Proposals of the run that counts instead of measuring time.
const COUNTED: u64 = 16 * LAP as u64;

/// One run: how long it took.
pub(crate) fn time(implementation: Impl, workload: &Workload) -> Result<Sample, Failure> {
    if let Some(program) = implementation.program() {
        return external::replicate(implementation, program, workload);
    }
    let mut group = group(implementation, workload, Look::Ends)?;
    let spent = run(&mut *group, workload, workload.proposals, Look::Ends)?;
    Ok(Sample {
        proposals_per_second: Some(workload.proposals as f64 / spent.as_secs_f64()),
        ..Sample::default()
    })
}

/// One run in which messages and allocations are counted and every byte of every payload is checked.
pub(crate) fn count(implementation: Impl, workload: &Workload) -> Result<Measurement, Failure> {
    if implementation.program().is_some() {
        return Ok(Measurement::default()); // It counts by itself.
    }
    let mut group = group(implementation, workload, Look::All)?;
    let proposals = workload.proposals.min(COUNTED);
    let mut totals = Totals::default();
    let mut sent = 0;
    // The first run fills caches and buffers; the second is the steady state.
    for _ in 0..2 {
        sent = group.messages();
        totals = Totals::default();
        laps(&mut *group, workload, proposals, Look::All, &mut totals)?;
    }
    let per_proposal = |count: u64| Some(count as f64 / proposals as f64);
    let is_limit = implementation == Impl::Limit;
    Ok(Measurement {
        messages_per_proposal: if is_limit { None } else { per_proposal(group.messages() - sent) },
        allocations_per_proposal: per_proposal(totals.allocations),
        ..Measurement::default()
    })
}

fn group(implementation: Impl, workload: &Workload, look: Look) -> Result<Box<dyn Replicator>, Failure> {
    let settings = Settings {
        merge_appends: implementation == Impl::RaftRsMerged,
        copy_payloads: implementation == Impl::CoreCopying,
        ..Settings::new(workload.nodes, 10)
    };
    fn boxed<N: Node + 'static>(
        settings: Settings,
        workload: &Workload,
        look: Look,
    ) -> Result<Box<dyn Replicator>, Failure> {
        Ok(Box::new(Group::<N>::new(settings, workload.transport, look)?))
    }
    match implementation {
        Impl::Core | Impl::CoreCopying => boxed::<Ours>(settings, workload, look),
        Impl::RaftRs | Impl::RaftRsMerged => boxed::<RaftRs>(settings, workload, look),
        Impl::Limit => Ok(Box::new(Limit::new(workload.nodes, look))),
        Impl::Ffi | Impl::RaftRsProst | Impl::Etcd => Err("runs as a program of its own".into()),
    }
}

/// What the laps cost, the making of payloads excluded.
#[derive(Default)]
struct Totals {
    time: Duration,
    allocations: u64,
}

fn run(
    group: &mut dyn Replicator,
    workload: &Workload,
    proposals: u64,
    look: Look,
) -> Result<Duration, Failure> {
    let mut totals = Totals::default();
    // A lap to warm up.
    laps(group, workload, (LAP as u64).min(proposals), look, &mut Totals::default())?;
    laps(group, workload, proposals, look, &mut totals)?;
    Ok(totals.time)
}

/// Replicates `proposals` more payloads, and checks that all nodes applied just these, in order.
fn laps(
    group: &mut dyn Replicator,
    workload: &Workload,
    proposals: u64,
    look: Look,
    totals: &mut Totals,
) -> Result<(), Failure> {
    let before: Vec<Sequence> = group.applied().to_vec();
    let first = before.first().map_or(0, |sequence| sequence.count);
    let mut expected = before.first().copied().unwrap_or(Sequence::new(look, 0));
    let mut done = 0;
    while done < proposals {
        let count = (proposals - done).min(LAP.next_multiple_of(workload.batch) as u64) as usize;
        let payloads = payload::lap(first + done, count, workload.payload);
        let allocations = alloc::calls();
        let began = workload.clock.start();
        lap(group, &payloads, workload)?;
        totals.time += began.elapsed();
        totals.allocations += alloc::calls() - allocations;
        payloads.iter().for_each(|payload| expected.add(payload));
        done += count as u64;
    }
    check(group.applied(), &expected)
}

fn lap(group: &mut dyn Replicator, payloads: &[Bytes], workload: &Workload) -> Result<(), Failure> {
    for batch in payloads.chunks(workload.batch) {
        group.replicate(batch, workload.at_once)?;
    }
    group.compact()
}

/// A benchmark that replicates wrongly is worth nothing.
pub(crate) fn check(applied: &[Sequence], expected: &Sequence) -> Result<(), Failure> {
    for (node, sequence) in (1..).zip(applied) {
        if !sequence.is_same(expected) {
            return Err(format!(
                "wrong replication: node {node} applied {} payloads, {} were proposed{}",
                sequence.count,
                expected.count,
                if sequence.count == expected.count { "; their content or order differs" } else { "" }
            )
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::group::Transport;

    /// Replicates, but not quite.
    struct Faulty {
        limit: Limit,
        fault: fn(&mut Vec<Bytes>),
    }

    impl Replicator for Faulty {
        fn replicate(&mut self, batch: &[Bytes], at_once: bool) -> Result<(), Failure> {
            let mut batch = batch.to_vec();
            (self.fault)(&mut batch);
            self.limit.replicate(&batch, at_once)
        }

        fn compact(&mut self) -> Result<(), Failure> {
            self.limit.compact()
        }

        fn messages(&self) -> u64 {
            0
        }

        fn applied(&self) -> &[Sequence] {
            self.limit.applied()
        }
    }

    fn outcome(look: Look, fault: fn(&mut Vec<Bytes>)) -> Result<(), String> {
        let workload = Workload {
            nodes: 3,
            batch: 5,
            payload: 32,
            proposals: 100,
            transport: Transport::Memory,
            at_once: false,
            clock: Clock::Cpu,
        };
        let mut faulty = Faulty { limit: Limit::new(3, look), fault };
        let mut totals = Totals::default();
        laps(&mut faulty, &workload, 100, look, &mut totals).map_err(|failure| failure.to_string())
    }

    #[test]
    fn wrong_replication_is_noticed() {
        let damage = |batch: &mut Vec<Bytes>| {
            let mut bytes = batch[3].to_vec();
            bytes[17] ^= 1;
            batch[3] = bytes.into();
        };
        for look in [Look::Ends, Look::All] {
            assert_eq!(outcome(look, |_| ()), Ok(()));
            assert!(outcome(look, |batch| batch.swap(0, 1)).unwrap_err().contains("order"));
            assert!(outcome(look, |batch| drop(batch.pop())).unwrap_err().contains("80 payloads, 100"));
        }
        assert!(outcome(Look::All, damage).unwrap_err().contains("wrong replication"));
    }
}
