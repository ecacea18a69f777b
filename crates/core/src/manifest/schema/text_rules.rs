//! Rules that many text formats share: length, characters, one line.

/// Refuses control characters.
pub(super) fn printable(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(format!(
            "it holds a control character, `{}`",
            c.escape_debug()
        )),
        None => Ok(()),
    }
}

/// At least one and at most this many characters.
pub(in crate::manifest) fn longest(text: &str, most: usize) -> Result<(), String> {
    match text.chars().count() {
        0 => Err("it is empty".into()),
        n if n > most => Err(format!("it has {n} characters, at most {most} are allowed")),
        _ => Ok(()),
    }
}

/// Refuses characters that are not allowed; `what` names those that are.
pub(super) fn only(text: &str, allowed: impl Fn(char) -> bool, what: &str) -> Result<(), String> {
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(format!(
            "`{}` is not allowed; only {what} are",
            c.escape_debug()
        )),
        None => Ok(()),
    }
}
