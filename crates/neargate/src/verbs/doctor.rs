//! `neargate doctor`: what could go wrong on this machine, and how to mend it.
//!
//! It looks, it changes nothing. Exit 3 when something that the manifest needs is missing.

mod machine;
mod programs;
mod state;

use std::process::ExitCode;

use neargate_core::command_exit::CommandExit;
use neargate_core::model::{CacheEngine, DeploymentTarget, Manifest};
use neargate_near::data::{DataError, programs as data_programs};
use serde::Serialize;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::program_path::find_program;
use crate::{output, project};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct DoctorFinding {
    /// The thing that was checked.
    what: &'static str,
    /// How it is.
    verdict: FindingLevel,
    /// The finding, one sentence.
    words: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum FindingLevel {
    Ok,
    Warning,
    Missing,
}

impl FindingLevel {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

impl DoctorFinding {
    fn ok(what: &'static str, words: impl Into<String>) -> Self {
        Self {
            what,
            verdict: FindingLevel::Ok,
            words: words.into(),
            fix: None,
        }
    }

    fn warning(what: &'static str, words: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what,
            verdict: FindingLevel::Warning,
            words: words.into(),
            fix: Some(fix.into()),
        }
    }

    fn missing(what: &'static str, words: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: FindingLevel::Missing,
            ..Self::warning(what, words, fix)
        }
    }
}

/// Looks at everything.
pub(crate) async fn run(flags: &GlobalFlags) -> Result<ExitCode, Failure> {
    let mut findings = vec![DoctorFinding::ok("neargate", env!("CARGO_PKG_VERSION"))];
    findings.extend(machine::findings());
    let (manifest, finding) = manifest(flags);
    findings.push(finding);
    findings.extend(data_services(manifest.as_ref()));
    findings.extend(manifest.iter().flat_map(programs::findings));
    findings.extend(tools(manifest.as_ref()));
    let other = flags
        .env
        .as_deref()
        .and_then(|asked| project::another_environment(flags, asked));
    if let Some(other) = other {
        findings.push(DoctorFinding::ok("state", other.describe()));
    } else if let Ok(state) = project::state(flags) {
        findings.extend(state::findings(&state));
        let status = match EngineClient::connect(&state).await {
            Ok(client) => client.status().await.ok(),
            Err(_) => None,
        };
        findings.extend(state::processes(status.as_ref()));
        let endpoint = status.map(|status| status.endpoint);
        findings.extend(
            manifest
                .as_ref()
                .map(|found| state::port(found, endpoint.as_deref())),
        );
    }
    for finding in &findings {
        show(finding, flags.json);
    }
    let missing = findings
        .iter()
        .any(|found| found.verdict == FindingLevel::Missing);
    let exit = match missing {
        true => CommandExit::Environment,
        false => CommandExit::Done,
    };
    Ok(exit.into())
}

fn show(finding: &DoctorFinding, json: bool) {
    if json {
        return output::json(finding);
    }
    let word = finding.verdict.word();
    // Colours have no width: the word is padded by hand.
    let padding = " ".repeat(8_usize.saturating_sub(word.len()));
    let word = output::state(word);
    output::line(&format!(
        "{word}{padding}{:<11}{}",
        finding.what, finding.words
    ));
    if let Some(fix) = &finding.fix {
        output::line(&format!("{:19}fix: {fix}", ""));
    }
}

fn manifest(flags: &GlobalFlags) -> (Option<Manifest>, DoctorFinding) {
    match project::load(flags) {
        Ok((path, loaded)) if matches!(loaded.manifest.target, DeploymentTarget::Aws { .. }) => {
            let words = format!(
                "{} ({}), which is not near",
                path.display(),
                loaded.manifest.env
            );
            (None, DoctorFinding::ok("manifest", words))
        }
        Ok((path, mut loaded)) => {
            project::keep_edge(flags, &mut loaded);
            let words = format!("{} ({})", path.display(), loaded.manifest.env);
            (Some(loaded.manifest), DoctorFinding::ok("manifest", words))
        }
        Err(Failure::Manifest(diagnostics)) => {
            let finding =
                DoctorFinding::warning("manifest", diagnostics.summary(), "neargate check");
            (None, finding)
        }
        Err(failure) => (
            None,
            DoctorFinding::warning("manifest", failure.describe(), "neargate init"),
        ),
    }
}

fn data_services(manifest: Option<&Manifest>) -> Vec<DoctorFinding> {
    let databases =
        manifest.is_some_and(|found| found.databases.values().any(|one| one.url.is_none()));
    let caches = manifest.map(|found| found.caches.values().filter(|one| one.url.is_none()));
    let cache = caches
        .and_then(|mut caches| caches.next())
        .map(|one| one.engine);
    let found = |what, found: Result<String, DataError>, needed: bool| match found {
        Ok(version) => DoctorFinding::ok(what, version),
        Err(DataError::NotInstalled { program, package }) if needed => DoctorFinding::missing(
            what,
            format!("{program} is not installed"),
            format!("apt-get install {package}"),
        ),
        Err(error) if needed => DoctorFinding::missing(what, error.to_string(), "install it"),
        Err(error) => DoctorFinding::ok(
            what,
            format!("not installed, and not needed here ({error})"),
        ),
    };
    vec![
        found("postgres", data_programs::postgres(), databases),
        found(
            "cache",
            data_programs::cache(cache.unwrap_or(CacheEngine::Redis)),
            cache.is_some(),
        ),
    ]
}

/// Programs that only some verbs need.
fn tools(manifest: Option<&Manifest>) -> Vec<DoctorFinding> {
    let has = |what: &dyn Fn(&Manifest) -> bool| manifest.is_some_and(what);
    let wanted = [
        (
            "psql",
            "postgresql-client",
            "db connect",
            has(&|found| !found.databases.is_empty()),
        ),
        (
            "redis-cli",
            "redis-tools",
            "db connect",
            has(&|found| !found.caches.is_empty()),
        ),
        ("git", "git", "up and deploy, to record the commit", false),
    ];
    wanted
        .into_iter()
        .map(
            |(program, package, purpose, needed)| match find_program(program) {
                Some(path) => DoctorFinding::ok(program, path.display().to_string()),
                None if needed => {
                    let words = format!("not found; `neargate {purpose}` uses it");
                    DoctorFinding::warning(program, words, format!("apt-get install {package}"))
                }
                None => DoctorFinding::ok(program, format!("not found; only used by {purpose}")),
            },
        )
        .collect()
}
