//! What the library makes and the host holds by a pointer: handed out, looked at, shown, encoded and
//! freed in one way for all kinds.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::args::{self, Buffer, Output};
use crate::door::{guarded, without_node};
use crate::sized::{self, SizedStruct};
use crate::status::{Failure, raft_status};

/// A kind of object. The header lets any thread use it: the compiler sees to that.
///
/// # Safety
/// `MARK` is where the type has its [`Mark`]. Use `object!`.
pub(crate) unsafe trait Object: Sized + Send + Sync {
    /// What it is, in words.
    const NAME: &'static str;
    /// A number that no other kind has; even.
    const KIND: u32;
    const MARK: usize;
}

/// Implements [`Object`] for a type whose mark is its field `mark`.
macro_rules! object {
    ($type:ident, $kind:literal, $name:literal) => {
        // SAFETY: `mark` is a `Mark`, else this does not compile.
        unsafe impl $crate::object::Object for $type {
            const NAME: &'static str = $name;
            const KIND: u32 = $kind;
            const MARK: usize = {
                let _: fn(&$type) -> &$crate::object::Mark = |object| &object.mark;
                std::mem::offset_of!($type, mark)
            };
        }
    };
}
pub(crate) use object;

/// Tells that an object is there, of which kind, and who owns it.
///
/// An object that was freed is a caller's mistake that cannot be told for certain, for its memory may
/// serve something else by now. Mostly it does not yet: then the mistake is an error and no more.
pub(crate) struct Mark(AtomicU32);

/// Added to the kind of an object that the library owns and only shows.
const LENT: u32 = 1;
const FREED: u32 = 0xdead_c02e;

impl Mark {
    /// For an object that the host will own.
    pub(crate) fn owned<T: Object>() -> Self {
        Self(AtomicU32::new(T::KIND))
    }

    /// For an object that is a part of another one: it cannot be freed.
    pub(crate) fn lent<T: Object>() -> Self {
        Self(AtomicU32::new(T::KIND | LENT))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.store(FREED, Relaxed);
        // Not optimised away, although nobody may look at it any more.
        std::hint::black_box(&self.0);
    }
}

/// The object that a pointer stands for.
///
/// # Safety
/// `pointer` is NULL or points to an object that the library made and that was not freed.
pub(crate) unsafe fn live<'a, T: Object>(pointer: *const T, name: &'static str) -> Result<&'a T, Failure> {
    // SAFETY: the same contract.
    match unsafe { kind(pointer, name) }? & !LENT {
        // SAFETY: the same contract; nobody changes an object but through its own locks.
        kind if kind == T::KIND => Ok(unsafe { &*pointer }),
        _ => Err(Failure::argument(name, format!("is no {}, or was freed", T::NAME))),
    }
}

/// Looks at nothing but the mark, which what is not such an object hardly has.
///
/// # Safety
/// As [`live`].
unsafe fn kind<T: Object>(pointer: *const T, name: &'static str) -> Result<u32, Failure> {
    // SAFETY: the same contract; the pointer is checked before anything is read.
    let mark = unsafe {
        args::check(pointer, name)?;
        &*pointer.byte_add(T::MARK).cast::<Mark>()
    };
    Ok(mark.0.load(Relaxed))
}

/// Makes an object and hands it to the host.
///
/// # Safety
/// `out` is NULL or may be written to.
pub(crate) unsafe fn give<T: Object>(
    out: *mut *mut T,
    make: impl FnOnce() -> Result<T, Failure>,
) -> raft_status {
    without_node(|| {
        // SAFETY: the same contract.
        let out = unsafe { Output::required(out, "out") }?;
        out.set(into_raw(make()?));
        Ok(())
    })
}

/// From here on the host owns it, and gives it to [`free`].
pub(crate) fn into_raw<T: Object>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Shows an object.
///
/// # Safety
/// `object` as [`live`], `out` as [`give`].
pub(crate) unsafe fn show<T: Object, V>(
    object: *const T,
    out: *mut V,
    view: impl FnOnce(&T) -> V,
) -> raft_status {
    without_node(|| {
        // SAFETY: the same contract.
        let (out, object) = unsafe { (Output::required(out, "out")?, live(object, "buffer")?) };
        out.set(view(object));
        Ok(())
    })
}

/// Shows an object in a struct whose size the caller has set.
///
/// # Safety
/// `object` as [`live`]; `out` is NULL or points to a struct of the size that it states.
pub(crate) unsafe fn show_sized<T: Object, V: SizedStruct>(
    object: *const T,
    out: *mut V,
    view: impl FnOnce(&T) -> V,
) -> raft_status {
    without_node(|| {
        // SAFETY: the same contract, for the first field of `out` as for all of it.
        unsafe {
            let size = *args::reference(out.cast::<usize>(), "out")?;
            sized::write(out, size, view(live(object, "buffer")?), "out")
        }
    })
}

/// Frees an object; does nothing with NULL, with one that was freed, and with one that the host does
/// not own, as far as that can be told.
///
/// # Safety
/// `object` as [`live`], and nobody uses it.
pub(crate) unsafe fn free<T: Object>(object: *mut T) {
    // SAFETY: the same contract.
    if unsafe { kind(object, "buffer") }.ok() != Some(T::KIND) {
        return;
    }
    // SAFETY: the host owns it, so it came from `into_raw`. Only drops run here, and those do not
    // panic; if one did, it must not reach C.
    let _ = guarded(|| unsafe {
        drop(Box::from_raw(object));
        Ok(())
    });
}

/// Fills a caller's buffer with an encoding.
///
/// # Safety
/// `buffer` is NULL or may be written to for `capacity` bytes, `needed` is NULL or may be written to.
pub(crate) unsafe fn encode<B: AsRef<[u8]>>(
    buffer: *mut u8,
    capacity: usize,
    needed: *mut usize,
    bytes: impl FnOnce() -> Result<B, Failure>,
) -> raft_status {
    without_node(|| {
        // SAFETY: the same contract.
        let buffer = unsafe { Buffer::new(buffer, capacity, needed) }?;
        buffer.fill(bytes()?.as_ref())
    })
}
