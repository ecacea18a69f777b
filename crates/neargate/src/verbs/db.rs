//! `neargate db connect`: psql or redis-cli, with the password in the environment.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use neargate_near::api::wire::DataAccess;

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::{self, Failure};
use crate::project;

/// Opens a client for a database or cache.
pub(crate) async fn connect(
    flags: &GlobalFlags,
    name: Option<String>,
    arguments: &[String],
) -> Result<ExitCode, Failure> {
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let name = match name {
        Some(name) => full_name(&client, &name).await?,
        None => only_database(&client).await?,
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

/// Parts of `scheme://user:password@host:port/path`, as they are written; a missing part is empty.
pub(crate) struct Url<'a> {
    pub user: &'a str,
    pub password: &'a str,
    host: &'a str,
    port: &'a str,
    /// Path after the address, without its slash.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// The parts of a URL; `None`: it is none.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (_, rest) = text.split_once("://")?;
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        Some(Self {
            user,
            password,
            host,
            port,
            path,
        })
    }
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
