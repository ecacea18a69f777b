//! The folder of an environment, `infra/ENV/`: written, kept, ejected.
//!
//! Invariant: `rendered.sha256` (the form of `sha256sum`) lists every file as it was written last.
//! A file that is on disk, is not what would be written, and is not what that list says was
//! changed by people: nothing is written then, unless they force it. Each file is written aside,
//! synced and renamed. A folder with `EJECTED.md` is never written to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Files;
use crate::digest::sha256;

const LIST: &str = "rendered.sha256";
const EJECTED: &str = "EJECTED.md";
const EJECTED_WORDS: &str = "These files are yours: `neargate infra render` leaves them alone from now on, and \
`infra plan`, `apply` and `destroy` use them as they are. Changes to neargate.toml no longer reach \
them.\n\nTo have them rendered again, remove this file and run `neargate infra render --force`.\n";

/// Rule for files that people changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditedFiles {
    /// Nothing is written.
    Refuse,
    /// They are overwritten.
    Overwrite,
}

/// Result of writing the folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WrittenFolder {
    /// Paths of files that are new or other than before.
    pub written: Vec<String>,
    /// Paths of files that are no longer needed.
    pub removed: Vec<String>,
    /// How many were right already.
    pub kept: usize,
}

/// Why the folder was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// People changed files.
    #[error("these files were changed by hand: {}", .0.join(", "))]
    Changed(Vec<String>),
    /// The files are people's own.
    #[error("{} was ejected: its files are yours", .0.display())]
    Ejected(PathBuf),
    /// There is nothing to eject.
    #[error("{} was not rendered", .0.display())]
    NotRendered(PathBuf),
    /// Reading or writing.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// The operation, such as `read`.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Whether people own the files.
#[must_use]
pub fn is_ejected(folder: &Path) -> bool {
    folder.join(EJECTED).exists()
}

/// Whether the folder was rendered before.
#[must_use]
pub fn is_rendered(folder: &Path) -> bool {
    folder.join(LIST).exists()
}

/// Brings the folder to these files.
///
/// # Errors
/// [`FolderError`]; with [`FolderError::Changed`] and [`FolderError::Ejected`] nothing was touched.
pub fn write(
    folder: &Path,
    files: &Files,
    changed: EditedFiles,
) -> Result<WrittenFolder, FolderError> {
    if is_ejected(folder) {
        return Err(FolderError::Ejected(folder.to_owned()));
    }
    let before = listed(folder)?;
    let mut written = WrittenFolder::default();
    let mut by_hand = Vec::new();
    for (path, text) in files {
        match read(&folder.join(path))? {
            Some(there) if there == text.as_bytes() => written.kept += 1,
            Some(there) if before.get(path) != Some(&sha256(&there)) => {
                by_hand.push(path.clone());
                written.written.push(path.clone());
            }
            _ => written.written.push(path.clone()),
        }
    }
    for (path, known) in before.iter().filter(|(path, _)| !files.contains_key(*path)) {
        match read(&folder.join(path))? {
            Some(there) if sha256(&there) != *known => by_hand.push(path.clone()),
            Some(_) => {}
            None => continue,
        }
        written.removed.push(path.clone());
    }
    if !by_hand.is_empty() && changed == EditedFiles::Refuse {
        return Err(FolderError::Changed(by_hand));
    }
    for path in &written.written {
        put(&folder.join(path), &files[path])?;
    }
    for path in written.removed.iter().map(|path| folder.join(path)) {
        fs::remove_file(&path).map_err(|source| failed("remove", &path, source))?;
    }
    let lines = files.iter();
    let list: String = lines
        .map(|(path, text)| format!("{}  {path}\n", sha256(text.as_bytes())))
        .collect();
    put(&folder.join(LIST), &list)?;
    Ok(written)
}

/// Gives the files to people: nothing renders them again.
///
/// # Errors
/// [`FolderError::NotRendered`] and [`FolderError::Io`].
pub fn eject(folder: &Path) -> Result<(), FolderError> {
    if is_ejected(folder) {
        return Ok(());
    }
    let list = folder.join(LIST);
    if !list.exists() {
        return Err(FolderError::NotRendered(folder.to_owned()));
    }
    put(&folder.join(EJECTED), EJECTED_WORDS)?;
    fs::remove_file(&list).map_err(|source| failed("remove", &list, source))
}

/// Checksums by path. Lines that are none are no file's.
fn listed(folder: &Path) -> Result<BTreeMap<String, String>, FolderError> {
    let bytes = read(&folder.join(LIST))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    // The list is in the folder too, so a path in it never leads out of it.
    let inside = |path: &str| !path.starts_with('/') && path.split('/').all(|part| part != "..");
    Ok(lines
        .filter(|(_, path)| inside(path))
        .map(|(sum, path)| (path.to_owned(), sum.to_owned()))
        .collect())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, error)),
    }
}

fn put(path: &Path, text: &str) -> Result<(), FolderError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let wrote = fs::create_dir_all(folder).and_then(|()| {
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        aside.write_all(text.as_bytes())?;
        let file = aside.as_file();
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.sync_all()?;
        aside.persist(path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    });
    wrote.map_err(|source| failed("write", path, source))
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> FolderError {
    FolderError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}
