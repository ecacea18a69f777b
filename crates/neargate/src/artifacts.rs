//! Whether the artifacts that are there can be copied, and hold the programs of their commands.

use std::path::{Component, Path, PathBuf};

use neargate_core::manifest::model::{Manifest, Service, Workload};
use neargate_near::snapshot::{self, ArtifactContents, IGNORE_FILE, SnapshotError};

use crate::failure::Failure;

/// Looks at every artifact that is there. What stands in the way is an error, and of one that a
/// build makes anew a note.
pub fn require_usable(
    root: &Path,
    state: &Path,
    manifest: &Manifest,
) -> Result<Vec<String>, Failure> {
    let (mut notes, mut errors) = (Vec::new(), Vec::new());
    for service in manifest.services.values() {
        if let Some(words) = obstacle(root, state, service) {
            let words = format!("the artifact of `{}`: {words}", service.name);
            match service.build {
                Some(_) => notes.push(words),
                None => errors.push(words),
            }
        }
    }
    if errors.is_empty() {
        Ok(notes)
    } else {
        Err(Failure::Usage(errors.join("\n")))
    }
}

/// Why a service cannot run from its artifact as it is.
fn obstacle(root: &Path, state: &Path, service: &Service) -> Option<String> {
    let source = root.join(snapshot::source(service)?);
    let contents = match ArtifactContents::of(&source, state) {
        // `up` says what is not there.
        Err(SnapshotError::Missing(_)) => return None,
        Err(error) => return Some(error.to_string()),
        Ok(contents) => contents,
    };
    let program = own_program(service)?;
    let left_out = source.is_dir() && source.join(&program).exists() && !contents.holds(&program);
    left_out.then(|| {
        format!(
            "its command starts {}, which {IGNORE_FILE} leaves out",
            program.display()
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
        assert!(look("").expect("nothing there").is_empty());
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
}
