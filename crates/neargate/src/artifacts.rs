//! Whether the artifacts that are there can be copied, and hold the programs of their commands.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use neargate_core::model::{Manifest, Service, Workload};
use neargate_near::search_path::SEARCH_PATH;
use neargate_near::snapshot::{self, ArtifactContents, IGNORE_FILE, SnapshotError};

use crate::failure::Failure;

/// Looks at every artifact. What stands in the way is an error, and of one that a build makes anew
/// a note; so is a program of the machine that this one does not have.
pub(crate) fn require_usable(
    root: &Path,
    state: &Path,
    manifest: &Manifest,
) -> Result<Vec<String>, Failure> {
    let (mut notes, mut errors) = (Vec::new(), Vec::new());
    for service in manifest.services.values() {
        if let Some(words) = obstacle(root, state, service) {
            match service.build {
                Some(_) => notes.push(words),
                None => errors.push(words),
            }
        } else if let Some(words) = missing_program_of_the_machine(service) {
            notes.push(words);
        }
    }
    if errors.is_empty() {
        Ok(notes)
    } else {
        Err(Failure::Usage(errors.join("\n")))
    }
}

/// Why a service cannot run from its artifact, or without one from the manifest's folder, as it is.
/// What a build has still to make is not missed.
fn obstacle(root: &Path, state: &Path, service: &Service) -> Option<String> {
    let program = own_program(service);
    let is_to_come = |path: &Path| service.build.is_some() && !path.exists();
    let Some(source) = snapshot::source(service) else {
        let path = root.join(program?);
        let words = unusable(&path, "the manifest's folder").filter(|_| !is_to_come(&path))?;
        return Some(format!("the command of `{}` {words}", service.name));
    };
    let source = root.join(source);
    let in_artifact = |words: String| Some(format!("the artifact of `{}`: {words}", service.name));
    let contents = match ArtifactContents::of(&source, state) {
        Err(SnapshotError::Missing(path)) if is_to_come(&path) => return None,
        Err(SnapshotError::Missing(path)) => {
            let path = path.display();
            return in_artifact(format!("there is no {path}, and no `build` that makes it"));
        }
        Err(error) => return in_artifact(error.to_string()),
        Ok(contents) => contents,
    };
    let program = program.filter(|_| source.is_dir())?;
    let path = source.join(&program);
    if is_to_come(&path) {
        return None;
    }
    if path.exists() && !contents.holds(&program) {
        let program = program.display();
        return in_artifact(format!(
            "its command starts {program}, which {IGNORE_FILE} leaves out"
        ));
    }
    in_artifact(format!("its command {}", unusable(&path, "it")?))
}

/// The fault of a command's program that is to be a file.
fn unusable(program: &Path, folder: &str) -> Option<String> {
    let name = program.display();
    match program.metadata() {
        Err(_) => Some(format!("starts {name}, which is not in {folder}")),
        Ok(file) if !is_program(&file) => Some(format!(
            "starts {name}, which may not be run: chmod +x {name}"
        )),
        Ok(_) => None,
    }
}

fn is_program(file: &Metadata) -> bool {
    file.is_file() && file.permissions().mode() & 0o111 != 0
}

/// A program outside of the artifact that is not there. Only a note: the services may run on
/// another machine than this one.
fn missing_program_of_the_machine(service: &Service) -> Option<String> {
    let Workload::Command(command) = &service.runs else {
        return None;
    };
    let name = command.first()?;
    let there = match Path::new(name) {
        path if path.is_absolute() => path.metadata().is_ok_and(|file| is_program(&file)),
        // A name is looked for in the artifact first, and where the manifest says.
        _ if name.contains('/') || service.artifact.is_some() => true,
        _ if service.env.contains_key("PATH") => true,
        _ => SEARCH_PATH.split(':').any(|folder| {
            let file = Path::new(folder).join(name).metadata();
            file.is_ok_and(|file| is_program(&file))
        }),
    };
    (!there).then(|| {
        format!(
            "the command of `{}` starts {name}, which this machine does not have",
            service.name
        )
    })
}

/// The program of a command by its path in the artifact.
fn own_program(service: &Service) -> Option<PathBuf> {
    let Workload::Command(command) = &service.runs else {
        return None;
    };
    let named = Path::new(command.first().filter(|word| word.contains('/'))?);
    let mut program = PathBuf::new();
    for part in named.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => program.push(name),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(program)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use neargate_core::manifest::{ManifestSource, load};

    use super::*;

    #[test]
    fn an_artifact_that_cannot_run_is_said_before_it_is_copied() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let look = |build: &str| {
            let text = format!(
                "app = \"shop\"\n[service.web]\n{build}\nroute = \"/*\"\nport = 3000\nartifact = \".\"\ncommand = [\"./.venv/bin/python3\", \"-m\", \"app\"]\n"
            );
            let name = "neargate.toml".to_owned();
            let loaded = load(&ManifestSource { name, text }, "local", &[]).expect("it is right");
            require_usable(root, &root.join(".neargate"), &loaded.manifest)
        };
        let refused = |build: &str| match look(build) {
            Err(Failure::Usage(words)) => words,
            other => panic!("{other:?}"),
        };
        let link = root.join(".venv/bin/python3");
        fs::create_dir_all(root.join(".venv/bin")).expect("a folder");
        let words = refused("");
        assert!(
            words.ends_with(".venv/bin/python3, which is not in it"),
            "{words}"
        );
        symlink("/root/.pyenv/versions/3.11.7/bin/python3", &link).expect("a link");
        let words = refused("");
        assert!(words.contains("/usr/bin/python3 -m venv .venv"), "{words}");
        assert!(!words.contains("copy what it leads to"), "{words}");
        let notes = look("build = \"true\"").expect("a build may make it anew");
        assert!(notes[0].contains("is a link to /root/.pyenv"), "{notes:?}");
        fs::remove_file(&link).expect("removed");
        symlink("/bin/sh", &link).expect("a link");
        assert!(look("").expect("of the system").is_empty());
        fs::write(root.join(IGNORE_FILE), ".venv\n").expect("written");
        let words = refused("");
        assert!(
            words.contains(".venv/bin/python3, which .neargateignore leaves out"),
            "{words}"
        );
    }

    #[test]
    fn a_program_or_artifact_that_is_not_there_is_said_before_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::write(root.join("start.sh"), "#!/bin/sh\n").expect("written");
        for (lines, expected) in [
            ("command = [\"./a\"]\nbuild = \"true\"", Ok("")),
            (
                "artifact = \"dist\"\ncommand = [\"./a\"]",
                Err("dist, and no `build` that makes it"),
            ),
            (
                "artifact = \"dist\"\ncommand = [\"./a\"]\nbuild = \"true\"",
                Ok(""),
            ),
            (
                "command = [\"./a\"]",
                Err("/a, which is not in the manifest's folder"),
            ),
            (
                "command = [\"./start.sh\"]",
                Err("may not be run: chmod +x"),
            ),
            (
                "artifact = \".\"\ncommand = [\"./start.sh\"]",
                Err("may not be run: chmod +x"),
            ),
            (
                "command = [\"/usr/bin/pyton3\"]",
                Ok("starts /usr/bin/pyton3, which this machine does not have"),
            ),
            (
                "command = [\"pyton3\"]",
                Ok("starts pyton3, which this machine does not have"),
            ),
            ("artifact = \".\"\ncommand = [\"pyton3\"]", Ok("")),
            ("command = [\"sh\", \"-c\", \"./a\"]", Ok("")),
        ] {
            let text = format!("app = \"shop\"\n[service.web]\nport = 3000\n{lines}\n");
            let name = "neargate.toml".to_owned();
            let loaded = load(&ManifestSource { name, text }, "local", &[]).expect("it is right");
            let found = require_usable(root, &root.join(".neargate"), &loaded.manifest);
            match (found, expected) {
                (Ok(notes), Ok("")) => assert!(notes.is_empty(), "{lines}: {notes:?}"),
                (Ok(notes), Ok(words)) => assert!(notes[0].ends_with(words), "{lines}: {notes:?}"),
                (Err(Failure::Usage(error)), Err(words)) => {
                    assert!(error.contains(words), "{lines}: {error}");
                }
                (found, _) => panic!("{lines}: {found:?}"),
            }
        }
    }
}
