//! An allocator that can be made to hang, like one whose lock is held by a dead thread.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// True once every allocation blocks.
static HANGS: AtomicBool = AtomicBool::new(false);

/// Makes every further allocation block for ever.
pub(super) fn hang() {
    HANGS.store(true, Ordering::Release);
}

struct Hanging;

#[global_allocator]
static ALLOCATOR: Hanging = Hanging;

fn wait() {
    while HANGS.load(Ordering::Acquire) {
        thread::sleep(Duration::from_secs(1));
    }
}

// SAFETY: it delegates to the system's allocator.
unsafe impl GlobalAlloc for Hanging {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        wait();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        wait();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        wait();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        wait();
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}
