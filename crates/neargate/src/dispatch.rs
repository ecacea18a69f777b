//! From the command line to the verb: one list, in which the compiler finds a verb that is left out.

use std::process::ExitCode;

use clap::CommandFactory;
use neargate_near::api::wire::ControlWord;

use crate::arguments::{
    Arguments, Command, GlobalFlags, PipelineArguments, ProcessArguments, Verb,
};
use crate::failure::Failure;
use crate::verbs::{
    alarms, audit, audit_log, check, control, cost, db, deploy, doctor, down, drift, infra, init,
    logs, metrics, pipeline, plan, rehearse, releases, scale, secret, session, status, up, verify,
};
use crate::{output, processes, project};

/// Runs a verb, or the process that this one is.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { flags, command } = arguments;
    match command {
        Command::Process(process) => run_process(&flags, process),
        Command::Verb(verb) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::of("cannot start", &error))?
            .block_on(run_verb(&flags, verb)),
    }
}

async fn run_verb(flags: &GlobalFlags, verb: Verb) -> Result<ExitCode, Failure> {
    if !matches!(verb, Verb::Init { .. }) {
        project::require_named_manifest(flags, matches!(verb, Verb::Logs(_)))?;
    }
    match verb {
        Verb::Init { force } => init::run(flags, force),
        Verb::Check => check::run(flags),
        Verb::Audit { fail_on } => audit::run(flags, fail_on),
        Verb::Plan { exit_code } => plan::run(flags, exit_code).await,
        Verb::Up(options) => up::run(flags, &options).await,
        Verb::Down { purge, yes } => down::run(flags, purge, yes).await,
        Verb::Deploy(options) => deploy::deploy(flags, &options).await,
        Verb::Rollback(options) => deploy::rollback(flags, &options).await,
        Verb::Promote { service, full } => {
            let word = match full {
                true => ControlWord::PromoteFully,
                false => ControlWord::Promote,
            };
            control::run(flags, &service, word).await
        }
        Verb::Pause { service } => control::run(flags, &service, ControlWord::Pause).await,
        Verb::Resume { service } => control::run(flags, &service, ControlWord::Resume).await,
        Verb::Abort { service } => control::run(flags, &service, ControlWord::Abort).await,
        Verb::Status { watch } => status::run(flags, watch).await,
        Verb::Releases { what } => releases::run(flags, &what).await,
        Verb::Trail(options) => audit_log::run(flags, &options),
        Verb::Rehearse(options) => rehearse::run(flags, &options),
        Verb::Alarms => alarms::run(flags).await,
        Verb::Metrics(options) => metrics::run(flags, &options).await,
        Verb::Verify => verify::run(flags).await,
        Verb::Drift { service } => drift::run(flags, service.as_deref()).await,
        Verb::Logs(options) => logs::run(flags, &options).await,
        Verb::Run { service, command } => session::run(flags, &service, &command).await,
        Verb::Exec {
            service,
            task,
            command,
        } => session::exec(flags, &service, task.as_deref(), &command).await,
        Verb::Scale { counts } => scale::run(flags, &counts).await,
        Verb::Secret(verb) => secret::run(flags, &verb).await,
        Verb::Db(verb) => db::run(flags, &verb).await,
        Verb::Pipeline(PipelineArguments::Render { check, force }) => {
            pipeline::render::run(flags, check, force)
        }
        Verb::Pipeline(PipelineArguments::Run { stage, skip }) => {
            pipeline::run::run(flags, stage, &skip)
        }
        Verb::Infra(verb) => infra::run(flags, &verb),
        Verb::Cost(options) => cost::run(flags, &options),
        Verb::Doctor => doctor::run(flags).await,
        Verb::Schema => schema(),
        Verb::Completions { shell } => Ok(completions(shell)),
    }
}

fn run_process(flags: &GlobalFlags, process: ProcessArguments) -> Result<ExitCode, Failure> {
    match process {
        ProcessArguments::Engine {
            successor,
            listener,
        } => processes::engine(&project::state(flags)?, successor, &listener),
        ProcessArguments::Watchdog { again } => processes::watchdog(&project::state(flags)?, again),
        ProcessArguments::Router {
            control,
            access_log,
            user,
            sites,
            listener,
        } => {
            let confinement = processes::confinement(user.as_deref(), sites)?;
            processes::router(control, access_log, confinement, &listener)
        }
        ProcessArguments::Shim { task, logs } => {
            Ok(neargate_near::supervisor::shim::main(&task, &logs))
        }
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
