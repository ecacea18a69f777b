//! Services.

use std::collections::BTreeMap;

use crate::manifest::fargate;
use crate::manifest::schema::matcher;
use crate::manifest::toml_tree::{TomlTable, TomlValue};
use crate::manifest::typed_table::TypedTable;
use crate::model::{
    Balance, HealthCheck, Probe, Route, Scale, Service, Static, Sticky, TaskSize, UsedResource,
    Workload,
};

pub(super) fn service(name: &str, view: TypedTable<'_>) -> Service {
    let routes: Vec<Route> = view.tables("route").into_iter().map(route).collect();
    Service {
        name: name.to_owned(),
        build: view.table("build").and_then(|build| build.text("command")),
        artifact: view.text("artifact"),
        runs: runs(view),
        port: view.port("port"),
        size: size(view),
        health: health(view, !routes.is_empty()),
        routes,
        uses: view
            .texts_or_none("uses")
            .iter()
            .filter_map(|u| uses(u))
            .collect(),
        env: env(view),
        drain: view.duration_or_zero("drain"),
        stop_timeout: view.duration_or_zero("stop-timeout"),
        balance: match view.text("balance").as_deref() {
            Some("least-outstanding") => Balance::LeastOutstanding,
            Some("weighted-random") => Balance::WeightedRandom,
            _ => Balance::RoundRobin,
        },
        slow_start: view.duration_or_zero("slow-start"),
        sticky: view.table("sticky").map(|sticky| Sticky {
            duration: sticky.duration_or_zero("duration"),
            cookie: sticky.text("cookie"),
        }),
        idle_timeout: view.duration_or_zero("idle-timeout"),
        scale: scale(view),
        release: super::release::release(view),
    }
}

fn runs(view: TypedTable<'_>) -> Workload {
    if let Some(site) = view.table("static") {
        return Workload::Static(Static {
            root: site.text_or_empty("root"),
            index: site.text_or_empty("index"),
            fallback: site.text("fallback"),
            not_found: site.text("not-found"),
            cache: cache(site),
            keep: site.duration_or_zero("keep"),
        });
    }
    let build = view.table("build");
    let dockerfile = build.and_then(|build| build.text("dockerfile"));
    let image = view.text("image");
    if image.is_some() || dockerfile.is_some() {
        return Workload::Image {
            image,
            dockerfile,
            command: view.texts("command"),
        };
    }
    Workload::Command(view.texts_or_none("command"))
}

/// Longest pattern first: the tree keeps no order of keys, so length is what decides.
fn cache(site: TypedTable<'_>) -> Vec<(String, String)> {
    let mut cache: Vec<(String, String)> = texts(site, "cache").into_iter().collect();
    cache.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
    cache
}

fn texts(view: TypedTable<'_>, key: &str) -> BTreeMap<String, String> {
    let Some(table) = view.table(key) else {
        return BTreeMap::new();
    };
    let pair = |name: &str| table.text(name).map(|text| (name.to_owned(), text));
    table.keys().filter_map(pair).collect()
}

fn env(view: TypedTable<'_>) -> BTreeMap<String, String> {
    texts(view, "env")
}

pub(in crate::manifest) fn uses(text: &str) -> Option<UsedResource> {
    let (kind, name) = text.split_once('.')?;
    let name = name.to_owned();
    match kind {
        "database" => Some(UsedResource::Database(name)),
        "cache" => Some(UsedResource::Cache(name)),
        "secret" => Some(UsedResource::Secret(name)),
        _ => None,
    }
}

fn route(view: TypedTable<'_>) -> Route {
    let pairs = |key: &str| -> Vec<(String, Vec<String>)> {
        let Some(table) = view.table(key) else {
            return Vec::new();
        };
        table
            .keys()
            .map(|name| (name.to_owned(), table.texts_or_none(name)))
            .collect()
    };
    let any = |key: String| (key != "*").then_some(key);
    let query = pairs("query").into_iter().flat_map(|(key, values)| {
        values
            .into_iter()
            .map(move |value| (any(key.clone()), value))
    });
    Route {
        priority: view.whole("priority").unwrap_or_default(),
        host: view.texts_or_none("host"),
        path: view.texts_or_none("path"),
        method: view.texts_or_none("method"),
        header: pairs("header").into_iter().collect(),
        query: query.collect(),
        source: view.texts_or_none("source"),
    }
}

fn size(view: TypedTable<'_>) -> TaskSize {
    let size = view.table("size");
    let cpu = size.and_then(|size| size.whole("cpu")).unwrap_or_default();
    let memory = size.and_then(|size| size.whole("memory"));
    TaskSize {
        cpu,
        memory: memory
            .or_else(|| fargate::memory(cpu).first().copied())
            .unwrap_or_default(),
    }
}

fn health(view: TypedTable<'_>, routed: bool) -> Option<HealthCheck> {
    let site = view.has("static");
    let empty = TomlTable::new();
    let written = match view.node("health").map(|node| &node.value) {
        Some(TomlValue::Table(table)) => TypedTable(table),
        Some(_) => return None,
        None if routed && !site => TypedTable(&empty),
        None => return None,
    };
    let whole = |key, default| written.whole(key).unwrap_or(default);
    let seconds = |key, default| {
        let default = std::time::Duration::from_secs(default);
        written.duration(key).unwrap_or(default)
    };
    let matcher = written.text("matcher").and_then(|text| matcher(&text).ok());
    Some(HealthCheck {
        probe: match written.texts("command") {
            Some(command) => Probe::Command(command),
            None => Probe::Http {
                path: written.text("path").unwrap_or_else(|| "/".to_owned()),
                matcher: matcher.unwrap_or_else(|| vec![(200, 200)]),
            },
        },
        // The same numbers as the shape's defaults, for a service that writes no `health`.
        interval: seconds("interval", 30),
        timeout: seconds("timeout", 5),
        healthy: whole("healthy", 5),
        unhealthy: whole("unhealthy", 2),
        grace: seconds("grace", 0),
    })
}

fn scale(view: TypedTable<'_>) -> Scale {
    let empty = TomlTable::new();
    let scale = view.table("scale").unwrap_or(TypedTable(&empty));
    let min = scale.whole("min").unwrap_or_default();
    Scale {
        min,
        max: scale.whole("max").unwrap_or(min),
        cpu: scale.number("cpu"),
        memory: scale.number("memory"),
        requests: scale.number("requests"),
        in_cooldown: scale.duration_or_zero("in-cooldown"),
        out_cooldown: scale.duration_or_zero("out-cooldown"),
    }
}
