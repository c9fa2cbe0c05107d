//! Checks of what comes in from C: NULL, alignment, lengths. Nothing is read before it is checked.

use std::slice;

use bytes::Bytes;

use crate::status::Failure;
use crate::types::raft_slice;

/// Whether it points to anything that a `T` could be.
pub(crate) fn check<T>(pointer: *const T, name: &'static str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(name, "is NULL"));
    }
    if !pointer.is_aligned() {
        return Err(Failure::argument(name, "is misaligned"));
    }
    Ok(())
}

/// A reference to what an argument points to.
///
/// # Safety
/// `pointer` is NULL or points to a valid `T` that nobody changes during the call.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &'static str) -> Result<&'a T, Failure> {
    check(pointer, name)?;
    // SAFETY: not NULL, aligned, and by this function's contract valid.
    Ok(unsafe { &*pointer })
}

/// The elements of an array argument; `pointer` may be anything if `len` is 0.
///
/// # Safety
/// `pointer` is NULL or points to `len` valid `T` that nobody changes during the call.
pub(crate) unsafe fn array<'a, T>(
    pointer: *const T,
    len: usize,
    name: &'static str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer, name)?;
    if len > MAX_BYTES / size_of::<T>().max(1) {
        return Err(Failure::argument(name, format!("has an absurd length: {len}")));
    }
    // SAFETY: not NULL, aligned, no larger than memory, and by this function's contract valid.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// No array that a caller passes is larger: not even protobuf's messages may be. (What is lent may.)
const MAX_BYTES: usize = if size_of::<usize>() > 4 { 1 << 32 } else { isize::MAX as usize };

/// The bytes of a slice argument.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn bytes<'a>(bytes: raft_slice, name: &'static str) -> Result<&'a [u8], Failure> {
    // SAFETY: the same contract.
    unsafe { array(bytes.data, bytes.len, name) }
}

/// The bytes of a slice argument, copied. That there is no memory for them is an error like any other.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn copy(slice: raft_slice, name: &'static str) -> Result<Bytes, Failure> {
    // SAFETY: the same contract.
    owned(unsafe { bytes(slice, name) }?)
}

/// A copy with memory of its own.
pub(crate) fn owned(bytes: &[u8]) -> Result<Bytes, Failure> {
    let mut copy = vec_for(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy.into())
}

/// Room for so many bytes that a caller asks for.
pub(crate) fn vec_for(len: usize) -> Result<Vec<u8>, Failure> {
    let mut room = Vec::new();
    room.try_reserve_exact(len).map_err(|_| Failure::NoMemory { needed: len })?;
    Ok(room)
}

/// Bytes that are lent for longer than a call: of any size that memory can have.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn lent<'a>(slice: raft_slice, name: &'static str) -> Result<&'a [u8], Failure> {
    if slice.len == 0 {
        return Ok(&[]);
    }
    check(slice.data, name)?;
    if slice.len > isize::MAX as usize {
        return Err(Failure::argument(name, format!("has an absurd length: {}", slice.len)));
    }
    // SAFETY: not NULL, no larger than memory, and by this function's contract valid.
    Ok(unsafe { slice::from_raw_parts(slice.data, slice.len) })
}

/// Where a result goes. It may be uninitialised memory, so no reference to it is ever made.
pub(crate) struct Output<T>(*mut T);

impl<T> Output<T> {
    /// A result that the caller must take.
    ///
    /// # Safety
    /// `pointer` is NULL or may be written to until the call returns.
    pub(crate) unsafe fn required(pointer: *mut T, name: &'static str) -> Result<Self, Failure> {
        check(pointer, name)?;
        Ok(Self(pointer))
    }

    /// A result that the caller may decline with NULL.
    ///
    /// # Safety
    /// As [`Self::required`].
    pub(crate) unsafe fn optional(pointer: *mut T, name: &'static str) -> Result<Self, Failure> {
        if pointer.is_null() {
            return Ok(Self(pointer));
        }
        // SAFETY: the same contract.
        unsafe { Self::required(pointer, name) }
    }

    /// Writes an array from here on; the caller has made sure that there is room.
    pub(crate) fn set_all(&self, values: impl ExactSizeIterator<Item = T>) {
        if self.0.is_null() {
            return;
        }
        for (at, value) in values.enumerate() {
            // SAFETY: checked for alignment, and the caller's room is as large as it said.
            unsafe { self.0.add(at).write(value) }
        }
    }

    pub(crate) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: checked for alignment and, by the contract of the constructors, writable.
            unsafe { self.0.write(value) }
        }
    }
}

/// A caller's buffer for bytes whose number it may not know.
pub(crate) struct Buffer {
    data: *mut u8,
    capacity: usize,
    needed: Output<usize>,
}

impl Buffer {
    /// # Safety
    /// `data` is NULL or may be written to for `capacity` bytes; `needed` as [`Output`].
    pub(crate) unsafe fn new(data: *mut u8, capacity: usize, needed: *mut usize) -> Result<Self, Failure> {
        if data.is_null() && capacity > 0 {
            return Err(Failure::argument("buffer", "is NULL"));
        }
        // SAFETY: the same contract.
        let needed = unsafe { Output::optional(needed, "needed") }?;
        Ok(Self { data, capacity, needed })
    }

    /// Copies all of `bytes`, or fails.
    pub(crate) fn fill(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.needed.set(bytes.len());
        if bytes.len() > self.capacity {
            return Err(Failure::TooLarge { needed: bytes.len() });
        }
        self.copy(bytes, 0);
        Ok(())
    }

    /// Copies as much of `text` as fits, with a NUL at the end.
    pub(crate) fn fill_text(&self, text: &str) {
        self.needed.set(text.len() + 1);
        let Some(room) = self.capacity.checked_sub(1) else { return };
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.copy(&text.as_bytes()[..end], 0);
        self.copy(&[0], end);
    }

    fn copy(&self, bytes: &[u8], at: usize) {
        debug_assert!(at + bytes.len() <= self.capacity);
        if !bytes.is_empty() {
            // SAFETY: writable for `capacity` bytes, which both callers stay within; a caller's
            // buffer does not overlap our own memory.
            unsafe { self.data.add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
        }
    }
}
