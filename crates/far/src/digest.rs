//! SHA-256 as texts.

use neargate_core::hex::hex;
use sha2::{Digest, Sha256};

/// 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
