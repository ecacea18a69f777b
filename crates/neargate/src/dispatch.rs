//! From the command line to the verb, and where it runs.

use std::process::ExitCode;

use clap::CommandFactory;
use neargate_near::api::wire::ControlWord;

use crate::arguments::{Arguments, DbArguments, GlobalFlags, PipelineArguments, Verb};
use crate::failure::Failure;
use crate::verbs::{
    alarms, audit, audit_log, check, cost, db, deploy, doctor, down, infra, init, logs, metrics,
    pipeline, plan, promote, rehearse, releases, scale, secret, session, status, up,
};
use crate::{far, output, processes, project};

/// Runs a verb: on AWS when its environment is there, otherwise here.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let flags = &arguments.flags;
    project::require_named_manifest(flags, &arguments.verb)?;
    if let Some(done) = far::run(flags, &arguments.verb) {
        return done;
    }
    project::require_own_environment(flags, &arguments.verb)?;
    match arguments.verb {
        Verb::Engine {
            successor,
            listener,
        } => processes::engine(&project::state(flags)?, successor, &listener),
        Verb::Watchdog { again } => processes::watchdog(&project::state(flags)?, again),
        Verb::Router {
            control,
            access_log,
            user,
            sites,
            listener,
        } => {
            let confinement = processes::confinement(user.as_deref(), sites)?;
            processes::router(control, access_log, confinement, &listener)
        }
        Verb::Shim { task, logs } => Ok(neargate_near::supervisor::shim::main(&task, &logs)),
        Verb::Infra(what) => infra::run(flags, &what),
        Verb::Cost(options) => cost::run(flags, &options),
        Verb::Init { force } => init::run(flags, force),
        Verb::Check => check::run(flags),
        Verb::Audit { fail_on } => audit::run(flags, fail_on),
        Verb::Schema => schema(),
        Verb::Completions { shell } => Ok(completions(shell)),
        Verb::Secret(secret) => secret::run(flags, secret),
        Verb::Pipeline(PipelineArguments::Render { check, force }) => {
            pipeline::render::run(flags, check, force)
        }
        Verb::Pipeline(PipelineArguments::Run { stage, skip }) => {
            pipeline::run::run(flags, stage, &skip)
        }
        Verb::Trail(options) => audit_log::run(flags, &options),
        Verb::Logs(options) => logs::run(flags, &options),
        Verb::Rehearse(asked) => rehearse::run(flags, &asked),
        verb => wait(asked(flags, verb)),
    }
}

/// Verbs that ask the engine.
async fn asked(flags: &GlobalFlags, verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Up {
            detach,
            port,
            no_build,
            no_logs,
        } => {
            let wish = up::UpOptions {
                detach,
                port,
                no_build,
                no_logs,
            };
            up::run(flags, wish).await
        }
        Verb::Down { purge, yes } => down::run(flags, purge, yes).await,
        Verb::Deploy {
            service,
            supersede,
            force,
            detach,
            no_build,
            image,
        } => {
            if image.is_some() {
                let words = "--image is for environments on AWS: near runs the artifact";
                return Err(Failure::Usage(words.to_owned()));
            }
            let wish = deploy::DeployOptions {
                detach,
                no_build,
                supersede,
                force,
            };
            deploy::deploy(flags, &service, wish).await
        }
        Verb::Promote { service, full } => promote::promote(flags, &service, full).await,
        Verb::Pause { service } => promote::run(flags, &service, ControlWord::Pause).await,
        Verb::Resume { service } => promote::run(flags, &service, ControlWord::Resume).await,
        Verb::Abort { service } => promote::run(flags, &service, ControlWord::Abort).await,
        Verb::Alarms => alarms::run(flags).await,
        Verb::Metrics(options) => metrics::run(flags, &options).await,
        Verb::Releases { what } => releases::run(flags, &what).await,
        Verb::Rollback {
            service,
            to,
            detach,
        } => deploy::rollback(flags, service, to, detach).await,
        Verb::Scale { counts } => scale::run(flags, &counts).await,
        Verb::Status { watch } => status::run(flags, watch).await,
        Verb::Plan { exit_code } => plan::run(flags, exit_code).await,
        Verb::Doctor => doctor::run(flags).await,
        Verb::Run { service, command } => session::run(flags, &service, &command).await,
        Verb::Exec {
            service,
            task,
            command,
        } => session::exec(flags, &service, task.as_deref(), &command).await,
        Verb::Db(DbArguments::Connect { name, arguments }) => {
            db::connect(flags, name, &arguments).await
        }
        other => unreachable!("{other:?} asks no engine"),
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "neargate", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
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
