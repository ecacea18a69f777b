//! `neargate secret … -e ENV` on AWS: near's verbs, values in Secrets Manager or Parameter Store.
//!
//! Versions are AWS's: numbers in Parameter Store, ids in Secrets Manager. CloudTrail keeps who
//! read and wrote what.

use std::process::ExitCode;

use neargate_core::secret::SecretValue;
use neargate_far::driver::aws::{LabelledVersion, StagingLabel};
use neargate_far::driver::environment::Driver;
use neargate_far::driver::error::DriverError;

use crate::arguments::{GlobalFlags, SecretArguments};
use crate::failure::Failure;
use crate::output;
use crate::verbs::secret::{self, SecretVersionRow};

/// Runs a verb of secrets.
pub(super) async fn run(
    driver: &Driver,
    flags: &GlobalFlags,
    verb: &SecretArguments,
) -> Result<Result<ExitCode, Failure>, DriverError> {
    match verb {
        SecretArguments::Set { name, from } => {
            let value = match secret::value(name, from.as_deref()) {
                Ok(value) => SecretValue::new(value),
                Err(failure) => return Ok(Err(failure)),
            };
            let version = driver.set_secret(name, &value).await?;
            let words = format!("version {version} is set; the next deploy of its users takes it");
            output::progress(name, &words);
        }
        SecretArguments::List => {
            for (name, versions) in driver.secret_versions().await? {
                if versions.is_empty() {
                    output::note(&format!("secret {name} has no value yet"));
                }
                for version in &versions {
                    row(&name, version).print(flags.json);
                }
            }
        }
        SecretArguments::Get { name, reveal } => {
            let (version, value) = driver.secret(name).await?;
            let value = reveal.then_some(&value);
            if let Err(failure) = secret::show(name, &version, value, flags.json) {
                return Ok(Err(failure));
            }
        }
    }
    Ok(Ok(ExitCode::SUCCESS))
}

fn row<'a>(name: &'a str, seen: &'a LabelledVersion) -> SecretVersionRow<'a> {
    SecretVersionRow {
        name,
        version: &seen.version,
        stage: match seen.stage {
            StagingLabel::Current => "current",
            StagingLabel::Previous => "previous",
            StagingLabel::Older => "older",
        },
        at: seen.at,
    }
}
