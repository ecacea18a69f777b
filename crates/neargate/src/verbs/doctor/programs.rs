//! Programs of commands that only root can reach: the tasks of root's engine run as other users.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use neargate_core::model::{Manifest, Workload};

use crate::program_path::find_program;

use super::DoctorFinding;

/// One finding for each program that is in a folder of root's alone.
pub(super) fn findings(manifest: &Manifest) -> Vec<DoctorFinding> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    let mut named: Vec<&str> = Vec::new();
    for service in manifest.services.values() {
        if let Workload::Command(command) = &service.runs {
            named.extend(program(command));
        }
    }
    named.sort_unstable();
    named.dedup();
    let closed = named.into_iter().filter_map(|name| {
        let path = find_program(name)?;
        let folder = closed_folder(&path)?;
        Some(finding(name, &path, &folder))
    });
    closed.collect()
}

/// The program of a command; of a shell's script that is one command, that command's.
fn program(command: &[String]) -> Option<&str> {
    let [first, rest @ ..] = command else {
        return None;
    };
    let [flag, script, ..] = rest else {
        return Some(first);
    };
    if flag != "-c" {
        return Some(first);
    }
    script.split_whitespace().find(|word| *word != "exec")
}

fn finding(name: &str, path: &Path, folder: &Path) -> DoctorFinding {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let place = match (name.contains('/'), real == path) {
        (true, true) => "is there".to_owned(),
        (true, false) => format!("is a link to {}", real.display()),
        (false, true) => format!("is {}", path.display()),
        (false, false) => format!("is {}, a link to {}", path.display(), real.display()),
    };
    let words = format!(
        "{name} {place}, and the users that tasks run as may not enter {}",
        folder.display()
    );
    let file = name.rsplit('/').next();
    let fix = if file.is_some_and(|file| file.starts_with("python")) {
        "/usr/bin/python3 -m venv .venv, and command = [\".venv/bin/python3\", …]; a virtual environment of this \
         python3 is no help, also with --copies: its library stays where it is"
    } else {
        "install it for all users, for example in /usr/local"
    };
    DoctorFinding::warning("program", words, fix)
}

/// The first folder on the way to a program, links followed, that only its owner may enter.
fn closed_folder(program: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(program).ok()?;
    let mut folders: Vec<&Path> = real.ancestors().skip(1).collect();
    folders.reverse();
    let closed = folders.into_iter().find(|folder| {
        let metadata = std::fs::metadata(folder);
        metadata.is_ok_and(|found| found.uid() == 0 && found.permissions().mode() & 0o001 == 0)
    });
    closed.map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_program_of_a_command_is_found_in_a_shell_too() {
        for (command, expected) in [
            (&["python3", "-m", "app"][..], "python3"),
            (&["sh", "-c", "exec python3 -m gunicorn app:app"], "python3"),
            (&["sh", "-c", "node ."], "node"),
            (&["./start"], "./start"),
        ] {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(program(&command), Some(expected));
        }
    }

    #[test]
    fn a_program_in_a_folder_of_roots_alone_is_found_through_links() {
        let folder = tempfile::tempdir().expect("a folder");
        // As /root is.
        let home = folder.path().join("home");
        fs::create_dir_all(home.join("bin")).expect("a folder");
        fs::write(home.join("bin/python3"), "").expect("a file");
        let link = folder.path().join("python3");
        std::os::unix::fs::symlink(home.join("bin/python3"), &link).expect("a link");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open.clone()).expect("a mode");
        fs::set_permissions(&home, open).expect("a mode");
        let before = closed_folder(&link);
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("a mode");
        if fs::metadata(&home).expect("a folder").uid() != 0 {
            // Folders of others are no concern of root's engine's doctor.
            return;
        }
        assert_ne!(before.as_ref(), Some(&home));
        let closed = closed_folder(&link).expect("a closed folder");
        assert!(before.is_some() || closed == fs::canonicalize(&home).expect("a path"));
        let real = fs::canonicalize(&link).expect("a path");
        let named = link.display().to_string();
        for (name, words) in [
            (
                "python3",
                format!("python3 is {named}, a link to {}", real.display()),
            ),
            (&named, format!("{named} is a link to {}", real.display())),
        ] {
            let found = finding(name, &link, &closed);
            let said = format!("{found:?}");
            assert!(said.contains(&words), "{said}");
            assert!(said.contains("/usr/bin/python3 -m venv"), "{said}");
        }
    }
}
