//! Files that a test makes and that others read as they are, so that they have no header of insta's: pages
//! of the docs, workflows. Every crate that makes one includes this file (docs/decisions/0017).
#![allow(clippy::disallowed_methods)] // a test reads the file and asks whether to write it

use std::fs;
use std::path::Path;

/// Fails if the file, by its path from the repository's root, is not `text`. It writes the file where
/// `INSTA_UPDATE` makes insta write goldens.
#[track_caller]
pub(crate) fn assert_generated(file: &str, text: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(file);
    let update = std::env::var("INSTA_UPDATE").unwrap_or_default();
    if ["1", "always", "force"].contains(&update.as_str()) {
        let folder = path.parent().expect("a file has a folder");
        fs::create_dir_all(folder).expect("the folder is made");
        fs::write(&path, text).expect("the file is written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let pairs = written.lines().zip(text.lines());
    let same = pairs.take_while(|(old, new)| old == new).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end)").to_owned();
    assert!(
        written == text,
        "{file}:{} differs; INSTA_UPDATE=always rewrites it\n-{}\n+{}",
        same + 1,
        line(&written),
        line(text)
    );
}
