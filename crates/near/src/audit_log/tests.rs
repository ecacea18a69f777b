//! Of the audit log: bounds, order, lost lines.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn log() -> (tempfile::TempDir, StateDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let state = StateDir::at(folder.path());
    (folder, state)
}

#[test]
fn lines_are_read_back_in_order_and_are_the_owners_alone() {
    let (_folder, state) = log();
    let audit = AuditLog::of(&state);
    for number in 0..3 {
        let record =
            AuditRecord::accepted(PeerUser::own(), "scale", "api").with(format!("{number} tasks"));
        audit.write(record).expect("it is written");
    }
    let details: Vec<String> = read(&state)
        .expect("it is read")
        .into_iter()
        .map(|record| record.detail)
        .collect();
    assert_eq!(details, ["0 tasks", "1 tasks", "2 tasks"]);
    let mode = fs::metadata(state.audit_log())
        .expect("the file")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn the_log_is_bounded_and_keeps_the_newest_lines() {
    let (_folder, state) = log();
    let audit = AuditLog::of(&state);
    for number in 0..3 {
        fs::write(state.audit_log(), vec![b' '; FILE_BYTES as usize]).expect("a full file");
        let record = AuditRecord::accepted(PeerUser::own(), "scale", &format!("s{number}"));
        audit.write(record).expect("it is written");
    }
    for _ in 0..10 {
        fs::write(state.audit_log(), vec![b' '; FILE_BYTES as usize]).expect("a full file");
        let record = AuditRecord::accepted(PeerUser::own(), "scale", "newest");
        audit.write(record).expect("it is written");
    }
    let files = fs::read_dir(state.path()).expect("a folder").flatten();
    let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("audit.log"));
    assert_eq!(logs.count(), FILES as usize);
    let newest = read(&state).expect("it is read").pop().expect("a line");
    assert_eq!(newest.subject, "newest");
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    let (_folder, state) = log();
    let reason = "é".repeat(TEXT_BYTES);
    let record = AuditRecord::accepted(PeerUser::own(), "deploy", "api").refused(&reason);
    AuditLog::of(&state).write(record).expect("it is written");
    let kept = read(&state).expect("it is read").pop().expect("a line");
    assert!(kept.reason.len() <= TEXT_BYTES + "…".len());
    assert_eq!(kept.outcome, AuditResult::Refused);
}

#[test]
fn lines_that_could_not_be_written_are_counted_by_the_next_one() {
    let (_folder, state) = log();
    let audit = AuditLog::of(&state);
    // A folder in its place takes no line, as a full disk does.
    fs::create_dir(state.audit_log()).expect("a folder");
    for _ in 0..2 {
        let record = AuditRecord::accepted(PeerUser::own(), "scale", "api");
        audit.write(record).expect_err("nothing takes it");
    }
    fs::remove_dir(state.audit_log()).expect("it goes");
    let record = AuditRecord::accepted(PeerUser::own(), "rollback", "api");
    audit.write(record).expect("it is written");
    let records = read(&state).expect("it is read");
    let told: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record.what.as_str(), record.detail.as_str()))
        .collect();
    let lost = "2 lines before this one could not be written";
    assert_eq!(told, [("lines-lost", lost), ("rollback", "")]);
}
