//! The files of the repository: what git tracks, and what it would track.
//!
//! Refuses: files that git ignores. Files that are not UTF-8 have a size and no text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Path from the repository's root.
    pub path: String,
    /// Line, from 1; 0: the file as a whole.
    pub line: usize,
    /// The fault, and how to mend it.
    pub text: String,
}

impl Finding {
    /// A finding at a place.
    pub(crate) fn at(path: &str, line: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            path: path.to_owned(),
            line,
            text,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line.max(1), self.text)
    }
}

/// Every file with its text.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    /// Texts by path from the root.
    pub texts: BTreeMap<String, String>,
    /// Paths of all files, texts or not.
    pub files: Vec<String>,
    /// Bytes of each file, by path.
    pub sizes: BTreeMap<String, usize>,
}

impl Repository {
    /// Reads the work tree that this test was built from.
    pub(crate) fn read() -> Self {
        let root = root();
        let mut repository = Self::default();
        for path in listed(&root) {
            let Ok(bytes) = std::fs::read(root.join(&path)) else {
                continue; // Deleted, and git is not told yet.
            };
            repository.sizes.insert(path.clone(), bytes.len());
            if let Ok(text) = String::from_utf8(bytes) {
                repository.texts.insert(path.clone(), text);
            }
            repository.files.push(path);
        }
        repository
    }

    /// A made-up repository, for the checks' own tests.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let texts: BTreeMap<String, String> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let sizes = texts
            .iter()
            .map(|(path, text)| (path.clone(), text.len()))
            .collect();
        let files = texts.keys().cloned().collect();
        Self {
            texts,
            files,
            sizes,
        }
    }

    /// Whether there is a file of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path)
    }
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().nth(2);
    root.expect("this crate lies two folders below the root")
        .to_owned()
}

fn listed(root: &Path) -> Vec<String> {
    let output = Command::new("git")
        // The tests may run as another user than the one who cloned.
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("the tidy test needs git");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the tidy test needs a git work tree: {error}"
    );
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let mut paths: Vec<String> = text
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}
