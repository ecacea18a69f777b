//! `neargate verify`: everything that could stop a release on AWS, found before it.

use std::process::ExitCode;

use neargate_core::preflight_finding::FindingState;

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::table;
use crate::table::Column::Left;
use crate::{environment, output};

/// Prints every finding. Exit 3 if something that a release needs is missing.
pub(crate) async fn run(flags: &GlobalFlags) -> Result<ExitCode, Failure> {
    let findings = environment::open(flags)?.verify().await?;
    if flags.json {
        output::json(&findings);
    } else {
        let rows = findings.iter().map(|it| {
            let word = match it.is {
                FindingState::Ok => "ok",
                FindingState::Missing => "missing",
                FindingState::Unknown => "unknown",
            };
            let words = it.words.clone();
            vec![
                output::state(word),
                it.service.clone(),
                it.what.clone(),
                words,
            ]
        });
        table::print(&[Left(8), Left(12), Left(24)], rows);
    }
    let missing = findings
        .iter()
        .filter(|it| it.is == FindingState::Missing)
        .count();
    match missing {
        0 => Ok(ExitCode::SUCCESS),
        some => Err(Failure::Environment(format!(
            "{some} of {} are missing",
            findings.len()
        ))),
    }
}
