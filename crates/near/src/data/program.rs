//! Finding the machine's PostgreSQL and Redis.
//!
//! PostgreSQL's server programs are not on PATH on Debian but under
//! `/usr/lib/postgresql/VERSION/bin`. The version that the data or the manifest asks for wins,
//! then the newest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::DataError;

/// Where Debian and the PostgreSQL project's own packages put versions.
const POSTGRES_HOMES: [(&str, &str); 2] = [("/usr/lib/postgresql", "bin"), ("/usr", "bin")];

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PostgresBinaries {
    /// Major version, 17 of 17.4.
    pub version: u32,
    /// Directory of `postgres` and `initdb`.
    pub bin: PathBuf,
}

impl PostgresBinaries {
    /// Whether it can load `pg_stat_statements` (in Debian a part of the server's package).
    pub(super) fn has_statistics(&self) -> bool {
        let home = self.bin.parent().unwrap_or(&self.bin);
        let libraries = ["lib", "lib/postgresql", "lib64/pgsql", "lib/pgsql"];
        let mut libraries = libraries.iter().map(|folder| home.join(folder));
        libraries.any(|folder| folder.join("pg_stat_statements.so").is_file())
    }
}

/// One installed Redis or Valkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CacheBinaries {
    /// `redis 7.0`, `valkey 8.0`.
    pub words: String,
    /// The server's path.
    pub server: PathBuf,
}

/// The PostgreSQL to use: of the data's version, else the one asked for, else the newest.
pub(super) fn postgres(
    name: &str,
    data: Option<u32>,
    asked: Option<&str>,
) -> Result<PostgresBinaries, DataError> {
    let installed = installed_postgres();
    let take = |version: u32| {
        installed.get(&version).map(|bin| PostgresBinaries {
            version,
            bin: bin.clone(),
        })
    };
    if let Some(version) = data {
        return take(version).ok_or_else(|| DataError::OtherVersion {
            name: name.to_owned(),
            version: version.to_string(),
        });
    }
    asked
        .and_then(major)
        .and_then(take)
        .or_else(|| installed.keys().next_back().copied().and_then(take))
        .ok_or_else(|| DataError::NotInstalled {
            program: "postgres".to_owned(),
            package: "postgresql".to_owned(),
        })
}

/// The server of a cache: `wanted` first, its sibling (they speak the same protocol) second.
pub(super) fn cache(wanted: &str, sibling: &str) -> Result<CacheBinaries, DataError> {
    for program in [wanted, sibling] {
        if let Some(server) = on_path(program) {
            let kind = program.trim_end_matches("-server");
            let words = match version_of(&server).and_then(|text| after(&text, "v=")) {
                Some(version) => format!("{kind} {version}"),
                None => kind.to_owned(),
            };
            return Ok(CacheBinaries { words, server });
        }
    }
    Err(DataError::NotInstalled {
        program: wanted.to_owned(),
        package: wanted.to_owned(),
    })
}

/// The number before the first dot.
pub(super) fn major(version: &str) -> Option<u32> {
    version.trim().split('.').next()?.parse().ok()
}

fn installed_postgres() -> BTreeMap<u32, PathBuf> {
    let mut found = BTreeMap::new();
    for (home, bin) in POSTGRES_HOMES {
        let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let version = name.strip_prefix("pgsql-").unwrap_or(&name);
            let bin = entry.path().join(bin);
            if let Some(version) = major(version)
                && is_program(&bin.join("postgres"))
                && is_program(&bin.join("initdb"))
            {
                found.insert(version, bin);
            }
        }
    }
    if let Some(server) = on_path("postgres")
        && let Some(bin) = server.parent()
        && is_program(&bin.join("initdb"))
        && let Some(version) =
            version_of(&server).and_then(|text| major(text.split_whitespace().nth(2)?))
    {
        found.entry(version).or_insert_with(|| bin.to_owned());
    }
    found
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}

fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// `7.0` of `Redis server v=7.0.15 sha=…`.
fn after(text: &str, mark: &str) -> Option<String> {
    let version = text.split_once(mark)?.1.split_whitespace().next()?;
    let parts: Vec<&str> = version.split('.').take(2).collect();
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        assert_eq!(
            after("Redis server v=7.0.15 sha=0 bits=64", "v=").as_deref(),
            Some("7.0")
        );
        assert_eq!(major("15.18"), Some(15));
        assert_eq!(major("16\n"), Some(16));
        assert_eq!(major("x"), None);
    }

    #[test]
    fn missing_version_of_data_names_its_package() {
        let error = postgres("main", Some(9), None).unwrap_err();
        assert!(
            error.to_string().contains("apt-get install postgresql-9"),
            "{error}"
        );
        assert!(error.is_environment());
    }
}
