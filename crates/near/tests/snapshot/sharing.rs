//! What a snapshot has in common with the one before: files that did not change, and no byte else.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use neargate_near::snapshot::{self, FileSharing};

use super::World;

const FILES: u64 = 40;

/// A tree of [`FILES`] files below `many`, and the two of the world.
fn world() -> World {
    let world = World::new();
    for number in 0..FILES {
        let folder = world.source.join(format!("many/{}", number % 4));
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join(format!("{number}.js")),
            format!("file {number:04}"),
        )
        .unwrap();
    }
    world
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Asserts that a snapshot holds what the source holds, in files that are not the source's.
fn assert_copy(world: &World, digest: &str) {
    let copy = world.artifacts.join(digest);
    let sources = files(&world.source);
    let sources = sources
        .iter()
        .filter(|path| !path.starts_with(&world.state));
    let mut count = 0;
    for source in sources {
        let target = copy.join(source.strip_prefix(&world.source).unwrap());
        assert_eq!(
            fs::read(source).unwrap(),
            fs::read(&target).unwrap(),
            "{target:?}"
        );
        assert_ne!(inode(source), inode(&target), "{target:?}");
        let (found, mode) = (fs::metadata(source).unwrap(), super::mode(&target));
        assert_eq!(
            mode,
            if found.mode() & 0o111 == 0 {
                0o444
            } else {
                0o555
            }
        );
        count += 1;
    }
    assert_eq!(files(&copy).len(), count);
}

#[test]
fn unchanged_files_are_shared_with_the_snapshot_before() {
    let world = world();
    let (first, shared) = world.sharing(FileSharing::Links).unwrap();
    assert_eq!(shared, 0);
    fs::write(world.source.join("many/0/0.js"), "file zero").unwrap();
    let (second, shared) = world.sharing(FileSharing::Links).unwrap();
    assert_eq!(shared, FILES + 1);
    let inodes =
        |name: &str| [&first, &second].map(|one| inode(&world.artifacts.join(one).join(name)));
    let [before, after] = inodes("many/1/1.js");
    assert_eq!(before, after);
    let [before, after] = inodes("many/0/0.js");
    assert_ne!(before, after);
    assert_eq!(
        fs::read(world.artifacts.join(&first).join("many/0/0.js")).unwrap(),
        b"file 0000"
    );
    assert_copy(&world, &second);
}

#[test]
fn a_snapshot_stays_whole_when_the_one_it_shares_with_is_removed() {
    let world = world();
    let (first, _) = world.sharing(FileSharing::Links).unwrap();
    fs::write(world.source.join("new.js"), "new").unwrap();
    let (second, _) = world.sharing(FileSharing::Links).unwrap();
    let shared = world.artifacts.join(&second).join("many/1/1.js");
    assert_eq!(fs::metadata(&shared).unwrap().nlink(), 2);
    snapshot::remove_unused(&world.artifacts, &[second.clone()].into());
    assert_eq!(fs::metadata(&shared).unwrap().nlink(), 1);
    assert!(!world.artifacts.join(first).exists());
    assert_copy(&world, &second);
}

#[test]
fn where_tasks_could_write_to_our_files_nothing_is_shared() {
    let world = world();
    let (first, _) = world.sharing(FileSharing::Never).unwrap();
    fs::write(world.source.join("new.js"), "new").unwrap();
    let (second, shared) = world.sharing(FileSharing::Never).unwrap();
    assert_eq!(shared, 0);
    let name = "many/1/1.js";
    assert_ne!(
        inode(&world.artifacts.join(first).join(name)),
        inode(&world.artifacts.join(&second).join(name))
    );
    assert_copy(&world, &second);
}

/// The content of a file replaced by another one of the same length, size and time of change.
fn replace_in_secret(path: &Path, bytes: &str) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let aside = path.with_extension("aside");
    fs::write(&aside, bytes).unwrap();
    let times = FileTimes::new().set_modified(modified);
    File::options()
        .write(true)
        .open(&aside)
        .unwrap()
        .set_times(times)
        .unwrap();
    fs::rename(aside, path).unwrap();
}

#[test]
fn every_kind_of_change_is_seen() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 9] = [
        ("other bytes", |root| {
            fs::write(root.join("many/0/0.js"), "longer than before").unwrap();
        }),
        ("other bytes of the same length", |root| {
            fs::write(root.join("many/0/0.js"), "file 000x").unwrap();
        }),
        (
            "another file with the same size and time of change",
            |root| {
                replace_in_secret(&root.join("many/0/0.js"), "file 000y");
            },
        ),
        ("another mode", |root| {
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(root.join("many/0/0.js"), executable).unwrap();
        }),
        ("a removed file", |root| {
            fs::remove_file(root.join("many/0/0.js")).unwrap();
        }),
        ("a file instead of a folder", |root| {
            fs::remove_dir_all(root.join("many/3")).unwrap();
            fs::write(root.join("many/3"), "file 0003").unwrap();
        }),
        ("a link instead of a file", |root| {
            fs::remove_file(root.join("many/0/0.js")).unwrap();
            symlink("4.js", root.join("many/0/0.js")).unwrap();
        }),
        ("a new link", |root| {
            symlink("many", root.join("link")).unwrap();
        }),
        ("two files whose names are swapped", |root| {
            let (one, two) = (root.join("many/0/0.js"), root.join("many/1/1.js"));
            let aside = root.join("aside");
            fs::rename(&one, &aside).unwrap();
            fs::rename(&two, &one).unwrap();
            fs::rename(&aside, &two).unwrap();
        }),
    ];
    for settled in [false, true] {
        let worlds: Vec<World> = changes.iter().map(|_| world()).collect();
        if settled {
            // Old enough to be taken for unchanged without being read.
            std::thread::sleep(Duration::from_millis(3100));
        }
        for (world, (name, change)) in worlds.iter().zip(changes) {
            let (first, _) = world.sharing(FileSharing::Links).unwrap();
            change(&world.source);
            let (second, shared) = world.sharing(FileSharing::Links).unwrap();
            assert_ne!(first, second, "{name}");
            assert!(shared >= FILES / 2, "{name}: {shared} files are shared");
            assert_copy(world, &second);
        }
    }
}

#[test]
fn a_file_that_changes_in_the_same_tick_again_and_again_is_always_seen() {
    let world = world();
    let page = world.source.join("page.html");
    for number in 0..100 {
        let text = format!("{number:05}");
        fs::write(&page, &text).unwrap();
        let (digest, _) = world.sharing(FileSharing::Links).unwrap();
        let copy = world.artifacts.join(digest).join("page.html");
        assert_eq!(fs::read_to_string(copy).unwrap(), text);
    }
}

#[test]
fn a_file_of_the_snapshot_before_that_is_not_as_it_was_written_is_not_shared() {
    let world = world();
    let (first, _) = world.sharing(FileSharing::Links).unwrap();
    let spoiled = |name: &str| world.artifacts.join(&first).join(name);
    fs::set_permissions(spoiled("many/1/1.js"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(spoiled("many/2/2.js"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(spoiled("many/2/2.js"), "cut").unwrap();
    fs::set_permissions(spoiled("many/2/2.js"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::write(world.source.join("new.js"), "new").unwrap();
    let (second, shared) = world.sharing(FileSharing::Links).unwrap();
    assert_eq!(shared, FILES);
    assert_copy(&world, &second);
}

#[test]
fn without_a_readable_record_everything_is_copied() {
    for spoil in [
        &b""[..],
        b"neargate record 1\0",
        b"neargate record 1\0nonsense\0end\0",
    ] {
        let world = world();
        world.sharing(FileSharing::Links).unwrap();
        let records = fs::read_dir(world.artifacts.join(".records")).unwrap();
        for record in records.flatten() {
            fs::write(record.path(), spoil).unwrap();
        }
        fs::write(world.source.join("new.js"), "new").unwrap();
        let (second, shared) = world.sharing(FileSharing::Links).unwrap();
        assert_eq!(shared, 0);
        assert_copy(&world, &second);
    }
}
