//! Bytes on their way between Python and the core.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// From this size on a `bytes` object is shared instead of copied: below it, the copy is cheaper
/// than the reference count and the box that sharing costs.
const SHARE_FROM: usize = 1024;

/// From this size on an encoding runs without the interpreter's lock.
pub(crate) const DETACH_FROM: usize = 64 << 10;

/// Bytes taken from any bytes-like object. An immutable one may be shared, others are copied.
pub(crate) struct Payload(pub(crate) Bytes);

impl<'py> FromPyObject<'_, 'py> for Payload {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            let data = bytes.as_bytes();
            if data.len() < SHARE_FROM {
                return Ok(Self(Bytes::copy_from_slice(data)));
            }
            return Ok(Self(Bytes::from_owner(PyBackedBytes::from(bytes.to_owned()))));
        }
        let buffer = PyBuffer::<u8>::get(&object).map_err(|_| {
            let name = object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
            PyTypeError::new_err(format!("a bytes-like object is required, not '{name}'"))
        })?;
        Ok(Self(Bytes::from(buffer.to_vec(object.py())?)))
    }
}

/// Encodes into a new `bytes` object; what is big is encoded without the interpreter's lock.
pub(crate) fn encoded<'py>(
    py: Python<'py>,
    len: usize,
    encode: impl FnOnce(&mut Vec<u8>) + Send,
) -> Bound<'py, PyBytes> {
    let mut out = Vec::with_capacity(len);
    if len < DETACH_FROM {
        encode(&mut out);
    } else {
        py.detach(|| encode(&mut out));
    }
    PyBytes::new(py, &out)
}

/// A literal for `data` in a `repr`; of long data only the beginning and the length.
pub(crate) fn literal(data: &[u8]) -> String {
    const SHOWN: usize = 64;
    match data.get(..SHOWN) {
        Some(start) if data.len() > SHOWN => {
            format!("<{} bytes, b\"{}\"...>", data.len(), start.escape_ascii())
        }
        _ => format!("b\"{}\"", data.escape_ascii()),
    }
}
