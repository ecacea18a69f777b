//! Texts of others on a terminal: an app's line must not move the cursor, set the title or answer
//! for the person who reads it.
//!
//! Invariant: what comes out holds no control character but line feed, tab, and ESC in colours (SGR).

use std::borrow::Cow;

/// The text with its colours (or without them), and everything else that steers as text.
pub(crate) fn harmless(text: &str, colours: bool) -> Cow<'_, str> {
    if !text.contains(|c| steers(c) && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = colour(rest) {
            if colours {
                out.push_str(&rest[..length]);
            }
            rest = &rest[length..];
            continue;
        }
        match c {
            '\n' | '\t' => out.push(c),
            c if steers(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(out)
}

/// JSON in which no character steers a terminal. They can only stand in its texts.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and marks that change the direction of what follows.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Length of the colour (`ESC [ numbers m`, ECMA-48 SGR) that a text begins with.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    numbers[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_pass() {
        for (text, shown) in [
            ("plain \t grüße", "plain \t grüße"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[31mred\u{1b}[0m"),
            ("\u{1b}[38;5;1mx", "\u{1b}[38;5;1mx"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{1b}[31", "\\u{1b}[31"),
            ("10%\r20%", "10%\\r20%"),
            ("\u{9b}31m\u{0}\u{7f}", "\\u{9b}31m\\u{0}\\u{7f}"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("two\nlines", "two\nlines"),
        ] {
            assert_eq!(harmless(text, true), shown, "{text:?}");
        }
        assert_eq!(harmless("\u{1b}[31mred\u{1b}[0m", false), "red");
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::json!({"m": "a\u{9b}b\u{7f}\u{1b}[31m"});
        let escaped = escaped_json(&value.to_string());
        assert!(!escaped.contains(steers), "{escaped}");
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, value);
    }
}
