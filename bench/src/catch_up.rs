//! `catch-up`: a follower that has nothing gets the whole log.

use crate::clock::Clock;
use crate::group::{Group, Transport};
use crate::payload::{self, Look, Sequence};
use crate::peer::{Node, Ours, RaftRs, Settings};
use crate::replicate::check;
use crate::{Failure, Impl};

/// What is to be caught up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) entries: u64,
    pub(crate) payload: usize,
    pub(crate) transport: Transport,
    pub(crate) clock: Clock,
}

/// Entries per second, from the election of a leader until the last of three nodes has applied everything.
pub(crate) fn measure(implementation: Impl, gap: &Gap) -> Result<f64, Failure> {
    match implementation {
        Impl::Core => catch_up::<Ours>(gap, false),
        Impl::RaftRs => catch_up::<RaftRs>(gap, false),
        Impl::RaftRsMerged => catch_up::<RaftRs>(gap, true),
        other => Err(format!("{} is not measured here", other.name()).into()),
    }
}

fn catch_up<N: Node>(gap: &Gap, merge_appends: bool) -> Result<f64, Failure> {
    let settings = Settings { merge_appends, ..Settings::new(3, 10) };
    let payloads = payload::lap(0, gap.entries as usize, gap.payload);
    let full = Settings::FIRST_INDEX + gap.entries;
    let nodes = vec![
        N::with_log(1, settings, &payloads)?,
        N::with_log(2, settings, &payloads)?,
        N::new(3, settings)?,
    ];
    let mut group = Group::of(nodes, gap.transport, Look::Ends, full);
    let behind = Sequence::new(Look::Ends, Settings::FIRST_INDEX);
    group.applied[2] = behind;
    let began = gap.clock.start();
    group.elect()?;
    // A member that does not answer at once is asked again with the next heartbeat.
    while group.applied[2].index <= full && began.elapsed().as_secs() < 600 {
        group.nodes[0].tick()?;
        group.settle()?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut expected = behind;
    payloads.iter().for_each(|payload| expected.add(payload));
    check(&group.applied[2..], &expected)?;
    Ok(gap.entries as f64 / seconds)
}
