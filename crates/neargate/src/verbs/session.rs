//! `neargate run` and `neargate exec`: a command in the environment of a service or a task, on
//! this terminal. Its exit code is the command's.

use std::process::ExitCode;

use crate::arguments::GlobalFlags;
use crate::environment;
use crate::failure::Failure;

/// Runs a command in the environment of the serving revision.
pub(crate) async fn run(
    flags: &GlobalFlags,
    service: &str,
    command: &[String],
) -> Result<ExitCode, Failure> {
    environment::open(flags)?
        .run_command(service, command)
        .await
}

/// Runs a command in the environment of a running task. `api/TASK` is `api --task TASK`.
pub(crate) async fn exec(
    flags: &GlobalFlags,
    service: &str,
    task: Option<&str>,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let (service, task) = match (service.split_once('/'), task) {
        (Some((_, own)), Some(task)) if own != task => {
            return Err(Failure::Usage(format!(
                "two tasks are named: `{own}` and `{task}`"
            )));
        }
        (Some((service, own)), _) => (service, Some(own)),
        (None, task) => (service, task),
    };
    let environment = environment::open(flags)?;
    environment.exec_command(service, task, command).await
}
