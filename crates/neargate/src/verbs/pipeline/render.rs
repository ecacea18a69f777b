//! `neargate pipeline render`: GitHub's workflows, from the manifest.
//!
//! Invariant: all files are written or none; each is the old one or the new one at any moment.
//! Refuses: to replace what people wrote, unless they say so.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use neargate_core::model::Manifest;
use neargate_far::pipeline::{FileChange, PipelineApp, change, workflows};
use neargate_near::atomic;

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::{output, project};

/// Where GitHub looks for workflows, below the repository's folder.
const FOLDER: &str = ".github/workflows";
/// Mode of a workflow: no secret is in it.
const MODE: u32 = 0o644;

/// A workflow that is, or should be, on disk.
struct WorkflowFile {
    path: PathBuf,
    wanted: Option<String>,
    change: FileChange,
}

/// Compares, and writes unless only asked to `check`.
pub(crate) fn run(flags: &GlobalFlags, check: bool, force: bool) -> Result<ExitCode, Failure> {
    let manifest = project::find(flags)?;
    let root = repository(&manifest);
    let app = app(flags, &manifest, &root)?;
    let files = compare(&root.join(FOLDER), &app)?;
    if check {
        return report(flags, &files, &root);
    }
    let theirs = named(&files, &root, |file| file.change == FileChange::Ask);
    if !theirs.is_empty() && !force {
        let theirs = theirs.join(", ");
        return Err(Failure::Failed(format!(
            "these files were written or edited by hand: {theirs}; nothing is written: replace them with --force"
        )));
    }
    for file in &files {
        write(file)?;
    }
    if flags.json {
        output::json(&document(&files, &root));
    } else {
        files.iter().for_each(|file| tell(file, &root));
        output::line(&accounts(&app_environments(flags)?));
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder that `.git` is in; the manifest's own when there is none.
fn repository(manifest: &Path) -> PathBuf {
    let own = manifest.parent().unwrap_or(Path::new("/"));
    let found = own.ancestors().find(|folder| folder.join(".git").exists());
    found.unwrap_or(own).to_owned()
}

/// Names of the environments on AWS, in the order of the pipeline.
fn app_environments(flags: &GlobalFlags) -> Result<Vec<String>, Failure> {
    let (_, base) = project::load(flags)?;
    Ok(base.manifest.pipeline.order(&base.on_aws))
}

fn app(flags: &GlobalFlags, path: &Path, root: &Path) -> Result<PipelineApp, Failure> {
    let mut environments: Vec<Manifest> = Vec::new();
    for env in app_environments(flags)? {
        let flags = GlobalFlags {
            env: Some(env),
            ..flags.clone()
        };
        environments.push(project::load(&flags)?.1.manifest);
    }
    let text = |path: Option<&Path>| path.unwrap_or(Path::new("")).to_string_lossy().into_owned();
    let folder = path
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok());
    let file = path.file_name().map(Path::new);
    PipelineApp::new(environments, &text(folder), &text(file))
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn compare(folder: &Path, app: &PipelineApp) -> Result<Vec<WorkflowFile>, Failure> {
    let mut files = Vec::new();
    for (name, wanted) in workflows(app) {
        let path = folder.join(name);
        let there = match std::fs::read(&path) {
            // What is no text was not made here.
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::of(
                    &format!("cannot read {}", path.display()),
                    &error,
                ));
            }
        };
        files.push(WorkflowFile {
            change: change(there.as_deref(), wanted.as_deref()),
            path,
            wanted,
        });
    }
    Ok(files)
}

fn write(file: &WorkflowFile) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::of(&format!("cannot write {}", file.path.display()), error)
    };
    match (&file.change, &file.wanted) {
        (FileChange::Nothing, _) => Ok(()),
        (_, Some(text)) => {
            let folder = file.path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
            atomic::write(&file.path, text.as_bytes(), MODE).map_err(|error| failed(&error))
        }
        (_, None) => std::fs::remove_file(&file.path).map_err(|error| failed(&error)),
    }
}

/// Paths below the repository's folder.
fn named(files: &[WorkflowFile], root: &Path, which: fn(&WorkflowFile) -> bool) -> Vec<String> {
    let which = files.iter().filter(|file| which(file));
    which.map(|file| shown(file, root)).collect()
}

fn shown(file: &WorkflowFile, root: &Path) -> String {
    let path = file.path.strip_prefix(root).unwrap_or(&file.path);
    path.display().to_string()
}

fn outcome(file: &WorkflowFile) -> &'static str {
    match (file.change, &file.wanted) {
        (FileChange::Nothing, _) => "unchanged",
        (_, Some(_)) => "written",
        (_, None) => "removed",
    }
}

fn tell(file: &WorkflowFile, root: &Path) {
    if file.wanted.is_some() || file.change != FileChange::Nothing {
        output::line(&format!("{} is {}", shown(file, root), outcome(file)));
    }
}

fn document(files: &[WorkflowFile], root: &Path) -> serde_json::Value {
    let each = files
        .iter()
        .filter(|file| file.wanted.is_some() || file.change != FileChange::Nothing);
    let each: Vec<serde_json::Value> = each
        .map(|file| serde_json::json!({ "path": shown(file, root), "outcome": outcome(file) }))
        .collect();
    serde_json::json!({ "workflows": each })
}

/// Settings that GitHub needs besides the files.
fn accounts(environments: &[String]) -> String {
    let each: Vec<String> = environments
        .iter()
        .map(|env| neargate_far::pipeline::account_variable(env))
        .collect();
    format!(
        "next: set the AWS accounts as variables of the repository ({}), protect the environments \
         in its settings, and apply terraform/modules/pipeline once",
        each.join(", ")
    )
}

/// Result of `--check`: exit code 1 when files differ from the manifest.
fn report(flags: &GlobalFlags, files: &[WorkflowFile], root: &Path) -> Result<ExitCode, Failure> {
    let differ = named(files, root, |file| file.change != FileChange::Nothing);
    if flags.json {
        output::json(&serde_json::json!({ "ok": differ.is_empty(), "differ": differ }));
        return Ok(ExitCode::from(u8::from(!differ.is_empty())));
    }
    if differ.is_empty() {
        output::line("the workflows match the manifest");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Failed(format!(
        "out of date: {}; run neargate pipeline render",
        differ.join(", ")
    )))
}
