//! From a request's path to a file inside the site.
//!
//! Invariant: a path is decoded once, to the bytes of a name; an encoded slash, a NUL, a `..`, a manifest and a dot file are
//! not found, but for what is in `/.well-known/`; links that lead out of the directory are not followed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use neargate_core::routing::site::is_hidden;

/// Target of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResolvedPath {
    File(PathBuf),
    /// A directory asked for without its slash.
    Redirect,
    /// Nothing that is there.
    Nothing,
    /// Never served, whatever is there.
    Refused,
}

pub(super) fn resolve(root: &Path, path: &str, index: &str) -> ResolvedPath {
    let Some(relative) = decode(path) else {
        return ResolvedPath::Refused;
    };
    let Some(found) = inside(root, &relative) else {
        return ResolvedPath::Nothing;
    };
    if found.is_file() {
        return if path.ends_with('/') {
            ResolvedPath::Nothing
        } else {
            ResolvedPath::File(found)
        };
    }
    let index = Path::new(&relative).join(index);
    match inside(root, &index) {
        Some(file) if file.is_file() && path.ends_with('/') => ResolvedPath::File(file),
        Some(file) if file.is_file() => ResolvedPath::Redirect,
        _ => ResolvedPath::Nothing,
    }
}

/// A file of the site by its name relative to the root, links resolved.
pub(super) fn inside(root: &Path, relative: impl AsRef<Path>) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let found = root.join(relative).canonicalize().ok()?;
    let within = found.strip_prefix(&root).ok()?;
    let hidden = |(at, part): (usize, &OsStr)| is_hidden(&part.to_string_lossy(), at == 0);
    (!within.iter().enumerate().any(hidden)).then_some(found)
}

/// The decoded path without its leading slash; `None` for what is never served.
fn decode(path: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            let decoded = u8::try_from(high * 16 + low).ok()?;
            if decoded == b'/' {
                return None;
            }
            decoded
        } else {
            byte
        };
        if byte == 0 {
            return None;
        }
        bytes.push(byte);
    }
    let first = bytes.iter().position(|byte| *byte != b'/');
    let mut relative = bytes.split_off(first.unwrap_or(bytes.len()));
    let hidden = |(at, part): (usize, &[u8])| is_hidden(&String::from_utf8_lossy(part), at == 0);
    if relative.split(|byte| *byte == b'/').enumerate().any(hidden) {
        return None;
    }
    while relative.ends_with(b"/") {
        relative.pop();
    }
    Some(OsString::from_vec(relative).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// A site with files that are never served, and the folder that it lies in.
    fn site() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("site");
        std::fs::create_dir_all(root.join("docs")).expect("made");
        for hidden in [".git", ".well-known", "docs/.well-known"] {
            std::fs::create_dir_all(root.join(hidden)).expect("made");
        }
        for (name, text) in [
            ("index.html", "i"),
            ("a b.txt", "x"),
            ("docs/index.html", "d"),
            (".git/config", "s"),
            (".well-known/security.txt", "s"),
            (".well-known/.env", "s"),
            ("docs/.well-known/x", "s"),
            ("neargate.toml", "s"),
            ("docs/neargate.toml", "s"),
            ("NearGate.TOML", "s"),
            ("neargate.toml.gz", "s"),
            ("docs/neargate.toml.br", "s"),
            ("NEARGATE.toml.ZST", "s"),
            ("../secret", "s"),
            ("back\\slash.txt", "b"),
        ] {
            std::fs::write(root.join(name), text).expect("written");
        }
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link")).expect("linked");
        std::os::unix::fs::symlink(root.join(".git/config"), root.join("conf")).expect("linked");
        (dir, root)
    }

    #[test]
    fn only_files_of_the_site_are_found() {
        let (_dir, root) = site();
        let root_real = root.canonicalize().expect("real");
        for (path, expected) in [
            ("/", Some("index.html")),
            ("/index.html", Some("index.html")),
            ("/a%20b.txt", Some("a b.txt")),
            ("/docs/", Some("docs/index.html")),
            ("/index.html/", None),
            ("/back%5cslash.txt", Some("back\\slash.txt")),
            (
                "/.well-known/security.txt",
                Some(".well-known/security.txt"),
            ),
            ("/link", None),
            ("/conf", None),
            ("//etc/passwd", None),
            ("/missing", None),
        ] {
            let expected = expected.map_or(ResolvedPath::Nothing, |f| {
                ResolvedPath::File(root_real.join(f))
            });
            assert_eq!(resolve(&root, path, "index.html"), expected, "{path}");
        }
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/docs%2findex.html",
            "/index.html%00",
            "/.git/config",
            "/%2egit/config",
            "/.well-known/.env",
            "/.well-known/../index.html",
            "/docs/.well-known/x",
            "/neargate.toml",
            "/%6eeargate.toml",
            "/docs/neargate.toml",
            "/neargate.toml/",
            "/NearGate.TOML",
            "/neargate.toml.gz",
            "/docs/neargate.toml.br",
            "/NEARGATE.toml.ZST",
            "/%zz",
        ] {
            let got = resolve(&root, path, "index.html");
            assert_eq!(got, ResolvedPath::Refused, "{path}");
        }
        assert_eq!(
            resolve(&root, "/docs", "index.html"),
            ResolvedPath::Redirect
        );
        let odd = root_real.join(OsStr::from_bytes(b"latin-\xe9.txt"));
        std::fs::write(&odd, "x").expect("written");
        let got = resolve(&root, "/latin-%E9.txt", "index.html");
        assert_eq!(got, ResolvedPath::File(odd));
    }
}
