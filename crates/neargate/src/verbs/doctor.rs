//! `neargate doctor`: what could go wrong on this machine, and how to mend it.

use std::path::Path;
use std::process::ExitCode;

use neargate_core::manifest::model::{CacheEngine, Manifest};
use neargate_near::cgroup;
use neargate_near::data::programs;
use serde::Serialize;

use crate::arguments::Flags;
use crate::client::Client;
use crate::failure::Failure;
use crate::{output, project};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    words: String,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Ok,
    Warning,
    Missing,
}

/// Looks at everything; exit 3 when something that the manifest needs is missing.
pub async fn run(flags: &Flags) -> Result<ExitCode, Failure> {
    let manifest = project::load(flags).ok().map(|(_, loaded)| loaded.manifest);
    let mut findings = vec![user(), limits()];
    findings.extend(data_services(manifest.as_ref()));
    findings.push(tool("psql", "postgresql-client", "neargate db connect"));
    if manifest.is_none() {
        findings.push(finding(
            "manifest",
            Verdict::Warning,
            "none that can be read here; run `neargate check`",
        ));
    }
    if let Ok(state) = project::state(flags) {
        let engine = match Client::connect(&state).await {
            Ok(client) => {
                let status = client.status().await?;
                finding(
                    "engine",
                    Verdict::Ok,
                    &format!("pid {} serves {}", status.engine.pid, status.endpoint),
                )
            }
            Err(_) => finding("engine", Verdict::Ok, "none runs for this state directory"),
        };
        findings.push(engine);
    }
    for found in &findings {
        if flags.json {
            output::json(found);
        } else {
            let word = match found.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Missing => "missing",
            };
            output::line(&format!(
                "{:<9} {:<12} {}",
                output::state(word),
                found.what,
                found.words
            ));
        }
    }
    let missing = findings
        .iter()
        .any(|found| found.verdict == Verdict::Missing);
    Ok(ExitCode::from(if missing { 3 } else { 0 }))
}

fn finding(what: &str, verdict: Verdict, words: &str) -> Finding {
    Finding {
        what: what.to_owned(),
        verdict,
        words: words.to_owned(),
    }
}

fn user() -> Finding {
    if rustix::process::geteuid().is_root() {
        finding(
            "user",
            Verdict::Ok,
            "root: each service's tasks run as a user of their own",
        )
    } else {
        finding(
            "user",
            Verdict::Ok,
            "not root: tasks run as you; their processes can see one another",
        )
    }
}

fn limits() -> Finding {
    match cgroup::availability() {
        Ok(kind) => finding(
            "limits",
            Verdict::Ok,
            &format!("CPU and memory are held by {kind}"),
        ),
        Err(why) => finding(
            "limits",
            Verdict::Warning,
            &format!("CPU and memory are not enforced: {why}"),
        ),
    }
}

fn data_services(manifest: Option<&Manifest>) -> Vec<Finding> {
    let needs_postgres =
        manifest.is_some_and(|found| found.databases.values().any(|one| one.url.is_none()));
    let needs_cache = manifest.and_then(|found| {
        found
            .caches
            .values()
            .find(|one| one.url.is_none())
            .map(|one| one.engine)
    });
    let found = |what: &str, found: Result<String, String>, needed: bool| match found {
        Ok(version) => finding(what, Verdict::Ok, &version),
        Err(words) if needed => finding(what, Verdict::Missing, &words),
        Err(words) => finding(
            what,
            Verdict::Ok,
            &format!("not needed by this manifest ({words})"),
        ),
    };
    let cache = needs_cache.unwrap_or(CacheEngine::Redis);
    vec![
        found("postgres", programs::postgres(), needs_postgres),
        found("cache", programs::cache(cache), needs_cache.is_some()),
    ]
}

fn tool(program: &str, package: &str, purpose: &str) -> Finding {
    let path = std::env::var("PATH").unwrap_or_default();
    if path
        .split(':')
        .any(|folder| Path::new(folder).join(program).is_file())
    {
        finding(program, Verdict::Ok, "found")
    } else {
        finding(
            program,
            Verdict::Warning,
            &format!("needed for `{purpose}`: apt-get install {package}"),
        )
    }
}
