//! `neargate down`: stop everything.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use neargate_core::duration;
use neargate_near::api::wire::Accepted;
use neargate_near::own_processes;
use neargate_near::paths::StateDir;
use neargate_near::process_identity::ProcessIdentity;
use neargate_near::writability;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::ProgressScreen;
use crate::stop_progress::{self, RemainingData};
use crate::{output, processes, project};

/// After its answer the engine ends within moments; what does not is ended.
const LAST: Duration = Duration::from_secs(5);
/// Nobody is told about a removal that takes no longer.
const AT_ONCE: Duration = Duration::from_secs(1);
/// A removal that goes on is said again so often.
const EVERY: Duration = Duration::from_secs(10);

/// Text for a person who leaves a stop that has begun.
pub(crate) const GOES_ON: &str = "stopping continues; see: neargate status";

/// Stops; with `purge`, removes the state directory.
pub(crate) async fn run(flags: &GlobalFlags, purge: bool, yes: bool) -> Result<ExitCode, Failure> {
    let state = project::own_state(flags)?;
    project::require_readable(&state)?;
    if purge && !yes {
        confirm(&state)?;
    }
    let emptied = !state.database().exists();
    let lost = processes::end_lost(&state).await;
    let mut screen = ProgressScreen::of(flags);
    let mut said = "everything has stopped".to_owned();
    let client = match EngineClient::connect(&state).await {
        Err(_) if state.path().exists() => Some(processes::ensure_engine(&state).await),
        Err(_) if lost || purge => None,
        client => Some(client),
    };
    match client {
        None => {}
        // No engine comes up, and nothing is to be kept.
        Some(Err(_)) if purge => {
            own_processes::end_all(&state.path(), own_processes::GRACE);
        }
        Some(Err(failure)) if state.path().exists() => said = without_engine(&state, failure)?,
        Some(Err(failure)) => return Err(failure),
        Some(Ok(client)) => {
            let mut interrupt = Interrupt::listen()?;
            let stopped = tokio::select! {
                stopped = stop(&client, &mut screen) => stopped,
                () = interrupt.came() => {
                    screen.clear();
                    return Err(Failure::Failed(GOES_ON.into()));
                }
            };
            said = stopped.or_else(|failure| without_engine(&state, failure))?;
        }
    }
    if purge {
        remove_shown(&state).await?;
        output::progress(
            "",
            "everything has stopped; data, logs and history are removed",
        );
    } else if lost || emptied {
        let words = "everything has stopped; its data was removed with the state directory";
        output::progress("", words);
    } else {
        output::progress("", &said);
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends what runs where no engine can, because nothing can be written: perhaps the app has to stop
/// before there is space.
fn without_engine(state: &StateDir, failure: Failure) -> Result<String, Failure> {
    let Some(obstacle) = writability::obstacle(&state.path()) else {
        return Err(failure);
    };
    let words = format!("no engine can run ({obstacle}): stopping the app without one");
    output::progress("", &words);
    own_processes::end_all(&state.path(), own_processes::GRACE);
    Ok("everything has stopped, without the engine; data stays".to_owned())
}

/// Stops everything, and says what that leaves. When the engine dies on the way, the next one goes
/// on with it.
pub(crate) async fn stop(
    client: &EngineClient,
    screen: &mut ProgressScreen,
) -> Result<String, Failure> {
    let status = client.status().await?;
    let leaves = RemainingData::of(&status);
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
    // watchdog are gone. What starts from now on is somebody else's `up`, and is left alone.
    let rest = own_processes::of(&state.path());
    let deadline = Instant::now() + LAST;
    let left = || rest.iter().any(|one| one.process.runs());
    while left() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if left() && EngineClient::answering(&state).await.is_none() {
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
            "--purge removes all data: without a terminal, add --yes".into(),
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
    let removal = tokio::task::spawn_blocking(move || remove(&state));
    let say = |line: String| output::progress("", &line);
    let removed = said_meanwhile(removal, &words, (AT_ONCE, EVERY), say).await;
    removed.map_err(|error| Failure::of("cannot remove the state directory", &error))?
}

/// A message about a long wait comes after `at_once`, and then with its time every `again`.
async fn said_meanwhile<T>(
    work: impl Future<Output = T>,
    words: &str,
    (at_once, again): (Duration, Duration),
    say: impl Fn(String),
) -> T {
    let began = tokio::time::Instant::now();
    let mut work = std::pin::pin!(work);
    let mut next = began + at_once;
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep_until(next) => {}
        }
        let waited = began.elapsed();
        say(if waited < again {
            words.to_owned()
        } else {
            format!("{words}, for {} now", duration::rounded(waited))
        });
        next = next.max(began) + again;
    }
}

/// Waits for the end of a stop that somebody else asked for, and says what it waits for.
pub(crate) async fn ended(
    client: &EngineClient,
    screen: &mut ProgressScreen,
) -> Result<(), Failure> {
    output::progress(
        "",
        "a stop is in progress: the app starts when it has ended",
    );
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_long_removal_is_said_again_and_again_with_its_time() {
        let (said, enough) = (RefCell::new(Vec::new()), Notify::new());
        let say = |line| {
            said.borrow_mut().push(line);
            if said.borrow().len() == 3 {
                enough.notify_one();
            }
        };
        let often = (Duration::from_millis(5), Duration::from_millis(20));
        said_meanwhile(enough.notified(), "removes", often, say).await;
        let said = said.into_inner();
        assert_eq!(said[0], "removes");
        let timed = |line: &String| line.starts_with("removes, for ");
        assert!(said[1..].iter().all(timed), "{said:?}");
        let never = |line| panic!("what is done at once is not said: {line}");
        said_meanwhile(async {}, "removes", often, never).await;
    }
}
