//! Rules that many text formats share: length, characters, one line; and how a text breaks a rule.

use crate::manifest::calendar::CalendarError;

/// How a text breaks a rule of its format. Its words are the label of a diagnostic: they come
/// after the text itself, so they do not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextRuleViolation {
    /// There is no text.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has {found} characters, at most {most} are allowed")]
    TooLong {
        /// Characters that it has.
        found: usize,
        /// Characters that it may have.
        most: usize,
    },
    /// It holds a control character.
    #[error("it holds a control character, `{}`", .0.escape_debug())]
    ControlCharacter(char),
    /// It holds a character that the format lacks.
    #[error("`{}` is not allowed; only {allowed} are", found.escape_debug())]
    Character {
        /// The first such character.
        found: char,
        /// The characters that are allowed, in words.
        allowed: &'static str,
    },
    /// It is not written in the form that the format asks for; with that form, in words.
    #[error("{0}")]
    Form(&'static str),
    /// `uses` names a service.
    #[error(
        "services are not used: every task gets the address of every other service, \
         this one's as `{}_URL`",
        .0.to_uppercase().replace('-', "_")
    )]
    UsedService(String),
    /// An address block has more bits than its kind of address.
    #[error("this address has 0 to {most} bits")]
    AddressBits {
        /// Bits of such an address: 32 or 128.
        most: u8,
    },
    /// A status code that no health check can expect.
    #[error("`{0}` is not a status code from 200 to 499")]
    StatusCode(String),
    /// A range of status codes that ends before it begins.
    #[error("`{low}-{high}` is empty: the smaller code comes first")]
    EmptyStatusRange {
        /// The code before the `-`.
        low: u16,
        /// The code behind it.
        high: u16,
    },
    /// A part of a path that a static site hides.
    #[error("`{0}` is never served")]
    HiddenFile(String),
    /// A window or schedule that is wrong.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

/// Refuses control characters.
pub(super) fn printable(text: &str) -> Result<(), TextRuleViolation> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(TextRuleViolation::ControlCharacter(c)),
        None => Ok(()),
    }
}

/// At least one and at most this many characters.
pub(in crate::manifest) fn longest(text: &str, most: usize) -> Result<(), TextRuleViolation> {
    match text.chars().count() {
        0 => Err(TextRuleViolation::Empty),
        found if found > most => Err(TextRuleViolation::TooLong { found, most }),
        _ => Ok(()),
    }
}

/// Refuses characters that are not allowed; `allowed` names those that are.
pub(super) fn only(
    text: &str,
    is_allowed: impl Fn(char) -> bool,
    allowed: &'static str,
) -> Result<(), TextRuleViolation> {
    match text.chars().find(|c| !is_allowed(*c)) {
        Some(found) => Err(TextRuleViolation::Character { found, allowed }),
        None => Ok(()),
    }
}
