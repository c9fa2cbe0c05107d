//! Processes that fork. A child has a copy of its parent's nodes, whose locks may be held by threads
//! that the child does not have, and which would vote a second time in the same name: such a copy is
//! refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

use crate::error::raise;

/// How often this process and those before it have forked. Only a child's single thread writes it.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// The process that an object was made in.
#[derive(Clone, Copy)]
pub(crate) struct Origin(usize);

impl Origin {
    pub(crate) fn here() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Raises `InheritedByFork` in any other process.
    pub(crate) fn check(self, py: Python<'_>) -> PyResult<()> {
        if self.0 == FORKS.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(raise(py, "InheritedByFork", ("it was made in another process, before a fork",)))
    }
}

/// Has Python report its forks.
pub(crate) fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let Some(register) = module.py().import("os")?.getattr_opt("register_at_fork")? else { return Ok(()) };
    let count = |_: &Bound<'_, pyo3::types::PyTuple>, _: Option<&Bound<'_, pyo3::types::PyDict>>| {
        FORKS.fetch_add(1, Ordering::Relaxed);
    };
    let count = pyo3::types::PyCFunction::new_closure(module.py(), None, None, count)?;
    let hooks = pyo3::types::PyDict::new(module.py());
    hooks.set_item("after_in_child", count)?;
    register.call((), Some(&hooks)).map(drop)
}
