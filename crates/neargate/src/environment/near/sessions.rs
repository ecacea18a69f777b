//! A command in the environment of a service or a task, on this terminal.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use neargate_core::ids::TaskId;
use neargate_core::status::{ServiceKind, ServiceStatus, TaskStatus};
use neargate_near::api::wire::{SessionRequest, ShellEnvironment};
use neargate_near::identity::UserIdentity;
use neargate_near::supervisor::session::{self, SessionSpec};

use crate::client::EngineClient;
use crate::failure::{self, Failure};
use crate::interrupt::Interrupt;

/// Runs a command in the environment of the serving revision.
pub(super) async fn run(
    client: &EngineClient,
    service: &str,
    command: &[String],
) -> Result<ExitCode, Failure> {
    require_tasks(&client.known_service(service).await?)?;
    start(client, service, SessionRequest::default(), command).await
}

/// Runs a command in the environment of a running task.
pub(super) async fn exec(
    client: &EngineClient,
    service: &str,
    task: Option<&str>,
    command: &[String],
) -> Result<ExitCode, Failure> {
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
    let request = SessionRequest { task: Some(task) };
    start(client, service, request, command).await
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
