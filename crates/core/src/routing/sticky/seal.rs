//! What a stickiness cookie holds, sealed: entries of a fixed size, each with its own
//! authentication code.
//!
//! Invariant: an entry is believed only when its code was made with this environment's key, for
//! this kind of cookie and this service. What it names is a keyed digest, so a client learns
//! neither tasks nor revisions from it and can make none of its own.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::Sha256;

use crate::hex::{hex, unhex};
use crate::ids::RevisionNumber;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const SCOPE: usize = 4;
const ISSUED: usize = 5;
const NAME: usize = 11;
const CODE: usize = 16;
const SIGNED: usize = SCOPE + ISSUED + NAME;
const ENTRY: usize = SIGNED + CODE;
/// Characters of one entry: a multiple of 4, so that entries stand beside each other.
pub(super) const ENTRY_TEXT: usize = ENTRY / 3 * 4;
/// Entries of one cookie that are read and written: services whose clients share a host.
pub(super) const MOST_ENTRIES: usize = 8;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The secret of an environment's stickiness cookies; on the wire 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct CookieKey(pub [u8; KEY_BYTES]);

impl fmt::Debug for CookieKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CookieKey(…)")
    }
}

impl CookieKey {
    /// Reads 64 hexadecimal digits; `None` when the text is anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl Serialize for CookieKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for CookieKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("not a key of 64 hexadecimal digits"))
    }
}

/// Name of a task or a revision of one service in a cookie, as a keyed digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StickyToken([u8; NAME]);

/// Which cookie an entry is for; no entry of one kind is believed in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieKind {
    /// The balancer's own cookie.
    Balancer,
    /// The one beside the application's cookie.
    Application,
    /// The cookie of the target group.
    Group,
}

impl CookieKind {
    fn byte(self) -> u8 {
        match self {
            Self::Balancer => 1,
            Self::Application => 2,
            Self::Group => 3,
        }
    }
}

/// The key, made ready.
#[derive(Clone)]
pub struct Sealer(Hmac<Sha256>);

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealer(…)")
    }
}

/// Tells the entries of one service from those of others.
pub(super) type Scope = [u8; SCOPE];

/// An entry that was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealedEntry {
    pub(super) token: StickyToken,
    /// Seconds since the Unix epoch.
    pub(super) issued: u64,
}

impl Sealer {
    /// Makes a key ready for use.
    #[must_use]
    pub fn new(key: &CookieKey) -> Self {
        Self(Hmac::new_from_slice(&key.0).expect("HMAC takes keys of any length"))
    }

    fn digest<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        let mut code = self.0.clone();
        for part in parts {
            code.update(part);
        }
        let mut digest = [0; N];
        digest.copy_from_slice(&code.finalize().into_bytes()[..N]);
        digest
    }

    /// Names of services and tasks hold no NUL, so no two digests are of the same bytes.
    pub(super) fn scope(&self, service: &str) -> Scope {
        self.digest(&[b"scope\0", service.as_bytes()])
    }

    pub(super) fn target(&self, service: &str, task: &str) -> StickyToken {
        StickyToken(self.digest(&[b"target\0", service.as_bytes(), b"\0", task.as_bytes()]))
    }

    pub(super) fn revision(&self, service: &str, revision: RevisionNumber) -> StickyToken {
        let number = revision.0.to_be_bytes();
        StickyToken(self.digest(&[b"revision\0", service.as_bytes(), b"\0", &number]))
    }

    pub(super) fn write(
        &self,
        kind: CookieKind,
        scope: Scope,
        entry: SealedEntry,
        out: &mut String,
    ) {
        let mut bytes = [0; ENTRY];
        bytes[..SCOPE].copy_from_slice(&scope);
        bytes[SCOPE..SCOPE + ISSUED].copy_from_slice(&entry.issued.to_be_bytes()[8 - ISSUED..]);
        bytes[SCOPE + ISSUED..SIGNED].copy_from_slice(&entry.token.0);
        let code: [u8; CODE] = self.digest(&[b"entry\0", &[kind.byte()], &bytes[..SIGNED]]);
        bytes[SIGNED..].copy_from_slice(&code);
        for three in bytes.chunks_exact(3) {
            let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            for shift in [18, 12, 6, 0] {
                out.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
            }
        }
    }

    /// The entry of a service, when it is authentic.
    pub(super) fn read(&self, kind: CookieKind, scope: Scope, text: &[u8]) -> Option<SealedEntry> {
        let bytes = decode(text).filter(|bytes| bytes.starts_with(&scope))?;
        let mut code = self.0.clone();
        for part in [b"entry\0", &[kind.byte()][..], &bytes[..SIGNED]] {
            code.update(part);
        }
        code.verify_truncated_left(&bytes[SIGNED..]).ok()?;
        let mut issued = [0; 8];
        issued[8 - ISSUED..].copy_from_slice(&bytes[SCOPE..SCOPE + ISSUED]);
        let mut token = [0; NAME];
        token.copy_from_slice(&bytes[SCOPE + ISSUED..SIGNED]);
        Some(SealedEntry {
            token: StickyToken(token),
            issued: u64::from_be_bytes(issued),
        })
    }
}

/// Whether an entry is of this service, as far as it says; `None` when it is no entry.
pub(super) fn is_of(scope: Scope, text: &[u8]) -> Option<bool> {
    Some(decode(text)?.starts_with(&scope))
}

fn decode(text: &[u8]) -> Option<[u8; ENTRY]> {
    if text.len() != ENTRY_TEXT {
        return None;
    }
    let mut bytes = [0; ENTRY];
    for (four, three) in text.chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
        let mut bits = 0;
        for character in four {
            bits = bits << 6 | value(*character)?;
        }
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}

fn value(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}
