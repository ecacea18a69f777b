//! Whether a program goes on with the engine that runs, or puts its own in its place.
//!
//! Invariant: a newer engine is never replaced by an older one: what it wrote may be unreadable
//! for that.

use semver::Version;

/// Fate of the engine that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// It is this very program: it goes on.
    GoOn,
    /// It is of another build: this program's takes its place.
    TakeOver,
    /// It is newer: this program does nothing.
    Refuse,
}

/// `own` and `running` are versions; `None`: the engine is too old to tell. `same`: what runs is
/// this program, byte for byte.
#[must_use]
pub fn decide(own: &str, running: Option<&str>, same: bool) -> Succession {
    if same {
        return Succession::GoOn;
    }
    let parse = |text: &str| Version::parse(text).ok();
    match (parse(own), running.and_then(parse)) {
        (Some(own), Some(running)) if running > own => Succession::Refuse,
        _ => Succession::TakeOver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_or_other_build_gives_way_and_a_newer_one_stays() {
        let table = [
            ("1.2.0", Some("1.2.0"), true, Succession::GoOn),
            ("1.2.0", None, true, Succession::GoOn),
            ("1.2.0", Some("1.2.0"), false, Succession::TakeOver),
            ("1.2.0", Some("1.1.9"), false, Succession::TakeOver),
            ("1.2.0", None, false, Succession::TakeOver),
            ("1.2.0", Some("1.10.0"), false, Succession::Refuse),
            ("1.2.0-rc.1", Some("1.2.0"), false, Succession::Refuse),
            ("1.2.0", Some("one"), false, Succession::TakeOver),
        ];
        for (own, running, same, expected) in table {
            assert_eq!(decide(own, running, same), expected, "{own} {running:?}");
        }
    }
}
