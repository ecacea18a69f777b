//! Releases near: the engine drives them, this command follows.

use neargate_core::release_report::ReleaseResult;
use neargate_near::api::wire::{Accepted, Rollback};
use neargate_near::snapshot;

use crate::arguments::{DeployArguments, GlobalFlags, RollbackArguments};
use crate::client::EngineClient;
use crate::environment::ReleaseEnd;
use crate::failure::{self, Failure};
use crate::follow::{self, FollowEnd};
use crate::interrupt::Interrupt;
use crate::progress::ProgressScreen;
use crate::{copy_progress, output, prerequisites, project};

/// A request that the engine took.
struct RequestedRelease {
    client: EngineClient,
    service: String,
    accepted: Accepted,
    /// Whether the tasks run in a snapshot of an artifact; otherwise their code may have changed
    /// without a trace.
    immutable: bool,
}

/// Builds a service, asks for its release, follows it.
pub(super) async fn deploy(
    flags: &GlobalFlags,
    options: &DeployArguments,
) -> Result<ReleaseEnd, Failure> {
    match start_deploy(flags, options).await {
        Ok(started) => follow(started, flags, options.detach).await,
        Err(failure) => Ok(ReleaseEnd::NotBegun(failure)),
    }
}

/// Asks for an earlier revision, follows the release.
pub(super) async fn rollback(
    flags: &GlobalFlags,
    options: &RollbackArguments,
) -> Result<ReleaseEnd, Failure> {
    match start_rollback(flags, options).await {
        Ok(started) => follow(started, flags, options.detach).await,
        Err(failure) => Ok(ReleaseEnd::NotBegun(failure)),
    }
}

async fn start_deploy(
    flags: &GlobalFlags,
    options: &DeployArguments,
) -> Result<RequestedRelease, Failure> {
    if options.image.is_some() {
        let words = "--image is for environments on AWS: near runs the artifact";
        return Err(Failure::Usage(words.to_owned()));
    }
    project::require_own_environment(flags, flags.env())?;
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let name = options.service.as_str();
    let (path, manifest) = project::load_near(flags, Some(name))?;
    let Some(service) = manifest.services.get(name) else {
        let known = manifest.services.keys();
        return Err(failure::unknown("service", name, known));
    };
    let service = std::iter::once(service);
    prerequisites::require_processes(service.clone())?;
    prerequisites::require_secrets(&manifest, client.state(), service.clone())?;
    if !options.no_build {
        project::build(&path, service.clone())?;
    }
    let immutable = service.clone().all(|it| snapshot::source(it).is_some());
    let mut definition = project::definition(flags, &path, manifest);
    definition.supersede = options.supersede;
    definition.force = options.force;
    let path = format!("/v1/services/{name}/deploy");
    let accepted =
        copy_progress::with_progress(&client, flags, client.post(&path, &definition)).await?;
    Ok(RequestedRelease {
        client,
        service: name.to_owned(),
        accepted,
        immutable,
    })
}

async fn start_rollback(
    flags: &GlobalFlags,
    options: &RollbackArguments,
) -> Result<RequestedRelease, Failure> {
    let client = EngineClient::connect(&project::own_state(flags)?).await?;
    let service = match &options.service {
        Some(service) => client.known_service(service).await?.name,
        None => only_service(&client).await?,
    };
    let path = format!("/v1/services/{service}/rollback");
    let accepted = client.post(&path, &Rollback { to: options.to }).await?;
    Ok(RequestedRelease {
        client,
        service,
        accepted,
        immutable: true,
    })
}

async fn only_service(client: &EngineClient) -> Result<String, Failure> {
    let status = client.status().await?;
    match status.only_service_with_tasks() {
        Some(only) => Ok(only.to_owned()),
        None => Err(Failure::Usage(
            "name the service: neargate rollback SERVICE".into(),
        )),
    }
}

async fn follow(
    started: RequestedRelease,
    flags: &GlobalFlags,
    detach: bool,
) -> Result<ReleaseEnd, Failure> {
    let RequestedRelease {
        client,
        service,
        mut accepted,
        immutable,
    } = started;
    accepted.notes.iter().for_each(|note| output::note(note));
    if let Some(under_way) = accepted.in_progress.get(&service) {
        let (id, revision) = (under_way.id, under_way.revision);
        let words = format!(
            "release {id} to revision {revision} is in progress, and is what the manifest asks for"
        );
        output::progress(&service, &words);
    } else if accepted.releases.is_empty() {
        return nothing_to_release(&client, &service, immutable).await;
    }
    if detach {
        return Ok(ReleaseEnd::Detached(service, accepted));
    }
    accepted.releases.append(&mut accepted.in_progress);
    let (mut screen, mut interrupt) = (ProgressScreen::of(flags), Interrupt::listen()?);
    let followed = follow::releases(&client, &accepted, &mut screen, &mut interrupt).await?;
    Ok(match followed {
        FollowEnd::Ended(ended) => ReleaseEnd::Ended(ended),
        FollowEnd::Left => ReleaseEnd::Left(service),
    })
}

async fn nothing_to_release(
    client: &EngineClient,
    service: &str,
    immutable: bool,
) -> Result<ReleaseEnd, Failure> {
    let status = client.status().await?;
    let found = status.services.iter().find(|found| found.name == service);
    let revision = found.map(|found| found.revision).unwrap_or_default();
    let result = ReleaseResult::nothing_to_release(service, revision);
    output::progress(service, &result.reason);
    if !immutable {
        output::note(&unseen_code(service));
    }
    Ok(ReleaseEnd::Ended(vec![result]))
}

/// What a definition does not show.
fn unseen_code(service: &str) -> String {
    format!(
        "service.{service} has no `artifact`: deploy cannot see a change of its code; release it with \
         `neargate deploy {service} --force`, or give the service an artifact"
    )
}
