//! Structs that start with `struct_size`, so that programs and libraries of different versions
//! agree on how much of them exists: a smaller one comes from an older caller and gets defaults for
//! what it does not have, a larger one from a newer caller, whose unknown fields must be zero.

use std::mem::MaybeUninit;
use std::ptr;

use crate::status::Failure;

/// Larger sizes are garbage, not newer versions.
const MAX_SIZE: usize = 4096;

/// A struct whose size the caller states.
///
/// # Safety
/// The type is `repr(C)`, its first field is `struct_size: usize`, and [`Self::BOOLS`] names the
/// offset of every `bool` in it.
pub(crate) unsafe trait SizedStruct: Copy {
    /// Its size in ABI 0.1. A field added later must start at or after this offset.
    const MIN_SIZE: usize;
    /// Where its `bool`s are: bytes from C that must be 0 or 1 before Rust may look at them.
    const BOOLS: &'static [usize] = &[];
}

/// Reads a caller's struct over `defaults`.
///
/// # Safety
/// `source` is NULL or points to a size that is followed by as many bytes of the struct.
pub(crate) unsafe fn read<T: SizedStruct>(
    source: *const T,
    defaults: T,
    name: &'static str,
) -> Result<T, Failure> {
    // SAFETY: the same contract, for the first field.
    let size = *unsafe { crate::args::reference(source.cast::<usize>(), name) }?;
    check_size::<T>(size, name)?;
    let bytes = source.cast::<u8>();
    for at in size_of::<T>()..size {
        // SAFETY: within the struct, by the size it states.
        if unsafe { bytes.add(at).read() } != 0 {
            return Err(Failure::argument(name, "sets fields that this version does not know"));
        }
    }
    for &at in T::BOOLS.iter().filter(|&&at| at < size) {
        // SAFETY: within the struct.
        if unsafe { bytes.add(at).read() } > 1 {
            return Err(Failure::argument(name, "has a bool that is neither 0 nor 1"));
        }
    }
    let mut value = MaybeUninit::new(defaults);
    // SAFETY: both ranges are at least as long as the smaller struct, and ours is on this stack.
    unsafe {
        ptr::copy_nonoverlapping(bytes, value.as_mut_ptr().cast::<u8>(), size.min(size_of::<T>()));
    }
    // SAFETY: every field is a default or the caller's; integers and pointers take any value, and
    // the bools were checked.
    Ok(unsafe { value.assume_init() })
}

/// Writes as much of `value` as the caller's struct has room for, and zeros beyond.
///
/// # Safety
/// `target` is NULL or may be written to for `size` bytes.
pub(crate) unsafe fn write<T: SizedStruct>(
    target: *mut T,
    size: usize,
    value: T,
    name: &'static str,
) -> Result<(), Failure> {
    // SAFETY: the same contract.
    unsafe { crate::args::Output::required(target, name) }?;
    check_size::<T>(size, name)?;
    let known = size.min(size_of::<T>());
    // SAFETY: writable for `size` bytes; `value` is on this stack and has `known` bytes.
    unsafe {
        target.cast::<u8>().add(known).write_bytes(0, size - known);
        ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), target.cast::<u8>(), known);
        target.cast::<usize>().write(size);
    }
    Ok(())
}

fn check_size<T: SizedStruct>(size: usize, name: &'static str) -> Result<(), Failure> {
    // The size of any version of the struct is a multiple of its alignment; others would cut a field in two.
    if (T::MIN_SIZE..=MAX_SIZE).contains(&size) && size % align_of::<T>() == 0 {
        return Ok(());
    }
    Err(Failure::argument(name, format!("has struct_size {size}, expected {}", size_of::<T>())))
}
