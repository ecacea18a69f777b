//! The environment variables of a task: everything that it sees, and nothing of the engine's own.
//!
//! Invariant: a variable that Neargate injects wins over one of the same name in `env`; the
//! manifest check refuses such names, so this only matters for revisions of older manifests.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use neargate_core::manifest::model::{Service, Use};

/// What the variables are made of. Holds secrets.
pub struct Source<'a> {
    /// App name.
    pub app: &'a str,
    /// Environment name.
    pub env: &'a str,
    /// The revision's service.
    pub service: &'a Service,
    /// Revision number.
    pub revision: u32,
    /// Task id.
    pub task: &'a str,
    /// Port that the task must listen on.
    pub port: Option<u16>,
    /// URLs of databases by name.
    pub databases: &'a BTreeMap<String, String>,
    /// URLs of caches by name.
    pub caches: &'a BTreeMap<String, String>,
    /// Values of secrets by name.
    pub secrets: &'a BTreeMap<String, String>,
    /// Internal addresses of the other services by name.
    pub internal: &'a BTreeMap<String, SocketAddr>,
}

/// The variables of one task.
#[must_use]
pub fn variables(source: &Source<'_>) -> BTreeMap<String, String> {
    let mut variables = source.service.env.clone();
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

fn injected(source: &Source<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut first = |general: &str, specific: String, url: &String| {
        variables
            .entry(general.to_owned())
            .or_insert_with(|| url.clone());
        variables.insert(specific, url.clone());
    };
    for used in &source.service.uses {
        match used {
            Use::Database(name) => {
                if let Some(url) = source.databases.get(name) {
                    first("DATABASE_URL", format!("DATABASE_{}_URL", upper(name)), url);
                }
            }
            Use::Cache(name) => {
                if let Some(url) = source.caches.get(name) {
                    first("REDIS_URL", format!("REDIS_{}_URL", upper(name)), url);
                }
            }
            Use::Secret(_) => {}
        }
    }
    for used in &source.service.uses {
        if let Use::Secret(name) = used
            && let Some(value) = source.secrets.get(name)
        {
            variables.insert(upper(name), value.clone());
        }
    }
    variables
}

/// `session-key` as a variable name: `SESSION_KEY`.
#[must_use]
pub fn upper(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_sees_what_it_uses_and_where_it_is() {
        let service: Service = serde_json::from_value(serde_json::json!({
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
        .unwrap();
        let named = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let variables = variables(&Source {
            app: "notes",
            env: "local",
            service: &service,
            revision: 7,
            task: "api-r7-1",
            port: Some(20001),
            databases: &named("main", "postgres://x"),
            caches: &named("main", "redis://x"),
            secrets: &named("session-key", "s3cret"),
            internal: &BTreeMap::from([
                ("web".to_owned(), "127.0.0.1:20500".parse().unwrap()),
                ("api".to_owned(), "127.0.0.1:20501".parse().unwrap()),
            ]),
        });
        let expected = [
            ("DATABASE_MAIN_URL", "postgres://x"),
            ("DATABASE_URL", "postgres://x"),
            ("LOG", "info"),
            ("NEARGATE_APP", "notes"),
            ("NEARGATE_ENV", "local"),
            ("NEARGATE_REVISION", "7"),
            ("NEARGATE_SERVICE", "api"),
            ("NEARGATE_SERVICE_URL", "http://127.0.0.1:20501"),
            ("NEARGATE_TASK", "api-r7-1"),
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
}
