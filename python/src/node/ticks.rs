//! The argument of `RawNode.tick`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

/// A number of ticks. More than the limit is a mistake, and would keep the node busy for long.
pub(super) struct Ticks(pub(super) u32);

impl<'py> FromPyObject<'_, 'py> for Ticks {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        const MAX: u32 = 1 << 20;
        if !object.is_instance_of::<PyInt>() || object.is_instance_of::<PyBool>() {
            let class = object.get_type().fully_qualified_name()?;
            return Err(PyTypeError::new_err(format!("count: '{class}' is not a number of ticks")));
        }
        match object.extract() {
            Ok(count @ 0..=MAX) => Ok(Self(count)),
            _ => Err(PyValueError::new_err(format!("count: {} is not from 0 to {MAX}", object.to_owned()))),
        }
    }
}
