//! A model of AWS for the binary: the driver's own, and how a program is told to call it.

use std::process::Command;

#[path = "../../../aws/tests/moto/server.rs"]
mod server;

pub(crate) use server::Moto;

/// Lets a program call this server and nothing else.
pub(crate) fn reach<'a>(command: &'a mut Command, moto: &Moto) -> &'a mut Command {
    command
        .env("AWS_ENDPOINT_URL", moto.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "eu-central-1")
        .env_remove("AWS_PROFILE")
}
