//! The machine-wide register of users, on a file system of its own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use neargate_near::identity::{RegisterError, UserRegister};
use neargate_near::paths::StateDir;
use tempfile::TempDir;

const FIRST: u32 = 3_000_000_000;

struct Machine {
    directory: TempDir,
    register: UserRegister,
}

impl Machine {
    fn with(first: u32, count: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let register = UserRegister::at(directory.path().join("register"), first, count);
        Self {
            directory,
            register,
        }
    }

    fn new() -> Self {
        Self::with(FIRST, 1000)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn app(&self, name: &str) -> StateDir {
        fs::create_dir_all(self.path(name)).unwrap();
        StateDir::at(self.path(name))
    }

    fn user(&self, state: &StateDir, name: &str) -> u32 {
        self.register.user(state, name).unwrap()
    }

    fn lose_the_register(&self) {
        fs::remove_dir_all(self.path("register")).unwrap();
    }
}

/// The hash that chose users before there was a register.
fn hash_of_before(path: &str, service: &str) -> u32 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest([path.as_bytes(), &[0], service.as_bytes()].concat());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 4336
}

#[test]
fn two_services_whose_hashes_are_the_same_have_two_users() {
    let machine = Machine::new();
    let app = machine.app("app");
    let path = app.path();
    let path = path.to_str().unwrap();
    let first = hash_of_before(path, "a");
    let twin = (0..200_000)
        .map(|number| format!("b{number}"))
        .find(|name| hash_of_before(path, name) == first)
        .unwrap();
    assert_ne!(
        machine.user(&app, "service a"),
        machine.user(&app, &format!("service {twin}"))
    );
}

#[test]
fn a_name_keeps_its_user_and_no_two_names_of_any_app_share_one() {
    let machine = Machine::new();
    let mut users = BTreeSet::new();
    for app in ["one", "two", "three"] {
        let app = machine.app(app);
        for name in [
            "service web",
            "service api",
            "database main",
            "cache main",
            "router",
        ] {
            let user = machine.user(&app, name);
            assert_eq!(machine.user(&app, name), user);
            assert!(users.insert(user), "{name} of {app:?} shares {user}");
        }
    }
}

#[test]
fn a_state_directory_that_was_moved_keeps_its_users() {
    let machine = Machine::new();
    let before = machine.user(&machine.app("here"), "service web");
    fs::rename(machine.path("here"), machine.path("there")).unwrap();
    assert_eq!(machine.user(&machine.app("there"), "service web"), before);
    // Another app in the old place is another app.
    assert_ne!(machine.user(&machine.app("here"), "service web"), before);
}

#[test]
fn a_copy_of_a_state_directory_has_users_of_its_own() {
    let machine = Machine::new();
    let original = machine.app("original");
    let before = machine.user(&original, "service web");
    let copy = machine.app("copy");
    fs::copy(original.users(), copy.users()).unwrap();
    assert_ne!(machine.user(&copy, "service web"), before);
    assert_eq!(machine.user(&original, "service web"), before);
}

#[test]
fn what_is_purged_is_free_again_and_nothing_else_is() {
    let machine = Machine::with(FIRST, 2);
    let (one, two) = (machine.app("one"), machine.app("two"));
    let users = [
        machine.user(&one, "service web"),
        machine.user(&two, "service web"),
    ];
    let full = machine.register.user(&one, "service api").unwrap_err();
    assert!(matches!(full, RegisterError::Exhausted { count: 2, .. }));
    assert!(full.to_string().contains("down --purge"), "{full}");
    machine.register.give_back(&two).unwrap();
    assert_eq!(machine.user(&one, "service api"), users[1]);
    assert_eq!(machine.user(&one, "service web"), users[0]);
}

#[test]
fn a_directory_that_somebody_removed_gives_back_when_all_are_taken() {
    let machine = Machine::with(FIRST, 1);
    let gone = machine.user(&machine.app("gone"), "service web");
    let app = machine.app("app");
    assert!(machine.register.user(&app, "service web").is_err());
    fs::remove_dir_all(machine.path("gone")).unwrap();
    assert_eq!(machine.user(&app, "service web"), gone);
}

#[test]
fn a_lost_register_is_written_again_from_what_the_directories_keep() {
    let machine = Machine::new();
    let (one, two) = (machine.app("one"), machine.app("two"));
    let before = [
        machine.user(&one, "service web"),
        machine.user(&two, "service web"),
    ];
    machine.lose_the_register();
    let after = [
        machine.user(&one, "service web"),
        machine.user(&two, "service web"),
    ];
    assert_eq!(after, before);
}

#[test]
fn a_lost_register_hands_out_no_user_of_a_process_that_runs() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can start another user's process");
        return;
    }
    let machine = Machine::with(FIRST + 2000, 3);
    let mut process = Command::new("sleep")
        .arg("1000")
        .uid(FIRST + 2000)
        .spawn()
        .unwrap();
    let user = machine.user(&machine.app("app"), "service web");
    process.kill().unwrap();
    process.wait().unwrap();
    assert_ne!(user, FIRST + 2000);
}

#[test]
fn a_lost_register_hands_out_no_user_of_a_state_directory_whose_engine_runs() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only what root wrote down counts");
        return;
    }
    let machine = Machine::with(FIRST + 3000, 3);
    let running = machine.app("running");
    let before = machine.user(&running, "service web");
    machine.lose_the_register();
    let mut engine = Command::new("sh")
        // It waits by itself: a child of it would outlive the test, with the runner's output open.
        .args(["-c", "read line", "engine", "--state-dir"])
        .arg(running.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let other = machine.user(&machine.app("other"), "service web");
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert_ne!(other, before);
    assert_eq!(machine.user(&running, "service web"), before);
}

#[test]
fn many_processes_at_once_get_different_users() {
    let machine = Machine::new();
    let mut users = Vec::new();
    std::thread::scope(|scope| {
        let waits: Vec<_> = (0..8)
            .map(|number| {
                let (machine, app) = (&machine, machine.app(&format!("app{}", number % 4)));
                scope.spawn(move || {
                    let name = |service| format!("service s{number}-{service}");
                    (0..5)
                        .map(|service| machine.user(&app, &name(service)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for wait in waits {
            users.extend(wait.join().unwrap());
        }
    });
    assert_eq!(users.iter().collect::<BTreeSet<_>>().len(), 40, "{users:?}");
}

#[test]
fn a_kill_between_its_two_files_loses_nothing() {
    let machine = Machine::new();
    let app = machine.app("app");
    let known = machine.user(&app, "service web");
    let own = fs::read(app.users()).unwrap();
    let second = machine.user(&app, "service api");
    // The register was written, the directory's own file was not, and aside files are left.
    fs::write(app.users(), own).unwrap();
    fs::write(app.path().join("users.1-1.aside"), "{\"dir").unwrap();
    fs::write(machine.path("register/users.1-1.aside"), "").unwrap();
    assert_eq!(machine.user(&app, "service api"), second);
    assert_eq!(machine.user(&app, "service web"), known);
    // A register that was cut is a lost one.
    fs::write(machine.path("register/users"), "{\"next\":").unwrap();
    assert_eq!(machine.user(&app, "service web"), known);
}

#[test]
fn a_register_that_others_could_change_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let app = machine.app("app");
    machine.user(&app, "service web");
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(Path::new(&machine.path("register")), open).unwrap();
    let refused = machine.register.user(&app, "service web").unwrap_err();
    assert!(matches!(refused, RegisterError::Open { .. }), "{refused}");
}
