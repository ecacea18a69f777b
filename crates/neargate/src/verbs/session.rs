//! `neargate run` and `neargate exec`: a command in the environment of a service or a task, on
//! this terminal. Its exit code is the command's.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use neargate_core::ids::TaskId;
use neargate_core::status::{ServiceKind, ServiceStatus, TaskStatus};
use neargate_near::api::wire::{SessionRequest, ShellEnvironment};
use neargate_near::identity::UserIdentity;
use neargate_near::supervisor::session::{self, SessionSpec};

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::{self, Failure};
use crate::interrupt::Interrupt;
use crate::project;

/// In the environment of the serving revision.
pub(crate) async fn run(
    flags: &GlobalFlags,
    service: &str,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let found = client.known_service(service).await?;
    require_tasks(&found)?;
    start(&client, service, SessionRequest::default(), command).await
}

/// The service and the task that are meant: `api/TASK` is `api --task TASK`.
pub(crate) fn named<'a>(service: &'a str, task: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match service.split_once('/') {
        Some((service, own)) => (service, task.or(Some(own))),
        None => (service, task),
    }
}

/// In the environment of a running task.
pub(crate) async fn exec(
    flags: &GlobalFlags,
    service: &str,
    task: Option<&str>,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let (service, task) = named(service, task);
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let found = client.known_service(service).await?;
    require_tasks(&found)?;
    let tasks = found.tasks;
    let task = match task {
        Some(task) if tasks.iter().any(|known| known.id == task) => task.into(),
        Some(task) => {
            let known = tasks.iter().map(|known| known.id.as_str());
            return Err(failure::unknown("task", task, known));
        }
        None => any_task(service, tasks)?,
    };
    start(
        &client,
        service,
        SessionRequest { task: Some(task) },
        command,
    )
    .await
}

/// A static site has neither tasks nor an environment. Exit 2.
fn require_tasks(service: &ServiceStatus) -> Result<(), Failure> {
    match service.kind {
        ServiceKind::Tasks => Ok(()),
        ServiceKind::Static => Err(Failure::Usage(format!(
            "`{}` is a static site: it has no tasks to run a command in",
            service.name
        ))),
    }
}

fn any_task(service: &str, tasks: Vec<TaskStatus>) -> Result<TaskId, Failure> {
    tasks
        .into_iter()
        .find(TaskStatus::runs)
        .map(|task| task.id)
        .ok_or_else(|| Failure::Failed(format!("no task of `{service}` runs")))
}

async fn start(
    client: &EngineClient,
    service: &str,
    request: SessionRequest,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let environment: ShellEnvironment = client
        .post(&format!("/v1/services/{service}/session"), &request)
        .await?;
    // Ctrl-C is for the command: it decides whether it ends by it.
    let _signals = Interrupt::keyboard()?;
    let identity = environment.identity;
    let session = SessionSpec {
        revision: environment.revision,
        env: environment.env,
        directory: environment.directory,
        identity: identity.map(|(uid, gid)| UserIdentity { uid, gid }),
    };
    let status = session::run(&session, command).map_err(|error| {
        let command = command.join(" ");
        Failure::Environment(format!("cannot run `{command}`: {error}"))
    })?;
    let by_signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(by_signal).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
