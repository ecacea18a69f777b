//! Snapshots of artifacts: whole or not there, equal bytes once, nothing from outside.

mod odd;
mod sharing;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use neargate_near::snapshot::{self, FileSharing, SnapshotError, SnapshotProgress};
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
        self.sharing(FileSharing::allowed())
            .map(|(digest, _)| digest)
    }

    /// The digest, and how many files are shared with the snapshot before.
    fn sharing(&self, sharing: FileSharing) -> Result<(String, u64), SnapshotError> {
        let progress = SnapshotProgress::default();
        let (artifacts, source) = (&self.artifacts, &self.source);
        let taken = snapshot::snapshot(artifacts, source, &self.state, sharing, &progress)?;
        Ok((taken, progress.read("web").shared_files))
    }

    /// Nothing of an attempt that failed may stay.
    fn snapshots(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.artifacts).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name != ".records")
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
        snapshot::digest_of(&world.artifacts, &world.source, &world.state).unwrap(),
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
    let progress = SnapshotProgress::default();
    let digest = snapshot::snapshot(
        &world.artifacts,
        &source,
        &world.state,
        FileSharing::allowed(),
        &progress,
    )
    .unwrap();
    let copy = world.artifacts.join(digest).join("serve");
    assert_eq!(fs::read(copy).unwrap(), fs::read(source).unwrap());
}

#[test]
fn snapshots_that_no_revision_holds_are_removed() {
    let world = World::new();
    let first = world.snapshot().unwrap();
    fs::write(world.source.join("page.html"), "second").unwrap();
    let second = world.snapshot().unwrap();
    fs::create_dir(world.artifacts.join(".half.123")).unwrap();
    // Interrupted removals: the name grows no longer.
    let (before, keep) = (
        world.artifacts.join(".unused.456"),
        BTreeSet::from([second.clone()]),
    );
    fs::create_dir(&before).unwrap();
    let set_aside = || BTreeSet::from_iter(snapshot::set_aside_unused(&world.artifacts, &keep));
    let aside = set_aside();
    assert_eq!(aside, set_aside());
    assert!(aside.contains(&before), "{aside:?}");
    snapshot::remove_unused(&world.artifacts, &BTreeSet::from([second.clone()]));
    assert_ne!(first, second);
    assert_eq!(world.snapshots(), [second]);
    let records = fs::read_dir(world.artifacts.join(".records")).unwrap();
    assert_eq!(records.count(), 1);
}

#[test]
fn what_neargateignore_names_is_left_out_and_counted() {
    let world = World::new();
    let full = world.snapshot().unwrap();
    fs::create_dir_all(world.source.join("node_modules/.cache")).unwrap();
    fs::write(world.source.join("node_modules/.cache/x"), "x").unwrap();
    fs::write(world.source.join("debug.log"), "noise").unwrap();
    let list = world.source.join(".neargateignore");
    fs::write(&list, "node_modules/\n*.log\n").unwrap();
    let progress = SnapshotProgress::default();
    let (artifacts, sharing) = (&world.artifacts, FileSharing::allowed());
    let digest =
        snapshot::snapshot(artifacts, &world.source, &world.state, sharing, &progress).unwrap();
    assert_eq!(digest, full, "the list itself is left out, too");
    assert_eq!(progress.read("web").left_out, 3);
    fs::write(&list, "[z-a]\n").unwrap();
    let error = world.snapshot().unwrap_err().to_string();
    assert!(error.contains(".neargateignore: line 1"), "{error}");
}
