//! `neargate init`: a commented manifest for the folder at hand, and what its snapshots leave out.
//!
//! Invariant: what is written passes `neargate check`. Refuses to replace a manifest unasked, and
//! never replaces a `.neargateignore`.

mod ignore;
mod look;
mod write;

use std::path::Path;
use std::process::ExitCode;

use neargate_core::manifest::{self, Source};
use neargate_near::atomic;
use neargate_near::snapshot::IGNORE_FILE;

use crate::arguments::Flags;
use crate::failure::Failure;
use crate::{output, project};

/// Mode of a manifest: no secret is in it.
const MODE: u32 = 0o644;

/// Looks and writes.
pub fn run(flags: &Flags, force: bool) -> Result<ExitCode, Failure> {
    let given = flags.file.as_deref().unwrap_or(Path::new(project::NAME));
    let path = std::path::absolute(given)
        .map_err(|error| Failure::of("cannot tell where the manifest goes", &error))?;
    if path.exists() && !force {
        let path = path.display();
        let text = format!("{path} exists; replace it with --force");
        return Err(Failure::Usage(text));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let found = look::look(folder);
    let text = write::manifest(folder, &found);
    let source = Source {
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
    output::line("next: read it, then neargate check, then neargate up");
    Ok(ExitCode::SUCCESS)
}
