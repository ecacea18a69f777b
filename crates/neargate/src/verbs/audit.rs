//! `neargate audit`: what is risky in an environment, and the lines that change it.
//!
//! Invariant: reads the manifest alone; no network, no account, nothing is changed.

use std::process::ExitCode;

use neargate_core::manifest::{ManifestSource, edit_location, load};
use neargate_core::model::DeploymentTarget;
use neargate_far::posture::{self, EnvironmentClass, PostureReport};

use crate::arguments::{FailOn, GlobalFlags};
use crate::failure::Failure;
use crate::{output, project};

/// Exit code when there is a finding that fails.
const FOUND: u8 = 1;

/// Audits; fails from this severity on.
pub(crate) fn run(flags: &GlobalFlags, fail_on: FailOn) -> Result<ExitCode, Failure> {
    let (source, loaded) = project::load_with_source(flags)?;
    let mut report = posture::audit(&source, &loaded.manifest);
    if report.standing == EnvironmentClass::Near {
        report.notes.extend(elsewhere(flags, &source));
    }
    if flags.json {
        output::json(&report);
    } else {
        show(&report);
    }
    let fails = report
        .worst()
        .is_some_and(|worst| worst >= fail_on.severity());
    Ok(ExitCode::from(if fails { FOUND } else { 0 }))
}

fn show(report: &PostureReport) {
    for line in posture::describe(report) {
        output::line(&line);
    }
    for note in &report.notes {
        output::note(note);
    }
}

/// Which environments of this manifest are on AWS.
fn elsewhere(flags: &GlobalFlags, source: &ManifestSource) -> Option<String> {
    let far = |env: &String| {
        let loaded = load(source, env, &flags.overrides);
        loaded.is_ok_and(|loaded| matches!(loaded.manifest.target, DeploymentTarget::Aws { .. }))
    };
    let all: Vec<String> = edit_location::environments(source)
        .into_iter()
        .filter(far)
        .collect();
    (!all.is_empty()).then(|| {
        format!(
            "this environment is near, so only the rules for near applied; on AWS: {}",
            all.join(", ")
        )
    })
}
