//! `neargate infra`: what an environment has on AWS, by Terraform.
//!
//! Invariant: nothing is applied that was not shown; what would lose data needs its own yes, and
//! what is protected is never destroyed.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use neargate_core::model::Manifest;
use neargate_far::render::folder::{self, EditedFiles, FolderError, WrittenFolder};
use neargate_far::render::render;
use neargate_far::stack::{Stack, StackError};
use neargate_far::terraform::{
    PlanPurpose, PlanSummary, Terraform, TerraformError, TerraformOutput,
};
use serde_json::json;

use crate::arguments::{GlobalFlags, InfraArguments};
use crate::failure::Failure;
use crate::{output, project};

/// Exit code of `plan --exit-code` when there are changes.
const CHANGES: u8 = 10;

/// Runs one of the verbs.
pub(crate) fn run(flags: &GlobalFlags, what: &InfraArguments) -> Result<ExitCode, Failure> {
    let site = InfraEnvironment::open(flags)?;
    match what {
        InfraArguments::Render { force } => site.render_only(*force),
        InfraArguments::Plan { exit_code } => site.plan_only(*exit_code),
        InfraArguments::Apply { yes, lose_data } => site.apply(*yes, *lose_data),
        InfraArguments::Destroy { app } => site.destroy(app.as_deref()),
        InfraArguments::Eject => site.eject(),
    }
}

/// An environment on AWS and the folder of its Terraform.
struct InfraEnvironment<'a> {
    flags: &'a GlobalFlags,
    manifest: Manifest,
    stack: Stack,
    folder: PathBuf,
}

impl<'a> InfraEnvironment<'a> {
    fn open(flags: &'a GlobalFlags) -> Result<Self, Failure> {
        let (path, loaded) = project::load(flags)?;
        if !loaded.warnings.is_empty() {
            output::diagnostics(&loaded.warnings);
        }
        let stack = Stack::of(&loaded.manifest).map_err(|StackError::Near(env)| {
            Failure::Usage(format!(
                "environment `{env}` is near: choose one with target = \"aws\" by -e, or add it as [env.NAME]"
            ))
        })?;
        for words in &stack.left_out {
            output::note(&format!("left out: {words}"));
        }
        let beside = path.parent().unwrap_or(Path::new("."));
        let folder = beside.join("infra").join(&loaded.manifest.env);
        Ok(Self {
            flags,
            manifest: loaded.manifest,
            stack,
            folder,
        })
    }

    fn render(&self, changed: EditedFiles) -> Result<WrittenFolder, Failure> {
        let files = render(&self.stack).map_err(|error| Failure::of("a bug", &error))?;
        folder::write(&self.folder, &files, changed).map_err(|error| match error {
            FolderError::Changed(_) => Failure::Failed(format!(
                "{error}; bring the change to neargate.toml, keep them with `neargate infra eject`, or lose it with `neargate infra render --force`"
            )),
            FolderError::Ejected(_) => Failure::Failed(format!(
                "{error}; Neargate no longer renders them, and `infra plan` and `apply` use them as they are"
            )),
            other => Failure::of("cannot render", &other),
        })
    }

    fn render_only(&self, force: bool) -> Result<ExitCode, Failure> {
        let changed = if force {
            EditedFiles::Overwrite
        } else {
            EditedFiles::Refuse
        };
        let written = self.render(changed)?;
        if self.flags.json {
            output::json(&json!({
                "folder": self.folder,
                "written": written.written,
                "removed": written.removed,
                "kept": written.kept,
                "left_out": self.stack.left_out,
            }));
        } else {
            let count = |n: usize, what: &str| format!("{n} {what}");
            output::line(&format!(
                "{}: {}, {}, {}",
                self.folder.display(),
                count(written.written.len(), "written"),
                count(written.removed.len(), "removed"),
                count(written.kept, "as they were"),
            ));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Renders, unless people own the files, and plans.
    fn plan(&self, purpose: PlanPurpose) -> Result<(Terraform, PlanSummary), Failure> {
        let words = if self.flags.json {
            TerraformOutput::Err
        } else {
            TerraformOutput::Out
        };
        let terraform = Terraform::find(&self.folder, words).map_err(from_terraform)?;
        if folder::is_ejected(&self.folder) {
            output::note(&format!(
                "{} was ejected: its files are used as they are",
                self.folder.display()
            ));
        } else {
            self.render(EditedFiles::Refuse)?;
        }
        terraform.init().map_err(from_terraform)?;
        let meaning = terraform.plan(purpose).map_err(from_terraform)?;
        Ok((terraform, meaning))
    }

    fn say(&self, meaning: &PlanSummary, done: Option<&str>) {
        if self.flags.json {
            output::json(&json!({
                "app": self.manifest.app,
                "env": self.manifest.env,
                "plan": meaning,
                "words": meaning.describe(),
                "left_out": self.stack.left_out,
                "done": done,
            }));
        } else if let Some(done) = done {
            output::line(done);
        } else {
            for line in meaning.describe() {
                output::line(&line);
            }
        }
    }

    fn plan_only(&self, exit_code: bool) -> Result<ExitCode, Failure> {
        let (terraform, meaning) = self.plan(PlanPurpose::Apply)?;
        terraform.forget();
        self.say(&meaning, None);
        let code = if exit_code && !meaning.is_empty() {
            CHANGES
        } else {
            0
        };
        Ok(ExitCode::from(code))
    }

    fn apply(&self, yes: bool, lose_data: bool) -> Result<ExitCode, Failure> {
        let (terraform, meaning) = self.plan(PlanPurpose::Apply)?;
        if meaning.is_empty() {
            terraform.forget();
            self.say(&meaning, None);
            return Ok(ExitCode::SUCCESS);
        }
        show(&meaning);
        let agreed = self.agreed(&meaning, yes, lose_data);
        if agreed.is_err() {
            terraform.forget();
        }
        agreed?;
        terraform.apply().map_err(from_terraform)?;
        self.say(&meaning, Some("applied"));
        Ok(ExitCode::SUCCESS)
    }

    fn agreed(&self, meaning: &PlanSummary, yes: bool, lose_data: bool) -> Result<(), Failure> {
        if !meaning.risks.is_empty() && !lose_data {
            return Err(Failure::Failed(
                "nothing was applied, because data would be lost: add --lose-data if that is meant"
                    .to_owned(),
            ));
        }
        if !meaning.unmatched.is_empty() {
            let own = self.folder.join("own.auto.tfvars.json");
            return Err(Failure::Failed(format!(
                "nothing was applied, because the password of a database is lost: raise the version, such as {{ \"password_version\": 2 }} in {}, and apply again",
                own.display()
            )));
        }
        if yes {
            return Ok(());
        }
        let question = format!("Apply this to {}? Type yes: ", self.stack.prefix());
        ask(&question, "yes", "--yes")
    }

    fn destroy(&self, app: Option<&str>) -> Result<ExitCode, Failure> {
        if self.stack.is_protected() {
            return Err(Failure::Failed(format!(
                "environment `{}` is production, whose data is protected: write aws.grade = \"trial\" and remove `protect`, `neargate infra apply`, then destroy",
                self.manifest.env
            )));
        }
        if let Some(other) = app.filter(|app| *app != self.manifest.app) {
            return Err(Failure::Usage(format!(
                "the app is `{}`, not `{other}`: nothing was destroyed",
                self.manifest.app
            )));
        }
        let (terraform, meaning) = self.plan(PlanPurpose::Destroy)?;
        show(&meaning);
        let agreed = match (&meaning.protected[..], app) {
            ([], Some(_)) => Ok(()),
            ([], None) => {
                let question = format!(
                    "Destroy {} with its data? Type the app's name: ",
                    self.stack.prefix()
                );
                ask(&question, &self.manifest.app, "--app NAME")
            }
            (protected, _) => Err(Failure::Failed(format!(
                "nothing was destroyed: AWS protects {}; without `protect` in the manifest `neargate infra apply` takes the protection off",
                protected.join(", ")
            ))),
        };
        if agreed.is_err() {
            terraform.forget();
        }
        agreed?;
        terraform.apply().map_err(from_terraform)?;
        self.say(&meaning, Some("destroyed"));
        Ok(ExitCode::SUCCESS)
    }

    fn eject(&self) -> Result<ExitCode, Failure> {
        // What people changed already is theirs and stays.
        if !folder::is_rendered(&self.folder) && !folder::is_ejected(&self.folder) {
            self.render(EditedFiles::Refuse)?;
        }
        folder::eject(&self.folder).map_err(|error| Failure::of("cannot eject", &error))?;
        let words = format!(
            "{} is yours: Neargate no longer renders it",
            self.folder.display()
        );
        if self.flags.json {
            output::json(&json!({ "folder": self.folder, "ejected": true }));
        } else {
            output::line(&words);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The meaning for people who are about to answer; standard output is for the result.
fn show(meaning: &PlanSummary) {
    for line in meaning.describe() {
        output::progress("", &line);
    }
}

fn ask(question: &str, wanted: &str, instead: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "there is no terminal to ask on: add {instead} if you mean it"
        )));
    }
    output::question(question);
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::of("cannot read the answer", &error))?;
    if answer.trim() == wanted {
        Ok(())
    } else {
        Err(Failure::Failed("nothing was done".into()))
    }
}

fn from_terraform(error: TerraformError) -> Failure {
    match error {
        TerraformError::Missing | TerraformError::TooOld(_) => {
            Failure::Environment(error.to_string())
        }
        error => Failure::of("infra", &error),
    }
}
