//! Long explanations are said once: whatever fails by the same reason afterwards is said shortly.

use std::collections::VecDeque;

/// Explanations that are remembered.
const REMEMBERED: usize = 32;
/// Bytes from which on an explanation is long.
const LONG: usize = 40;
/// Words of an explanation that are repeated.
const MOST_WORDS: usize = 6;

/// The explanations that were said.
#[derive(Default)]
pub(crate) struct SaidReasons(VecDeque<String>);

impl SaidReasons {
    /// A text, in which an explanation that was said before is not repeated.
    pub(crate) fn shorten(&mut self, text: &str) -> String {
        let known = self.0.iter().filter(|reason| text.contains(*reason));
        if let Some(reason) = known.max_by_key(|reason| reason.len()) {
            let shortly = format!("{} (as above)", beginning(reason));
            return text.replacen(reason, &shortly, 1);
        }
        if let Some((_, reason)) = text.split_once(": ")
            && reason.len() >= LONG
        {
            self.0.truncate(REMEMBERED - 1);
            self.0.push_front(reason.to_owned());
        }
        text.to_owned()
    }
}

/// Enough of an explanation to know it again: up to its first mark, or its first words.
fn beginning(reason: &str) -> String {
    let clause = reason.split([':', ';', ',', '(']).next().unwrap_or(reason);
    let words: Vec<&str> = clause.split_whitespace().take(MOST_WORDS).collect();
    words.join(" ")
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
                Some("task web-r1-1 stopped: exit code 126 (as above)"),
            ),
            (
                format!("task web-r1-2 failed (2 of 3): {long}"),
                Some("task web-r1-2 failed (2 of 3): exit code 126 (as above)"),
            ),
            (
                format!(
                    "release 1 failed: task web-r1-2: {long} (never healthy); revision 1 serves"
                ),
                Some(
                    "release 1 failed: task web-r1-2: exit code 126 (as above) (never healthy); revision 1 serves",
                ),
            ),
            ("task web-r1-1 stopped: exit code 1".to_owned(), None),
            ("task web-r1-2 stopped: exit code 1".to_owned(), None),
        ] {
            assert_eq!(reasons.shorten(&text), said.unwrap_or(&text));
        }
    }
}
