//! Why a command failed, and its exit code.

use std::process::ExitCode;

use neargate_core::command_exit::CommandExit;
use neargate_core::error_chain::error_chain;
use neargate_core::manifest::Diagnostics;
use neargate_core::names;
use neargate_near::api::wire::Problem;

use crate::output;

/// A failed command. Printed once, on standard error.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The operation failed, with its message: exit 1.
    Failed(String),
    /// The command line is wrong: exit 2.
    Usage(String),
    /// The manifest is wrong: exit 2.
    Manifest(Box<Diagnostics>),
    /// Something of the machine is missing or taken: exit 3.
    Environment(String),
    /// The engine says no, and says how.
    Engine(Problem),
}

impl Failure {
    /// Something that failed with its causes.
    pub(crate) fn of(what: &str, error: &dyn std::error::Error) -> Self {
        Self::Failed(format!("{what}: {}", error_chain(error)))
    }

    /// The documented exit code.
    pub(crate) fn code(&self) -> ExitCode {
        let exit = match self {
            Self::Failed(_) => CommandExit::Failed,
            Self::Usage(_) | Self::Manifest(_) => CommandExit::Usage,
            Self::Environment(_) => CommandExit::Environment,
            Self::Engine(problem) => problem.exit,
        };
        exit.into()
    }

    /// The failure, in a sentence.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Failed(text) | Self::Usage(text) | Self::Environment(text) => text.clone(),
            Self::Manifest(diagnostics) => diagnostics.summary(),
            Self::Engine(problem) => problem.error.clone(),
        }
    }

    /// Says it on standard error.
    pub(crate) fn print(&self) {
        match self {
            Self::Failed(text) | Self::Usage(text) | Self::Environment(text) => {
                output::error(text, None);
            }
            Self::Manifest(diagnostics) => output::diagnostics(diagnostics),
            Self::Engine(problem) => output::error(&problem.error, problem.help.as_deref()),
        }
    }
}

/// A name that the manifest lacks, as [`unknown`]. Exit 2.
pub(crate) fn not_in_manifest<S: AsRef<str>>(
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = S>,
) -> Failure {
    let mut failure = unknown(kind, name, known);
    if let Failure::Engine(problem) = &mut failure {
        problem.error = format!("the manifest has no {kind} `{name}`");
    }
    failure
}

/// That nothing of a kind is there.
fn none_of(kind: &str) -> String {
    match kind {
        "service" | "secret" => format!("the manifest has no {kind}s"),
        "database or cache" => "the manifest has no databases and no caches".to_owned(),
        _ => format!("there is no {kind} at all"),
    }
}

/// A name that nothing has: the error of every verb, with the name that was probably meant, or
/// those that there are. Exit 2.
pub(crate) fn unknown<S: AsRef<str>>(
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = S>,
) -> Failure {
    let known: Vec<S> = known.into_iter().collect();
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let help = match known.is_empty() {
        true => none_of(kind),
        false => names::meant(name, &known),
    };
    Failure::Engine(Problem::usage(format!("there is no {kind} `{name}`")).with_help(help))
}
