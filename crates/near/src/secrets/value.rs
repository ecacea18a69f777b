//! Values from the system's random source.
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

#[cfg(test)]
mod tests {
    use super::*;

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
