//! `neargate db connect`: psql or redis-cli, with the password in the environment.

use std::process::ExitCode;

use crate::arguments::{DbArguments, GlobalFlags};
use crate::environment;
use crate::failure::Failure;

/// Opens a client for a database or cache.
pub(crate) async fn run(flags: &GlobalFlags, verb: &DbArguments) -> Result<ExitCode, Failure> {
    let DbArguments::Connect { name, arguments } = verb;
    let environment = environment::open(flags)?;
    environment
        .connect_to_data(name.as_deref(), arguments)
        .await
}
