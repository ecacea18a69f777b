//! Terraform as a program: found, old enough, run in a folder; and its plans in words.
//!
//! Invariant: what Terraform says goes where the caller wants it and is not changed on the way.
//! Refuses versions before 1.11, which have no write-only arguments.

mod plan_summary;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

pub use plan_summary::{
    DataLoss, MonthlyBill, OUTPUT as ESTIMATE, PlanSummary, ResourceAction, ResourceChange,
};

/// The oldest version that the modules take.
const OLDEST: (u64, u64) = (1, 11);
/// The plan that `plan` keeps for `apply`; not for version control.
const PLAN: &str = "neargate.tfplan";

/// Why Terraform did not do it.
#[derive(Debug, thiserror::Error)]
pub enum TerraformError {
    /// There is no such program.
    #[error(
        "terraform is not on the PATH: install Terraform 1.11 or later (https://developer.hashicorp.com/terraform/install)"
    )]
    Missing,
    /// It is too old.
    #[error(
        "terraform {0} is too old: install 1.11 or later (https://developer.hashicorp.com/terraform/install)"
    )]
    TooOld(String),
    /// It cannot be run.
    #[error("cannot run terraform {0}")]
    Run(&'static str, #[source] io::Error),
    /// It said no; its own words were shown.
    #[error("terraform {0} failed ({1})")]
    Failed(&'static str, ExitStatus),
    /// Terraform's output is not of the documented form.
    #[error("terraform {0} wrote something else than its JSON")]
    Json(&'static str, #[source] serde_json::Error),
}

/// Where Terraform's own words go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerraformOutput {
    /// To standard output.
    Out,
    /// To standard error, because standard output is for a document.
    Err,
}

/// Purpose of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanPurpose {
    /// To bring the environment to the files.
    Apply,
    /// To remove everything.
    Destroy,
}

/// Terraform in the folder of an environment.
#[derive(Debug)]
pub struct Terraform {
    folder: PathBuf,
    words: TerraformOutput,
}

impl Terraform {
    /// Looks for the program.
    ///
    /// # Errors
    /// [`TerraformError::Missing`] and [`TerraformError::TooOld`].
    pub fn find(folder: &Path, words: TerraformOutput) -> Result<Self, TerraformError> {
        let output = Command::new("terraform")
            .args(["version", "-json"])
            .env("CHECKPOINT_DISABLE", "1")
            .stderr(Stdio::inherit())
            .output();
        let output = match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(TerraformError::Missing);
            }
            output => output.map_err(|error| TerraformError::Run("version", error))?,
        };
        let facts: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| TerraformError::Json("version", error))?;
        let version = facts["terraform_version"].as_str().unwrap_or_default();
        if !new_enough(version) {
            return Err(TerraformError::TooOld(version.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            words,
        })
    }

    /// Gets providers and the backend ready.
    ///
    /// # Errors
    /// [`TerraformError`].
    pub fn init(&self) -> Result<(), TerraformError> {
        self.run("init", &["-input=false"])
    }

    /// Plans, keeps the plan for [`Self::apply`], and says what it means.
    ///
    /// # Errors
    /// [`TerraformError`].
    pub fn plan(&self, purpose: PlanPurpose) -> Result<PlanSummary, TerraformError> {
        let out = format!("-out={PLAN}");
        let mut arguments = vec!["-input=false", out.as_str()];
        if purpose == PlanPurpose::Destroy {
            arguments.push("-destroy");
        }
        self.run("plan", &arguments)?;
        let output = self
            .command("show")
            .args(["-json", PLAN])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| TerraformError::Run("show", error))?;
        if !output.status.success() {
            return Err(TerraformError::Failed("show", output.status));
        }
        let plan = serde_json::from_slice(&output.stdout);
        let plan = plan.map_err(|error| TerraformError::Json("show", error))?;
        Ok(PlanSummary::of(&plan))
    }

    /// Does exactly what was planned last.
    ///
    /// # Errors
    /// [`TerraformError`].
    pub fn apply(&self) -> Result<(), TerraformError> {
        self.run("apply", &["-input=false", PLAN])?;
        self.forget();
        Ok(())
    }

    /// Removes the plan: it holds values, and a plan that was decided against is of no use.
    pub fn forget(&self) {
        // A plan that is left behind is refused by Terraform as stale.
        let _ = std::fs::remove_file(self.folder.join(PLAN));
    }

    fn command(&self, verb: &'static str) -> Command {
        let mut command = Command::new("terraform");
        command
            .arg(verb)
            .current_dir(&self.folder)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, verb: &'static str, arguments: &[&str]) -> Result<(), TerraformError> {
        let mut command = self.command(verb);
        command.args(arguments);
        if self.words == TerraformOutput::Err {
            command.stdout(io::stderr());
        }
        if self.words == TerraformOutput::Err || !io::stdout().is_terminal() {
            command.arg("-no-color");
        }
        let status = command
            .status()
            .map_err(|error| TerraformError::Run(verb, error))?;
        if status.success() {
            Ok(())
        } else {
            Err(TerraformError::Failed(verb, status))
        }
    }
}

fn new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn versions_before_1_11_are_too_old() {
        for (version, enough) in [
            ("1.9.8", false),
            ("1.10.5", false),
            ("1.11.4", true),
            ("2.0.0-beta1", true),
            ("0.15.5", false),
            ("", false),
        ] {
            assert_eq!(new_enough(version), enough, "{version}");
        }
    }
}
