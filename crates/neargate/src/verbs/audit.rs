//! `neargate audit`: what is risky in an environment, and the lines that change it.
//!
//! Invariant: reads the manifest alone; no network, no account, nothing is changed.

use std::process::ExitCode;

use neargate_core::manifest::model::Place;
use neargate_core::manifest::{Source, load, place};
use neargate_far::audit::{self, Report, Standing};

use crate::arguments::{FailOn, Flags};
use crate::failure::Failure;
use crate::{output, project};

/// Exit code when there is a finding that fails.
const FOUND: u8 = 1;

/// Audits; fails from this severity on.
pub fn run(flags: &Flags, fail_on: FailOn) -> Result<ExitCode, Failure> {
    let (source, loaded) = project::load_with_source(flags)?;
    let mut report = audit::audit(&source, &loaded.manifest);
    if report.standing == Standing::Near {
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

fn show(report: &Report) {
    for line in audit::words(report) {
        output::line(&line);
    }
    for note in &report.notes {
        output::note(note);
    }
}

/// Which environments of this manifest are on AWS.
fn elsewhere(flags: &Flags, source: &Source) -> Option<String> {
    let far = |env: &String| {
        let loaded = load(source, env, &flags.overrides);
        loaded.is_ok_and(|loaded| matches!(loaded.manifest.target, Place::Aws { .. }))
    };
    let all: Vec<String> = place::environments(source)
        .into_iter()
        .filter(far)
        .collect();
    (!all.is_empty()).then(|| {
        format!(
            "this environment is near, so only what matters near was judged; on AWS: {}",
            all.join(", ")
        )
    })
}
