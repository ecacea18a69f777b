//! Settings, from the environment and nowhere else.
//!
//! Invariant: a `Config` is complete and valid. A start with missing or malformed variables is
//! refused with one message that names every one of them, so nobody fixes them one by one.
//! Refuses: configuration files, command-line settings, secrets shorter than 16 characters.

use std::net::IpAddr;

use crate::fault::Fault;
use crate::log::{Identity, Level};

/// Everything that `notes serve` needs.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Address to listen on (`HOST`, default loopback).
    pub host: IpAddr,
    /// Port to listen on (`PORT`).
    pub port: u16,
    /// URL of PostgreSQL, `postgres://…` (`DATABASE_URL`).
    pub database_url: String,
    /// Connections of this task to the database (`NOTES_DB_CONNECTIONS`, default 5).
    pub database_connections: u32,
    /// URL of Redis or Valkey, `redis://…` (`REDIS_URL`).
    pub redis_url: String,
    /// Key that signs cursors and hides client addresses (`SESSION`).
    pub session: String,
    /// Requests that one client may send (`NOTES_RATE_LIMIT`, default `10000/s`).
    pub rate: Option<Rate>,
    /// Faults to rehearse (`NOTES_FAULT`).
    pub faults: Vec<Fault>,
    /// Revision, task and banner for logs and `/api/info`.
    pub identity: Identity,
}

/// A token bucket's size and speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// Most tokens that a client can hold.
    pub burst: u32,
    /// Tokens that come back each second.
    pub per_second: f64,
}

/// Everything that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("cannot start:{}", list(.problems))]
pub(crate) struct ConfigError {
    /// One line each.
    pub problems: Vec<String>,
}

fn list(problems: &[String]) -> String {
    problems.iter().map(|p| format!("\n  - {p}")).collect()
}

/// Reads variables and collects what is wrong with them.
struct Reader<F> {
    get: F,
    problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn required(&mut self, name: &str, meaning: &str) -> String {
        match (self.get)(name).filter(|value| !value.is_empty()) {
            Some(value) => value,
            None => {
                self.problems.push(format!("{name} is missing ({meaning})"));
                String::new()
            }
        }
    }

    fn optional<T>(
        &mut self,
        name: &str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let Some(text) = (self.get)(name).filter(|value| !value.is_empty()) else {
            return default;
        };
        parse(&text).unwrap_or_else(|problem| {
            self.problems.push(format!("{name}: {problem}"));
            default
        })
    }

    fn port(&mut self) -> u16 {
        let text = self.required("PORT", "the port to listen on");
        match text.parse() {
            Ok(port) => port,
            Err(_) if text.is_empty() => 0,
            Err(_) => {
                self.problems
                    .push(format!("PORT: `{text}` is not a port number"));
                0
            }
        }
    }

    fn url(&mut self, name: &str, meaning: &str, schemes: &[&str]) -> String {
        let text = self.required(name, meaning);
        if !text.is_empty() && !schemes.iter().any(|scheme| text.starts_with(scheme)) {
            // The value holds a password: the message says what it must look like, not what it is.
            self.problems
                .push(format!("{name}: must start with {}", schemes.join(" or ")));
        }
        text
    }

    fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }
}

const POSTGRES: &[&str] = &["postgres://", "postgresql://"];
const REDIS: &[&str] = &["redis://", "redis+unix://", "unix://"];

impl Config {
    /// Reads the settings of `notes serve` through `get`.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader {
            get,
            problems: Vec::new(),
        };
        let port = from.port();
        let database_url = from.url("DATABASE_URL", "the PostgreSQL database", POSTGRES);
        let redis_url = from.url("REDIS_URL", "the Redis cache", REDIS);
        let session = from.required("SESSION", "the secret that signs cursors");
        if !session.is_empty() && session.len() < 16 {
            from.problems
                .push("SESSION: a secret has at least 16 characters".to_owned());
        }
        let config = Self {
            host: from.optional("HOST", IpAddr::from([127, 0, 0, 1]), |text| {
                text.parse()
                    .map_err(|_| format!("`{text}` is not an IP address"))
            }),
            port,
            database_url,
            database_connections: from.optional("NOTES_DB_CONNECTIONS", 5, parse_connections),
            redis_url,
            session,
            rate: from.optional("NOTES_RATE_LIMIT", Some(DEFAULT_RATE), parse_rate),
            faults: from.optional("NOTES_FAULT", Vec::new(), parse_faults),
            identity: identity(&mut from),
        };
        from.finish(config)
    }
}

/// Settings of `notes migrate`.
#[derive(Debug, Clone)]
pub(crate) struct MigrateConfig {
    /// URL of PostgreSQL, `postgres://…` (`DATABASE_URL`).
    pub database_url: String,
    /// Faults to rehearse; only `migrate-fail` matters here.
    pub faults: Vec<Fault>,
    /// Revision and task for logs.
    pub identity: Identity,
}

impl MigrateConfig {
    /// Reads the settings of `notes migrate` through `get`.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut from = Reader {
            get,
            problems: Vec::new(),
        };
        let config = Self {
            database_url: from.url("DATABASE_URL", "the PostgreSQL database", POSTGRES),
            faults: from.optional("NOTES_FAULT", Vec::new(), parse_faults),
            identity: identity(&mut from),
        };
        from.finish(config)
    }
}

fn identity<F: Fn(&str) -> Option<String>>(from: &mut Reader<F>) -> Identity {
    let plain = |name: &str| (from.get)(name).unwrap_or_default();
    Identity {
        revision: plain("NEARGATE_REVISION"),
        task: plain("NEARGATE_TASK"),
        banner: plain("NOTES_BANNER").chars().take(200).collect(),
        level: from.optional("LOG", Level::Info, |text| {
            Level::parse(text)
                .ok_or_else(|| format!("`{text}` is none of debug, info, warn, error"))
        }),
    }
}

const DEFAULT_RATE: Rate = Rate {
    burst: 10_000,
    per_second: 10_000.0,
};

fn parse_connections(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=100).contains(count))
        .ok_or_else(|| format!("`{text}` is not a number from 1 to 100"))
}

fn parse_faults(text: &str) -> Result<Vec<Fault>, String> {
    crate::fault::parse(text).map_err(|error| error.to_string())
}

/// `100/s`, `600/m` or `off`; a client may save up as much as one such period allows.
fn parse_rate(text: &str) -> Result<Option<Rate>, String> {
    if text == "off" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is none of the forms 100/s, 600/m, off");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let burst: u32 = count
        .parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(wrong()),
    };
    Ok(Some(Rate {
        burst,
        per_second: f64::from(burst) / seconds,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("3000".into()),
            "DATABASE_URL" => Some("postgres://u:p@localhost/notes".into()),
            "REDIS_URL" => Some("redis://localhost".into()),
            "SESSION" => Some("0123456789abcdef".into()),
            _ => None,
        }
    }

    #[test]
    fn a_complete_environment_is_accepted_with_defaults() {
        let config = Config::read(complete).expect("complete");
        assert!(config.host.is_loopback());
        assert_eq!(config.rate, Some(DEFAULT_RATE));
    }

    #[test]
    fn every_missing_variable_is_named_at_once() {
        let error = Config::read(|_| None)
            .expect_err("nothing is set")
            .to_string();
        for name in ["PORT", "DATABASE_URL", "REDIS_URL", "SESSION"] {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn malformed_values_are_named_without_showing_secrets() {
        let error = Config::read(|name| match name {
            "PORT" => Some("http".into()),
            "DATABASE_URL" => Some("mysql://root:hunter2@db".into()),
            "SESSION" => Some("short".into()),
            "NOTES_RATE_LIMIT" => Some("many".into()),
            "LOG" => Some("loud".into()),
            other => complete(other),
        })
        .expect_err("malformed")
        .to_string();
        for part in [
            "PORT: `http`",
            "DATABASE_URL: must",
            "SESSION:",
            "100/s, 600/m, off",
            "`loud`",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn rates_have_three_forms() {
        let rate = |burst, per_second| Some(Rate { burst, per_second });
        assert_eq!(parse_rate("100/s"), Ok(rate(100, 100.0)));
        assert_eq!(parse_rate("600/m"), Ok(rate(600, 10.0)));
        assert_eq!(parse_rate("off"), Ok(None));
        for wrong in ["", "100", "0/s", "5/h", "-1/s"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }
}
