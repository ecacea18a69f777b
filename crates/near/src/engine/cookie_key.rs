//! The key that seals the cookies of sticky sessions.
//!
//! Invariant: one key per state directory, made once, so that sessions survive every engine and
//! every router. It is no secret of the app: when the file is lost or spoilt another key is made,
//! and clients are balanced anew. Refuses to use a file that others may read.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use neargate_core::routing::sticky::{CookieKey, KEY_BYTES};
use thiserror::Error;

use crate::atomic::{self, AtomicError};

/// Why there is no key.
#[derive(Debug, Error)]
pub enum CookieKeyError {
    /// The machine gives no random numbers.
    #[error("no random numbers for the key of sticky sessions")]
    Random(#[source] getrandom::Error),
    /// The file cannot be read.
    #[error("could not read the key of sticky sessions, {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("could not keep the key of sticky sessions")]
    Make(#[source] AtomicError),
}

/// Reads the key, or makes one (mode 0600).
///
/// # Errors
/// [`CookieKeyError`].
pub(super) fn open(path: &Path) -> Result<CookieKey, CookieKeyError> {
    match read(path) {
        Ok(Some(key)) => return Ok(key),
        Ok(None) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            let path = path.to_owned();
            return Err(CookieKeyError::Read { path, source });
        }
    }
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(CookieKeyError::Random)?;
    let key = CookieKey(bytes);
    let text = format!("{}\n", key.to_hex());
    atomic::write(path, text.as_bytes(), 0o600).map_err(CookieKeyError::Make)?;
    Ok(key)
}

/// `None`: it is no key, or others may have read it.
fn read(path: &Path) -> io::Result<Option<CookieKey>> {
    let open_to_others = fs::metadata(path)?.mode() & 0o077 != 0;
    let bytes = fs::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(CookieKey::from_hex(text.trim()).filter(|_| !open_to_others))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cookie-key");
        let key = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(open(&path).unwrap(), key);
    }

    #[test]
    fn a_spoilt_key_and_one_that_others_may_read_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cookie-key");
        let first = open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let second = open(&path).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert_ne!(open(&path).unwrap(), second);
    }
}
