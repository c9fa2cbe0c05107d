//! Counts what this thread allocates. (Ready-made counters keep a stack of statistics behind a lock or a
//! `RefCell` and have no `realloc`, which would slow down whoever allocates more.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

fn count(calls: u64, more: usize, less: usize) {
    // `try_with` fails only while a thread ends; what it allocates then is nobody's.
    let _ = COUNT.try_with(|count| count.set(count.get() + calls));
    let _ =
        BYTES.try_with(|bytes| bytes.set(bytes.get().wrapping_add(more as u64).wrapping_sub(less as u64)));
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, new_size, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often this thread has allocated or grown an allocation.
pub(crate) fn calls() -> u64 {
    COUNT.with(Cell::get)
}

/// Bytes that this thread has asked for and not freed. Only differences mean something.
pub(crate) fn live_bytes() -> u64 {
    BYTES.with(Cell::get)
}
