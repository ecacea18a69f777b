//! `neargate up`: run the app here.

use std::process::ExitCode;
use std::time::Duration;

use neargate_core::status::{ServiceStatus, Status};
use neargate_near::api::wire::Accepted;

use crate::arguments::Common;
use crate::client::Client;
use crate::failure::Failure;
use crate::verbs::down;
use crate::{follow, output, processes, project};

/// A service that is not healthy by then (outside of a release) is reported.
const HEALTHY_WITHIN: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(25);

/// Builds, starts the engine, asks for the app, and follows it until every service is healthy.
pub async fn run(
    common: &Common,
    detach: bool,
    port: Option<u16>,
    no_build: bool,
) -> Result<ExitCode, Failure> {
    let mut common = common.clone();
    common
        .overrides
        .extend(port.map(|port| format!("edge.port={port}")));
    let (path, manifest) = project::load_near(&common)?;
    if !no_build {
        project::build(&path, manifest.services.values(), common.json)?;
    }
    let state = project::state(&common)?;
    let client = processes::ensure_engine(&state).await?;
    let definition = project::definition(&common, &path, manifest);
    let accepted: Accepted = match client.post("/v1/up", &definition).await {
        Ok(accepted) => accepted,
        Err(failure) => {
            leave_nothing_behind(&client).await;
            return Err(failure);
        }
    };
    for note in &accepted.notes {
        output::note(note);
    }
    let ended = follow::releases(&client, &accepted, common.json).await?;
    follow::judge(&ended)?;
    let status = healthy(&client).await?;
    output::progress("", &format!("{} is up at {}", status.app, status.endpoint));
    if common.json {
        output::json(&status);
    }
    if detach {
        Ok(ExitCode::SUCCESS)
    } else {
        stay(&client).await
    }
}

/// An engine that was started for an app that cannot run has nothing to do.
async fn leave_nothing_behind(client: &Client) {
    let idle = client
        .status()
        .await
        .is_ok_and(|status| status.services.is_empty());
    if idle {
        let _ = down::stop(client).await;
    }
}

async fn healthy(client: &Client) -> Result<Status, Failure> {
    let deadline = tokio::time::Instant::now() + HEALTHY_WITHIN;
    loop {
        let status = client.status().await?;
        let missing: Vec<&ServiceStatus> = status
            .services
            .iter()
            .filter(|s| s.healthy < wanted(s))
            .collect();
        if missing.is_empty() {
            return Ok(status);
        }
        if tokio::time::Instant::now() > deadline {
            let names: Vec<&str> = missing
                .iter()
                .map(|service| service.name.as_str())
                .collect();
            return Err(Failure::Failed(format!(
                "not healthy within 10 minutes: {}",
                names.join(", ")
            )));
        }
        if let Some(trouble) = missing
            .iter()
            .find_map(|s| s.trouble.as_deref().filter(|text| text.contains("failed")))
        {
            return Err(Failure::Failed(trouble.to_owned()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn wanted(service: &ServiceStatus) -> u32 {
    service.desired
}

/// In the foreground: shows what happens until Ctrl-C, which stops everything.
async fn stay(client: &Client) -> Result<ExitCode, Failure> {
    output::note("Ctrl-C stops everything; data stays");
    let mut events = client.events(None).await?;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => follow::show(&event, false),
                None => return Err(Failure::Failed("the engine ended; what runs goes on: neargate up".into())),
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    down::stop(client).await?;
    Ok(ExitCode::SUCCESS)
}
