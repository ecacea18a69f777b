//! Words that no file may hold: put-off work, and paths of the machine that wrote it.
//!
//! The words themselves are put together here, so that this file does not hold them.

use super::repository::Finding;
use super::source::is_word;

/// Marks of work that is put off; whole words.
fn marks() -> [String; 3] {
    [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
    ]
}

/// Code that puts work off.
fn calls() -> [String; 3] {
    [
        ["to", "do!"].concat(),
        ["unimple", "mented!"].concat(),
        ["#[ign", "ore"].concat(),
    ]
}

/// Work that is put off.
pub(crate) fn put_off(path: &str, text: &str) -> Vec<Finding> {
    if path.ends_with(".lock") || path.contains("LICENSE") {
        return Vec::new();
    }
    let (marks, calls) = (marks(), calls());
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mark = marks.iter().find(|mark| has_word(line, mark));
        let call = calls
            .iter()
            .filter(|_| path.ends_with(".rs"))
            .find(|call| begins_word(line, call));
        if let Some(what) = mark.or(call) {
            let text = format!("`{what}` puts work off: do it, or take it out");
            found.push(Finding::at(path, index + 1, text));
        }
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn begins_word(line: &str, call: &str) -> bool {
    line.match_indices(call)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_word))
}

/// Absolute paths that exist only on the machine where they were written.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let roots = [["/wo", "rk/"].concat(), ["/fa", "rm/"].concat()];
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(root) = roots.iter().find(|root| begins_path(line, root)) {
            let text = format!("an absolute path below `{root}`: nobody else has it");
            found.push(Finding::at(path, index + 1, text));
        }
    }
    found
}

/// Whether a path begins with this root, not only goes through a folder of that name.
fn begins_path(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| is_word(c) || "-./~}*$".contains(c))
    })
}
