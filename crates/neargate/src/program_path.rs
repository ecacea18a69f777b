//! Programs on the PATH.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Where a program is that the shell would start.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| {
            let metadata = std::fs::metadata(path);
            metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
}
