//! The key, and encrypting with it: XChaCha20-Poly1305.
//!
//! Invariant: a nonce is 24 random bytes and used once; the secret's name and version are
//! authenticated with each value, so a row cannot stand in for another. Refuses a key file
//! that others may read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use super::error::SecretsError;
use neargate_core::hex::{hex, unhex};
use neargate_core::secret::SecretValue;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The key of one environment.
pub(super) struct Seal(XChaCha20Poly1305);

/// Whether a missing key may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingKeyPolicy {
    /// Nothing is encrypted yet: make one.
    Make,
    /// There are values that another key could not read: refuse.
    Refuse,
}

impl Seal {
    /// Reads the key file, or makes it when it may.
    pub(super) fn open(
        path: &Path,
        store: &Path,
        missing: MissingKeyPolicy,
    ) -> Result<Self, SecretsError> {
        match fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match missing {
                MissingKeyPolicy::Make => make(path)?,
                MissingKeyPolicy::Refuse => {
                    return Err(SecretsError::KeyMissing {
                        key: path.to_owned(),
                        store: store.to_owned(),
                    });
                }
            },
            Err(source) => return Err(unreadable(path, source)),
        }
        read(path)
    }

    /// Nonce and ciphertext, one after the other.
    pub(super) fn seal(
        &self,
        name: &str,
        version: u32,
        value: &SecretValue,
    ) -> Result<Vec<u8>, SecretsError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|source| SecretsError::Random { source })?;
        let sealed = self
            .0
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: value.expose(),
                    aad: &label(name, version),
                },
            )
            .expect("a value of at most 64 KiB is far below the cipher's bound");
        Ok([&nonce[..], &sealed].concat())
    }

    /// The value, `None` when the bytes are not what this key sealed under this label.
    pub(super) fn unseal(&self, name: &str, version: u32, sealed: &[u8]) -> Option<SecretValue> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.0
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: text,
                    aad: &label(name, version),
                },
            )
            .ok()
            .map(SecretValue::new)
    }
}

/// Names hold no NUL, so no two labels are the same bytes.
fn label(name: &str, version: u32) -> Vec<u8> {
    [name.as_bytes(), &[0], &version.to_le_bytes()].concat()
}

fn make(path: &Path) -> Result<(), SecretsError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|source| SecretsError::Random { source })?;
    // Another process may make it at the same moment; the first one wins and is read by both.
    crate::atomic::create(path, format!("{}\n", hex(&key)).as_bytes(), 0o600)
        .map(drop)
        .map_err(|source| SecretsError::MakeKey { source })
}

fn read(path: &Path) -> Result<Seal, SecretsError> {
    let mode = fs::metadata(path)
        .map_err(|source| unreadable(path, source))?
        .mode()
        & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::KeyOpen {
            path: path.to_owned(),
            mode,
        });
    }
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    let key: Option<[u8; KEY_BYTES]> =
        unhex(text.trim()).and_then(|bytes| bytes.as_slice().try_into().ok());
    let key = key.ok_or_else(|| SecretsError::KeyMalformed {
        path: path.to_owned(),
    })?;
    Ok(Seal(XChaCha20Poly1305::new(&Key::from(key))))
}

fn unreadable(path: &Path, source: std::io::Error) -> SecretsError {
    SecretsError::ReadKey {
        path: path.to_owned(),
        source,
    }
}
