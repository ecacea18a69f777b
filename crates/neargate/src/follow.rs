//! Follows releases to their end, always saying what they wait for.

use std::time::Duration;

use neargate_core::status::Status;
use neargate_near::api::wire::{Accepted, Progress};
use serde::Serialize;

use crate::client::Client;
use crate::failure::Failure;
use crate::output;

/// How often the wait is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How a release ended: the last object of `deploy --json`.
#[derive(Debug, Serialize)]
pub struct Ended {
    /// `done`, `rolled-back` or `failed`.
    pub outcome: String,
    /// Why, in words.
    pub reason: String,
    /// Log lines, exits, data points.
    pub evidence: Vec<String>,
    /// The service.
    pub service: String,
    /// Release id; 0 when nothing had to be released.
    pub release: u64,
    /// The revision that serves now.
    pub revision: u32,
}

/// Prints events as people or scripts read them.
pub fn show(event: &Progress, json: bool) {
    if json {
        output::json(event);
    } else if !event.text.is_empty() {
        output::progress(&event.subject, &event.text);
    }
}

/// Follows the releases that a request began until all have ended.
pub async fn releases(
    client: &Client,
    accepted: &Accepted,
    json: bool,
) -> Result<Vec<Ended>, Failure> {
    let mut open: Vec<u64> = accepted
        .releases
        .values()
        .map(|release| release.id)
        .collect();
    let mut ended = Vec::new();
    if open.is_empty() {
        return Ok(ended);
    }
    let mut events = client.events(Some(accepted.after)).await?;
    let mut said = String::new();
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else {
                    return Err(Failure::Failed("the engine ended; the release goes on with the next: neargate up".into()));
                };
                show(&event, json);
                if let (Some(outcome), Some(release)) = (&event.outcome, event.release)
                    && let Some(at) = open.iter().position(|id| *id == release)
                {
                    open.remove(at);
                    ended.push(end(client, &event, outcome, release).await?);
                }
                if open.is_empty() {
                    return Ok(ended);
                }
            }
            () = tokio::time::sleep(LOOK) => {
                let waiting = waiting(&client.status().await?);
                if waiting != said && !json {
                    for line in waiting.lines() {
                        output::progress("", line);
                    }
                    said = waiting;
                }
            }
        }
    }
}

async fn end(
    client: &Client,
    event: &Progress,
    outcome: &str,
    release: u64,
) -> Result<Ended, Failure> {
    let status = client.status().await?;
    let revision = status
        .services
        .iter()
        .find(|service| service.name == event.subject)
        .map_or(0, |service| service.stable_revision.unwrap_or(0));
    Ok(Ended {
        outcome: outcome.to_owned(),
        reason: event.reason.clone().unwrap_or_default(),
        evidence: event.evidence.clone(),
        service: event.subject.clone(),
        release,
        revision,
    })
}

fn waiting(status: &Status) -> String {
    let lines: Vec<String> = status
        .services
        .iter()
        .filter_map(|service| {
            let release = service.release.as_ref()?;
            Some(format!(
                "{} waits in {} for {}",
                service.name, release.stage, release.waiting_for
            ))
        })
        .collect();
    lines.join("\n")
}

/// The failure of releases that did not end well.
pub fn judge(ended: &[Ended]) -> Result<(), Failure> {
    let bad: Vec<String> = ended
        .iter()
        .filter(|release| release.outcome != "done")
        .map(|release| {
            let mut text = format!(
                "release {} of `{}` {}: {}",
                release.release, release.service, release.outcome, release.reason
            );
            for line in &release.evidence {
                text.push_str(&format!("\n  | {line}"));
            }
            if release.revision > 0 {
                text.push_str(&format!("\n  revision {} serves", release.revision));
            }
            text
        })
        .collect();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(bad.join("\n")))
    }
}
