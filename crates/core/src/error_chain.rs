//! An error with its causes, as people read it: the one place where a chain becomes text.

use std::error::Error;

/// An error and its causes in one line, `error: cause: cause of the cause`. A cause whose words are
/// said already, because an error before it has them in its own, is left out.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !line.contains(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Link {
        words: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain_of(words: &[&'static str]) -> Link {
        let source = match words {
            [] | [_] => None,
            [_, rest @ ..] => Some(Box::new(chain_of(rest))),
        };
        Link {
            words: words.first().copied().unwrap_or_default(),
            source,
        }
    }

    #[test]
    fn every_cause_is_said_once() {
        for (links, line) in [
            (vec!["it failed"], "it failed"),
            (
                vec!["cannot open a", "no such file"],
                "cannot open a: no such file",
            ),
            (
                vec!["cannot open a (no such file)", "no such file"],
                "cannot open a (no such file)",
            ),
            (
                vec!["no answer", "cannot connect: refused", "refused", "port 9"],
                "no answer: cannot connect: refused: port 9",
            ),
            (vec!["it failed", ""], "it failed"),
        ] {
            assert_eq!(error_chain(&chain_of(&links)), line);
        }
    }
}
