//! The manifest and the state directory that a command is about.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use neargate_core::manifest::{self, LoadedManifest, ManifestSource};
use neargate_core::model::{DeploymentTarget, Manifest, Service};
use neargate_near::api::wire::{EnvironmentDefinition, Problem, RevisionSource};
use neargate_near::audit_log::PeerUser;
use neargate_near::engine;
use neargate_near::paths::StateDir;

use crate::arguments::{FOLLOW_IS_F, GlobalFlags};
use crate::failure::Failure;
use crate::{output, site_files};

/// The manifest's usual name.
pub(crate) const NAME: &str = manifest::FILE_NAME;

/// The manifest of a command: given, or found here or above.
pub(crate) fn find(flags: &GlobalFlags) -> Result<PathBuf, Failure> {
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

/// Refuses a manifest that was named and is not there, whatever the verb would do without it.
/// `follow_meant`: a plain word after `-f` was probably meant for `--follow`.
pub(crate) fn require_named_manifest(
    flags: &GlobalFlags,
    follow_meant: bool,
) -> Result<(), Failure> {
    let Some(file) = &flags.file else {
        return Ok(());
    };
    let path = find(flags)?;
    if path.is_file() {
        return Ok(());
    }
    let plain = file.extension().is_none() && file.components().count() == 1;
    Err(Failure::Engine(Problem {
        help: (plain && follow_meant).then(|| FOLLOW_IS_F.to_owned()),
        ..Problem::usage(format!("there is no manifest {}", path.display()))
    }))
}

/// Refuses a command about another environment than the one of the state directory.
pub(crate) fn require_own_environment(flags: &GlobalFlags, asked: &str) -> Result<(), Failure> {
    let Some(other) = another_environment(flags, asked) else {
        return Ok(());
    };
    match load(flags) {
        // One on AWS has no state directory at all.
        Ok((_, loaded)) => require_near(&loaded.manifest)?,
        Err(Failure::Manifest(wrong)) => return Err(Failure::Manifest(wrong)),
        Err(_) => {}
    }
    Err(other)
}

/// The state directory of a command about what runs or ran here. Without `-e` it is about the
/// directory's environment, whatever its name.
pub(crate) fn own_state(flags: &GlobalFlags) -> Result<StateDir, Failure> {
    if let Some(named) = &flags.env {
        require_own_environment(flags, named)?;
    }
    state(flags)
}

/// Why a command about this environment has nothing to do in its state directory; nothing when it
/// is this environment's, or nobody's yet.
pub(crate) fn another_environment(flags: &GlobalFlags, asked: &str) -> Option<Failure> {
    let state = state(flags).ok()?;
    let (app, own) = engine::owner(&state)?;
    if own == asked {
        return None;
    }
    let problem = Problem::usage(format!(
        "{} belongs to environment `{own}` of app `{app}`, not to `{asked}`",
        state.path().display()
    ));
    Some(Failure::Engine(problem.with_help(format!(
        "each environment near needs its own state directory: add --state-dir .neargate-{asked}, \
         or name this directory's environment: -e {own}"
    ))))
}

/// Refuses a manifest of another app or environment than the state directory's, before anything is
/// started for it.
pub(crate) fn require_own_app(manifest: &Manifest, state: &StateDir) -> Result<(), Failure> {
    match engine::another_app(manifest, state) {
        Some(problem) => Err(Failure::Engine(problem)),
        None => Ok(()),
    }
}

/// Refuses a state directory that this user may not read, which is another user's: exit 3.
pub(crate) fn require_readable(state: &StateDir) -> Result<(), Failure> {
    match std::fs::read_dir(state.path()) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Failure::Environment(format!(
                "the state directory {} is another user's: {error}; run this as that user",
                state.path().display()
            )))
        }
        _ => Ok(()),
    }
}

/// The state directory of a command. It needs no manifest when it is given.
pub(crate) fn state(flags: &GlobalFlags) -> Result<StateDir, Failure> {
    let path = match &flags.state_dir {
        Some(path) => path.clone(),
        None => folder(&find(flags)?).join(".neargate"),
    };
    let path = std::path::absolute(&path)
        .map_err(|error| Failure::of("cannot find the state directory", &error))?;
    Ok(StateDir::at(path))
}

/// A manifest's folder.
pub(crate) fn folder(manifest: &Path) -> PathBuf {
    manifest
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The manifest's text.
pub(crate) fn source(path: &Path) -> Result<ManifestSource, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::Usage(format!("{} is not UTF-8: {error}", path.display())))?;
    Ok(ManifestSource {
        name: shown(path),
        text,
    })
}

/// Reads and checks the manifest; warnings go to standard error.
pub(crate) fn load(flags: &GlobalFlags) -> Result<(PathBuf, LoadedManifest), Failure> {
    let path = find(flags)?;
    let source = source(&path)?;
    let loaded = checked(flags, &source)?;
    Ok((path, loaded))
}

/// The manifest's text and what it means.
pub(crate) fn load_with_source(
    flags: &GlobalFlags,
) -> Result<(ManifestSource, LoadedManifest), Failure> {
    let source = source(&find(flags)?)?;
    let loaded = checked(flags, &source)?;
    Ok((source, loaded))
}

fn checked(flags: &GlobalFlags, source: &ManifestSource) -> Result<LoadedManifest, Failure> {
    manifest::load(source, flags.env(), &flags.overrides)
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
/// `service` is the one that it is loaded for; `None`: all.
pub(crate) fn load_near(
    flags: &GlobalFlags,
    service: Option<&str>,
) -> Result<(PathBuf, Manifest), Failure> {
    let (path, loaded) = load(flags)?;
    require_near(&loaded.manifest)?;
    let mut loaded = site_files::missing_pages(&folder(&path), service, loaded)?;
    keep_edge(flags, &mut loaded);
    if !loaded.warnings.is_empty() {
        output::diagnostics(&loaded.warnings);
    }
    // A deploy changes nothing of what `up` said.
    let gaps = loaded.not_acted_on.iter();
    for gap in gaps.filter(|_| service.is_none()) {
        output::note(&format!("not acted on near yet: {gap}"));
    }
    Ok((path, loaded.manifest))
}

/// The edge stays where it is or was, unless the manifest or the command line says otherwise.
pub(crate) fn keep_edge(flags: &GlobalFlags, loaded: &mut LoadedManifest) {
    let state = state(flags).ok();
    if let Some(before) = state.and_then(|state| engine::edge(&state)) {
        loaded.manifest.edge.stay(&before, loaded.edge_address);
    }
}

fn require_near(manifest: &Manifest) -> Result<(), Failure> {
    match &manifest.target {
        DeploymentTarget::Near => Ok(()),
        DeploymentTarget::Aws { region } => Err(Failure::Usage(format!(
            "environment `{}` is on AWS ({region}), where this verb does not work; an environment near has target = \"near\"",
            manifest.env
        ))),
    }
}

/// Definition that the engine is asked to run.
pub(crate) fn definition(
    flags: &GlobalFlags,
    path: &Path,
    manifest: Manifest,
) -> EnvironmentDefinition {
    let root = folder(path);
    EnvironmentDefinition {
        manifest,
        cause: cause(&root),
        root,
        overrides: flags.overrides.clone(),
        supersede: false,
        force: false,
    }
}

/// The user of this command, and the git revision of the manifest's folder.
#[cfg(feature = "aws")]
pub(crate) fn cause_of(flags: &GlobalFlags) -> RevisionSource {
    find(flags).map_or_else(|_| RevisionSource::default(), |path| cause(&folder(&path)))
}

/// The manifest's folder.
#[cfg(feature = "aws")]
pub(crate) fn folder_of(flags: &GlobalFlags) -> PathBuf {
    find(flags).map_or_else(|_| PathBuf::from("."), |path| folder(&path))
}

fn cause(root: &Path) -> RevisionSource {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    RevisionSource { user: user(), git }
}

/// The user of this command: the login name, the machine's name for the user, or the number.
pub(crate) fn user() -> String {
    let login = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    login
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| PeerUser::own().to_string())
}

/// Runs the build steps of services, each different command once, with the user's environment.
pub(crate) fn build<'a>(
    path: &Path,
    services: impl Iterator<Item = &'a Service>,
) -> Result<(), Failure> {
    let services: Vec<&Service> = services.collect();
    let mut done: Vec<&str> = Vec::new();
    for service in &services {
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
    site_files::require_built(&folder(path), services.into_iter())
}
