//! One file per verb.

mod alarms;
mod check;
mod cost;
mod db;
mod deploy;
mod doctor;
mod down;
mod infra;
mod init;
mod logs;
mod pipeline;
mod plan;
pub mod rehearse;
mod releases;
mod scale;
mod secret;
mod session;
mod status;
mod steer;
mod trail;
mod up;

use std::process::ExitCode;

use clap::CommandFactory;
use neargate_near::api::wire::Steered;

use crate::arguments::{Arguments, Db, Pipeline, Verb};
use crate::failure::Failure;
use crate::{output, processes, project};

/// Runs a verb.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let flags = &arguments.flags;
    match arguments.verb {
        Verb::Engine => processes::engine(&project::state(flags)?),
        Verb::Router {
            control,
            access_log,
            listener,
        } => processes::router(control, access_log, &listener),
        Verb::Shim { task, logs } => Ok(neargate_near::supervisor::shim::main(&task, &logs)),
        Verb::Infra(what) => infra::run(flags, &what),
        Verb::Cost(options) => cost::run(flags, &options),
        Verb::Init { force } => init::run(flags, force),
        Verb::Check => check::run(flags),
        Verb::Schema => schema(),
        Verb::Completions { shell } => Ok(completions(shell)),
        Verb::Secret(secret) => secret::run(flags, secret),
        Verb::Pipeline(Pipeline::Render { check, force }) => {
            pipeline::render::run(flags, check, force)
        }
        Verb::Pipeline(Pipeline::Run { stage, skip }) => pipeline::run::run(flags, stage, &skip),
        Verb::Trail(options) => trail::run(flags, &options),
        Verb::Logs(options) => logs::run(flags, &options),
        Verb::Up {
            detach,
            port,
            no_build,
        } => wait(up::run(flags, detach, port, no_build)),
        Verb::Down { purge, yes } => wait(down::run(flags, purge, yes)),
        Verb::Deploy {
            service,
            supersede,
            detach,
            no_build,
        } => {
            let wish = deploy::Wish {
                detach,
                no_build,
                supersede,
            };
            wait(deploy::deploy(flags, &service, wish))
        }
        Verb::Promote { service, full } => wait(steer::promote(flags, &service, full)),
        Verb::Pause { service } => wait(steer::run(flags, &service, Steered::Pause)),
        Verb::Resume { service } => wait(steer::run(flags, &service, Steered::Resume)),
        Verb::Abort { service } => wait(steer::run(flags, &service, Steered::Abort)),
        Verb::Rehearse(asked) => rehearse::run(flags, &asked),
        Verb::Alarms => wait(alarms::run(flags)),
        Verb::Releases { what } => wait(releases::run(flags, &what)),
        Verb::Rollback {
            service,
            to,
            detach,
        } => wait(deploy::rollback(flags, service, to, detach)),
        Verb::Scale { counts } => wait(scale::run(flags, &counts)),
        Verb::Status { watch } => wait(status::run(flags, watch)),
        Verb::Plan { exit_code } => wait(plan::run(flags, exit_code)),
        Verb::Doctor => wait(doctor::run(flags)),
        Verb::Run { service, command } => wait(session::run(flags, &service, &command)),
        Verb::Exec {
            service,
            task,
            command,
        } => wait(session::exec(flags, &service, task, &command)),
        Verb::Db(Db::Connect { name, arguments }) => wait(db::connect(flags, name, &arguments)),
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let (command, out) = (&mut Arguments::command(), &mut std::io::stdout());
    clap_complete::generate(shell, command, "neargate", out);
    ExitCode::SUCCESS
}

fn schema() -> Result<ExitCode, Failure> {
    let schema = serde_json::to_string_pretty(&neargate_core::manifest::schema());
    output::line(&schema.map_err(|error| Failure::of("cannot write the schema", &error))?);
    Ok(ExitCode::SUCCESS)
}

fn wait(verb: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("cannot start", &error))?
        .block_on(verb)
}
