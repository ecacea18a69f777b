//! The journal against real files: reopening, damage, full disks, two engines.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use neargate_core::time::Timestamp;
use neargate_near::journal::{
    HISTORY, Journal, JournalError, JournalReader, LoadedJournal, Recorded, lock,
};
use neargate_near::paths::StateDir;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fact {
    number: u64,
    text: String,
}

impl Recorded for Fact {
    fn kind(&self) -> &'static str {
        "fact"
    }
}

fn fact(number: u64) -> Fact {
    Fact {
        number,
        text: "x".repeat(40),
    }
}

fn facts(range: std::ops::RangeInclusive<u64>) -> Vec<Fact> {
    range.map(fact).collect()
}

fn open(path: &Path) -> Journal {
    Journal::open(path).unwrap()
}

fn load(journal: &Journal) -> LoadedJournal<Vec<u64>, Fact> {
    journal.load().unwrap()
}

#[test]
fn entries_come_back_in_order_with_their_numbers_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut journal = open(&path);
    assert_eq!(journal.append(Timestamp(5), &facts(1..=2)).unwrap(), 2);
    assert_eq!(journal.append(Timestamp(7), &facts(3..=3)).unwrap(), 3);
    assert_eq!(journal.append::<Fact>(Timestamp(8), &[]).unwrap(), 3);
    drop(journal);
    let loaded = load(&open(&path));
    assert_eq!(loaded.snapshot, None);
    let seen: Vec<_> = loaded
        .entries
        .iter()
        .map(|stored| (stored.seq, stored.at.0, stored.entry.number))
        .collect();
    assert_eq!(seen, [(1, 5, 1), (2, 5, 2), (3, 7, 3)]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn snapshot_replaces_the_entries_before_it_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut journal = open(&path);
    journal.append(Timestamp(1), &facts(1..=5)).unwrap();
    journal.compact(3, &vec![1_u64, 2, 3]).unwrap();
    drop(journal);
    let mut journal = open(&path);
    let loaded = load(&journal);
    assert_eq!(loaded.snapshot, Some((3, vec![1, 2, 3])));
    let numbers: Vec<_> = loaded.entries.iter().map(|stored| stored.seq).collect();
    assert_eq!(numbers, [4, 5]);
    // The entries behind the snapshot are still history.
    let reader = JournalReader::open(&path).unwrap();
    assert_eq!(reader.read::<Fact>(0, 100).unwrap().len(), 5);
    assert_eq!(reader.read::<Fact>(1, 2).unwrap()[0].seq, 2);
    assert_eq!(journal.append(Timestamp(2), &facts(6..=6)).unwrap(), 6);
}

#[test]
fn compaction_keeps_the_history_and_bounds_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut journal = open(&path);
    let mut sizes = Vec::new();
    for round in 1..=4_u64 {
        let first = (round - 1) * HISTORY + 1;
        let last = round * HISTORY;
        journal
            .append(Timestamp(round), &facts(first..=last))
            .unwrap();
        journal.compact(last, &vec![last]).unwrap();
        let raw = rusqlite::Connection::open(&path).unwrap();
        let pages: u64 = raw
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap();
        sizes.push(pages);
    }
    let reader = JournalReader::open(&path).unwrap();
    let kept = reader.read::<Fact>(0, u64::MAX).unwrap();
    assert_eq!(kept.len() as u64, HISTORY);
    assert_eq!(kept[0].seq, 3 * HISTORY + 1);
    // Freed pages are used again: the file does not grow with the age of the environment.
    assert!(sizes[3] <= sizes[1] + sizes[1] / 2, "{sizes:?}");
    // A snapshot that lags keeps every entry after it, beyond the history too.
    journal.append(Timestamp(9), &facts(1..=HISTORY)).unwrap();
    journal.compact(4 * HISTORY, &vec![0_u64]).unwrap();
    assert_eq!(load(&journal).entries.len() as u64, HISTORY);
}

#[test]
fn meta_is_kept_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut journal = open(&path);
    assert_eq!(journal.get_meta("port").unwrap(), None);
    journal.put_meta("port", "8080").unwrap();
    journal.put_meta("port", "8081").unwrap();
    journal.close().unwrap();
    assert_eq!(
        open(&path).get_meta("port").unwrap().as_deref(),
        Some("8081")
    );
}

#[test]
fn newer_schema_is_refused_with_both_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    open(&path).close().unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let error = Journal::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            JournalError::NewerSchema {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

/// Writes rubbish over the file from this byte on.
fn overwrite(path: &Path, from: u64) {
    let length = fs::metadata(path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let rubbish = vec![0xA5_u8; usize::try_from(length - from).unwrap()];
    file.write_all(&rubbish).unwrap();
}

#[test]
fn damaged_file_is_refused_by_name_with_what_to_do() {
    for from in [0, 4096] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut journal = open(&path);
        journal.append(Timestamp(1), &facts(1..=500)).unwrap();
        // Not closed cleanly: the next start checks everything.
        drop(journal);
        overwrite(&path, from);
        let error = Journal::open(&path)
            .and_then(|journal| journal.load::<Vec<u64>, Fact>())
            .unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, JournalError::Damaged { .. }),
            "from {from}: {text}"
        );
        assert!(
            text.contains("state.db") && text.contains("aside"),
            "{text}"
        );
    }
}

#[test]
fn missing_entry_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut journal = open(&path);
    journal.append(Timestamp(1), &facts(1..=5)).unwrap();
    journal.close().unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("DELETE FROM journal WHERE seq = 3", [])
        .unwrap();
    drop(raw);
    let error = open(&path).load::<Vec<u64>, Fact>().unwrap_err();
    assert!(error.to_string().contains("entry 3 is missing"), "{error}");
}

#[test]
fn operator_can_read_while_the_engine_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut journal = open(&path);
    journal.append(Timestamp(1), &facts(1..=3)).unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    let count = |raw: &rusqlite::Connection| -> u64 {
        raw.query_row(
            "SELECT count(*) FROM journal WHERE kind = 'fact'",
            [],
            |row| row.get(0),
        )
        .unwrap()
    };
    assert_eq!(count(&raw), 3);
    journal.append(Timestamp(1), &facts(4..=4)).unwrap();
    assert_eq!(count(&raw), 4);
}

/// A file system of a given size; needs root.
struct SmallDisk {
    at: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(kib: u32) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={kib}k,mode=0700"),
                "tmpfs",
            ])
            .arg(at.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { at })
    }

    fn path(&self) -> PathBuf {
        self.at.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.at.path())
            .status();
    }
}

#[test]
fn full_disk_fails_the_append_whole_and_goes_on_when_space_returns() {
    let Some(disk) = SmallDisk::mount(1024) else {
        eprintln!("skipped: only root can mount a small file system");
        return;
    };
    let path = disk.path().join("state.db");
    let ballast = disk.path().join("ballast");
    let mut journal = open(&path);
    journal.append(Timestamp(1), &facts(1..=3)).unwrap();
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let mut written = 3;
    let error = loop {
        match journal.append(Timestamp(2), &facts(written + 1..=written + 100)) {
            Ok(last) => written = last,
            Err(error) => break error,
        }
        assert!(written < 1_000_000, "the disk never got full");
    };
    assert!(matches!(error, JournalError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
    assert_eq!(load(&journal).entries.len() as u64, written);
    drop(file);
    fs::remove_file(&ballast).unwrap();
    assert_eq!(
        journal.append(Timestamp(3), &facts(0..=0)).unwrap(),
        written + 1
    );
    drop(journal);
    assert_eq!(load(&open(&path)).entries.len() as u64, written + 1);
}

#[test]
fn second_engine_is_told_the_pid_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::at(dir.path());
    let held = lock(&state).unwrap();
    let error = lock(&state).unwrap_err();
    let pid = std::process::id().to_string();
    assert!(
        matches!(&error, JournalError::EngineRuns { holder, .. } if *holder == pid),
        "{error}"
    );
    drop(held);
    lock(&state).unwrap();
}
