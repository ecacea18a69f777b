//! `neargate`: one manifest, your whole production, near or far.
//!
//! This binary is the command line (one file per verb in [`verbs`]) and, by hidden verbs, every
//! process that runs near: the engine, the router, the shims. Failures become exit codes here
//! and nowhere else: 0 done, 1 failed or rolled back, 2 usage or manifest, 3 environment, 70 a bug.

mod arguments;
mod artifacts;
mod client;
mod copy_progress;
mod dispatch;
mod environment;
mod failure;
mod follow;
mod interrupt;
mod live_tree;
mod moment;
mod output;
mod pipeline;
mod prerequisites;
mod processes;
mod program_path;
mod progress;
mod project;
#[cfg(test)]
mod reference;
mod said_reasons;
mod site_files;
mod stop_progress;
mod table;
mod task_lines;
mod terminal;
mod verbs;
mod waiting;
#[cfg(test)]
mod workflows;

use std::process::ExitCode;

use clap::Parser;
use neargate_core::command_exit::CommandExit;

use arguments::Arguments;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let version = env!("CARGO_PKG_VERSION");
        output::error(
            &format!("this is a bug in neargate {version}: {panic}"),
            Some(
                "please report it, with the command that you ran and engine.log of the state directory",
            ),
        );
    }));
    match std::panic::catch_unwind(run) {
        Ok(code) => code,
        Err(_) => CommandExit::Bug.into(),
    }
}

fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = match error.use_stderr() {
                true => CommandExit::Usage,
                false => CommandExit::Done,
            };
            let _ = error.print();
            let asked: Vec<String> = std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            if let Some(hint) = arguments::meant(&error, &asked) {
                output::help(hint);
            }
            return exit.into();
        }
    };
    output::choose_colour(arguments.flags.color);
    match dispatch::run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code()
        }
    }
}
