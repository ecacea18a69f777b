//! Renders one environment of a manifest into a folder: `render MANIFEST ENV FOLDER`. For
//! `scripts/check-blueprints`, which must not wait for the whole binary.

use std::path::Path;
use std::process::ExitCode;

use neargate_core::manifest::{ManifestSource, load};
use neargate_far::render::{folder, render};
use neargate_far::stack::Stack;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [manifest, env, target] = &arguments[..] else {
        eprintln!("usage: render MANIFEST ENV FOLDER");
        return ExitCode::from(2);
    };
    match run(manifest, env, Path::new(target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(manifest: &str, env: &str, target: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(manifest).map_err(|error| error.to_string())?;
    let source = ManifestSource {
        name: manifest.to_owned(),
        text,
    };
    let loaded = load(&source, env, &[]).map_err(|problems| problems.render(false))?;
    let stack = Stack::of(&loaded.manifest).map_err(|error| error.to_string())?;
    let files = render(&stack).map_err(|error| error.to_string())?;
    let written = folder::write(target, &files, folder::EditedFiles::Refuse);
    written.map(|_| ()).map_err(|error| error.to_string())
}
