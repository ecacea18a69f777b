//! From the filled tree to the model.
//!
//! Invariant: every value is what the tree says; nothing is judged here. Refuses nothing.

mod aws;
mod data;
mod release;
mod service;
mod watch;

pub(super) use service::uses;

use std::collections::BTreeMap;

use super::schema::matcher;
use super::toml_tree::TomlTable;
use super::typed_table::TypedTable;
use crate::model::{
    Audit, DeploymentTarget, Edge, HttpCheck, Job, JobWork, Manifest, Pipeline, WrittenAddress,
};

/// Reads the model; `priorities` of routes that are not written stay 0.
pub(super) fn read(tree: &TomlTable, env: &str) -> Manifest {
    let file = TypedTable(tree);
    Manifest {
        app: file.text_or_empty("app"),
        env: env.to_owned(),
        target: match file.text("target").as_deref() {
            Some("aws") => DeploymentTarget::Aws {
                region: file.text_or_empty("region"),
            },
            _ => DeploymentTarget::Near,
        },
        services: all(file, "service", service::service),
        jobs: all(file, "job", job),
        databases: all(file, "database", data::database),
        caches: all(file, "cache", data::cache),
        secrets: all(file, "secret", data::secret),
        alarms: all(file, "alarm", watch::alarm),
        slos: all(file, "slo", watch::slo),
        notify: all(file, "notify", watch::notify),
        edge: edge(file, env),
        pipeline: pipeline(file),
        aws: file.table("aws").map(aws::aws).unwrap_or_default(),
        audit: file.table("audit").map(audit).unwrap_or_default(),
    }
}

fn all<T>(
    file: TypedTable<'_>,
    key: &str,
    read: fn(&str, TypedTable<'_>) -> T,
) -> BTreeMap<String, T> {
    let named = file.named(key).into_iter();
    named
        .map(|(name, view)| (name.to_owned(), read(name, view)))
        .collect()
}

fn audit(view: TypedTable<'_>) -> Audit {
    let written = view.table("accept").into_iter();
    let reason = |accept: TypedTable<'_>| -> Vec<(String, String)> {
        let keys = accept.keys();
        keys.filter_map(|rule| Some((rule.to_owned(), accept.text(rule)?)))
            .collect()
    };
    Audit {
        accept: written.flat_map(reason).collect(),
    }
}

fn job(name: &str, view: TypedTable<'_>) -> Job {
    Job {
        name: name.to_owned(),
        service: view.text_or_empty("service"),
        work: match view.table("http") {
            Some(check) => JobWork::Http(http_check(check)),
            None => JobWork::Command(view.texts_or_none("command")),
        },
        timeout: view.duration_or_zero("timeout"),
        schedule: view.text("schedule"),
    }
}

fn http_check(view: TypedTable<'_>) -> HttpCheck {
    let headers = view.table("headers");
    let pair = |name: &str| Some((name.to_owned(), headers?.text(name)?));
    HttpCheck {
        path: view.text_or_empty("path"),
        status: matcher(&view.text_or_empty("status")).unwrap_or_default(),
        timeout: view.duration_or_zero("timeout"),
        attempts: view.whole("attempts").unwrap_or_default(),
        host: view.text("host"),
        headers: headers
            .into_iter()
            .flat_map(TypedTable::keys)
            .filter_map(pair)
            .collect(),
    }
}

fn edge(file: TypedTable<'_>, env: &str) -> Edge {
    let empty = TomlTable::new();
    let view = file.table("edge").unwrap_or(TypedTable(&empty));
    Edge {
        address: view.text_or_empty("address"),
        port: view.port("port").unwrap_or_default(),
        expose: view.flag("expose").unwrap_or(env == "local"),
        trusted: view.texts_or_none("trusted"),
        domains: view.texts_or_none("domains"),
        https: view.flag("https").unwrap_or_default(),
        waf: view
            .table("waf")
            .and_then(|waf| waf.flag("enabled"))
            .unwrap_or_default(),
        waf_rules: view.table("waf").map(aws::waf).unwrap_or_default(),
    }
}

/// Parts of the edge's address that are written, before the defaults are filled in.
pub(super) fn written_address(written: &TomlTable) -> WrittenAddress {
    let edge = TypedTable(written).table("edge");
    WrittenAddress {
        address: edge.is_some_and(|edge| edge.text("address").is_some()),
        port: edge.is_some_and(|edge| edge.port("port").is_some()),
    }
}

fn pipeline(file: TypedTable<'_>) -> Pipeline {
    let empty = TomlTable::new();
    let view = file.table("pipeline").unwrap_or(TypedTable(&empty));
    Pipeline {
        test: view.text("test"),
        scan: view.text("scan"),
        base: view.text_or_empty("base"),
        install: view.text("install"),
        branch: view.text_or_empty("branch"),
        environments: view.texts_or_none("environments"),
    }
}
