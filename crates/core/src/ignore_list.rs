//! What of an artifact is left out, as its list says it: the rules of git's ignore files.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use std::path::Path;

/// Why a list is none.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreListError {
    /// A line is no pattern.
    #[error("line {number}: {source}")]
    Pattern {
        /// Which line, from 1.
        number: usize,
        source: ignore::Error,
    },
    /// The patterns together are too much.
    #[error(transparent)]
    Patterns(ignore::Error),
}

/// A list of files and folders to leave out.
#[derive(Debug, Clone)]
pub struct IgnoreList(Gitignore);

impl IgnoreList {
    /// Leaves nothing out.
    #[must_use]
    pub fn nothing() -> Self {
        Self(Gitignore::empty())
    }

    /// Reads a list, one pattern a line.
    ///
    /// # Errors
    /// The first line that is no pattern, with its number.
    pub fn read(text: &str) -> Result<Self, IgnoreListError> {
        let mut list = GitignoreBuilder::new("");
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            list.add_line(None, line)
                .map_err(|source| IgnoreListError::Pattern { number, source })?;
        }
        list.build().map(Self).map_err(IgnoreListError::Patterns)
    }

    /// Whether a file or folder is left out, by its path in the artifact. What is in a folder that
    /// is left out is not asked about.
    #[must_use]
    pub fn holds(&self, path: &Path, is_folder: bool) -> bool {
        self.0.matched(path, is_folder).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let text =
            "# tests\n\nnode_modules/\n*.log\n!keep.log\n/only-here\ndocs/**/draft\n\\#odd\n";
        let list = IgnoreList::read(text).expect("patterns");
        for (path, is_folder, left_out) in [
            ("node_modules", true, true),
            ("deep/node_modules", true, true),
            ("node_modules", false, false),
            ("a.log", false, true),
            ("deep/keep.log", false, false),
            ("only-here", false, true),
            ("deep/only-here", false, false),
            ("docs/a/b/draft", false, true),
            ("docs/draft", false, true),
            ("#odd", false, true),
            ("# tests", false, false),
            ("app.js", false, false),
        ] {
            assert_eq!(list.holds(Path::new(path), is_folder), left_out, "{path}");
        }
        assert!(!IgnoreList::nothing().holds(Path::new("a.log"), false));
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        let problem = IgnoreList::read("fine\n[z-a]\n").expect_err("no range");
        let problem = problem.to_string();
        assert!(problem.starts_with("line 2: "), "{problem}");
    }
}
