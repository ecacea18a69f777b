//! Verbs that change something on AWS; the others are handed to `shown`.
//!
//! Output and exit codes are near's. Refuses what AWS has no counterpart of, in words.

use std::process::ExitCode;

use neargate_core::machine::ReleaseControl;
use neargate_core::model::{Manifest, Workload};
use neargate_core::release_report::ReleaseResult;
use neargate_core::status_words::OutcomeName;
use neargate_far::driver::aws::Endpoint;
use neargate_far::driver::environment::{Driver, PACE, ReleaseOperator};
use neargate_far::driver::error::DriverError;
use neargate_far::driver::record::LEASE;
use neargate_far::pipeline::is_built;
use neargate_near::api::wire::{Accepted, Problem};

use super::{reports, secrets, sessions};
use crate::arguments::{DbArguments, GlobalFlags, Verb};
use crate::failure::Failure;
use crate::verbs::{pipeline::stage_runner::StageRunner, session};
use crate::{follow, output, project};

/// Runs a verb.
pub(super) async fn run(
    flags: &GlobalFlags,
    verb: &Verb,
    manifest: Manifest,
) -> Result<ExitCode, Failure> {
    if let Verb::Deploy {
        supersede: true, ..
    } = verb
    {
        return Err(Failure::Usage(
            "no release on AWS can be superseded: run `neargate abort SERVICE -e ENV` first"
                .to_owned(),
        ));
    }
    if let Verb::Deploy { force: true, .. } = verb {
        return Err(Failure::Usage(
            "--force is for services that run here without an artifact; on AWS a deploy releases an image: --image"
                .to_owned(),
        ));
    }
    if let Verb::Deploy { detach: true, .. } | Verb::Rollback { detach: true, .. } = verb {
        return Err(Failure::Usage(
            "on AWS deploy follows the release; Ctrl-C leaves it, and the next deploy resumes it"
                .to_owned(),
        ));
    }
    let driver = match open(flags, manifest).await {
        Ok(driver) => driver,
        Err(trouble) => return Err(failed(flags, verb, &trouble)),
    };
    match act(&driver, flags, verb).await {
        Err(trouble) => Err(failed(flags, verb, &trouble)),
        Ok(result) => result,
    }
}

async fn open(flags: &GlobalFlags, manifest: Manifest) -> Result<Driver, DriverError> {
    let cause = project::cause_of(flags);
    let machine = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let asker = ReleaseOperator {
        holder: format!("{}@{machine} ({})", cause.user, std::process::id()),
        user: cause.user,
        git: cause.git,
        overrides: flags.overrides.clone(),
        folder: project::folder_of(flags),
        pace: PACE,
        lease: LEASE,
    };
    let tell = Box::new(output::progress);
    Driver::open(manifest, &Endpoint::default(), asker, tell).await
}

async fn act(
    driver: &Driver,
    flags: &GlobalFlags,
    verb: &Verb,
) -> Result<Result<ExitCode, Failure>, DriverError> {
    Ok(match verb {
        Verb::Deploy {
            service,
            image,
            no_build,
            ..
        } => {
            let prepared = driver.prepare(service).await?;
            let image = match image {
                Some(image) => given(driver, flags, service, image),
                None => made(driver, flags, service, prepared.repository(), !no_build)?,
            };
            match image {
                Ok(image) => judged(flags, driver.release(&prepared, image.as_deref()).await?),
                Err(failure) => {
                    last_object(flags, verb, failure.describe());
                    Err(failure)
                }
            }
        }
        Verb::Rollback { service, to, .. } => {
            let service = only_service(driver, service.as_deref()).await?;
            judged(flags, driver.rollback(&service, *to).await?)
        }
        Verb::Run { service, command } => {
            let code = driver.run(service, command).await?;
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
        Verb::Scale { counts } => scale(driver, flags, counts).await?,
        Verb::Promote { service, full } => {
            let steer = if *full {
                ReleaseControl::PromoteFully
            } else {
                ReleaseControl::Promote
            };
            steered(driver, flags, service, steer).await?
        }
        Verb::Pause { service } => steered(driver, flags, service, ReleaseControl::Pause).await?,
        Verb::Resume { service } => steered(driver, flags, service, ReleaseControl::Resume).await?,
        Verb::Abort { service } => judged(flags, driver.abort_release(service).await?),
        Verb::Exec {
            service,
            task,
            command,
        } => {
            let (service, task) = session::named(service, task.as_deref());
            sessions::exec(driver, service, task, command).await?
        }
        Verb::Db(DbArguments::Connect { name, arguments }) => {
            sessions::connect(driver, name.as_deref(), arguments).await?
        }
        Verb::Secret(verb) => secrets::run(driver, flags, verb).await?,
        _ => reports::run(driver, flags, verb).await?,
    })
}

/// The image of a service that is built here, pushed; `None`: there is none to build. The files
/// of a static site are built too.
fn made(
    driver: &Driver,
    flags: &GlobalFlags,
    service: &str,
    repository: Result<Option<&str>, DriverError>,
    build: bool,
) -> Result<Result<Option<String>, Failure>, DriverError> {
    let Some(spec) = driver.manifest().services.get(service) else {
        return Ok(Ok(None));
    };
    let path = match project::find(flags) {
        Ok(path) => path,
        Err(failure) => return Ok(Err(failure)),
    };
    if let (Workload::Static(_), true) = (&spec.runs, build) {
        return Ok(project::build(&path, std::iter::once(spec)).map(|()| None));
    }
    if !is_built(spec) {
        return Ok(match &spec.runs {
            Workload::Image {
                image: Some(image), ..
            } => given(driver, flags, service, image),
            _ => Ok(None),
        });
    }
    let Some(repository) = repository? else {
        return Ok(Ok(None));
    };
    let runner = StageRunner::new(flags, &path, driver.manifest());
    let reference = runner.and_then(|runner| runner.deliver(spec, repository, build));
    Ok(reference.map(Some))
}

/// An image of others, when it fits.
fn given(
    driver: &Driver,
    flags: &GlobalFlags,
    service: &str,
    image: &str,
) -> Result<Option<String>, Failure> {
    let path = project::find(flags)?;
    let runner = StageRunner::new(flags, &path, driver.manifest())?;
    runner.check_given(service, image)?;
    Ok(Some(image.to_owned()))
}

fn failed(flags: &GlobalFlags, verb: &Verb, trouble: &DriverError) -> Failure {
    last_object(flags, verb, trouble.to_string());
    Failure::Engine(Problem {
        help: trouble.help(),
        ..Problem::new(trouble.exit(), trouble.to_string())
    })
}

/// The last object of `--json` is there even when no release began.
fn last_object(flags: &GlobalFlags, verb: &Verb, reason: String) {
    let service = match verb {
        Verb::Deploy { service, .. } => Some(service.clone()),
        Verb::Rollback { service, .. } => Some(service.clone().unwrap_or_default()),
        _ => None,
    };
    if let (true, Some(service)) = (flags.json, service) {
        output::json(&ReleaseResult::not_begun(&service, reason));
    }
}

fn judged(flags: &GlobalFlags, ended: ReleaseResult) -> Result<ExitCode, Failure> {
    if flags.json {
        output::json(&ended);
    } else if ended.outcome == OutcomeName::Done {
        output::progress(&ended.service, &ended.reason);
    }
    follow::judge(&[ended])?;
    Ok(ExitCode::SUCCESS)
}

async fn only_service(driver: &Driver, named: Option<&str>) -> Result<String, DriverError> {
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    let status = driver.status().await?;
    let mut names = status.services.into_iter().filter(|it| it.desired > 0);
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.name),
        _ => Err(DriverError::Usage(
            "name the service: neargate rollback SERVICE -e ENV".to_owned(),
        )),
    }
}

async fn steered(
    driver: &Driver,
    flags: &GlobalFlags,
    service: &str,
    steer: ReleaseControl,
) -> Result<Result<ExitCode, Failure>, DriverError> {
    driver.steer(service, steer).await?;
    if flags.json {
        output::json(&Accepted::default());
    }
    output::progress(
        service,
        "the promotion is recorded; the client that drives the release acts on it",
    );
    Ok(Ok(ExitCode::SUCCESS))
}

async fn scale(
    driver: &Driver,
    flags: &GlobalFlags,
    counts: &[String],
) -> Result<Result<ExitCode, Failure>, DriverError> {
    let mut notes = Vec::new();
    for text in counts {
        let wrong =
            || DriverError::Usage(format!("`{text}` is not SERVICE=TASKS, for example api=4"));
        let (service, count) = text.split_once('=').ok_or_else(wrong)?;
        let count = count.parse().map_err(|_| wrong())?;
        let note = driver.scale(service, count).await?;
        output::progress(service, &format!("the desired count is {count}"));
        note.iter().for_each(|note| output::note(note));
        notes.extend(note);
    }
    if flags.json {
        output::json(&Accepted {
            notes,
            ..Accepted::default()
        });
    }
    Ok(Ok(ExitCode::SUCCESS))
}
