//! Counts what this thread allocates. (Ready-made counters keep a stack of statistics behind a lock or a
//! `RefCell` and have no `realloc`, which would slow down whoever allocates more.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

fn count_allocated(bytes: usize) {
    // `try_with` fails only while a thread ends; what it allocates then is nobody's.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + bytes as u64));
}

fn count_freed(bytes: usize) {
    let _ = FREED.try_with(|freed| freed.set(freed.get() + bytes as u64));
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocated(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_allocated(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count_allocated(new_size);
        count_freed(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count_freed(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often this thread has allocated or grown an allocation.
pub(crate) fn calls() -> u64 {
    CALLS.with(Cell::get)
}

/// Bytes that this thread has asked for so far.
pub(crate) fn allocated_bytes() -> u64 {
    ALLOCATED.with(Cell::get)
}

/// Bytes that this thread has asked for and not freed. Only differences mean something.
pub(crate) fn live_bytes() -> u64 {
    allocated_bytes().wrapping_sub(FREED.with(Cell::get))
}
