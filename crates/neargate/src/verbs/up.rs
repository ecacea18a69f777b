//! `neargate up`: run the app here.

use std::process::ExitCode;
use std::time::Duration;

use neargate_core::model::Manifest;
use neargate_core::status::{ServiceKind, ServiceStatus, Status};
use neargate_near::api::wire::{Accepted, EnvironmentDefinition};
use neargate_near::clock::now;
use neargate_near::data::programs;
use neargate_near::engine::{self, edge_taken};
use neargate_near::paths::StateDir;
use tokio::time::Instant;

use crate::arguments::{GlobalFlags, UpArguments};
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::follow::{self, FollowEnd};
use crate::interrupt::Interrupt;
use crate::progress::ProgressScreen;
use crate::stop_progress::RemainingData;
use crate::task_lines::TaskLines;
use crate::verbs::down;
use crate::{copy_progress, output, prerequisites, processes, project};

/// A service that is not healthy by then (outside of a release) is reported.
const HEALTHY_WITHIN: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(25);

/// How waiting for the app ended.
enum UpWait {
    /// Every service is healthy.
    Healthy(Box<Status>),
    /// The person left.
    Left,
}

/// Builds, starts the engine, asks for the app, and follows it until every service is healthy.
pub(crate) async fn run(flags: &GlobalFlags, options: &UpArguments) -> Result<ExitCode, Failure> {
    let detach = options.detach;
    let mut flags = flags.clone();
    let port = options.port.map(|port| format!("edge.port={port}"));
    flags.overrides.extend(port);
    project::require_own_environment(&flags, flags.env())?;
    let (path, manifest) = project::load_near(&flags, None)?;
    let state = project::state(&flags)?;
    processes::require_short(&state)?;
    project::require_readable(&state)?;
    project::require_own_app(&manifest, &state)?;
    prerequisites::require_processes(manifest.services.values())?;
    require_programs(&manifest)?;
    require_free_edge(&manifest, &state)?;
    prerequisites::require_secrets(&manifest, &state, manifest.services.values())?;
    if !options.no_build {
        project::build(&path, manifest.services.values())?;
    }
    let began = now();
    processes::take_over(&state).await?;
    say_move(&manifest, &state);
    let definition = project::definition(&flags, &path, manifest);
    let first = is_first(&state).await;
    let (client, mut accepted) = ask(&flags, &state, &definition).await?;
    if !detach {
        // Whoever stays sees how they end.
        accepted.in_progress.clear();
    }
    accepted.notes.iter().for_each(|note| output::note(note));
    let (mut screen, mut interrupt) = (ProgressScreen::of(&flags), Interrupt::listen()?);
    let shown = !detach && !options.no_logs;
    let lines = screen.lines_of_tasks().filter(|_| shown);
    let _lines = lines.map(|target| TaskLines::show(&state, began, target));
    let status = match wait(&client, &accepted, &mut screen, &mut interrupt).await {
        Ok(UpWait::Healthy(status)) => status,
        Err(failure) if first && !detach => {
            output::note("it stops what it started");
            let stopped = stop(&client, &mut screen, &mut interrupt).await;
            stopped.err().iter().for_each(Failure::print);
            return Err(failure);
        }
        Err(failure) => {
            output::note("the environment is still up; `neargate down` ends it");
            return Err(failure);
        }
        Ok(UpWait::Left) if detach => {
            let text = "the app keeps starting; see: neargate status --watch";
            return Err(Failure::Failed(text.into()));
        }
        Ok(UpWait::Left) => return stop(&client, &mut screen, &mut interrupt).await,
    };
    // What came up since, with the tasks.
    let news = status.notes.iter();
    news.filter(|note| !accepted.notes.contains(note))
        .for_each(|note| output::note(note));
    output::progress("", &format!("{} is up at {}", status.app, status.endpoint));
    besides(&status)
        .iter()
        .for_each(|words| output::note(words));
    if flags.json {
        output::json(&status);
    }
    if detach {
        return Ok(ExitCode::SUCCESS);
    }
    stay(&client, &mut screen, &mut interrupt).await
}

/// Whether nothing is up that this command does not start.
async fn is_first(state: &StateDir) -> bool {
    let idle = || {
        engine::observed_at_rest(state).is_ok_and(|seen| seen.stopped || seen.services.is_empty())
    };
    EngineClient::answering(state).await.is_none() && idle()
}

/// Asks for the app; a stop that goes on is waited for first.
async fn ask(
    flags: &GlobalFlags,
    state: &StateDir,
    definition: &EnvironmentDefinition,
) -> Result<(EngineClient, Accepted), Failure> {
    loop {
        let client = processes::ensure_engine(state).await?;
        let asked = client.post_again("/v1/up", definition);
        match copy_progress::with_progress(&client, flags, asked).await {
            Ok(accepted) => return Ok((client, accepted)),
            Err(Failure::Engine(problem)) if problem.is_going_down() => {
                down::ended(&client, &mut ProgressScreen::of(flags)).await?;
            }
            Err(failure) => {
                leave_nothing_behind(&client, &mut ProgressScreen::of(flags)).await;
                return Err(failure);
            }
        }
    }
}

/// What somebody who reads that the app is up may not expect.
fn besides(status: &Status) -> Vec<String> {
    let words = status.services.iter().filter_map(|service| {
        let name = &service.name;
        if let Some(release) = &service.release {
            let (id, revision, waits) = (release.id, service.revision, &release.waiting_for);
            return Some(format!(
                "release {id} of `{name}` to revision {revision} is still in progress ({}): it waits for {waits}; \
                 follow it: neargate status --watch",
                service.healthy_words()
            ));
        }
        let none = service.kind == ServiceKind::Tasks && service.desired == 0;
        none.then(|| format!("`{name}` is scaled to 0, and answers nothing: neargate scale {name}=1"))
    });
    words.collect()
}

/// An address that changes is said before it does.
fn say_move(manifest: &Manifest, state: &StateDir) {
    let from = engine::edge(state).map(|edge| edge.url());
    let to = manifest.edge.url();
    if let Some(from) = from.filter(|from| *from != to) {
        output::progress("", &format!("the edge moves from {from} to {to}"));
    }
}

/// A port that somebody else has is said before a build of minutes, with who has it.
fn require_free_edge(manifest: &Manifest, state: &StateDir) -> Result<(), Failure> {
    match edge_taken(manifest, state) {
        Some(words) => Err(Failure::Environment(words)),
        None => Ok(()),
    }
}

/// A program that is missing is said before a build of minutes, all of them at once.
fn require_programs(manifest: &Manifest) -> Result<(), Failure> {
    let mut missing = Vec::new();
    if manifest.databases.values().any(|one| one.url.is_none()) {
        missing.extend(programs::postgres().err().map(|error| error.to_string()));
    }
    let caches = manifest.caches.values().filter(|one| one.url.is_none());
    for cache in caches {
        missing.extend(
            programs::cache(cache.engine)
                .err()
                .map(|error| error.to_string()),
        );
    }
    missing.dedup();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::Environment(missing.join("; ")))
    }
}

/// An engine that was started for an app that cannot run has nothing to do.
async fn leave_nothing_behind(client: &EngineClient, screen: &mut ProgressScreen) {
    let idle = client
        .status()
        .await
        .is_ok_and(|status| status.services.is_empty());
    if idle {
        let _ = down::stop(client, screen).await;
    }
}

async fn wait(
    client: &EngineClient,
    accepted: &Accepted,
    screen: &mut ProgressScreen,
    interrupt: &mut Interrupt,
) -> Result<UpWait, Failure> {
    match follow::releases(client, accepted, screen, interrupt).await? {
        FollowEnd::Left => return Ok(UpWait::Left),
        FollowEnd::Ended(ended) => follow::judge(&ended)?,
    }
    let waited = healthy(client, screen, interrupt).await;
    screen.clear();
    waited
}

async fn healthy(
    client: &EngineClient,
    screen: &mut ProgressScreen,
    interrupt: &mut Interrupt,
) -> Result<UpWait, Failure> {
    let deadline = Instant::now() + HEALTHY_WITHIN;
    let mut drawn = Instant::now();
    loop {
        let status = client.status().await?;
        let missing: Vec<&ServiceStatus> = status
            .services
            .iter()
            .filter(|service| service.healthy < service.needed)
            .collect();
        if missing.is_empty() {
            return Ok(UpWait::Healthy(Box::new(status)));
        }
        let names: Vec<&str> = missing.iter().map(|one| one.name.as_str()).collect();
        if Instant::now() > deadline {
            let names = names.join(", ");
            return Err(Failure::Failed(format!(
                "not healthy within 10 minutes: {names}"
            )));
        }
        let mut failing = missing.iter().filter(|one| one.failing);
        if let Some(trouble) = failing.find_map(|one| one.trouble.clone()) {
            return Err(Failure::Failed(trouble));
        }
        if drawn.elapsed() > screen.pace() {
            screen.starting(&status);
            drawn = Instant::now();
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = interrupt.came() => return Ok(UpWait::Left),
        }
    }
}

/// In the foreground: shows what happens until Ctrl-C or the terminal's end, which stop everything.
async fn stay(
    client: &EngineClient,
    screen: &mut ProgressScreen,
    interrupt: &mut Interrupt,
) -> Result<ExitCode, Failure> {
    let leaves = RemainingData::of(&client.status().await?);
    output::note(&leaves.after("Ctrl-C stops everything"));
    let mut events = client.events(None).await?;
    let mut looks = tokio::time::interval(screen.pace());
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => screen.event(&event),
                None => {
                    screen.clear();
                    let text = "the engine ended and no other started; the app keeps running: neargate up";
                    return Err(Failure::Failed(text.into()));
                }
            },
            _ = looks.tick() => screen.status(&client.status().await?),
            () = interrupt.came() => break,
        }
    }
    screen.clear();
    stop(client, screen, interrupt).await
}

/// Stops everything; a second Ctrl-C leaves the engine alone with it.
async fn stop(
    client: &EngineClient,
    screen: &mut ProgressScreen,
    interrupt: &mut Interrupt,
) -> Result<ExitCode, Failure> {
    tokio::select! {
        stopped = down::stop(client, screen) => {
            output::progress("", &stopped?);
            Ok(ExitCode::SUCCESS)
        }
        () = interrupt.came() => Err(Failure::Failed(down::GOES_ON.into())),
    }
}
