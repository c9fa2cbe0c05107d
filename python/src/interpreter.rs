//! Interpreters within a process.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Makes the module the running interpreter's: classes that Rust has found once, enums among them, are
/// that interpreter's own. Raises ImportError in any other.
pub(crate) fn claim(py: Python<'_>) -> PyResult<()> {
    /// Where the interpreter's own `sys` is.
    static SYS: PyOnceLock<usize> = PyOnceLock::new();
    let sys = py.import("sys")?.as_ptr().addr();
    if *SYS.get_or_init(py, || sys) == sys {
        return Ok(());
    }
    Err(PyImportError::new_err("raftcore is in use by another interpreter of this process"))
}
