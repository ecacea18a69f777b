//! A notes API: the application that the blueprints run.
//!
//! Commands: `serve`, `migrate`, `openapi`. Invariant: settings come from the environment only, and
//! a start that cannot work is refused with exit code 78 and all the reasons. Exit codes: 0 done,
//! 1 failed, 2 usage, 78 configuration.

mod cache;
mod config;
mod fault;
mod http;
mod limit;
mod log;
mod metrics;
mod migrate;
mod note;
mod problem;
mod serve;
mod sign;
mod store;

use std::process::ExitCode;

use config::{Config, ConfigError, MigrateConfig};
use log::Log;
use problem::chain;

const USAGE: &str = "usage: notes serve | notes migrate | notes openapi

  serve    serves the API; needs PORT, DATABASE_URL, REDIS_URL, SESSION
  migrate  brings the database's schema up to date; needs DATABASE_URL
  openapi  prints the API's OpenAPI document";

const CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve(),
        ["migrate"] => migrate(),
        ["openapi"] => {
            println!("{}", http::OPENAPI.trim_end());
            ExitCode::SUCCESS
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn serve() -> ExitCode {
    let config = match Config::read(variable) {
        Ok(config) => config,
        Err(error) => return misconfigured(&error),
    };
    let log = Log::new(&config.identity);
    let outcome = run(serve::run(config, log.clone()));
    finish(&log, "serve", outcome)
}

fn migrate() -> ExitCode {
    let config = match MigrateConfig::read(variable) {
        Ok(config) => config,
        Err(error) => return misconfigured(&error),
    };
    let log = Log::new(&config.identity);
    let outcome = run(migrate::run(&config, &log));
    finish(&log, "migrate", outcome)
}

fn misconfigured(error: &ConfigError) -> ExitCode {
    eprintln!("notes: {error}");
    ExitCode::from(CONFIGURATION)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime
        .expect("the kernel gives threads and an epoll descriptor")
        .block_on(future)
}

fn finish<E: std::error::Error>(log: &Log, command: &str, outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = chain(&error);
            log.error(
                &format!("{command} failed"),
                &[("error", error.as_str().into())],
            );
            eprintln!("notes {command}: {error}");
            ExitCode::from(1)
        }
    }
}
