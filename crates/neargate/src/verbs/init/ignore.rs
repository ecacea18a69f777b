//! What near leaves out of a snapshot of the folder: `.neargateignore`.
//!
//! Invariant: only what no program needs to run. A virtual environment or `node_modules` may be what
//! the command runs, so it stays.

use super::survey::{DetectedProgram, Language, ProjectSurvey};

/// First lines of the file.
const HEAD: &str = "\
# What near leaves out of a snapshot of this folder (artifact = \".\"), as git's ignore files do;
# .git and .neargate always. Far, a build by a Dockerfile goes by .dockerignore instead.
";
const PYTHON: [&str; 5] = [
    "__pycache__/",
    "*.pyc",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
];
const NODE: [&str; 4] = [
    "node_modules/.cache/",
    ".next/cache/",
    ".nyc_output/",
    "*.log",
];

/// The file's text; `None`: the folder itself is not what a revision would snapshot.
pub(super) fn list(found: &ProjectSurvey) -> Option<String> {
    let DetectedProgram::Program(program) = &found.runs else {
        return None;
    };
    let entries: &[&str] = match program.language? {
        Language::Python => &PYTHON,
        Language::Node => &NODE,
    };
    Some(format!("{HEAD}{}\n", entries.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::survey::survey;
    use super::*;

    #[test]
    fn folders_of_interpreted_programs_get_a_list_and_files_that_are_built_do_not() {
        for (file, text, entry) in [
            ("requirements.txt", "flask", Some("__pycache__/")),
            (
                "package.json",
                r#"{"scripts":{"start":"node ."}}"#,
                Some("node_modules/.cache/"),
            ),
            ("go.mod", "module shop", None),
            ("index.html", "<p>", None),
            ("Dockerfile", "CMD [\"./serve\"]", None),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join(file), text).expect("a file");
            let list = list(&survey(folder.path()));
            let has = |entry: &str| {
                let mut lines = list.as_deref().unwrap_or_default().lines();
                lines.any(|line| line == entry)
            };
            assert_eq!(list.is_some(), entry.is_some(), "{file}");
            assert!(entry.is_none_or(has), "{file}: {list:?}");
            // What the command runs is there.
            assert!(!has("node_modules/") && !has(".venv/"), "{list:?}");
        }
    }
}
