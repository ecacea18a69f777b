//! Which program a process runs.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// Bytes that are compared at a time.
const PART: usize = 64 * 1024;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether a process runs this very program, byte for byte; `true` when that cannot be read.
#[must_use]
pub fn is_own(pid: u32) -> bool {
    let other = File::open(format!("/proc/{pid}/exe"));
    let (Ok(own), Ok(other)) = (File::open("/proc/self/exe"), other) else {
        return true;
    };
    same(&own, &other).unwrap_or(true)
}

fn same(one: &File, other: &File) -> io::Result<bool> {
    let (first, second) = (one.metadata()?, other.metadata()?);
    if (first.dev(), first.ino()) == (second.dev(), second.ino()) {
        return Ok(true);
    }
    if first.len() != second.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (one, other);
    let (mut first, mut second) = (vec![0; PART], vec![0; PART]);
    loop {
        let count = one.read(&mut first)?;
        if count == 0 {
            return Ok(true);
        }
        if other.read_exact(&mut second[..count]).is_err() || first[..count] != second[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_copy_is_the_same_program_and_another_is_not() {
        assert!(is_own(std::process::id()));
        let mut other = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("cat runs");
        // Until it has become another program.
        while std::fs::read_to_string(format!("/proc/{}/comm", other.id()))
            .ok()
            .as_deref()
            != Some("cat\n")
        {
            std::thread::yield_now();
        }
        assert!(!is_own(other.id()));
        drop(other.stdin.take());
        other.wait().expect("its end");
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy");
        std::fs::copy("/proc/self/exe", &copy).expect("a copy");
        let own = File::open("/proc/self/exe").expect("it opens");
        assert!(same(&own, &File::open(copy).expect("it opens")).expect("read"));
    }
}
