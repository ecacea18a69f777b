//! What a process that stays must not keep of whoever started it.

use std::fs;

/// Closes everything but the standard streams: a pipe of `make`, say, or a locked file, held by a
/// process that stays, would keep others waiting for as long as that runs. To be called before
/// anything else is done.
pub fn close() {
    close_but(&[]);
}

/// As [`close`], but for these descriptors.
pub fn close_but(wanted: &[i32]) {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && !wanted.contains(number))
        .collect();
    for number in numbers {
        // The listing itself was among them and is closed.
        if fs::read_link(format!("/proc/self/fd/{number}")).is_ok() {
            // SAFETY: this is the first thing that the process does: nothing in it owns it.
            unsafe { rustix::io::close(number) };
        }
    }
}
