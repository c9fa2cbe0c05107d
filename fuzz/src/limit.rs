//! Counts what the current thread allocates, so that a harness can tell when a few bytes of input
//! make the library take a lot of memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted per thread.
pub(crate) struct Counting;

fn count(bytes: isize) {
    // A thread that is going away has no counters any more, and nothing to measure.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is handed on to the system's allocator with the caller's own arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`; the pointer is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `realloc`; the pointer is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs `work`, and panics if at any moment it held more than `limit` bytes beyond what was there
/// before.
pub(crate) fn within<R>(limit: usize, what: &str, work: impl FnOnce() -> R) -> R {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    let taken = PEAK.get() - before;
    assert!(taken <= limit as isize, "{what} took {taken} bytes of memory, more than {limit}");
    result
}

/// What decoding `len` bytes may take. An empty entry is two bytes on the wire and some fifty in
/// memory.
pub(crate) fn for_decoding(len: usize) -> usize {
    64 * len + (64 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_the_limit_passes() {
        assert_eq!(within(1000, "work", || vec![1u8; 900].len()), 900);
    }

    #[test]
    #[should_panic(expected = "more than 1000")]
    fn a_moment_beyond_the_limit_is_noticed() {
        within(1000, "work", || drop(std::hint::black_box(vec![1u8; 1100])));
    }
}
