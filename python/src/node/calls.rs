//! How a call gets at the node, and what becomes of what the storage and the observer raised meanwhile.

use pyo3::prelude::*;
use raftcore as core;

use super::{CoreNode, RawNode};
use crate::error::{storage_error, to_python};
use crate::observe::Watched;
use crate::storage::is_interrupt;

impl RawNode {
    pub(super) fn call<R>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut CoreNode) -> Result<R, core::Error>,
    ) -> PyResult<R> {
        self.call_watched(py, |node| f(&mut node.raw))
    }

    pub(super) fn call_watched<R>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&mut Watched) -> Result<R, core::Error>,
    ) -> PyResult<R> {
        let (result, cause) = self.enter(py, |node| {
            let result = f(node);
            let cause = self.failure.take();
            if let Err(error) = &result {
                node.tell_failure(py, error);
            }
            (result, cause)
        })?;
        match (result, cause) {
            (_, Some((_, interrupt))) if is_interrupt(py, &interrupt) => Err(interrupt),
            (Ok(result), None) => Ok(result),
            (Ok(result), Some(cause)) => {
                self.keep(py, cause)?;
                Ok(result)
            }
            (Err(error), cause) => Err(to_python(py, &error, cause)),
        }
    }

    pub(super) fn look<R>(&self, py: Python<'_>, f: impl FnOnce(&mut CoreNode) -> R) -> PyResult<R> {
        self.enter(py, |node| f(&mut node.raw))
    }

    /// Has the node to itself; the observer hears of what has changed before anybody else has it.
    pub(super) fn enter<R>(&self, py: Python<'_>, f: impl FnOnce(&mut Watched) -> R) -> PyResult<R> {
        let (result, interrupt) = self.node.call(py, |node| {
            let result = f(node);
            node.tell_changes(py);
            (result, node.take_interrupt())
        })?;
        interrupt.map_or(Ok(result), Err)
    }

    /// Keeps for `take_storage_error` what the storage raised while a call succeeded all the same.
    /// What the node could deal with by itself is no failure, and forgotten.
    fn keep(&self, py: Python<'_>, cause: (core::StorageError, PyErr)) -> PyResult<()> {
        let error = self.look(py, CoreNode::take_storage_error)?;
        if let Some(error) = error {
            let raised = storage_error(py, &error);
            raised.set_cause(py, (cause.0 == error).then_some(cause.1));
            let before = self.kept.lock().replace(raised.into_value(py));
            drop(before);
        }
        Ok(())
    }
}
