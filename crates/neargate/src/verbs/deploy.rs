//! `neargate deploy` and `neargate rollback`: release a revision and follow it to its end.

use std::process::ExitCode;

use neargate_core::release_report::ReleaseResult;
use neargate_near::api::wire::{Accepted, Rollback};
use neargate_near::snapshot;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::{self, Failure};
use crate::follow::{self, FollowEnd};
use crate::interrupt::Interrupt;
use crate::progress::ProgressScreen;
use crate::verbs::up;
use crate::{copy_progress, output, project};

/// How a deploy is to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeployOptions {
    /// Return when the release has begun.
    pub detach: bool,
    /// Do not run the build step.
    pub no_build: bool,
    /// Replace a release in progress.
    pub supersede: bool,
    /// Make a new revision even when nothing changed.
    pub force: bool,
}

/// The engine's answer to a request.
struct StartedDeploy {
    client: EngineClient,
    accepted: Accepted,
    /// Whether the tasks run in a snapshot of an artifact; otherwise their code may have changed
    /// without a trace.
    immutable: bool,
}

/// Builds a service, asks for its release, follows it.
pub(crate) async fn deploy(
    flags: &GlobalFlags,
    service: &str,
    wish: DeployOptions,
) -> Result<ExitCode, Failure> {
    let begun = begin_deploy(flags, service, wish).await;
    let begun = begun.inspect_err(|failure| refused(flags, service, failure))?;
    finish(begun, flags, service, wish.detach).await
}

async fn begin_deploy(
    flags: &GlobalFlags,
    service: &str,
    wish: DeployOptions,
) -> Result<StartedDeploy, Failure> {
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let (path, manifest) = project::load_near(flags, Some(service))?;
    if !manifest.services.contains_key(service) {
        return Err(failure::unknown(
            "service",
            service,
            manifest.services.keys(),
        ));
    }
    up::require_processes(manifest.services.get(service).into_iter())?;
    let service_itself = manifest.services.get(service).into_iter();
    up::require_secrets(&manifest, client.state(), service_itself)?;
    if !wish.no_build {
        project::build(&path, manifest.services.get(service).into_iter())?;
    }
    let mut definition = project::definition(flags, &path, manifest);
    definition.supersede = wish.supersede;
    definition.force = wish.force;
    let path = format!("/v1/services/{service}/deploy");
    let accepted =
        copy_progress::with_progress(&client, flags, client.post(&path, &definition)).await?;
    let found = definition.manifest.services.get(service);
    Ok(StartedDeploy {
        client,
        accepted,
        immutable: found.is_some_and(|found| snapshot::source(found).is_some()),
    })
}

/// Asks for an earlier revision, follows the release.
pub(crate) async fn rollback(
    flags: &GlobalFlags,
    service: Option<String>,
    to: Option<u32>,
    detach: bool,
) -> Result<ExitCode, Failure> {
    let name = service.clone().unwrap_or_default();
    let begun = begin_rollback(flags, service, to).await;
    let (service, begun) = begun.inspect_err(|failure| refused(flags, &name, failure))?;
    finish(begun, flags, &service, detach).await
}

async fn begin_rollback(
    flags: &GlobalFlags,
    service: Option<String>,
    to: Option<u32>,
) -> Result<(String, StartedDeploy), Failure> {
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let service = match service {
        Some(service) => client.known_service(&service).await?.name,
        None => only_service(&client).await?,
    };
    let path = format!("/v1/services/{service}/rollback");
    let accepted = client.post(&path, &Rollback { to }).await?;
    let begun = StartedDeploy {
        client,
        accepted,
        immutable: true,
    };
    Ok((service, begun))
}

/// Scripts read the last object: there is one even when no release began.
fn refused(flags: &GlobalFlags, service: &str, failure: &Failure) {
    if flags.json {
        output::json(&ReleaseResult::not_begun(service, failure.describe()));
    }
}

async fn only_service(client: &EngineClient) -> Result<String, Failure> {
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
    begun: StartedDeploy,
    flags: &GlobalFlags,
    service: &str,
    detach: bool,
) -> Result<ExitCode, Failure> {
    let (client, mut accepted) = (begun.client, begun.accepted);
    accepted.notes.iter().for_each(|note| output::note(note));
    if let Some(under_way) = accepted.in_progress.get(service) {
        let (id, revision) = (under_way.id, under_way.revision);
        let words = format!(
            "release {id} to revision {revision} is in progress, and is what the manifest asks for"
        );
        output::progress(service, &words);
    } else if accepted.releases.is_empty() {
        return nothing_to_do(&client, flags, service, begun.immutable).await;
    }
    if detach {
        if flags.json {
            output::json(&accepted);
        }
        output::progress(
            service,
            "the release continues; see: neargate status --watch",
        );
        return Ok(ExitCode::SUCCESS);
    }
    accepted.releases.append(&mut accepted.in_progress);
    let (mut screen, mut interrupt) = (ProgressScreen::of(flags), Interrupt::listen()?);
    match follow::releases(&client, &accepted, &mut screen, &mut interrupt).await? {
        FollowEnd::Ended(ended) => {
            if flags.json {
                ended.iter().for_each(output::json);
            }
            follow::judge(&ended)?;
            Ok(ExitCode::SUCCESS)
        }
        FollowEnd::Left => {
            let text = format!(
                "the release of `{service}` continues; see: neargate status --watch, \
                 end it with: neargate abort {service}"
            );
            Err(Failure::Failed(text))
        }
    }
}

async fn nothing_to_do(
    client: &EngineClient,
    flags: &GlobalFlags,
    service: &str,
    immutable: bool,
) -> Result<ExitCode, Failure> {
    let status = client.status().await?;
    let found = status.services.iter().find(|found| found.name == service);
    let revision = found.map_or(0, |found| found.revision);
    let result = ReleaseResult::nothing_to_release(service, revision);
    output::progress(service, &result.reason);
    if !immutable {
        output::note(&unseen_code(service));
    }
    if flags.json {
        output::json(&result);
    }
    Ok(ExitCode::SUCCESS)
}

/// A note about code that a definition does not show.
fn unseen_code(service: &str) -> String {
    format!(
        "service.{service} has no `artifact`: deploy cannot see a change of its code; release it with \
         `neargate deploy {service} --force`, or give the service an artifact"
    )
}
