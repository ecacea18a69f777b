//! The manifest and the state directory that a command is about.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use neargate_core::manifest::model::{Manifest, Place, Service};
use neargate_core::manifest::{self, Loaded, Source};
use neargate_near::api::wire::{Cause, Definition};
use neargate_near::audit::Who;
use neargate_near::paths::StateDir;

use crate::arguments::Flags;
use crate::failure::Failure;
use crate::output;

/// The manifest's usual name.
pub const NAME: &str = "neargate.toml";

/// The manifest of a command: given, or found here or above.
pub fn find(flags: &Flags) -> Result<PathBuf, Failure> {
    if let Some(file) = &flags.file {
        let file = if file.is_dir() {
            file.join(NAME)
        } else {
            file.clone()
        };
        return std::path::absolute(&file)
            .map_err(|error| Failure::of("cannot find the manifest", &error));
    }
    let here = std::env::current_dir()
        .map_err(|error| Failure::of("cannot tell the present folder", &error))?;
    here.ancestors()
        .map(|folder| folder.join(NAME))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Failure::Usage(format!(
                "there is no {NAME} in {} or above: write one with `neargate init`",
                here.display()
            ))
        })
}

/// The state directory of a command. It needs no manifest when it is given.
pub fn state(flags: &Flags) -> Result<StateDir, Failure> {
    let path = match &flags.state_dir {
        Some(path) => path.clone(),
        None => folder(&find(flags)?).join(".neargate"),
    };
    let path = std::path::absolute(&path)
        .map_err(|error| Failure::of("cannot find the state directory", &error))?;
    Ok(StateDir::at(path))
}

fn folder(manifest: &Path) -> PathBuf {
    manifest
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The manifest's text.
pub fn source(path: &Path) -> Result<Source, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::Usage(format!("{} is not UTF-8: {error}", path.display())))?;
    Ok(Source {
        name: shown(path),
        text,
    })
}

/// Reads and checks the manifest; warnings go to standard error.
pub fn load(flags: &Flags) -> Result<(PathBuf, Loaded), Failure> {
    let path = find(flags)?;
    let source = source(&path)?;
    let loaded = checked(flags, &source)?;
    Ok((path, loaded))
}

/// The manifest's text and what it means.
pub fn load_with_source(flags: &Flags) -> Result<(Source, Loaded), Failure> {
    let source = source(&find(flags)?)?;
    let loaded = checked(flags, &source)?;
    Ok((source, loaded))
}

fn checked(flags: &Flags, source: &Source) -> Result<Loaded, Failure> {
    manifest::load(source, &flags.env, &flags.overrides)
        .map_err(|diagnostics| Failure::Manifest(Box::new(diagnostics)))
}

/// A path as people would type it here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    relative
        .unwrap_or_else(|| path.to_owned())
        .display()
        .to_string()
}

/// A manifest that can run here: what it says of far is refused, what near leaves out is listed.
pub fn load_near(flags: &Flags) -> Result<(PathBuf, Manifest), Failure> {
    let (path, loaded) = load(flags)?;
    if let Place::Aws { region } = &loaded.manifest.target {
        return Err(Failure::Failed(format!(
            "environment `{}` is on AWS ({region}), where this verb has nothing to do; near environments have no target",
            loaded.manifest.env
        )));
    }
    if !loaded.warnings.is_empty() {
        output::diagnostics(&loaded.warnings);
    }
    for gap in &loaded.not_acted_on {
        output::note(&format!("not acted on near yet: {gap}"));
    }
    Ok((path, loaded.manifest))
}

/// What the engine is asked to run.
pub fn definition(flags: &Flags, path: &Path, manifest: Manifest) -> Definition {
    let root = folder(path);
    Definition {
        manifest,
        cause: cause(&root),
        root,
        overrides: flags.overrides.clone(),
        supersede: false,
    }
}

/// Who runs this command, and in which git revision of the manifest's folder.
#[cfg(feature = "aws")]
pub fn cause_of(flags: &Flags) -> Cause {
    find(flags).map_or_else(|_| Cause::default(), |path| cause(&folder(&path)))
}

/// The manifest's folder.
#[cfg(feature = "aws")]
pub fn folder_of(flags: &Flags) -> PathBuf {
    find(flags).map_or_else(|_| PathBuf::from("."), |path| folder(&path))
}

fn cause(root: &Path) -> Cause {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    Cause { user: user(), git }
}

/// Who runs this command: the login name, the machine's name for the user, or the number.
pub fn user() -> String {
    let login = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    login
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| Who::own().to_string())
}

/// Runs the build steps of services, each different command once, with the user's environment.
pub fn build<'a>(path: &Path, services: impl Iterator<Item = &'a Service>) -> Result<(), Failure> {
    let mut done: Vec<&str> = Vec::new();
    for service in services {
        let Some(command) = service.build.as_deref() else {
            continue;
        };
        if done.contains(&command) {
            continue;
        }
        done.push(command);
        output::progress(&service.name, &format!("builds: {command}"));
        let mut process = Command::new("sh");
        process
            .args(["-c", command])
            .current_dir(folder(path))
            .stdin(Stdio::null());
        // Standard output belongs to this command's own result.
        process.stdout(std::io::stderr());
        let status = process
            .status()
            .map_err(|error| Failure::of("cannot run sh", &error))?;
        if !status.success() {
            return Err(Failure::Failed(format!(
                "the build of `{}` failed ({status}): {command}",
                service.name
            )));
        }
    }
    Ok(())
}
