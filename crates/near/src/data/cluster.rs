//! Making a PostgreSQL cluster, and its one role and database.
//!
//! The server's user cannot walk through the state directory, which is its owner's alone. So
//! it never gets a path: it inherits the open data directory and names it
//! `/proc/self/fd/9`. That needs no mount and no wider mode, and it makes long paths
//! harmless (docs/decisions/0002).
//!
//! Invariant: `pgdata` exists only when it is complete and synced: it is made as `pgdata.new`
//! and renamed. Passwords go in through stdin only; no file and no command line holds one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::error::DataError;
use super::os_account::OsAccount;
use super::process_owner::ProcessOwner;
use neargate_core::secret::SecretValue;

/// The cluster's superuser. A manifest's names have no underscore, so no app is called this.
const SUPERUSER: &str = "neargate_admin";
/// How long one preparing program may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Lines of a failed program that are told.
const LINES: usize = 4;
/// Takes the directory from stdout, where the engine puts it, to descriptor 9.
const WITH_DIRECTORY: &str = "exec 9<&1 1>&2 && exec \"$0\" \"$@\"";
/// Rules of `pg_hba.conf`: everybody over loopback or the socket, with a password.
const HBA: &str = "\
# Written by Neargate when the cluster was made.
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
";

/// Roles that a user of RDS has besides owning databases: it sees others' sessions, and may end
/// them. Not `CREATEROLE`: before PostgreSQL 16 it is a way to everything.
const ROLES: &str = "pg_monitor, pg_signal_backend";
/// The server's certificate.
const CERTIFICATE: &str = "server.crt";

/// Everything that a new cluster is made of.
pub(super) struct PostgresCluster<'a> {
    /// Kind and name, `database main`.
    pub label: &'a str,
    /// Directory of `initdb` and `postgres`.
    pub bin: &'a Path,
    /// Major version of that.
    pub version: u32,
    /// Whether it has `pg_stat_statements`.
    pub statistics: bool,
    /// The service's own directory, parent of `pgdata`.
    pub directory: &'a Path,
    /// Whom the server runs as.
    pub owner: ProcessOwner,
}

impl PostgresCluster<'_> {
    /// Makes the cluster with one role that owns one database.
    pub(super) async fn create(
        &self,
        role: &str,
        database: &str,
        password: &SecretValue,
    ) -> Result<(), DataError> {
        let aside = self.directory.join("pgdata.new");
        self.fresh_directory(&aside)?;
        let place = self.open(&aside)?;
        let mut initdb = vec![
            "--username",
            SUPERUSER,
            "--auth=reject",
            "--encoding=UTF8",
            "--data-checksums",
            "--no-sync",
            "-D",
            "/proc/self/fd/9",
        ];
        initdb.extend(locale(self.version, has_en_us().await));
        self.run("initdb", &place, &initdb, "").await?;
        self.write("pg_hba.conf", &aside, HBA.as_bytes())?;
        self.write_certificate(&aside)?;
        // In template1, so that every database has it.
        let sql = format!(
            "{statistics}CREATE ROLE {role} LOGIN CREATEDB PASSWORD {password}\n\
             GRANT {ROLES} TO {role}\n{make}\n",
            statistics = self.make_statistics(),
            role = identifier(role),
            password = literal(password),
            make = match database {
                "postgres" => format!("ALTER DATABASE postgres OWNER TO {}", identifier(role)),
                _ => format!(
                    "CREATE DATABASE {} OWNER {}",
                    identifier(database),
                    identifier(role)
                ),
            },
        );
        self.single(&place, "template1", &sql, password).await?;
        self.publish(place, &aside).await
    }

    /// Gives the role of an existing, stopped cluster this password and what new clusters give it.
    pub(super) async fn renew(&self, role: &str, password: &SecretValue) -> Result<(), DataError> {
        let place = self.open(&self.directory.join("pgdata"))?;
        let sql = format!(
            "ALTER ROLE {role} CREATEDB PASSWORD {password}\nGRANT {ROLES} TO {role}\n",
            role = identifier(role),
            password = literal(password)
        );
        self.single(&place, "postgres", &sql, password).await?;
        match self.make_statistics() {
            "" => Ok(()),
            make => self.single(&place, role, make, password).await,
        }
    }

    /// The one extension of RDS's list that a user who is no superuser may not make.
    fn make_statistics(&self) -> &'static str {
        match self.statistics {
            true => "CREATE EXTENSION IF NOT EXISTS pg_stat_statements\n",
            false => "",
        }
    }

    /// Syncs what was made without syncing, and gives it its name.
    async fn publish(&self, place: File, aside: &Path) -> Result<(), DataError> {
        let target = self.directory.join("pgdata");
        let (from, to) = (aside.to_owned(), target.clone());
        let parent = self.directory.to_owned();
        let synced = tokio::task::spawn_blocking(move || {
            rustix::fs::syncfs(&place)?;
            fs::rename(from, to)?;
            File::open(parent)?.sync_all()
        });
        let result = synced.await.unwrap_or_else(|error| Err(error.into()));
        result.map_err(|source| files("sync", target, source))
    }

    async fn single(
        &self,
        place: &File,
        database: &str,
        sql: &str,
        password: &SecretValue,
    ) -> Result<(), DataError> {
        let arguments = [
            "--single",
            "-D",
            "/proc/self/fd/9",
            // A failing statement must not be logged: it holds the password.
            "-c",
            "log_min_error_statement=panic",
            "-c",
            "log_statement=none",
            "-c",
            "log_checkpoints=off",
            "-c",
            "exit_on_error=on",
            database,
        ];
        let result = self.run("postgres", place, &arguments, sql).await;
        result.map_err(|error| match error {
            DataError::Prepare {
                program,
                service,
                words,
            } => DataError::Prepare {
                program,
                service,
                words: match password.expose_text() {
                    Ok(text) => words.replace(text, "***"),
                    Err(_) => words,
                },
            },
            other => other,
        })
    }

    async fn run(
        &self,
        program: &'static str,
        place: &File,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), DataError> {
        let path = self.bin.join(program);
        let failed = |words: String| DataError::Prepare {
            program,
            service: self.label.to_owned(),
            words,
        };
        let directory = place
            .try_clone()
            .map_err(|source| files("open", self.directory.to_owned(), source))?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WITH_DIRECTORY])
            .arg(&path)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(directory)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some((uid, gid)) = self.owner.ids() {
            let account = OsAccount::write(self.directory, uid, gid);
            let account =
                account.map_err(|source| files("write", self.directory.to_owned(), source))?;
            // SAFETY: `enter` makes system calls on values that exist already; it allocates
            // nothing.
            unsafe { command.pre_exec(move || account.enter()) };
        }
        let talk = async {
            let mut child = command.spawn()?;
            let mut stdin = child.stdin.take().expect("stdin was asked to be a pipe");
            // A program that ends early says why on stderr; a broken pipe says nothing.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
            child.wait_with_output().await
        };
        let output = match tokio::time::timeout(PATIENCE, talk).await {
            Err(_) => return Err(failed(format!("not done within {} s", PATIENCE.as_secs()))),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Ok(Ok(output)) => output,
        };
        let text = String::from_utf8_lossy(&output.stderr);
        // In single-user mode a failed statement need not fail the program.
        let bad = ["ERROR:", "FATAL:", "PANIC:"];
        if output.status.success() && !bad.iter().any(|mark| text.contains(mark)) {
            return Ok(());
        }
        Err(failed(last_lines(&text)))
    }

    fn fresh_directory(&self, path: &Path) -> Result<(), DataError> {
        let failed = |source| files("make", path.to_owned(), source);
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        match self.owner.ids() {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(failed),
            None => Ok(()),
        }
    }

    fn open(&self, path: &Path) -> Result<File, DataError> {
        File::open(path).map_err(|source| files("open", path.to_owned(), source))
    }

    /// Makes the certificate of an existing, stopped cluster that has none.
    pub(super) fn ensure_certificate(&self) -> Result<(), DataError> {
        let data = self.directory.join("pgdata");
        match data.join(CERTIFICATE).exists() {
            true => Ok(()),
            false => self.write_certificate(&data),
        }
    }

    /// A key and a certificate of our own making, for clients that ask for TLS: nobody vouches for
    /// it, and on the loopback nobody has to.
    fn write_certificate(&self, data: &Path) -> Result<(), DataError> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names);
        let made = made.map_err(|error| DataError::Prepare {
            program: "the certificate's maker",
            service: self.label.to_owned(),
            words: error.to_string(),
        })?;
        let key = made.signing_key.serialize_pem();
        self.write("server.key", data, key.as_bytes())?;
        self.write(CERTIFICATE, data, made.cert.pem().as_bytes())
    }

    /// Replaces a file of the server. The name is made anew: a link in its place is not followed.
    fn write(&self, name: &str, data: &Path, bytes: &[u8]) -> Result<(), DataError> {
        let path = data.join(name);
        let write = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            if let Some((uid, gid)) = self.owner.ids() {
                fchown(&file, Some(uid), Some(gid))?;
            }
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| files("write", path.clone(), source))
    }
}

/// How `initdb` is told to sort: as RDS does (`en_US.UTF-8`) when the machine has that locale, by
/// ICU's rules for English, which order alike, when PostgreSQL can (15 and newer), else by bytes.
fn locale(version: u32, en_us: bool) -> &'static [&'static str] {
    match (en_us, version) {
        (true, _) => &["--locale=en_US.UTF-8"],
        (false, 15..) => &[
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
        ],
        (false, _) => &["--locale=C.UTF-8"],
    }
}

/// Whether the machine has RDS's locale.
async fn has_en_us() -> bool {
    let mut list = Command::new("locale");
    list.arg("-a").stdin(Stdio::null()).kill_on_drop(true);
    let listed = tokio::time::timeout(PATIENCE, list.output()).await;
    let listed = listed.ok().and_then(Result::ok).map(|output| output.stdout);
    let listed = listed.unwrap_or_default();
    let text = String::from_utf8_lossy(&listed);
    text.lines()
        .any(|line| matches!(line, "en_US.utf8" | "en_US.UTF-8"))
}

fn files(operation: &'static str, path: PathBuf, source: std::io::Error) -> DataError {
    DataError::Files {
        operation,
        path,
        source,
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Passwords are made by Neargate of URL-safe letters; another one still cannot break out.
fn literal(password: &SecretValue) -> String {
    let text = String::from_utf8_lossy(password.expose());
    format!("'{}'", text.replace('\'', "''").replace(['\n', '\r'], ""))
}

/// The lines that say most: those with an error, else the last ones.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.ends_with("ok"))
        .collect();
    let start = lines.len().saturating_sub(LINES);
    lines[start..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_sorted_as_on_rds_where_the_machine_can() {
        assert_eq!(locale(13, true), ["--locale=en_US.UTF-8"]);
        assert_eq!(locale(15, true), ["--locale=en_US.UTF-8"]);
        assert!(locale(15, false).contains(&"--icu-locale=en-US"));
        assert_eq!(locale(14, false), ["--locale=C.UTF-8"]);
    }

    #[test]
    fn names_and_passwords_cannot_break_out_of_their_quotes() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal(&SecretValue::new("a'b\nc")), "'a''bc'");
    }
}
