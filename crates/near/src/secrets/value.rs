//! Values from the system's random source, and hexadecimal texts.
//!
//! What a value is, and how it is made of bytes, is core's.

use neargate_core::model::SecretGenerator;
use neargate_core::secret::SecretValue;

/// Makes a value from the system's random source.
///
/// # Errors
/// When the system has no random source.
pub(super) fn generate(rule: SecretGenerator) -> Result<SecretValue, getrandom::Error> {
    let mut bytes = vec![0; rule.bytes()];
    getrandom::fill(&mut bytes)?;
    Ok(SecretValue::generate(rule, &bytes))
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

#[cfg(test)]
mod tests {
    use neargate_core::secret::hex;

    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(unhex("001fff"), Some(vec![0, 0x1f, 0xff]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("0g"), None);
    }

    #[test]
    fn generated_values_have_the_length_asked_and_differ() {
        let text = |rule| generate(rule).unwrap().expose_text().unwrap().to_owned();
        assert_eq!(text(SecretGenerator::Base64(32)).len(), 43);
        assert_eq!(text(SecretGenerator::Hex(16)).len(), 32);
        assert_ne!(
            text(SecretGenerator::Hex(16)),
            text(SecretGenerator::Hex(16))
        );
    }
}
