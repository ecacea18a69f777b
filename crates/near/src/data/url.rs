//! URLs of data services, with and without their password.
//!
//! Invariant: what [`redacted`] hands back holds no password: not in the authority, not in
//! the query.

use crate::secrets::SecretValue;

/// `postgres://notes:…@127.0.0.1:31000/notes`
#[must_use]
pub fn postgres(role: &str, password: &str, port: u16, database: &str) -> SecretValue {
    let (role, database) = (encoded(role), encoded(database));
    let password = encoded(password);
    SecretValue::new(format!(
        "postgres://{role}:{password}@127.0.0.1:{port}/{database}"
    ))
}

/// `redis://:…@127.0.0.1:31001/0`
#[must_use]
pub fn redis(password: &str, port: u16) -> SecretValue {
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
            "postgres://my%20app:a%2Fb@127.0.0.1:31000/notes"
        );
        assert_eq!(text(redis("pw", 31001)), "redis://:pw@127.0.0.1:31001/0");
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
