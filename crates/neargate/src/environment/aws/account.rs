//! The questions of `verify` that AWS's own command line asks.
//!
//! Invariant: nothing is changed by asking. Without the program its answers are said to be unknown.

use std::process::{Command, Stdio};

use neargate_aws::account_checks::{AccountQuestion, questions};
use neargate_aws::environment::Driver;
use neargate_core::preflight_finding::PreflightFinding;

use crate::output;
use crate::pipeline::machine::aws;

/// Findings about the account.
pub(super) fn findings(driver: &Driver) -> Vec<PreflightFinding> {
    let all = questions(driver.manifest(), driver.facts());
    if aws().is_err() {
        let unasked = |it: &AccountQuestion| it.judge(Err("the AWS CLI is not on the PATH"));
        return all.iter().map(unasked).collect();
    }
    output::progress("", "checks subnets, roles and quotas of the account");
    all.iter()
        .map(|question| ask(question, driver.region()))
        .collect()
}

fn ask(question: &AccountQuestion, region: &str) -> PreflightFinding {
    let mut command = Command::new("aws");
    command
        .args(question.arguments())
        .args(["--region", region, "--output", "json"])
        .env("AWS_PAGER", "")
        .stdin(Stdio::null());
    match command.output() {
        Err(error) => question.judge(Err(&format!("cannot run aws: {error}"))),
        Ok(said) if said.status.success() => match serde_json::from_slice(&said.stdout) {
            Ok(found) => question.judge(Ok(&found)),
            Err(error) => question.judge(Err(&format!("aws wrote no JSON: {error}"))),
        },
        Ok(said) => question.judge(Err(&String::from_utf8_lossy(&said.stderr))),
    }
}
