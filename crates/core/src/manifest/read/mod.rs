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

use super::model::{Audit, Edge, HttpCheck, Job, Manifest, Pipeline, Place, Work};
use super::shape::matcher;
use super::tree::Table;
use super::view::View;

/// Reads the model; `priorities` of routes that are not written stay 0.
pub(super) fn read(tree: &Table, env: &str) -> Manifest {
    let file = View(tree);
    Manifest {
        app: file.text_or_empty("app"),
        env: env.to_owned(),
        target: match file.text("target").as_deref() {
            Some("aws") => Place::Aws {
                region: file.text_or_empty("region"),
            },
            _ => Place::Near,
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

fn all<T>(file: View<'_>, key: &str, read: fn(&str, View<'_>) -> T) -> BTreeMap<String, T> {
    let named = file.named(key).into_iter();
    named
        .map(|(name, view)| (name.to_owned(), read(name, view)))
        .collect()
}

fn audit(view: View<'_>) -> Audit {
    let written = view.table("accept").into_iter();
    let reason = |accept: View<'_>| -> Vec<(String, String)> {
        let keys = accept.keys();
        keys.filter_map(|rule| Some((rule.to_owned(), accept.text(rule)?)))
            .collect()
    };
    Audit {
        accept: written.flat_map(reason).collect(),
    }
}

fn job(name: &str, view: View<'_>) -> Job {
    Job {
        name: name.to_owned(),
        service: view.text_or_empty("service"),
        work: match view.table("http") {
            Some(check) => Work::Http(http_check(check)),
            None => Work::Command(view.texts_or_none("command")),
        },
        timeout: view.duration_or_zero("timeout"),
        schedule: view.text("schedule"),
    }
}

fn http_check(view: View<'_>) -> HttpCheck {
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
            .flat_map(View::keys)
            .filter_map(pair)
            .collect(),
    }
}

fn edge(file: View<'_>, env: &str) -> Edge {
    let empty = Table::new();
    let view = file.table("edge").unwrap_or(View(&empty));
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

fn pipeline(file: View<'_>) -> Pipeline {
    let empty = Table::new();
    let view = file.table("pipeline").unwrap_or(View(&empty));
    Pipeline {
        test: view.text("test"),
        scan: view.text("scan"),
        base: view.text_or_empty("base"),
        install: view.text("install"),
        branch: view.text_or_empty("branch"),
        environments: view.texts_or_none("environments"),
    }
}
