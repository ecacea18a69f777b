//! `neargate secret … -e ENV` on AWS: near's verbs, values in Secrets Manager or Parameter Store.
//!
//! Versions are AWS's: numbers in Parameter Store, ids in Secrets Manager. CloudTrail keeps who
//! read and wrote what.

use std::process::ExitCode;

use neargate_core::secret::SecretValue;
use neargate_far::driver::aws::{Stage, VersionSeen};
use neargate_far::driver::session::Driver;
use neargate_far::driver::trouble::Trouble;

use crate::arguments::{Flags, Secret};
use crate::failure::Failure;
use crate::output;
use crate::verbs::secret::{self, Row};

/// Runs a verb of secrets.
pub async fn run(
    driver: &Driver,
    flags: &Flags,
    verb: &Secret,
) -> Result<Result<ExitCode, Failure>, Trouble> {
    match verb {
        Secret::Set { name, from } => {
            let value = match secret::value(name, from.as_deref()) {
                Ok(value) => SecretValue::new(value),
                Err(failure) => return Ok(Err(failure)),
            };
            let version = driver.set_secret(name, &value).await?;
            let words = format!("version {version} is set; the next deploy of its users takes it");
            output::progress(name, &words);
        }
        Secret::List => {
            for (name, versions) in driver.secret_versions().await? {
                if versions.is_empty() {
                    output::note(&format!("secret {name} has no value yet"));
                }
                for version in &versions {
                    row(&name, version).print(flags.json);
                }
            }
        }
        Secret::Get { name, reveal } => {
            let (version, value) = driver.secret(name).await?;
            let value = reveal.then_some(&value);
            if let Err(failure) = secret::show(name, &version, value, flags.json) {
                return Ok(Err(failure));
            }
        }
    }
    Ok(Ok(ExitCode::SUCCESS))
}

fn row<'a>(name: &'a str, seen: &'a VersionSeen) -> Row<'a> {
    Row {
        name,
        version: &seen.version,
        stage: match seen.stage {
            Stage::Current => "current",
            Stage::Previous => "previous",
            Stage::Older => "older",
        },
        at: seen.at,
    }
}
