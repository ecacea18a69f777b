//! `neargate init`: a commented manifest for the folder at hand, and what its snapshots leave out.
//!
//! Invariant: what is written passes `neargate check`. Refuses to replace a manifest unasked, and
//! never replaces a `.neargateignore`.

mod ignore;
mod survey;
mod write;

use std::path::Path;
use std::process::ExitCode;

use neargate_core::manifest::{self, ManifestSource};
use neargate_near::atomic;
use neargate_near::snapshot::IGNORE_FILE;
use survey::{DetectedProgram, ProjectSurvey};

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::{output, project};

/// Mode of a manifest: no secret is in it.
const MODE: u32 = 0o644;

/// Looks and writes.
pub(crate) fn run(flags: &GlobalFlags, force: bool) -> Result<ExitCode, Failure> {
    let given = flags.file.as_deref().unwrap_or(Path::new(project::NAME));
    let path = std::path::absolute(given)
        .map_err(|error| Failure::of("cannot tell where the manifest goes", &error))?;
    if path.exists() && !force {
        let path = path.display();
        let text = format!("{path} exists; replace it with --force");
        return Err(Failure::Usage(text));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let found = survey::survey(folder);
    let text = write::manifest(folder, &found);
    let source = ManifestSource {
        name: project::NAME.to_owned(),
        text: text.clone(),
    };
    manifest::load(&source, "local", &[])
        .map_err(|diagnostics| Failure::Manifest(Box::new(diagnostics)))?;
    atomic::write(&path, text.as_bytes(), MODE)
        .map_err(|error| Failure::of("cannot write the manifest", &error))?;
    let list = folder.join(IGNORE_FILE);
    let ignored = ignore::list(&found).filter(|_| !list.exists());
    if let Some(text) = &ignored {
        atomic::write(&list, text.as_bytes(), MODE)
            .map_err(|error| Failure::of("cannot write the list of what is left out", &error))?;
    }
    let because = found.because.join("; ");
    output::line(&format!("{} is written ({because})", path.display()));
    if ignored.is_some() {
        let list = list.display();
        output::line(&format!(
            "{list} is written: what a snapshot of the folder leaves out"
        ));
    }
    if let Some(advice) = advice(&found) {
        output::note(advice);
    }
    output::line("next: read it, then neargate check, then neargate up");
    Ok(ExitCode::SUCCESS)
}

/// Advice that is better followed before the rest; `neargate check` warns of it too.
fn advice(found: &ProjectSurvey) -> Option<&'static str> {
    let DetectedProgram::Files { root, .. } = &found.runs else {
        return None;
    };
    (root == ".").then_some(
        "the site is this folder itself, so everything in it is public except neargate.toml and dot files: \
         put the site's files into a folder of their own, such as public, and write static = \"public\"",
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_site_in_a_folder_of_its_own_is_checked_without_a_warning_and_another_gets_advice() {
        for (folders, root) in [
            (&["public"][..], "public"),
            (&["dist"], "dist"),
            (&["site", "."], "site"),
            (&["."], "."),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            for name in folders {
                let site = folder.path().join(name);
                fs::create_dir_all(&site).expect("a folder");
                fs::write(site.join("index.html"), "<p>").expect("a file");
            }
            let found = survey::survey(folder.path());
            let text = write::manifest(folder.path(), &found);
            assert!(text.contains(&format!("static = \"{root}\"")), "{text}");
            let name = project::NAME.to_owned();
            let loaded =
                manifest::load(&ManifestSource { name, text }, "local", &[]).expect("it is right");
            let own = root != ".";
            assert_eq!(loaded.warnings.is_empty(), own, "{root}");
            assert_eq!(advice(&found).is_none(), own, "{root}");
        }
    }

    #[test]
    fn a_python_program_runs_in_its_own_virtual_environment_or_is_told_how_to_make_one() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("requirements.txt"), "flask\ngunicorn\n").expect("a file");
        let written = || write::manifest(folder.path(), &survey::survey(folder.path()));
        let text = written();
        assert!(text.contains("exec python3 -m gunicorn"), "{text}");
        assert!(text.contains("/usr/bin/python3 -m venv .venv"), "{text}");
        let programs = folder.path().join(".venv/bin");
        fs::create_dir_all(&programs).expect("a folder");
        fs::write(programs.join("python3"), "").expect("a file");
        let text = written();
        assert!(
            text.contains("exec .venv/bin/python3 -m gunicorn"),
            "{text}"
        );
    }
}
