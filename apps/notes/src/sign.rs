//! What the `SESSION` secret is for: signing cursors, and hiding client addresses.
//!
//! Invariant: a cursor that this application did not make, or made for another search, is refused.
//! Refuses: showing the secret; `Debug` says nothing of it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::store::Rank;

/// Bytes of a signature that are kept: 128 bits.
const SIGNATURE: usize = 16;

/// The key made from the secret.
pub(crate) struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// Why a cursor was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list: use `next` of the page before, with the same `q`")]
pub(crate) struct CursorError;

/// Where the next page goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cursor {
    /// A plain list: notes older than this id.
    Before(i64),
    /// A search: notes that rank after this one.
    After(Rank),
}

impl Key {
    /// A key from the secret's text.
    pub(crate) fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// The opaque text of a cursor in the list for `q`.
    pub(crate) fn seal(&self, q: &str, cursor: Cursor) -> String {
        let payload = match cursor {
            Cursor::Before(id) => format!("l.{id}"),
            Cursor::After(rank) => format!("s.{:08x}.{}", rank.rank.to_bits(), rank.id),
        };
        format!("{payload}.{}", hex(&self.signature(q, &payload)))
    }

    /// The cursor in `text`, when it was sealed for the same `q`.
    pub(crate) fn open(&self, q: &str, text: &str) -> Result<Cursor, CursorError> {
        let (payload, signature) = text.rsplit_once('.').ok_or(CursorError)?;
        let signature = unhex(signature).ok_or(CursorError)?;
        if signature.len() != SIGNATURE {
            return Err(CursorError);
        }
        self.mac(q, payload)
            .verify_truncated_left(&signature)
            .map_err(|_| CursorError)?;
        read(payload).ok_or(CursorError)
    }

    /// A name for a client address that does not tell the address.
    pub(crate) fn pseudonym(&self, address: &str) -> String {
        hex(&self.signature("client", address))
    }

    fn signature(&self, domain: &str, payload: &str) -> Vec<u8> {
        self.mac(domain, payload).finalize().into_bytes()[..SIGNATURE].to_vec()
    }

    fn mac(&self, domain: &str, payload: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(payload.as_bytes());
        mac.update(&[0]);
        mac.update(domain.as_bytes());
        mac
    }
}

fn read(payload: &str) -> Option<Cursor> {
    let mut parts = payload.split('.');
    match (parts.next()?, parts.next()?, parts.next()) {
        ("l", id, None) => Some(Cursor::Before(id.parse().ok()?)),
        ("s", rank, Some(id)) => {
            let rank = f32::from_bits(u32::from_str_radix(rank, 16).ok()?);
            Some(Cursor::After(Rank {
                rank,
                id: id.parse().ok()?,
            }))
        }
        _ => None,
    }
}

/// Two lower-case hexadecimal digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_where_it_was_sealed_and_nowhere_else() {
        let key = Key::new("a secret of the session");
        for cursor in [
            Cursor::Before(42),
            Cursor::After(Rank {
                rank: 0.607_927_1,
                id: 7,
            }),
        ] {
            let text = key.seal("milk", cursor);
            assert_eq!(key.open("milk", &text), Ok(cursor));
            assert_eq!(key.open("bread", &text), Err(CursorError));
            assert_eq!(
                Key::new("another secret here").open("milk", &text),
                Err(CursorError)
            );
        }
    }

    #[test]
    fn changed_or_invented_cursors_are_refused() {
        let key = Key::new("a secret of the session");
        let text = key.seal("", Cursor::Before(42));
        let cut = &text[..text.len() - 2];
        for wrong in [
            text.replace("42", "43"),
            cut.to_owned(),
            "l.42".into(),
            "l.42.".into(),
            "".into(),
            "é".into(),
        ] {
            assert_eq!(key.open("", &wrong), Err(CursorError), "{wrong}");
        }
    }
}
