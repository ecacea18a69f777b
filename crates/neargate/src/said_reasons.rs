//! Long explanations are said once: whatever fails by the same reason afterwards is said shortly.

use std::collections::VecDeque;

/// Texts that are remembered.
const REMEMBERED: usize = 32;
/// Bytes from which on an explanation is long.
const LONG: usize = 40;

/// What was said.
#[derive(Default)]
pub struct SaidReasons(VecDeque<String>);

impl SaidReasons {
    /// A text, without an explanation that ended one before.
    pub fn shorten(&mut self, text: &str) -> String {
        let mut parts = text.match_indices(": ");
        let known = parts.find_map(|(at, colon)| {
            let reason = &text[at + colon.len()..];
            let said = || self.0.iter().any(|said| ends_with(said, reason));
            (reason.len() >= LONG && said()).then(|| format!("{} (as above)", &text[..at]))
        });
        if known.is_none() {
            self.0.truncate(REMEMBERED - 1);
            self.0.push_front(text.to_owned());
        }
        known.unwrap_or_else(|| text.to_owned())
    }
}

/// Whether a text ends with this explanation, or is it.
fn ends_with(text: &str, reason: &str) -> bool {
    let rest = text.strip_suffix(reason);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_explanation_is_said_once() {
        let long =
            "exit code 126: its program, or one that it starts, may not be run: neargate doctor";
        let mut reasons = SaidReasons::default();
        for (text, said) in [
            (format!("task web-r1-1 failed (1 of 3): {long}"), None),
            (
                format!("task web-r1-1 stopped: {long}"),
                Some("task web-r1-1 stopped (as above)"),
            ),
            (
                format!("task web-r1-2 failed (2 of 3): {long}"),
                Some("task web-r1-2 failed (2 of 3) (as above)"),
            ),
            (
                format!("release 1 failed: 3 tasks failed: {long}"),
                Some("release 1 failed: 3 tasks failed (as above)"),
            ),
            ("task web-r1-1 stopped: exit code 1".to_owned(), None),
            ("task web-r1-2 stopped: exit code 1".to_owned(), None),
        ] {
            assert_eq!(reasons.shorten(&text), said.unwrap_or(&text));
        }
    }
}
