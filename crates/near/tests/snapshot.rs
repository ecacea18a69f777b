//! Snapshots of artifacts: whole or not there, equal bytes once, nothing from outside.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use neargate_near::snapshot::{self, SnapshotError};
use tempfile::TempDir;

struct World {
    artifacts: PathBuf,
    source: PathBuf,
    state: PathBuf,
    _directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (source, state) = (root.join("app"), root.join("app/.neargate"));
        for path in [&source.join("bin"), &state.join("artifacts")] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(source.join("bin/serve"), "#!/bin/sh\necho one\n").unwrap();
        fs::set_permissions(source.join("bin/serve"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(source.join("page.html"), "hello").unwrap();
        symlink("bin/serve", source.join("serve")).unwrap();
        Self {
            artifacts: state.join("artifacts"),
            source,
            state,
            _directory: directory,
        }
    }

    fn snapshot(&self) -> Result<String, SnapshotError> {
        snapshot::snapshot(&self.artifacts, &self.source, &self.state)
    }

    /// Nothing of an attempt that failed may stay.
    fn snapshots(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.artifacts).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_directory_is_copied_whole_without_the_state_and_cannot_be_written() {
    let world = World::new();
    fs::create_dir(world.source.join(".git")).unwrap();
    let digest = world.snapshot().unwrap();
    let copy = world.artifacts.join(&digest);
    assert_eq!(fs::read_to_string(copy.join("page.html")).unwrap(), "hello");
    assert_eq!(
        fs::read_link(copy.join("serve")).unwrap(),
        Path::new("bin/serve")
    );
    assert!(!copy.join(".neargate").exists() && !copy.join(".git").exists());
    assert_eq!(mode(&copy.join("bin/serve")), 0o555);
    assert_eq!(mode(&copy.join("page.html")), 0o444);
    assert_eq!(mode(&copy.join("bin")), 0o555);
}

#[test]
fn equal_bytes_share_a_snapshot_and_any_difference_is_another() {
    let world = World::new();
    let first = world.snapshot().unwrap();
    assert_eq!(world.snapshot().unwrap(), first);
    assert_eq!(
        snapshot::digest_of(&world.source, &world.state).unwrap(),
        first
    );
    assert_eq!(world.snapshots(), std::slice::from_ref(&first));
    let mut digests = BTreeSet::from([first]);
    let page = world.source.join("page.html");
    let changes: [&dyn Fn(); 4] = [
        &|| fs::write(&page, "hullo").unwrap(),
        &|| fs::set_permissions(&page, fs::Permissions::from_mode(0o755)).unwrap(),
        &|| fs::rename(&page, world.source.join("pages.html")).unwrap(),
        &|| fs::create_dir(world.source.join("empty")).unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        change();
        assert!(digests.insert(world.snapshot().unwrap()), "change {number}");
    }
}

#[test]
fn a_file_is_snapshotted_under_its_own_name() {
    let world = World::new();
    let source = world.source.join("bin/serve");
    let digest = snapshot::snapshot(&world.artifacts, &source, &world.state).unwrap();
    let copy = world.artifacts.join(digest).join("serve");
    assert_eq!(fs::read(copy).unwrap(), fs::read(source).unwrap());
}

#[test]
fn what_is_missing_special_or_leads_outside_is_refused_and_nothing_is_left() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 4] = [
        ("is a link to ../../etc, outside", |source| {
            symlink("../../etc", source.join("bin/out")).unwrap();
        }),
        ("is a link to /etc/passwd, outside", |source| {
            symlink("/etc/passwd", source.join("passwd")).unwrap();
        }),
        ("is not a file, directory or link", |source| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                source.join("pipe"),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        }),
        ("does `build` make it?", |source| {
            fs::remove_dir_all(source.join("bin")).unwrap();
        }),
    ];
    for (expected, spoil) in cases {
        let world = World::new();
        spoil(&world.source);
        let source = if expected.contains("build") {
            world.source.join("bin")
        } else {
            world.source.clone()
        };
        let error = snapshot::snapshot(&world.artifacts, &source, &world.state).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(world.snapshots(), [""; 0]);
    }
}

#[test]
fn snapshots_that_no_revision_holds_are_removed() {
    let world = World::new();
    let first = world.snapshot().unwrap();
    fs::write(world.source.join("page.html"), "second").unwrap();
    let second = world.snapshot().unwrap();
    fs::create_dir(world.artifacts.join(".half.123")).unwrap();
    snapshot::remove_unused(&world.artifacts, &BTreeSet::from([second.clone()]));
    assert_ne!(first, second);
    assert_eq!(world.snapshots(), [second]);
}
