//! A disk that stands still: the engine's loop goes on, and does nothing that is not written.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::{App, root};
use crate::releases::ECHO;

/// The disk stands still for so long; a hang of the loop would be noticed by the watchdog.
const STANDSTILL: Duration = Duration::from_secs(3);
/// Nothing of the loop takes so long, on a busy machine either: far less than the standstill.
const LONGEST_WAIT_MS: f64 = 1000.0;

/// A file system of its own for a state directory.
struct Disk {
    at: PathBuf,
    _image: tempfile::TempDir,
}

impl Disk {
    /// Mounts one; `None` where that cannot be done.
    fn mount(at: &Path) -> Option<Self> {
        let image = tempfile::tempdir().ok()?;
        let file = image.path().join("disk");
        std::fs::File::create(&file).ok()?.set_len(128 << 20).ok()?;
        std::fs::create_dir_all(at).ok()?;
        let done = ran(Command::new("mkfs.ext4").arg("-q").arg(&file))
            && ran(Command::new("mount")
                .args(["-o", "loop"])
                .arg(&file)
                .arg(at))
            && ran(Command::new("chmod").arg("0700").arg(at));
        done.then(|| Self {
            at: at.to_owned(),
            _image: image,
        })
    }

    /// From now on every write waits.
    fn freeze(&self) -> Frozen<'_> {
        assert!(ran(Command::new("fsfreeze").arg("-f").arg(&self.at)));
        Frozen(self)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        ran(Command::new("umount").arg("-l").arg(&self.at));
    }
}

/// Goes on when it is dropped.
struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        ran(Command::new("fsfreeze").arg("-u").arg(&self.0.at));
    }
}

fn ran(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn while_the_disk_stands_still_the_engine_answers_and_does_nothing_that_is_not_written() {
    if !root() {
        println!("skipped: only root can mount a file system");
        return;
    }
    let app = App::new(ECHO);
    let Some(disk) = Disk::mount(&app.state()) else {
        println!("skipped: this machine cannot mount a file in a loop");
        return;
    };
    app.up();
    let before = app.status();
    let tasks =
        |status: &serde_json::Value| status["services"][0]["tasks"].as_array().map(Vec::len);
    let frozen = disk.freeze();
    let began = Instant::now();
    let mut scale = app
        .command(&["scale", "api=3"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut answers = 0;
    while began.elapsed() < STANDSTILL {
        let status = app.status();
        assert_eq!(tasks(&status), tasks(&before), "nothing is started");
        assert_eq!(
            status["services"][0]["desired"],
            before["services"][0]["desired"]
        );
        assert_eq!(status["engine"]["pid"], before["engine"]["pid"]);
        answers += 1;
    }
    assert!(
        scale.try_wait().expect("its end").is_none(),
        "it is answered when it is written"
    );
    drop(frozen);
    assert!(scale.wait().expect("its end").success());
    app.wait("three healthy tasks", |status| {
        status["services"][0]["healthy"] == 3
    });
    let status = app.status();
    let longest = status["engine_loop"]["longest_ms"]
        .as_f64()
        .expect("a gauge");
    assert!(
        longest < LONGEST_WAIT_MS,
        "{longest} ms in {answers} answers"
    );
    assert_eq!(
        status["engine"]["pid"], before["engine"]["pid"],
        "the same engine"
    );
    app.ok(&["down", "--purge", "--yes"]);
    drop(disk);
}
