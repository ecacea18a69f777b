//! `neargate exec` and `neargate db connect` on AWS: sessions that AWS's plugin carries.
//!
//! Invariant: passwords and tokens are in the environment of the programs that need them, never in
//! their arguments; a way to a database is closed when its client ends.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use neargate_aws::environment::Driver;
use neargate_aws::error::DriverError;
use neargate_aws::exec::ReachedDatabase;
use neargate_aws::session_manager_plugin::Plugin;

use crate::environment::database_url::Url;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output;

/// How long the plugin may take to open its port.
const OPENING: Duration = Duration::from_secs(30);
/// Between two looks at the port.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a command in a task, on this terminal. The plugin does not tell the command's exit code.
pub(super) async fn exec(
    driver: &Driver,
    service: &str,
    task: Option<&str>,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let plugin = plugin()?;
    let opened = driver.exec(service, task, command).await?;
    let mut program = plugin.command(&opened.session, &opened.asked, &opened.place);
    at_terminal(&mut program, "session-manager-plugin")
}

/// Opens psql on a database, through a task that uses it.
pub(super) async fn connect(
    driver: &Driver,
    name: Option<&str>,
    arguments: &[String],
) -> Result<ExitCode, Failure> {
    let database = named(driver, name)?;
    let plugin = plugin()?;
    let local = free_port().map_err(|error| Failure::of("cannot find a free port", &error))?;
    let reached = driver.reach(&database, local).await?;
    let opened = &reached.opened;
    let mut program = plugin.command(&opened.session, &opened.asked, &opened.place);
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C ends a query of psql, not the way to the database.
        .process_group(0);
    let ended = match program.spawn() {
        Ok(mut way) => {
            let ended = through(&mut way, &reached, local, arguments).await;
            let _ = way.kill();
            let _ = way.wait();
            ended
        }
        Err(error) => Err(Failure::of("cannot run session-manager-plugin", &error)),
    };
    if let Err(trouble) = driver.close_session(opened).await {
        output::note(&format!("the session stays until it is idle: {trouble}"));
    }
    ended
}

fn plugin() -> Result<Plugin, DriverError> {
    Plugin::find(&std::env::var_os("PATH").unwrap_or_default())
}

fn free_port() -> std::io::Result<u16> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?.port())
}

/// `database.main` or `main`; without a name the only one.
fn named(driver: &Driver, name: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = name {
        if name.starts_with("cache.") {
            return Err(Failure::Usage(
                "caches on AWS are reached from a task: neargate exec SERVICE -e ENV -- sh"
                    .to_owned(),
            ));
        }
        return Ok(name.strip_prefix("database.").unwrap_or(name).to_owned());
    }
    match driver.databases().as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(Failure::Usage(
            "name it: neargate db connect database.NAME -e ENV".to_owned(),
        )),
    }
}

/// Waits for the port, then hands the terminal to psql.
async fn through(
    way: &mut Child,
    reached: &ReachedDatabase,
    local: u16,
    arguments: &[String],
) -> Result<ExitCode, Failure> {
    let deadline = Instant::now() + OPENING;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, local)).is_err() {
        let gone = way.try_wait().ok().flatten();
        if gone.is_some() || Instant::now() > deadline {
            let how = gone.map_or("did not open its port in 30s".to_owned(), |status| {
                format!("ended ({status})")
            });
            return Err(Failure::Failed(format!(
                "no connection to {}: session-manager-plugin {how}",
                reached.host
            )));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = tokio::signal::ctrl_c() => {
                return Err(Failure::Failed("interrupted before the connection was open".to_owned()));
            }
        }
    }
    at_terminal(psql(reached, local)?.args(arguments), "psql")
}

/// psql on this end of the way. The host's own name stays, so its certificate can be checked.
fn psql(reached: &ReachedDatabase, local: u16) -> Result<Command, Failure> {
    let unreadable = || Failure::Failed("the URL of the database cannot be read".to_owned());
    let text = reached.url.expose_text().map_err(|_| unreadable())?;
    let url = Url::parse(text).ok_or_else(unreadable)?;
    let database = url.path.split('?').next().unwrap_or_default();
    let mut command = Command::new("psql");
    command
        .env("PGHOST", &reached.host)
        .env("PGHOSTADDR", Ipv4Addr::LOCALHOST.to_string())
        .env("PGPORT", local.to_string())
        .env("PGUSER", decoded(url.user))
        .env("PGPASSWORD", decoded(url.password))
        .env("PGDATABASE", decoded(database));
    if std::env::var_os("PGSSLMODE").is_none() {
        command.env("PGSSLMODE", "require");
    }
    Ok(command)
}

/// Percent-encoded text as it is; what is no encoding stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(digits.unwrap_or(*first));
        rest = if digits.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a program on this terminal; Ctrl-C is for it.
fn at_terminal(command: &mut Command, name: &str) -> Result<ExitCode, Failure> {
    let _signals = Interrupt::keyboard()?;
    match command.status() {
        Ok(status) => Ok(code(status)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let words = format!("{name} is not installed: apt-get install postgresql-client");
            Err(Failure::Environment(words))
        }
        Err(error) => Err(Failure::of(&format!("cannot run {name}"), &error)),
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let by_signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(by_signal).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn percent_encoding_is_undone_and_all_else_stays() {
        let rows = [
            ("p%40ss%2Fword", "p@ss/word"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("", ""),
        ];
        for (text, wanted) in rows {
            assert_eq!(decoded(text), wanted);
        }
    }
}
