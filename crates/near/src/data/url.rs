//! URLs of data services, with and without their password.
//!
//! Invariant: what [`redacted`] hands back holds no password: not in the authority, not in
//! the query.

use neargate_core::secret::SecretValue;

/// The scheme that every client takes: SQLAlchemy refuses `postgres://`, which others take too.
const SCHEME: &str = "postgresql://";

/// Parts of a URL as the variables that `libpq` reads when it gets no URL: `PGHOST`, `PGPORT`,
/// `PGUSER`, `PGPASSWORD`, `PGDATABASE`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PostgresVariables {
    pub host: String,
    pub port: String,
    pub user: String,
    pub password: String,
    pub database: String,
    /// `PGSSLMODE`; empty: the URL says nothing.
    pub ssl_mode: String,
}

/// A database's URL with the scheme that every client takes; another one stays as it is.
#[must_use]
pub fn taken_by_all(url: &str) -> String {
    match url.strip_prefix("postgres://") {
        Some(rest) => format!("{SCHEME}{rest}"),
        None => url.to_owned(),
    }
}

/// The parts of a PostgreSQL URL of one host; `None`: it is another, or names several.
#[must_use]
pub fn parts(url: &str) -> Option<PostgresVariables> {
    let rest = taken_by_all(url);
    let rest = rest.strip_prefix(SCHEME)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    if host.contains(',') {
        return None;
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host, "5432"),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let pair = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    Some(PostgresVariables {
        host: decoded(host)?,
        port: port.to_owned(),
        user: decoded(user)?,
        password: decoded(password)?,
        database: decoded(database)?,
        ssl_mode: decoded(pair("sslmode").unwrap_or_default())?,
    })
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// URL of a role's database on 127.0.0.1, its parts percent-encoded.
#[must_use]
pub(super) fn postgres(role: &str, password: &str, port: u16, database: &str) -> SecretValue {
    let (role, database) = (encoded(role), encoded(database));
    let password = encoded(password);
    SecretValue::new(format!(
        "{SCHEME}{role}:{password}@127.0.0.1:{port}/{database}"
    ))
}

/// URL of database 0 of a Redis on 127.0.0.1, its password percent-encoded.
#[must_use]
pub(super) fn redis(password: &str, port: u16) -> SecretValue {
    SecretValue::new(format!("redis://:{}@127.0.0.1:{port}/0", encoded(password)))
}

/// The URL with `***` for every password in it.
#[must_use]
pub fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        None => authority.to_owned(),
        Some((user, host)) => match user.split_once(':') {
            None => authority.to_owned(),
            Some((user, _)) => format!("{user}:***@{host}"),
        },
    };
    let tail = match tail.split_once('?') {
        None => tail.to_owned(),
        Some((path, query)) => {
            let pairs: Vec<String> = query.split('&').map(pair).collect();
            format!("{path}?{}", pairs.join("&"))
        }
    };
    if scheme.is_empty() {
        format!("{authority}{tail}")
    } else {
        format!("{scheme}://{authority}{tail}")
    }
}

fn pair(text: &str) -> String {
    match text.split_once('=') {
        Some((key, _)) if key.to_ascii_lowercase().contains("pass") => format!("{key}=***"),
        _ => text.to_owned(),
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_hold_what_clients_need() {
        let text = |value: SecretValue| value.expose_text().unwrap().to_owned();
        assert_eq!(
            text(postgres("my app", "a/b", 31000, "notes")),
            "postgresql://my%20app:a%2Fb@127.0.0.1:31000/notes"
        );
        assert_eq!(text(redis("pw", 31001)), "redis://:pw@127.0.0.1:31001/0");
    }

    #[test]
    fn a_url_has_the_parts_that_clients_without_a_url_read() {
        let read = |url: &str| {
            let p = parts(url)?;
            Some([p.host, p.port, p.user, p.password, p.database, p.ssl_mode])
        };
        for (url, expected) in [
            (
                "postgres://my%20app:a%2Fb%40@127.0.0.1:31000/notes",
                ["127.0.0.1", "31000", "my app", "a/b@", "notes", ""],
            ),
            (
                "postgresql://u@db.example/x?a=b&sslmode=require",
                ["db.example", "5432", "u", "", "x", "require"],
            ),
            (
                "postgresql://[::1]:5433/x",
                ["::1", "5433", "", "", "x", ""],
            ),
        ] {
            assert_eq!(read(url), Some(expected.map(str::to_owned)), "{url}");
        }
        assert_eq!(read("postgresql://a,b/x"), None);
        assert_eq!(read("mysql://a/x"), None);
        assert_eq!(taken_by_all("postgres://a/x"), "postgresql://a/x");
        assert_eq!(taken_by_all("mysql://a/x"), "mysql://a/x");
    }

    #[test]
    fn passwords_are_taken_out_wherever_they_stand() {
        let table = [
            ("postgres://u:p@h:1/d", "postgres://u:***@h:1/d"),
            ("postgres://u:p@x@h/d", "postgres://u:***@h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            (
                "postgres://h/d?user=u&password=p",
                "postgres://h/d?user=u&password=***",
            ),
            (
                "postgres://h?sslPassword=p&a=b",
                "postgres://h?sslPassword=***&a=b",
            ),
            ("redis://:p@h:6379/0", "redis://:***@h:6379/0"),
            ("redis://h", "redis://h"),
            ("u:p@h", "u:***@h"),
        ];
        for (url, expected) in table {
            assert_eq!(redacted(url), expected);
        }
    }
}
