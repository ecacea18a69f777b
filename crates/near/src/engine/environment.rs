//! The environment variables of a task: everything that it sees, and nothing of the engine's own.
//!
//! Invariant: a variable that Neargate injects wins over one of the same name in `env`; the
//! manifest check refuses such names, so this only matters for revisions of older manifests. The
//! locale and what `libpq` reads are only there where `env` does not say otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use neargate_core::ids::RevisionNumber;
use neargate_core::model::{Service, UsedResource};

use crate::data;

/// The locale of a task, as official images set it: without one, Ruby, Perl, Java and older
/// Pythons take text for ASCII.
const LOCALE: (&str, &str) = ("LANG", "C.UTF-8");
/// How clients connect to a server of ours when nobody says: it is on loopback. libpq's own `prefer` is
/// not what all clients take it for: node-postgres then insists on a certificate that it can verify.
const SSL_MODE: &str = "disable";

/// Parts from which the variables are made. Holds secrets.
pub(super) struct VariableSources<'a> {
    pub app: &'a str,
    pub env: &'a str,
    /// The revision's service.
    pub service: &'a Service,
    pub revision: RevisionNumber,
    pub task: &'a str,
    /// Port that the task must listen on.
    pub port: Option<u16>,
    /// URLs of databases by name.
    pub databases: &'a BTreeMap<String, String>,
    /// Names of the databases whose servers are ours.
    pub own_databases: &'a BTreeSet<String>,
    /// URLs of caches by name.
    pub caches: &'a BTreeMap<String, String>,
    /// Values of secrets by name.
    pub secrets: &'a BTreeMap<String, String>,
    /// Internal addresses of the other services by name.
    pub internal: &'a BTreeMap<String, SocketAddr>,
}

/// The variables of one task.
#[must_use]
pub(super) fn variables(source: &VariableSources<'_>) -> BTreeMap<String, String> {
    let mut variables = source.service.env.clone();
    let (lang, utf_8) = LOCALE;
    let otherwise = [(lang.to_owned(), utf_8.to_owned())].into_iter();
    for (name, value) in otherwise.chain(for_libpq(source)) {
        variables.entry(name).or_insert(value);
    }
    variables.extend(injected(source));
    for (name, address) in source.internal {
        let key = if *name == source.service.name {
            // For smoke jobs: with the header `X-Neargate-Revision` it reaches one revision.
            "NEARGATE_SERVICE_URL".to_owned()
        } else {
            format!("{}_URL", upper(name))
        };
        variables.insert(key, format!("http://{address}"));
    }
    for (key, value) in [
        ("NEARGATE_APP", source.app),
        ("NEARGATE_ENV", source.env),
        ("NEARGATE_SERVICE", &source.service.name),
        ("NEARGATE_TASK", source.task),
    ] {
        variables.insert(key.to_owned(), value.to_owned());
    }
    variables.insert("NEARGATE_REVISION".to_owned(), source.revision.to_string());
    if let Some(port) = source.port {
        variables.insert("PORT".to_owned(), port.to_string());
    }
    variables
}

fn injected(source: &VariableSources<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut first = |general: &str, specific: String, url: &String| {
        variables
            .entry(general.to_owned())
            .or_insert_with(|| url.clone());
        variables.insert(specific, url.clone());
    };
    for used in &source.service.uses {
        match used {
            UsedResource::Database(name) => {
                if let Some(url) = source.databases.get(name) {
                    let url = data::taken_by_all(url);
                    first(
                        "DATABASE_URL",
                        format!("DATABASE_{}_URL", upper(name)),
                        &url,
                    );
                }
            }
            UsedResource::Cache(name) => {
                if let Some(url) = source.caches.get(name) {
                    first("REDIS_URL", format!("REDIS_{}_URL", upper(name)), url);
                }
            }
            UsedResource::Secret(_) => {}
        }
    }
    for used in &source.service.uses {
        if let UsedResource::Secret(name) = used
            && let Some(value) = source.secrets.get(name)
        {
            variables.insert(upper(name), value.clone());
        }
    }
    variables
}

/// The database of `DATABASE_URL` for clients that read no URL. None of them where `env` names a
/// server of its own: our password is not for that one.
fn for_libpq(source: &VariableSources<'_>) -> Vec<(String, String)> {
    let uses = source.service.uses.iter();
    let mut databases = uses.filter_map(|used| match used {
        UsedResource::Database(name) => Some((name, source.databases.get(name)?)),
        _ => None,
    });
    let own = ["PGHOST", "PGHOSTADDR", "PGSERVICE"];
    let elsewhere = own
        .iter()
        .any(|name| source.service.env.contains_key(*name));
    let first = databases.next().filter(|_| !elsewhere);
    let Some((own, parts)) = first
        .and_then(|(name, url)| Some((source.own_databases.contains(name), data::parts(url)?)))
    else {
        return Vec::new();
    };
    let ssl_mode = match parts.ssl_mode.as_str() {
        "" if own => SSL_MODE.to_owned(),
        _ => parts.ssl_mode,
    };
    [
        ("PGHOST", parts.host),
        ("PGPORT", parts.port),
        ("PGUSER", parts.user),
        ("PGPASSWORD", parts.password),
        ("PGDATABASE", parts.database),
        ("PGSSLMODE", ssl_mode),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// `session-key` as a variable name: `SESSION_KEY`.
#[must_use]
pub(super) fn upper(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        serde_json::from_value(serde_json::json!({
            "name": "api", "build": null, "artifact": null, "runs": {"command": ["api"]}, "port": 3000,
            "routes": [], "size": {"cpu": 256, "memory": 512}, "health": null,
            "uses": [{"database": "main"}, {"cache": "main"}, {"secret": "session-key"}],
            "env": {"LOG": "info"}, "drain": "30s", "stop_timeout": "30s", "balance": "round-robin",
            "slow_start": "0s", "idle_timeout": "1m",
            "scale": {"min": 1, "max": 1, "cpu": null, "memory": null, "requests": null,
                "in_cooldown": "5m", "out_cooldown": "5m"},
            "release": {"strategy": {"kind": "rolling"}, "minimum_percent": 100, "maximum_percent": 200,
                "guard": [], "low_traffic": "hold", "before": [], "smoke": [], "after": [],
                "on_rollback": [], "approve": false, "breaker": null}
        }))
        .unwrap()
    }

    #[test]
    fn a_task_sees_what_it_uses_and_where_it_is() {
        let service = service();
        let named = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let variables = variables(&VariableSources {
            app: "notes",
            env: "local",
            service: &service,
            revision: RevisionNumber(7),
            task: "api-r7-1",
            port: Some(20001),
            databases: &named("main", "postgres://u:p%2F@h:31000/d"),
            own_databases: &BTreeSet::from(["main".to_owned()]),
            caches: &named("main", "redis://x"),
            secrets: &named("session-key", "s3cret"),
            internal: &BTreeMap::from([
                ("web".to_owned(), "127.0.0.1:20500".parse().unwrap()),
                ("api".to_owned(), "127.0.0.1:20501".parse().unwrap()),
            ]),
        });
        let expected = [
            ("DATABASE_MAIN_URL", "postgresql://u:p%2F@h:31000/d"),
            ("DATABASE_URL", "postgresql://u:p%2F@h:31000/d"),
            ("LANG", "C.UTF-8"),
            ("LOG", "info"),
            ("NEARGATE_APP", "notes"),
            ("NEARGATE_ENV", "local"),
            ("NEARGATE_REVISION", "7"),
            ("NEARGATE_SERVICE", "api"),
            ("NEARGATE_SERVICE_URL", "http://127.0.0.1:20501"),
            ("NEARGATE_TASK", "api-r7-1"),
            ("PGDATABASE", "d"),
            ("PGHOST", "h"),
            ("PGPASSWORD", "p/"),
            ("PGPORT", "31000"),
            ("PGSSLMODE", "disable"),
            ("PGUSER", "u"),
            ("PORT", "20001"),
            ("REDIS_MAIN_URL", "redis://x"),
            ("REDIS_URL", "redis://x"),
            ("SESSION_KEY", "s3cret"),
            ("WEB_URL", "http://127.0.0.1:20500"),
        ];
        assert_eq!(
            variables
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn what_the_manifest_says_of_locale_and_server_holds() {
        let none = BTreeMap::new();
        let databases = BTreeMap::from([
            ("main".to_owned(), "postgresql://u:p@h/d".to_owned()),
            ("other".to_owned(), "postgresql://u:p@other/d".to_owned()),
        ]);
        let mut service = service();
        service
            .uses
            .insert(1, UsedResource::Database("other".to_owned()));
        let told = |service: &Service, name: &str| {
            variables(&VariableSources {
                app: "notes",
                env: "local",
                service,
                revision: RevisionNumber(7),
                task: "api-r7-1",
                port: None,
                databases: &databases,
                own_databases: &BTreeSet::new(),
                caches: &none,
                secrets: &none,
                internal: &BTreeMap::new(),
            })
            .remove(name)
        };
        // Of several databases the first is meant, as in DATABASE_URL.
        assert_eq!(told(&service, "PGHOST").as_deref(), Some("h"));
        // Of the server of somebody else it is the client's own matter.
        assert_eq!(told(&service, "PGSSLMODE"), None);
        let mut set = |name: &str, value: &str| {
            service.env.insert(name.to_owned(), value.to_owned());
        };
        set("LANG", "de_DE.UTF-8");
        set("PGSSLMODE", "require");
        assert_eq!(told(&service, "LANG").as_deref(), Some("de_DE.UTF-8"));
        assert_eq!(told(&service, "PGSSLMODE").as_deref(), Some("require"));
        service.env.insert("PGHOST".to_owned(), "mine".to_owned());
        assert_eq!(told(&service, "PGHOST").as_deref(), Some("mine"));
        assert_eq!(told(&service, "PGPASSWORD"), None);
    }
}
