//! `neargate deploy` and `neargate rollback`: release a revision and follow it to its end.

use std::process::ExitCode;

use neargate_core::release_report::ReleaseResult;

use crate::arguments::{DeployArguments, GlobalFlags, RollbackArguments};
use crate::environment::{self, ReleaseEnd};
use crate::failure::Failure;
use crate::{follow, output};

/// Releases what the manifest asks for.
pub(crate) async fn deploy(
    flags: &GlobalFlags,
    options: &DeployArguments,
) -> Result<ExitCode, Failure> {
    let end = match environment::open(flags) {
        Ok(environment) => environment.deploy(options).await?,
        Err(failure) => ReleaseEnd::NotBegun(failure),
    };
    report(flags, &options.service, end)
}

/// Releases an earlier revision.
pub(crate) async fn rollback(
    flags: &GlobalFlags,
    options: &RollbackArguments,
) -> Result<ExitCode, Failure> {
    let end = match environment::open(flags) {
        Ok(environment) => environment.rollback(options).await?,
        Err(failure) => ReleaseEnd::NotBegun(failure),
    };
    let service = options.service.as_deref().unwrap_or_default();
    report(flags, service, end)
}

/// Prints how a release ended. Scripts read the last object: there is one even when none began.
fn report(flags: &GlobalFlags, service: &str, end: ReleaseEnd) -> Result<ExitCode, Failure> {
    match end {
        ReleaseEnd::NotBegun(failure) => {
            if flags.json {
                output::json(&ReleaseResult::not_begun(service, failure.describe()));
            }
            Err(failure)
        }
        ReleaseEnd::Ended(results) => {
            if flags.json {
                results.iter().for_each(output::json);
            }
            follow::judge(&results)?;
            Ok(ExitCode::SUCCESS)
        }
        ReleaseEnd::Detached(service, accepted) => {
            if flags.json {
                output::json(&accepted);
            }
            output::progress(
                &service,
                "the release continues; see: neargate status --watch",
            );
            Ok(ExitCode::SUCCESS)
        }
        ReleaseEnd::Left(service) => Err(Failure::Failed(format!(
            "the release of `{service}` continues; see: neargate status --watch, \
             end it with: neargate abort {service}"
        ))),
    }
}
