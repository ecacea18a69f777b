//! Trees as they lie about: what a snapshot cannot hold is refused in words, and nothing is left.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use neargate_near::snapshot::{self, FileSharing, SnapshotError, SnapshotProgress};
use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::World;

/// As the command line prints it: the error and what is behind it.
fn words(error: &SnapshotError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

#[test]
fn what_is_missing_special_or_leads_outside_is_refused_and_nothing_is_left() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 9] = [
        ("is a link to ../../etc, outside", |source| {
            symlink("../../etc", source.join("bin/out")).unwrap();
        }),
        ("is a link to s/../neargate.toml, outside", |source| {
            symlink("..", source.join("bin/s")).unwrap();
            symlink("s/../neargate.toml", source.join("bin/l")).unwrap();
        }),
        ("in the artifact, by its whole path", |source| {
            let page = source.canonicalize().unwrap().join("page.html");
            symlink(page, source.join("bin/page")).unwrap();
        }),
        ("is a link to ../drafts/a, which is left out", |source| {
            fs::create_dir(source.join("drafts")).unwrap();
            fs::write(source.join("drafts/a"), "a").unwrap();
            fs::write(source.join(".neargateignore"), "/drafts\n").unwrap();
            symlink("../drafts/a", source.join("bin/draft")).unwrap();
        }),
        ("is a link to .git/config, which is left out", |source| {
            fs::create_dir(source.join(".git")).unwrap();
            fs::write(source.join(".git/config"), "a").unwrap();
            symlink(".git/config", source.join("config")).unwrap();
        }),
        ("is a link to /etc/passwd, outside", |source| {
            symlink("/etc/passwd", source.join("passwd")).unwrap();
        }),
        ("pipe is not a file, directory or link", |source| {
            rustix::fs::mknodat(CWD, source.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        }),
        ("app.sock is not a file, directory or link", |source| {
            // The socket stays when its listener is gone.
            UnixListener::bind(source.join("app.sock")).unwrap();
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
        let (artifacts, progress) = (&world.artifacts, SnapshotProgress::default());
        let taken = snapshot::snapshot(
            artifacts,
            &source,
            &world.state,
            FileSharing::allowed(),
            &progress,
        );
        let error = taken.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(world.snapshots(), [""; 0]);
    }
}

#[test]
fn links_to_the_systems_own_directories_stay_links() {
    let world = World::new();
    symlink("/usr/bin/python3", world.source.join("bin/python")).unwrap();
    symlink("nowhere", world.source.join("dangling")).unwrap();
    symlink("itself", world.source.join("itself")).unwrap();
    let copy = world.artifacts.join(world.snapshot().unwrap());
    for (name, to) in [
        ("bin/python", "/usr/bin/python3"),
        ("dangling", "nowhere"),
        ("itself", "itself"),
    ] {
        assert_eq!(fs::read_link(copy.join(name)).unwrap(), Path::new(to));
    }
    symlink("/usr/../etc/shadow", world.source.join("bin/shadow")).unwrap();
    assert!(matches!(
        world.snapshot(),
        Err(SnapshotError::LinkOutside { .. })
    ));
}

#[test]
fn names_that_are_not_utf_8_empty_folders_and_times_of_change_are_kept() {
    let world = World::new();
    let odd = OsStr::from_bytes(b"latin-\xe9 \n\t.txt");
    fs::write(world.source.join(odd), "odd").unwrap();
    fs::create_dir_all(world.source.join("empty/within")).unwrap();
    for round in 0..2 {
        fs::write(world.source.join("round"), round.to_string()).unwrap();
        let (digest, shared) = world.sharing(FileSharing::Links).unwrap();
        assert_eq!(shared, 3 * round);
        let copy = world.artifacts.join(digest);
        assert_eq!(fs::read(copy.join(odd)).unwrap(), b"odd");
        assert!(copy.join("empty/within").is_dir());
        let modified = |path: &Path| fs::metadata(path.join(odd)).unwrap().modified().unwrap();
        assert_eq!(modified(&copy), modified(&world.source));
    }
}

#[test]
fn the_bits_that_give_a_user_away_are_dropped_and_hard_links_become_files() {
    let world = World::new();
    let tool = world.source.join("bin/tool");
    fs::write(&tool, "tool").unwrap();
    fs::hard_link(&tool, world.source.join("bin/other")).unwrap();
    fs::set_permissions(&tool, Permissions::from_mode(0o6777)).unwrap();
    let copy = world.artifacts.join(world.snapshot().unwrap());
    for name in ["bin/tool", "bin/other"] {
        let found = fs::metadata(copy.join(name)).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o555);
        assert_eq!(fs::read(copy.join(name)).unwrap(), b"tool");
        assert_ne!(found.ino(), fs::metadata(&tool).unwrap().ino());
    }
}

#[test]
fn a_sparse_file_stays_sparse() {
    const SIZE: u64 = 512 << 20;
    let world = World::new();
    let path = world.source.join("image");
    let file = File::create(&path).unwrap();
    file.set_len(SIZE).unwrap();
    file.write_all_at(b"middle", SIZE / 2).unwrap();
    drop(file);
    let copy = world
        .artifacts
        .join(world.snapshot().unwrap())
        .join("image");
    let found = fs::metadata(&copy).unwrap();
    assert_eq!(found.len(), SIZE);
    assert!(found.blocks() * 512 < 1 << 20, "{} blocks", found.blocks());
    let mut middle = [0; 8];
    let file = File::open(copy).unwrap();
    file.read_exact_at(&mut middle, SIZE / 2 - 1).unwrap();
    assert_eq!(&middle, b"\0middle\0");
}

#[test]
fn paths_longer_than_the_kernel_takes_are_refused_with_their_name() {
    let world = World::new();
    let name = "deep".repeat(50);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(CWD, &world.source, flags, Mode::empty()).unwrap();
    for _ in 0..30 {
        rustix::fs::mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = rustix::fs::openat(&folder, &name, flags, Mode::empty()).unwrap();
    }
    let error = words(&world.snapshot().unwrap_err());
    assert!(
        error.starts_with("cannot ") && error.contains(&name),
        "{error}"
    );
    assert!(error.contains("File name too long"), "{error}");
    assert_eq!(world.snapshots(), [""; 0]);
}

/// Runs in a thread of its own, whose user or mounts may be others.
fn aside<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

#[test]
fn what_cannot_be_read_is_named() {
    let world = World::new();
    fs::set_permissions(
        world.source.join("page.html"),
        Permissions::from_mode(0o000),
    )
    .unwrap();
    for path in [&world.artifacts, &world.state, &world.source] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let open = Permissions::from_mode(0o755);
    fs::set_permissions(world.source.parent().unwrap(), open).unwrap();
    let error = aside(|| {
        if rustix::process::geteuid().is_root() {
            let (user, group) = (
                rustix::process::Uid::from_raw(4321),
                rustix::process::Gid::from_raw(4321),
            );
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        }
        world.snapshot().unwrap_err()
    });
    let error = words(&error);
    assert!(error.contains("page.html: Permission denied"), "{error}");
    assert_eq!(world.snapshots(), [""; 0]);
}

/// Takes a snapshot into a file system of 48 MiB and 60 files; nothing where nobody may mount.
fn on_a_small_disk(world: &World) -> Option<SnapshotError> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    aside(|| {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        // SAFETY: the mounts of this thread alone become others; it ends with this test.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.ok()?;
        mount_change(
            "/",
            MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
        )
        .unwrap();
        let (target, options) = (&world.artifacts, c"size=48m,nr_inodes=60");
        mount("tmpfs", target, "tmpfs", MountFlags::empty(), Some(options)).unwrap();
        let error = world.snapshot().unwrap_err();
        assert_eq!(world.snapshots(), [""; 0]);
        Some(error)
    })
}

#[test]
fn a_copy_for_which_there_is_no_space_is_refused_before_the_disk_is_full() {
    let world = World::new();
    fs::write(world.source.join("large"), vec![7; 20 << 20]).unwrap();
    if let Some(error) = on_a_small_disk(&world) {
        let error = words(&error);
        assert!(
            error.starts_with(
                "the snapshot needs 21 MB, 34 MB are held back for the journal and the logs, and "
            ),
            "{error}"
        );
    }
}

#[test]
fn a_disk_that_is_full_in_the_middle_is_said_and_nothing_is_left() {
    let world = World::new();
    for number in 0..100 {
        fs::write(world.source.join(number.to_string()), "small").unwrap();
    }
    if let Some(error) = on_a_small_disk(&world) {
        let error = words(&error);
        assert!(
            error.starts_with("cannot write the snapshot to "),
            "{error}"
        );
        assert!(error.contains("No space left on device"), "{error}");
    }
}

/// Snapshots beside a thread that changes the artifact all the time.
fn beside(world: &World, change: impl Fn(u64) + Sync) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                change(number);
                if ended.load(Relaxed) {
                    return;
                }
            }
        });
        for _ in 0..20 {
            match world.snapshot() {
                Ok(_) | Err(SnapshotError::Changing(_)) => {}
                Err(error) => panic!("{}", words(&error)),
            }
        }
        ended.store(true, Relaxed);
    });
    // Whole snapshots only, and one in the end.
    assert!(world.snapshots().iter().all(|name| name.len() == 64));
    world.snapshot().unwrap();
}

#[test]
fn files_that_come_go_and_grow_meanwhile_do_no_harm() {
    let world = World::new();
    beside(&world, |number| {
        let path = world.source.join(format!("temporary-{}", number % 50));
        if fs::remove_file(&path).is_err() {
            fs::write(path, "x").unwrap();
        }
    });
    let log = world.source.join("growing.log");
    beside(&world, |_| {
        use std::io::Write;
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(&log)
            .unwrap();
        file.write_all(&[b'x'; 100]).unwrap();
        // As fast as a log, not as a disk.
        std::thread::sleep(std::time::Duration::from_micros(100));
    });
}

#[test]
fn a_snapshot_that_nobody_waits_for_is_given_up() {
    let world = World::new();
    let progress = SnapshotProgress::default();
    progress.give_up();
    let (artifacts, sharing) = (&world.artifacts, FileSharing::allowed());
    let taken = snapshot::snapshot(artifacts, &world.source, &world.state, sharing, &progress);
    assert!(matches!(taken, Err(SnapshotError::GivenUp)));
    assert_eq!(world.snapshots(), [""; 0]);
}
