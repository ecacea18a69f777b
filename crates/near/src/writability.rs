//! Why nothing can be written to a directory: its disk is full or read-only.
//!
//! Whoever finds that out can seldom write it down. So commands ask the kernel, not a log.

use std::path::Path;

use rustix::fs::{StatVfs, StatVfsMountFlags};

/// With less than this nothing that matters can be written: a page of the journal's log.
const LITTLE: u64 = 64 << 10;

/// The obstacle to writing here, in words; nothing when something can be written.
#[must_use]
pub fn obstacle(directory: &Path) -> Option<String> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    describe(&disk, directory)
}

fn describe(disk: &StatVfs, directory: &Path) -> Option<String> {
    let path = directory.display();
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        Some(format!(
            "the file system of {path} is read-only: make it writable again"
        ))
    } else if free < LITTLE {
        Some(format!("the disk of {path} is full: free some space"))
    } else if disk.f_files > 0 && disk.f_favail == 0 {
        Some(format!(
            "the disk of {path} holds as many files as it can: remove some"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = fn(&mut StatVfs);

    #[test]
    fn full_and_read_only_disks_are_told_apart() {
        let place = Path::new("/state");
        let usual = || StatVfs {
            f_bavail: 1 << 20,
            f_frsize: 4096,
            f_files: 1000,
            f_favail: 10,
            f_flag: StatVfsMountFlags::empty(),
            ..rustix::fs::statvfs("/proc").expect("a file system")
        };
        let cases: [(Spoil, Option<&str>); 5] = [
            (|_| (), None),
            // btrfs has no number of files.
            (|disk| (disk.f_files, disk.f_favail) = (0, 0), None),
            (
                |disk| disk.f_bavail = 15,
                Some("the disk of /state is full"),
            ),
            (|disk| disk.f_favail = 0, Some("holds as many files")),
            (
                |disk| disk.f_flag = StatVfsMountFlags::RDONLY,
                Some("is read-only"),
            ),
        ];
        for (spoil, expected) in cases {
            let mut disk = usual();
            spoil(&mut disk);
            let words = describe(&disk, place);
            match expected {
                Some(part) => assert!(words.as_ref().is_some_and(|words| words.contains(part))),
                None => assert_eq!(words, None),
            }
        }
    }
}
