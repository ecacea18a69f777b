//! The secrets store on real files, by several processes' worth of handles.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use neargate_core::model::SecretGenerator;
use neargate_core::time::Timestamp;
use neargate_near::paths::StateDir;
use neargate_near::secrets::{
    MAX_BYTES, SecretValue, Secrets, SecretsError, VersionSelector, VersionStage, names,
};

fn place() -> (tempfile::TempDir, StateDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::at(dir.path().join("state"));
    (dir, state)
}

fn set(secrets: &mut Secrets, name: &str, value: &str) -> u32 {
    secrets
        .set(Timestamp(1), name, &SecretValue::new(value))
        .unwrap()
}

fn get(secrets: &Secrets, name: &str, which: VersionSelector) -> String {
    let (_, value) = secrets.get(name, which).unwrap();
    value.expose_text().unwrap().to_owned()
}

#[test]
fn set_moves_the_stages_as_secrets_manager_does() {
    let (_dir, state) = place();
    let mut secrets = Secrets::open(&state).unwrap();
    assert_eq!(set(&mut secrets, "session", "one"), 1);
    assert!(secrets.get("session", VersionSelector::Previous).is_err());
    assert_eq!(set(&mut secrets, "session", "two"), 2);
    assert_eq!(set(&mut secrets, "session", "three"), 3);
    assert_eq!(get(&secrets, "session", VersionSelector::Current), "three");
    assert_eq!(get(&secrets, "session", VersionSelector::Previous), "two");
    assert_eq!(get(&secrets, "session", VersionSelector::Version(1)), "one");
    let stages: Vec<_> = secrets
        .list()
        .unwrap()
        .into_iter()
        .map(|version| (version.version, version.stage))
        .collect();
    assert_eq!(
        stages,
        [
            (3, VersionStage::Current),
            (2, VersionStage::Previous),
            (1, VersionStage::Older)
        ]
    );
}

#[test]
fn ten_versions_are_kept() {
    let (_dir, state) = place();
    let mut secrets = Secrets::open(&state).unwrap();
    for number in 1..=13 {
        set(&mut secrets, "session", &number.to_string());
    }
    let kept: Vec<_> = secrets.list().unwrap().iter().map(|v| v.version).collect();
    assert_eq!(kept, (4..=13).rev().collect::<Vec<_>>());
    let error = secrets
        .get("session", VersionSelector::Version(3))
        .unwrap_err();
    assert!(error.to_string().contains("has no version 3"), "{error}");
}

#[test]
fn generated_once_and_kept_over_a_restart() {
    let (_dir, state) = place();
    let rule = SecretGenerator::Base64(32);
    let mut secrets = Secrets::open(&state).unwrap();
    assert_eq!(secrets.ensure(Timestamp(1), "session", rule).unwrap(), 1);
    let value = get(&secrets, "session", VersionSelector::Current);
    assert_eq!(value.len(), 43);
    drop(secrets);
    let mut secrets = Secrets::open(&state).unwrap();
    assert_eq!(secrets.ensure(Timestamp(2), "session", rule).unwrap(), 1);
    assert_eq!(get(&secrets, "session", VersionSelector::Current), value);
}

#[test]
fn values_are_not_in_the_files_and_the_files_are_the_owners() {
    let (_dir, state) = place();
    let mut secrets = Secrets::open(&state).unwrap();
    set(&mut secrets, "session", "very-secret-words");
    set(&mut secrets, "session", "other-secret-words");
    for entry in fs::read_dir(state.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(
            !bytes.windows(12).any(|part| part == b"secret-words"),
            "{path:?}"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o777,
            0o600,
            "{path:?}"
        );
    }
    assert_eq!(fs::metadata(state.path()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn rows_cannot_be_swapped() {
    let (_dir, state) = place();
    let mut secrets = Secrets::open(&state).unwrap();
    set(&mut secrets, "admin", "a");
    set(&mut secrets, "guest", "g");
    let raw = rusqlite::Connection::open(state.secrets()).unwrap();
    raw.execute(
        "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE name = 'guest') WHERE name = 'admin'",
        [],
    )
    .unwrap();
    let error = secrets.get("admin", VersionSelector::Current).unwrap_err();
    assert!(matches!(error, SecretsError::Tampered { .. }), "{error}");
    assert_eq!(get(&secrets, "guest", VersionSelector::Current), "g");
}

#[test]
fn wrong_missing_open_and_malformed_keys_are_told_apart() {
    let (_dir, state) = place();
    set(&mut Secrets::open(&state).unwrap(), "session", "one");
    let key = fs::read(state.key()).unwrap();
    let open = || Secrets::open(&state).unwrap_err();

    fs::write(state.key(), "0".repeat(64)).unwrap();
    assert!(matches!(open(), SecretsError::WrongKey { .. }));
    fs::write(state.key(), "short").unwrap();
    assert!(matches!(open(), SecretsError::KeyMalformed { .. }));
    fs::write(state.key(), &key).unwrap();
    fs::set_permissions(state.key(), fs::Permissions::from_mode(0o640)).unwrap();
    let error = open();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    fs::remove_file(state.key()).unwrap();
    let error = open();
    assert!(matches!(error, SecretsError::KeyMissing { .. }), "{error}");
    assert!(!state.key().exists(), "no new key is made over old secrets");
}

#[test]
fn sizes_and_names_are_bounded() {
    let (_dir, state) = place();
    let mut secrets = Secrets::open(&state).unwrap();
    for bytes in [0, MAX_BYTES + 1] {
        let error = secrets
            .set(Timestamp(1), "session", &SecretValue::new(vec![7; bytes]))
            .unwrap_err();
        assert!(matches!(error, SecretsError::Size { .. }), "{error}");
    }
    let large = SecretValue::new(vec![7; MAX_BYTES]);
    secrets.set(Timestamp(1), "session", &large).unwrap();
    assert_eq!(
        secrets.get("session", VersionSelector::Current).unwrap().1,
        large
    );
    for name in ["", "a b", "\u{1}proof", "ü", &"x".repeat(129)] {
        let error = secrets.set(Timestamp(1), name, &large).unwrap_err();
        assert!(matches!(error, SecretsError::Name { .. }), "{error}");
    }
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let (_dir, state) = place();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let state = state.clone();
            std::thread::spawn(move || {
                let mut secrets = Secrets::open(&state).unwrap();
                for number in 0..5 {
                    set(&mut secrets, &format!("own-{writer}"), &number.to_string());
                    set(&mut secrets, "shared", &number.to_string());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let secrets = Secrets::open(&state).unwrap();
    assert_eq!(
        secrets.get("shared", VersionSelector::Current).unwrap().0,
        20
    );
    for writer in 0..4 {
        assert_eq!(
            get(&secrets, &format!("own-{writer}"), VersionSelector::Current),
            "4"
        );
    }
}

#[test]
fn names_are_read_without_the_key_and_make_nothing() {
    let (_dir, state) = place();
    assert!(names(&state).unwrap().is_empty());
    assert!(!state.path().exists(), "something was made");
    let mut secrets = Secrets::open(&state).unwrap();
    set(&mut secrets, "session", "one");
    set(&mut secrets, "session", "two");
    drop(secrets);
    fs::remove_file(state.key()).unwrap();
    let found = names(&state).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["session"]);
    fs::write(state.secrets(), "no database").unwrap();
    assert!(names(&state).is_err());
}
