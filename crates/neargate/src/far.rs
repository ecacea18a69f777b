//! Which commands are about AWS: those with `-e` of an environment whose target is aws.
//!
//! Invariant: near commands neither read a manifest for this nor wait for anything. A build
//! without the feature `aws` says so, and ends with exit code 3.

use std::process::ExitCode;

use neargate_core::model::{DeploymentTarget, Manifest};

use crate::arguments::{GlobalFlags, LOCAL, Verb};
use crate::failure::Failure;
use crate::{output, project};

#[cfg(feature = "aws")]
mod account;
#[cfg(feature = "aws")]
mod operations;
#[cfg(feature = "aws")]
mod reports;
#[cfg(feature = "aws")]
mod secrets;
#[cfg(feature = "aws")]
mod sessions;

/// Runs a verb on AWS. `None`: it is not about AWS.
pub(crate) fn run(flags: &GlobalFlags, verb: &Verb) -> Option<Result<ExitCode, Failure>> {
    if !has_far_side(verb) || flags.env() == LOCAL || project::find(flags).is_err() {
        return only_far(verb);
    }
    let loaded = match project::load(flags) {
        Ok((_, loaded)) => loaded,
        Err(failure) => return Some(Err(failure)),
    };
    match loaded.manifest.target {
        DeploymentTarget::Near => only_far(verb),
        DeploymentTarget::Aws { .. } => {
            if !loaded.warnings.is_empty() {
                output::diagnostics(&loaded.warnings);
            }
            Some(far(flags, verb, loaded.manifest))
        }
    }
}

/// Verbs that do something on AWS.
fn has_far_side(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Deploy { .. }
            | Verb::Status { .. }
            | Verb::Rollback { .. }
            | Verb::Promote { .. }
            | Verb::Pause { .. }
            | Verb::Resume { .. }
            | Verb::Abort { .. }
            | Verb::Releases { .. }
            | Verb::Alarms
            | Verb::Logs(_)
            | Verb::Run { .. }
            | Verb::Scale { .. }
            | Verb::Secret(_)
            | Verb::Metrics(_)
            | Verb::Exec { .. }
            | Verb::Db(_)
            | Verb::Verify
            | Verb::Drift { .. }
    )
}

/// Verbs that mean nothing near.
fn only_far(verb: &Verb) -> Option<Result<ExitCode, Failure>> {
    let word = match verb {
        Verb::Verify => "verify",
        Verb::Drift { .. } => "drift",
        _ => return None,
    };
    Some(Err(Failure::Usage(format!(
        "`{word}` checks an environment on AWS: name one with neargate {word} -e ENV (here, use neargate doctor)"
    ))))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::needless_pass_by_value, reason = "the other build hands it on")]
fn far(_: &GlobalFlags, _: &Verb, manifest: Manifest) -> Result<ExitCode, Failure> {
    Err(Failure::Environment(format!(
        "environment `{}` is on AWS, and this neargate was built without it: build it with \
         `cargo build --release -p neargate`",
        manifest.env
    )))
}

#[cfg(feature = "aws")]
fn far(flags: &GlobalFlags, verb: &Verb, manifest: Manifest) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("cannot start", &error))?
        .block_on(operations::run(flags, verb, manifest))
}
