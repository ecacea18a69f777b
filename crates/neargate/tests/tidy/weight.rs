//! What every clone pays for: large files, and files that nobody can read or compare.

use super::repository::{Finding, Repository};

/// The most bytes of a file.
const MOST_BYTES: usize = 200_000;

/// Binary files that the repository needs, by path; none today.
const BINARIES: [&str; 0] = [];

/// Files above [`MOST_BYTES`], and binary files that are not in [`BINARIES`].
pub(crate) fn heavy_or_binary(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, bytes) in &repository.sizes {
        if *bytes > MOST_BYTES {
            let text = format!(
                "has {bytes} bytes, {MOST_BYTES} are the most: leave it out, or make it when it is needed"
            );
            found.push(Finding::at(path, 1, text));
        }
        let text = repository.texts.get(path);
        let binary = text.is_none_or(|text| text.contains('\0'));
        if binary && !BINARIES.contains(&path.as_str()) {
            let text = "is binary: leave it out, or name it in `BINARIES` of tidy/weight.rs";
            found.push(Finding::at(path, 1, text));
        }
    }
    found
}
