//! The way into the library: a panic is caught before it reaches C, and the error of a call without a node is kept for
//! its thread.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::{Failure, RAFT_OK, raft_status};

thread_local! {
    /// Detail of this thread's last failed call without a node.
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Calls `work`; what goes wrong becomes a status and this thread's last error.
pub(crate) fn without_node(work: impl FnOnce() -> Result<(), Failure>) -> raft_status {
    match guarded(work) {
        Ok(()) => RAFT_OK,
        Err(failure) => {
            remember(failure.to_string());
            failure.status()
        }
    }
}

/// Runs `work` and turns a panic, a defect of ours, into a failure: it must not unwind into C.
pub(crate) fn guarded<R>(work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    // Boxed on its way, so that what nearly always is no failure is not copied as if it were one.
    let boxed = AssertUnwindSafe(|| work().map_err(Box::new));
    catch_unwind(boxed).map(|result| result.map_err(|failure| *failure)).unwrap_or_else(|payload| {
        let text = match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => match payload.downcast::<&'static str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "no description".to_owned(),
            },
        };
        Err(Failure::Panic(text))
    })
}

/// Keeps the detail of a failure for this thread.
pub(crate) fn remember(text: String) {
    // A thread that is being torn down has nobody left to ask.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = text);
}

/// Detail of this thread's last failed call without a node.
pub(crate) fn thread_error() -> String {
    LAST_ERROR.try_with(|last| last.borrow().clone()).unwrap_or_default()
}
