//! The head of a file that Neargate makes: who made it, and a checksum of the rest.
//!
//! Invariant: a file that people changed is told from one that they did not. The checksum finds
//! changes, not attackers: whoever can write the file can write the head too.

use crate::digest::sha256;

const MADE: &str =
    "# Made by `neargate pipeline render`: change the manifest and render again, not this file.";
const SUM: &str = "# sha256 of what follows: ";

/// A body with its head.
#[must_use]
pub(super) fn seal(body: &str) -> String {
    format!("{MADE}\n{SUM}{}\n{body}", sha256(body.as_bytes()))
}

/// Whether a file is as it was made.
fn is_whole(text: &str) -> bool {
    let rest = text
        .strip_prefix(MADE)
        .and_then(|rest| rest.strip_prefix('\n'));
    let rest = rest.and_then(|rest| rest.strip_prefix(SUM));
    let parts = rest.and_then(|rest| rest.split_once('\n'));
    parts.is_some_and(|(written, body)| written == sha256(body.as_bytes()))
}

/// Change that a file needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is right already, or not there and not wanted.
    Nothing,
    /// It is written; nobody loses anything.
    Write,
    /// It was made by an earlier render and is not wanted any more.
    Remove,
    /// People wrote or changed it: only with their consent.
    Ask,
}

/// Change by which a file becomes the one that is wanted (`None`: no such file).
#[must_use]
pub fn change(there: Option<&str>, wanted: Option<&str>) -> FileChange {
    match (there, wanted) {
        (None, None) => FileChange::Nothing,
        (None, Some(_)) => FileChange::Write,
        (Some(there), Some(wanted)) if there == wanted => FileChange::Nothing,
        (Some(there), wanted) if is_whole(there) => {
            if wanted.is_some() {
                FileChange::Write
            } else {
                FileChange::Remove
            }
        }
        // A file of that name that another program made is none of ours.
        (Some(there), None) if !there.starts_with(MADE) => FileChange::Nothing,
        (Some(_), _) => FileChange::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::{FileChange, change, seal};

    #[test]
    fn a_file_that_people_changed_is_never_replaced_unasked() {
        let (old, new) = (seal("a: 1\n"), seal("a: 2\n"));
        let edited = old.replace("a: 1", "a: 3");
        for (there, wanted, expected) in [
            (None, None, FileChange::Nothing),
            (None, Some(&new), FileChange::Write),
            (Some(new.as_str()), Some(&new), FileChange::Nothing),
            (Some(old.as_str()), Some(&new), FileChange::Write),
            (Some(old.as_str()), None, FileChange::Remove),
            (Some(edited.as_str()), Some(&new), FileChange::Ask),
            (Some(edited.as_str()), None, FileChange::Ask),
            (Some("on: push\n"), Some(&new), FileChange::Ask),
            (Some("on: push\n"), None, FileChange::Nothing),
        ] {
            let found = change(there, wanted.map(String::as_str));
            assert_eq!(found, expected, "{there:?} to {wanted:?}");
        }
    }
}
