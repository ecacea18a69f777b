//! `neargate drift`: what on AWS differs from the last release.

use std::process::ExitCode;

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::{environment, output};

/// Prints every difference. Exit 1 if there is one.
pub(crate) async fn run(flags: &GlobalFlags, service: Option<&str>) -> Result<ExitCode, Failure> {
    let found = environment::open(flags)?.drift(service).await?;
    if flags.json {
        output::json(&found);
    } else {
        for (name, lines) in &found {
            for line in lines {
                output::line(&output::about(name, line));
            }
        }
    }
    match found.values().map(Vec::len).sum() {
        0 => Ok(ExitCode::SUCCESS),
        1 => Err(Failure::Failed(
            "1 difference from what was released".to_owned(),
        )),
        some => Err(Failure::Failed(format!(
            "{some} differences from what was released"
        ))),
    }
}
