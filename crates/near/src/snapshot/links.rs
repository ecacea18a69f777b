//! Where the links of an artifact lead, through the tree that was read.
//!
//! Invariant: a link is followed one component after another, through other links, as the kernel
//! will in the snapshot. None leaves it, but for the system's own directories.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path};

use super::artifact_tree::{ArtifactPart, ArtifactTree};
use super::error::{SnapshotError, reading};

/// Where links may lead that leave the artifact: what every machine's tasks can read, and what
/// only the system's administrator changes. A virtual environment's python lies there.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/nix"];

/// As many links on the way as the kernel follows.
const HOPS: u32 = 40;

/// Where a link leads in the end.
#[derive(Debug, PartialEq, Eq)]
enum LinkEnd {
    /// To a part of the artifact, or to one of the system's own.
    There,
    /// To nothing: it is not in the tree, or the link leads round in a circle.
    Nowhere,
    /// Out of the artifact.
    Outside,
}

/// Refuses links that lead out of the artifact, and those that lead to something that the artifact
/// has and its snapshot has not.
pub(super) fn check(artifact: &Path, tree: &ArtifactTree) -> Result<(), SnapshotError> {
    let root = &fs::canonicalize(artifact).map_err(reading(artifact))?;
    for (name, part) in tree {
        let ArtifactPart::Link(to) = part else {
            continue;
        };
        let (path, to) = (root.join(name), to.clone());
        if to.is_absolute() && leads_into(root, &to) {
            return Err(SnapshotError::LinkAbsolute { path, to });
        }
        match end_of(tree, name) {
            LinkEnd::There => {}
            LinkEnd::Outside => return Err(SnapshotError::LinkOutside { path, to }),
            LinkEnd::Nowhere if fs::metadata(&path).is_ok() => {
                return Err(SnapshotError::LinkLeftOut { path, to });
            }
            LinkEnd::Nowhere => {}
        }
    }
    Ok(())
}

fn leads_into(root: &Path, to: &Path) -> bool {
    to.starts_with(root) || fs::canonicalize(to).is_ok_and(|to| to.starts_with(root))
}

/// Follows a link of the tree.
fn end_of(tree: &ArtifactTree, link: &Path) -> LinkEnd {
    // The directory that was come to: never a link itself, so that `..` is its parent.
    let mut reached = link.parent().unwrap_or(Path::new("")).to_owned();
    let mut rest = VecDeque::from(
        link.file_name()
            .map(OsString::from)
            .into_iter()
            .collect::<Vec<_>>(),
    );
    let mut hops = 0;
    let mut lost = false;
    while let Some(component) = rest.pop_front() {
        if component == ".." {
            if !reached.pop() {
                return LinkEnd::Outside;
            }
            continue;
        }
        let next = reached.join(&component);
        match tree.get(&next) {
            Some(ArtifactPart::Link(to)) if hops < HOPS => {
                hops += 1;
                if to.is_absolute() {
                    return end_of_absolute(to, &rest);
                }
                for component in to.components().rev() {
                    if component != Component::CurDir {
                        rest.push_front(component.as_os_str().to_owned());
                    }
                }
            }
            Some(ArtifactPart::Directory) => reached = next,
            Some(ArtifactPart::File(_)) if rest.is_empty() => return end(lost),
            // Nothing leads on from here; it is counted whether the rest would lead out.
            _ => {
                lost = true;
                reached = next;
            }
        }
    }
    end(lost)
}

fn end(lost: bool) -> LinkEnd {
    if lost {
        LinkEnd::Nowhere
    } else {
        LinkEnd::There
    }
}

/// A link by a whole path, and what follows it on the way.
fn end_of_absolute(to: &Path, rest: &VecDeque<OsString>) -> LinkEnd {
    let up = to.components().any(|part| part == Component::ParentDir)
        || rest.iter().any(|part| part == "..");
    if !up && SYSTEM.iter().any(|system| to.starts_with(system)) {
        LinkEnd::There
    } else {
        LinkEnd::Outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_component_by_component() {
        // A tree of links alone, and the directories that they lie in.
        let links = [
            ("a/b/s", "../.."),
            ("a/b/manifest", "s/../neargate.toml"),
            ("a/b/database", "s/../../secrets.db"),
            ("a/b/fine", "s/a/b"),
            ("a/up", ".."),
            ("a/above", "up/../x"),
            ("python", "/usr/bin/python3"),
            ("system", "/usr"),
            ("shadow", "system/../etc/shadow"),
            ("in-system", "system/bin"),
            ("etc", "/etc"),
            ("circle", "./circle"),
            ("nowhere", "gone/file"),
            ("out-of-nowhere", "gone/../../x"),
            ("through-etc", "etc/passwd"),
            ("sibling", "./a/./up"),
        ];
        let mut tree = ArtifactTree::new();
        for directory in ["a", "a/b"] {
            tree.insert(directory.into(), ArtifactPart::Directory);
        }
        for (name, to) in links {
            tree.insert(name.into(), ArtifactPart::Link(to.into()));
        }
        for (name, expected) in [
            ("a/b/s", LinkEnd::There),
            ("a/b/manifest", LinkEnd::Outside),
            ("a/b/database", LinkEnd::Outside),
            ("a/b/fine", LinkEnd::There),
            ("a/up", LinkEnd::There),
            ("a/above", LinkEnd::Outside),
            ("python", LinkEnd::There),
            ("shadow", LinkEnd::Outside),
            ("in-system", LinkEnd::There),
            ("etc", LinkEnd::Outside),
            ("circle", LinkEnd::Nowhere),
            ("nowhere", LinkEnd::Nowhere),
            ("out-of-nowhere", LinkEnd::Outside),
            ("through-etc", LinkEnd::Outside),
            ("sibling", LinkEnd::There),
        ] {
            assert_eq!(end_of(&tree, Path::new(name)), expected, "{name}");
        }
    }
}
