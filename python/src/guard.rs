//! What stands between Python and a node: one caller at a time, no call from within a call, no use
//! after a panic, and none in a forked process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::error::raise;
use crate::fork::Origin;

/// A value that one thread uses at a time.
pub(crate) struct Guard<T> {
    value: Mutex<T>,
    /// The thread that is inside, or 0. Only read to recognise oneself, hence relaxed.
    inside: AtomicUsize,
    /// What the panic said that ended this value's useful life.
    poison: OnceLock<String>,
    origin: Origin,
}

impl<T> Guard<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            inside: AtomicUsize::new(0),
            poison: OnceLock::new(),
            origin: Origin::here(),
        }
    }

    /// Calls `f` with the value to itself. While it waits for another thread it lets go of the
    /// interpreter, which that thread may need to finish.
    ///
    /// Raises `InheritedByFork` in another process than the value's, before anything is waited for;
    /// `Reentrant` if this thread is inside already; and `Poisoned` if `f` panics or an earlier one
    /// did.
    pub(crate) fn call<R>(&self, py: Python<'_>, f: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        self.origin.check(py)?;
        let me = this_thread();
        if self.inside.load(Ordering::Relaxed) == me {
            return Err(raise(py, "Reentrant", ("a storage or an observer called back into its own node",)));
        }
        let mut value = self.value.lock_py_attached(py);
        if let Some(why) = self.poison.get() {
            return Err(poisoned(py, why));
        }
        self.inside.store(me, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut value)));
        self.inside.store(0, Ordering::Relaxed);
        result.map_err(|panic| poisoned(py, self.poison.get_or_init(|| words(panic.as_ref()))))
    }

    /// Calls `f` if nobody is inside; for the garbage collector, which must not wait.
    pub(crate) fn try_call<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.value.try_lock().map(|mut value| f(&mut value))
    }
}

/// A number that no other living thread has, and never 0.
fn this_thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

fn poisoned(py: Python<'_>, why: &str) -> PyErr {
    raise(py, "Poisoned", (format!("the node is poisoned by a panic: {why}"),))
}

fn words(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "without a message".into())
}
