//! The files of a static site on this machine, by digest.
//!
//! Invariant: what near's router would not serve is not released: names that begin with a dot
//! (but for `.well-known/`), links that lead elsewhere. Precompressed siblings stay here too: CloudFront compresses by
//! itself. Refuses a folder without its index, and more than the bounds below.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use neargate_core::model::Static;
use neargate_core::routing::site::is_hidden;

pub use super::site_files_error::SiteFilesError;
use super::site_files_error::{LONGEST_PATH, MOST_BYTES, MOST_FILES};
use super::site_revision::{SiteFile, SiteRevision};
use neargate_far::digest::sha256;

/// The files of a site's folder.
///
/// # Errors
/// The folder or its index is missing, something in it cannot be read or is too much.
pub fn read(folder: &Path, site: &Static) -> Result<SiteRevision, SiteFilesError> {
    let root = folder.join(&site.root);
    let mut paths = BTreeMap::new();
    walk(&root, "", &mut paths)?;
    if !paths.contains_key(&site.index) {
        let index = site.index.clone();
        return Err(SiteFilesError::NoIndex { index, root });
    }
    let mut files = BTreeMap::new();
    for (path, from) in &paths {
        if is_compressed_sibling(path, &paths) {
            continue;
        }
        let bytes = bytes(from)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let file = SiteFile::new(site, path, sha256(&bytes), size);
        files.insert(path.clone(), file);
    }
    Ok(SiteRevision::new(files))
}

/// The bytes of a file that [`read`] found.
///
/// # Errors
/// It cannot be read, or is not what it was.
pub fn bytes_of(
    folder: &Path,
    site: &Static,
    path: &str,
    file: &SiteFile,
) -> Result<Vec<u8>, SiteFilesError> {
    let from = folder.join(&site.root).join(path);
    let bytes = bytes(&from)?;
    if sha256(&bytes) != file.sha256 {
        return Err(SiteFilesError::Changed(from));
    }
    Ok(bytes)
}

fn walk(
    folder: &Path,
    below: &str,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), SiteFilesError> {
    let entries = fs::read_dir(folder).map_err(|error| unread(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unread(folder, &error))?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(SiteFilesError::NotUtf8(path));
        };
        if is_hidden(name, below.is_empty()) {
            continue;
        }
        let below = format!("{below}{name}");
        if below.len() > LONGEST_PATH {
            return Err(SiteFilesError::LongPath(below));
        }
        let kind = entry.file_type().map_err(|error| unread(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &format!("{below}/"), found)?;
        } else if kind.is_file() {
            found.insert(below, path);
        } else {
            return Err(SiteFilesError::NotAFile(path));
        }
        if found.len() > MOST_FILES {
            return Err(SiteFilesError::TooMany(folder.to_owned()));
        }
    }
    Ok(())
}

fn bytes(from: &Path) -> Result<Vec<u8>, SiteFilesError> {
    let size = fs::metadata(from).map_err(|error| unread(from, &error))?;
    if size.len() > MOST_BYTES {
        return Err(SiteFilesError::TooLarge(from.to_owned()));
    }
    fs::read(from).map_err(|error| unread(from, &error))
}

fn unread(path: &Path, error: &std::io::Error) -> SiteFilesError {
    SiteFilesError::Unread {
        path: path.to_owned(),
        error: error.to_string(),
    }
}

/// `app.js.br` beside `app.js`.
fn is_compressed_sibling(path: &str, all: &BTreeMap<String, PathBuf>) -> bool {
    let plain = path.strip_suffix(".br").or(path.strip_suffix(".gz"));
    plain.is_some_and(|plain| all.contains_key(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Static {
        Static {
            root: "front".to_owned(),
            index: "index.html".to_owned(),
            fallback: None,
            not_found: None,
            cache: Vec::new(),
            keep: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn hidden_files_and_compressed_siblings_are_no_part_of_a_site() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("front");
        fs::create_dir_all(root.join(".git")).expect("made");
        fs::create_dir_all(root.join("assets")).expect("made");
        fs::create_dir_all(root.join(".well-known")).expect("made");
        fs::create_dir_all(root.join("assets/.well-known")).expect("made");
        for name in [
            "index.html",
            ".env",
            "neargate.toml",
            ".well-known/security.txt",
            ".well-known/.hidden",
            "assets/.well-known/x",
            ".git/config",
            "assets/a.js",
            "assets/a.js.br",
            "b.gz",
        ] {
            fs::write(root.join(name), name).expect("written");
        }
        let site = read(folder.path(), &rules()).expect("a site");
        let paths: Vec<&str> = site.files.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                ".well-known/security.txt",
                "assets/a.js",
                "b.gz",
                "index.html"
            ]
        );
        let file = &site.files["assets/a.js"];
        assert_eq!(file.sha256.len(), 64);
        let bytes = bytes_of(folder.path(), &rules(), "assets/a.js", file).expect("its bytes");
        assert_eq!(bytes, b"assets/a.js");
        fs::write(root.join("assets/a.js"), "other").expect("written");
        assert!(bytes_of(folder.path(), &rules(), "assets/a.js", file).is_err());
    }

    #[test]
    fn links_and_a_folder_without_an_index_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("front");
        assert!(read(folder.path(), &rules()).is_err());
        fs::create_dir_all(&root).expect("made");
        let trouble = read(folder.path(), &rules()).expect_err("it is empty");
        assert!(trouble.to_string().contains("no index.html"), "{trouble}");
        fs::write(root.join("index.html"), "i").expect("written");
        std::os::unix::fs::symlink("/etc/passwd", root.join("users")).expect("linked");
        let trouble = read(folder.path(), &rules()).expect_err("a link");
        assert!(trouble.to_string().contains("users"), "{trouble}");
    }
}
