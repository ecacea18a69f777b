//! What the pipeline needs of this machine: programs, and what they say.
//!
//! Invariant: a program that is missing is named with what to do, and nothing was begun for it.
//! Standard output belongs to the command's own result, so what programs say goes to standard
//! error as it comes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::program_path::find_program;

/// A program with its arguments.
pub(crate) fn command(program: &str, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// Program that builds and pushes images: docker, or podman.
pub(crate) fn containers() -> Result<&'static str, Failure> {
    first(&["docker", "podman"]).ok_or_else(|| {
        Failure::Environment("there is neither docker nor podman on the PATH: install one".into())
    })
}

/// Program that searches images for known vulnerabilities, with the arguments that make HIGH and
/// CRITICAL fail.
pub(crate) fn scanner() -> Result<(&'static str, &'static [&'static str]), Failure> {
    match first(&["trivy", "grype"]) {
        Some("trivy") => Ok(("trivy", TRIVY)),
        Some(other) => Ok((other, GRYPE)),
        None => Err(Failure::Environment(
            "there is neither trivy nor grype on the PATH: install one, or write `pipeline.scan`"
                .into(),
        )),
    }
}

/// Source: trivy's documentation, "trivy image".
const TRIVY: &[&str] = &[
    "image",
    "--exit-code",
    "1",
    "--severity",
    "HIGH,CRITICAL",
    "--no-progress",
];
/// Source: grype's README, "Gating on severity of vulnerabilities": `high` is high and above.
const GRYPE: &[&str] = &["--fail-on", "high"];

/// How the AWS CLI writes errors: `An error occurred (CODE) when calling the …`. Source: AWS CLI
/// user guide, "Structured error output".
pub(crate) const PLAIN_ERRORS: (&str, &str) = ("AWS_CLI_ERROR_FORMAT", "legacy");

/// AWS's own command line.
pub(crate) fn aws() -> Result<&'static str, Failure> {
    first(&["aws"]).ok_or_else(|| {
        Failure::Environment("there is no aws on the PATH: install the AWS CLI, version 2".into())
    })
}

fn first(programs: &[&'static str]) -> Option<&'static str> {
    let mut programs = programs.iter().copied();
    programs.find(|program| find_program(program).is_some())
}

/// Runs it and shows what it says.
pub(crate) fn run(mut command: Command) -> Result<(), Failure> {
    command.stdout(std::io::stderr());
    let words = words(&command);
    let status = command
        .status()
        .map_err(|error| Failure::of(&format!("cannot run {words}"), &error))?;
    if status.success() {
        return Ok(());
    }
    Err(ended(&words, status.code()))
}

/// Neargate's own codes mean the same one level up; those of other programs mean failure.
fn ended(words: &str, code: Option<i32>) -> Failure {
    let how = code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
    Failure::Failed(format!("`{words}` ended with {how}"))
}

/// Runs Neargate itself; a wrong manifest and a missing engine stay what they are.
pub(crate) fn run_neargate(mut command: Command) -> Result<(), Failure> {
    command.stdout(std::io::stderr());
    let words = words(&command);
    let status = command
        .status()
        .map_err(|error| Failure::of(&format!("cannot run {words}"), &error))?;
    let text = || ended(&words, status.code()).describe();
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(Failure::Usage(text())),
        Some(3) => Err(Failure::Environment(text())),
        _ => Err(Failure::Failed(text())),
    }
}

/// Standard output, without the line's end; standard error is shown only when the command fails.
pub(crate) fn ask(mut command: Command) -> Result<String, ProgramFailure> {
    let words = words(&command);
    let output = command.output().map_err(|source| ProgramFailure::NotRun {
        words: words.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let how = ended(&words, output.status.code()).describe();
    Err(ProgramFailure::Ended { how, said })
}

/// A program that was asked and gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramFailure {
    /// It did not run.
    #[error("cannot run {words}: {source}")]
    NotRun {
        words: String,
        source: std::io::Error,
    },
    /// It failed, and what it wrote to standard error.
    #[error("{how}: {said}")]
    Ended { how: String, said: String },
}

impl ProgramFailure {
    /// The service's error code, when the AWS CLI failed and was asked for [`PLAIN_ERRORS`].
    pub(crate) fn aws_code(&self) -> Option<&str> {
        let Self::Ended { said, .. } = self else {
            return None;
        };
        let (_, after) = said.split_once("An error occurred (")?;
        Some(after.split_once(')')?.0)
    }
}

impl From<ProgramFailure> for Failure {
    fn from(failure: ProgramFailure) -> Self {
        Self::Failed(failure.to_string())
    }
}

/// Whether it ends well; nothing is shown.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs it with a text on its standard input; a password is seen by nobody else.
pub(crate) fn feed(mut command: Command, text: &str) -> Result<(), Failure> {
    let words = words(&command);
    let failed = |error: &std::io::Error| Failure::of(&format!("cannot run {words}"), error as &_);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(std::io::stderr())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends early says why by itself.
        let _ = input.write_all(text.as_bytes());
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    if status.success() {
        return Ok(());
    }
    Err(ended(&words, status.code()))
}

/// As people would type it. No act has a secret among its arguments.
fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let mut words = vec![name.to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
