//! Values of secrets, and how they are made from random bytes that come from outside.
//!
//! Invariant: a value is never formatted. `Debug` shows a fixed text, there is no `Display`
//! and no `Serialize`: whoever needs the bytes says [`SecretValue::expose`]. Refuses nothing:
//! whoever stores values says which are too long.

use std::fmt;
use std::str::Utf8Error;

use crate::hex::hex;
use crate::model::SecretGenerator;

/// Largest value in bytes (Secrets Manager's bound).
pub const MAX_BYTES: usize = 65_536;
/// Alphabet of URL-safe base64 (RFC 4648 §5).
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Wraps a value.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Makes a value by a rule; `random` holds as many bytes as [`SecretGenerator::bytes`] says.
    #[must_use]
    pub fn generate(rule: SecretGenerator, random: &[u8]) -> Self {
        Self::new(match rule {
            SecretGenerator::Base64(_) => base64(random),
            SecretGenerator::Hex(_) => hex(random),
        })
    }

    /// The bytes themselves. Every caller is a place where a secret may leak.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// When the value is not UTF-8; the error says where, not what.
    pub fn expose_text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue(…)")
    }
}

impl SecretGenerator {
    /// How many random bytes a value is made of.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Base64(count) | Self::Hex(count) => usize::from(count),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = group >> (18 - 6 * place) & 63;
            text.push(char::from(BASE64[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_url_safe_without_padding() {
        // RFC 4648 §10, padding removed, and two that use the URL-safe letters.
        let vectors: [(&[u8], &str); 9] = [
            (b"", ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xff, 0xff], "__8"),
            (&[0xfb, 0xef], "--8"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn values_are_made_by_the_rule_of_the_bytes_they_are_given() {
        let rows = [
            (SecretGenerator::Base64(3), "AB8_".to_owned()),
            (SecretGenerator::Hex(3), "001f3f".to_owned()),
        ];
        for (rule, text) in rows {
            assert_eq!(rule.bytes(), 3);
            let value = SecretValue::generate(rule, &[0, 0x1f, 0x3f]);
            assert_eq!(value.expose_text(), Ok(text.as_str()));
        }
    }

    #[test]
    fn debug_does_not_show_the_value() {
        let shown = format!("{:?}", Some(SecretValue::new("hunter2")));
        assert_eq!(shown, "Some(SecretValue(…))");
    }
}
