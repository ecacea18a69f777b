//! psql or redis-cli on a database or cache near, with the password in the environment.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use neargate_near::api::wire::DataAccess;

use crate::client::EngineClient;
use crate::environment::database_url::Url;
use crate::failure::{self, Failure};

/// Opens a client for a database or cache.
pub(super) async fn connect(
    client: &EngineClient,
    name: Option<&str>,
    arguments: &[String],
) -> Result<ExitCode, Failure> {
    let name = match name {
        Some(name) => full_name(client, name).await?,
        None => only_database(client).await?,
    };
    let access: DataAccess = client.get(&format!("/v1/data/{name}")).await?;
    let url = Url::parse(&access.url)
        .ok_or_else(|| Failure::Failed(format!("the address of {name} cannot be read")))?;
    let (program, package, mut command) = match access.engine.as_str() {
        "postgres" => ("psql", "postgresql-client", psql(&url)),
        _ => ("redis-cli", "redis-tools", redis(&url)),
    };
    // Ctrl-C in psql ends a query, not the session: nothing of us may stand between.
    let error = command.args(arguments).exec();
    Err(match error.kind() {
        std::io::ErrorKind::NotFound => Failure::Environment(format!(
            "{program} is not installed: apt-get install {package}"
        )),
        _ => Failure::of(&format!("cannot run {program}"), &error),
    })
}

async fn only_database(client: &EngineClient) -> Result<String, Failure> {
    let status = client.status().await?;
    match status.databases.as_slice() {
        [only] => Ok(format!("database.{}", only.name)),
        [] if status.caches.is_empty() => Err(Failure::Usage(
            "the manifest has no database and no cache to connect to".into(),
        )),
        _ => Err(Failure::Usage(
            "name it: neargate db connect database.NAME or cache.NAME".into(),
        )),
    }
}

/// `main` as `database.main`, or as `cache.main` when only a cache has this name.
async fn full_name(client: &EngineClient, name: &str) -> Result<String, Failure> {
    let status = client.status().await?;
    let databases = status
        .databases
        .iter()
        .map(|one| format!("database.{}", one.name));
    let caches = status
        .caches
        .iter()
        .map(|one| format!("cache.{}", one.name));
    let known: Vec<String> = databases.chain(caches).collect();
    let meant = [
        name.to_owned(),
        format!("database.{name}"),
        format!("cache.{name}"),
    ];
    let found = meant.into_iter().find(|name| known.contains(name));
    found.ok_or_else(|| failure::unknown("database or cache", name, &known))
}

fn psql(url: &Url<'_>) -> Command {
    let mut command = Command::new("psql");
    for (name, value) in [
        ("PGHOST", url.host),
        ("PGPORT", url.port),
        ("PGUSER", url.user),
        ("PGPASSWORD", url.password),
        ("PGDATABASE", url.path),
    ] {
        if !value.is_empty() {
            command.env(name, value);
        }
    }
    command
}

fn redis(url: &Url<'_>) -> Command {
    let mut command = Command::new("redis-cli");
    command.args([
        "-h",
        url.host,
        "-p",
        if url.port.is_empty() {
            "6379"
        } else {
            url.port
        },
        "--no-auth-warning",
    ]);
    if !url.password.is_empty() {
        command.env("REDISCLI_AUTH", url.password);
    }
    command
}
