//! What time is measured with.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// Time as it passes: what counts, on a machine that does nothing else.
    Wall,
    /// Processor time of this process: steadier on a machine that others use too.
    Cpu,
}

/// A moment.
pub(crate) enum Start {
    Wall(Instant),
    Cpu(Duration),
}

impl Clock {
    pub(crate) fn start(self) -> Start {
        match self {
            Clock::Wall => Start::Wall(Instant::now()),
            Clock::Cpu => Start::Cpu(spent()),
        }
    }
}

impl Start {
    /// Time since then.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Start::Wall(start) => start.elapsed(),
            Start::Cpu(start) => spent().saturating_sub(*start),
        }
    }
}

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
