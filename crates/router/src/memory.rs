//! Memory that was freed, given back to the kernel: glibc keeps what is freed between blocks
//! that are not, and after thousands of streams that is nearly all of it.

/// Takes some milliseconds when there is much to give back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    // SAFETY: it touches free blocks only, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators decide by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
