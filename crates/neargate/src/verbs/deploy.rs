//! `neargate deploy` and `neargate rollback`: release a revision and follow it to its end.

use std::process::ExitCode;

use neargate_near::api::wire::{Accepted, Rollback};

use crate::arguments::Common;
use crate::client::Client;
use crate::failure::Failure;
use crate::follow::{self, Ended};
use crate::{output, project};

/// Builds a service, asks for its release, follows it.
pub async fn deploy(
    common: &Common,
    service: &str,
    detach: bool,
    no_build: bool,
) -> Result<ExitCode, Failure> {
    let state = project::state(common)?;
    let client = Client::connect(&state).await?;
    let (path, mut manifest) = project::load_near(common)?;
    if !no_build {
        project::build(
            &path,
            manifest.services.get(service).into_iter(),
            common.json,
        )?;
    }
    // The edge was chosen at `up`; a deploy does not move it.
    manifest.edge.port = client
        .status()
        .await?
        .endpoint
        .rsplit(':')
        .next()
        .and_then(|p| p.parse().ok())
        .unwrap_or(manifest.edge.port);
    let definition = project::definition(common, &path, manifest);
    let accepted: Accepted = client
        .post(&format!("/v1/services/{service}/deploy"), &definition)
        .await?;
    finish(&client, common, service, detach, accepted).await
}

/// Asks for an earlier revision, follows the release.
pub async fn rollback(
    common: &Common,
    service: Option<String>,
    to: Option<u32>,
    detach: bool,
) -> Result<ExitCode, Failure> {
    let client = Client::connect(&project::state(common)?).await?;
    let service = match service {
        Some(service) => service,
        None => only_service(&client).await?,
    };
    let accepted: Accepted = client
        .post(
            &format!("/v1/services/{service}/rollback"),
            &Rollback { to },
        )
        .await?;
    finish(&client, common, &service, detach, accepted).await
}

async fn only_service(client: &Client) -> Result<String, Failure> {
    let status = client.status().await?;
    let mut names = status
        .services
        .iter()
        .filter(|service| service.desired > 0)
        .map(|service| service.name.clone());
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Failure::Usage(
            "name the service: neargate rollback SERVICE".into(),
        )),
    }
}

async fn finish(
    client: &Client,
    common: &Common,
    service: &str,
    detach: bool,
    accepted: Accepted,
) -> Result<ExitCode, Failure> {
    if accepted.releases.is_empty() {
        return nothing_to_do(client, common, service).await;
    }
    if detach {
        if common.json {
            output::json(&accepted);
        }
        output::progress(service, "the release goes on; see: neargate status --watch");
        return Ok(ExitCode::SUCCESS);
    }
    let ended = follow::releases(client, &accepted, common.json).await?;
    if common.json {
        for release in &ended {
            output::json(release);
        }
    }
    follow::judge(&ended)?;
    Ok(ExitCode::SUCCESS)
}

async fn nothing_to_do(
    client: &Client,
    common: &Common,
    service: &str,
) -> Result<ExitCode, Failure> {
    let status = client.status().await?;
    let found = status.services.iter().find(|found| found.name == service);
    let revision = found.map_or(0, |found| found.revision);
    let reason = format!("revision {revision} is what the manifest asks for: nothing to release");
    output::progress(service, &reason);
    if common.json {
        output::json(&Ended {
            outcome: "done".to_owned(),
            reason,
            evidence: Vec::new(),
            service: service.to_owned(),
            release: 0,
            revision,
        });
    }
    Ok(ExitCode::SUCCESS)
}
