//! `neargate down`: stop everything.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use neargate_near::api::wire::Accepted;
use neargate_near::own_processes;
use neargate_near::paths::StateDir;
use neargate_near::supervisor::ProcessIdentity;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::progress::ProgressScreen;
use crate::stop_progress::{self, RemainingData};
use crate::{output, processes, project};

/// After its answer the engine ends within moments; what does not is ended.
const LAST: Duration = Duration::from_secs(5);
/// Nobody is told about a removal that takes no longer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Stops; with `purge`, removes the state directory.
pub async fn run(flags: &GlobalFlags, purge: bool, yes: bool) -> Result<ExitCode, Failure> {
    let state = project::state(flags)?;
    project::require_readable(&state)?;
    if purge && !yes {
        confirm(&state)?;
    }
    let emptied = !state.database().exists();
    let lost = processes::end_lost(&state).await;
    let mut screen = ProgressScreen::of(flags);
    let mut said = "everything has stopped".to_owned();
    match EngineClient::connect(&state).await {
        Ok(client) => said = stop(&client, &mut screen).await?,
        Err(_) if !state.path().exists() && (lost || purge) => {}
        Err(failure) if !state.path().exists() => return Err(failure),
        // Tasks may run without an engine: the next one stops them.
        Err(_) => match processes::ensure_engine(&state).await {
            Ok(client) => said = stop(&client, &mut screen).await?,
            Err(failure) if !purge => return Err(failure),
            // No engine comes up, and nothing is to be kept.
            Err(_) => {
                own_processes::end_all(&state.path(), own_processes::GRACE);
            }
        },
    }
    if purge {
        remove_shown(&state).await?;
        output::progress(
            "",
            "everything has stopped; data, logs and history are removed",
        );
    } else if lost || emptied {
        let words = "everything has stopped; its data went with the state directory";
        output::progress("", words);
    } else {
        output::progress("", &said);
    }
    Ok(ExitCode::SUCCESS)
}

/// Stops everything, and says what that leaves. When the engine dies on the way, the next one goes
/// on with it.
pub async fn stop(client: &EngineClient, screen: &mut ProgressScreen) -> Result<String, Failure> {
    let status = client.status().await?;
    let (pid, leaves) = (status.engine.pid, RemainingData::of(&status));
    let state = client.state().clone();
    output::progress("", "stopping");
    let asked = client.post_again::<_, Accepted>("/v1/down", &());
    let asked = stop_progress::with_progress(client, screen, asked).await;
    if let Err(failure) = asked
        && !own_processes::of(&state.path()).is_empty()
    {
        return Err(failure);
    }
    // The engine answers when all else has stopped; the state directory is free when it and its
    // watchdog are gone.
    let deadline = Instant::now() + LAST;
    let left =
        || ProcessIdentity::of(pid).is_some() || !own_processes::of(&state.path()).is_empty();
    while left() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if left() {
        own_processes::end_all(&state.path(), own_processes::GRACE);
    }
    Ok(leaves.after("everything has stopped"))
}

/// Whose a state directory is, by what it says itself and not by the manifest at hand.
fn owner(state: &StateDir) -> String {
    let app = neargate_near::engine::owner(state);
    app.map_or_else(String::new, |(app, env)| {
        format!(" of app `{app}` (environment `{env}`)")
    })
}

fn confirm(state: &StateDir) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "--purge removes all data: add --yes when nobody can be asked".into(),
        ));
    }
    output::question(&format!(
        "Remove all data, logs and history{} in {}? Type yes: ",
        owner(state),
        state.path().display()
    ));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::of("cannot read the answer", &error))?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(Failure::Failed("nothing was removed".into()))
    }
}

/// Removes the state directory; a removal that takes long is told.
async fn remove_shown(state: &StateDir) -> Result<(), Failure> {
    let words = format!(
        "removes data, logs and history in {}",
        state.path().display()
    );
    let state = state.clone();
    let mut removal = tokio::task::spawn_blocking(move || remove(&state));
    let removed = tokio::select! {
        removed = &mut removal => removed,
        () = tokio::time::sleep(AT_ONCE) => {
            output::progress("", &words);
            removal.await
        }
    };
    removed.map_err(|error| Failure::of("cannot remove the state directory", &error))?
}

/// Waits for the end of a stop that somebody else asked for, and says what it waits for.
pub async fn ended(client: &EngineClient, screen: &mut ProgressScreen) -> Result<(), Failure> {
    output::progress("", "a stop goes on: the app starts when it has ended");
    // An engine that cannot be asked any more is ending.
    let engine = client.status().await.ok();
    let engine = engine.and_then(|status| ProcessIdentity::of(status.engine.pid));
    let gone = async {
        while engine.is_some_and(|engine| engine.runs()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    stop_progress::with_progress(client, screen, gone).await?;
    let deadline = Instant::now() + LAST;
    while !own_processes::of(&client.state().path()).is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Empties the state directory and removes it; a mount point stays.
fn remove(state: &StateDir) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of("cannot remove the state directory", &error);
    let entries = match std::fs::read_dir(state.path()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Users of a directory that somebody else removed.
            return neargate_near::identity::give_back(state)
                .map_err(|error| Failure::of("cannot give the users back", &error));
        }
        entries => entries.map_err(failed)?,
    };
    neargate_near::snapshot::remove_unused(&state.artifacts(), &std::collections::BTreeSet::new());
    neargate_near::identity::give_back(state)
        .map_err(|error| Failure::of("cannot give the users back", &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let done = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        done.map_err(failed)?;
    }
    match std::fs::remove_dir(state.path()) {
        Err(error) if error.kind() != std::io::ErrorKind::ResourceBusy => Err(failed(error)),
        _ => Ok(()),
    }
}
