//! Secret values and how Neargate makes them.
//!
//! Invariant: a value is never formatted. `Debug` shows a fixed text, there is no `Display`
//! and no `Serialize`: whoever needs the bytes says [`SecretValue::expose`].

use std::fmt;
use std::str::Utf8Error;

use neargate_core::manifest::model::Generate;

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

/// Makes a value from the system's random source.
///
/// # Errors
/// When the system has no random source.
pub(super) fn generate(rule: Generate) -> Result<SecretValue, getrandom::Error> {
    let (count, encode): (u16, fn(&[u8]) -> String) = match rule {
        Generate::Base64(count) => (count, base64),
        Generate::Hex(count) => (count, hex),
    };
    let mut bytes = vec![0; usize::from(count)];
    getrandom::fill(&mut bytes)?;
    Ok(SecretValue::new(encode(&bytes)))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Bytes of a hexadecimal text; `None` when it is not one.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(16)).collect();
    let digits = digits?;
    if digits.len() % 2 != 0 {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect()
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
    fn hex_goes_both_ways() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(unhex("001fff"), Some(vec![0, 0x1f, 0xff]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("0g"), None);
    }

    #[test]
    fn generated_values_have_the_length_asked_and_differ() {
        let text = |rule| String::from_utf8(generate(rule).unwrap().0).unwrap();
        assert_eq!(text(Generate::Base64(32)).len(), 43);
        assert_eq!(text(Generate::Hex(16)).len(), 32);
        assert_ne!(text(Generate::Hex(16)), text(Generate::Hex(16)));
    }

    #[test]
    fn debug_does_not_show_the_value() {
        let shown = format!("{:?}", Some(SecretValue::new("hunter2")));
        assert_eq!(shown, "Some(SecretValue(…))");
    }
}
