//! Which process an object belongs to. A child made by fork() has a copy of everything, locks included, and
//! of the threads only one: a lock that another thread held stays locked in the child for good, and what it
//! guards may be half changed. So what has a lock stays with the process that made it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::status::Failure;

/// How many forks this process is away from the first one. Together with each thread's last error it is all
/// the state that the library has outside of the objects it hands out.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that made an object.
pub(crate) struct Origin(u32);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Result<Self, Failure> {
        watch::begin()?;
        Ok(Self(FORKS.load(Relaxed)))
    }

    /// An error in a process that has inherited the object.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.is_here() { Ok(()) } else { Err(Failure::Forked) }
    }

    /// Whether this is the process that made the object.
    pub(crate) fn is_here(&self) -> bool {
        self.0 == FORKS.load(Relaxed)
    }
}

/// Counts forks by a handler of libc's: getpid(), the alternative, would be a system call for each call.
#[cfg(all(unix, not(miri)))]
mod watch {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::FORKS;
    use crate::status::Failure;

    type Handler = unsafe extern "C" fn();

    unsafe extern "C" {
        fn pthread_atfork(prepare: Option<Handler>, parent: Option<Handler>, child: Option<Handler>)
        -> c_int;
    }

    /// Whether the handler is in place.
    static BEGUN: AtomicBool = AtomicBool::new(false);

    unsafe extern "C" fn count() {
        FORKS.fetch_add(1, Relaxed);
    }

    /// Two threads may put it in place twice; then a fork counts twice, which is as good. None waits for another,
    /// whom a fork might leave behind.
    pub(super) fn begin() -> Result<(), Failure> {
        if BEGUN.load(Relaxed) {
            return Ok(());
        }
        // SAFETY: the handler does nothing that is not allowed in a child, and lives as long as the library: libc
        // forgets the handlers of a library that is unloaded.
        if unsafe { pthread_atfork(None, None, Some(count)) } != 0 {
            return Err(Failure::NoMemory { needed: size_of::<Handler>() });
        }
        // Not `store`: helgrind takes a plain write for a race, and knows by its lock prefix that this is none.
        BEGUN.swap(true, Relaxed);
        Ok(())
    }
}

#[cfg(not(all(unix, not(miri))))]
mod watch {
    use crate::status::Failure;

    /// There is no fork().
    pub(super) fn begin() -> Result<(), Failure> {
        Ok(())
    }
}
