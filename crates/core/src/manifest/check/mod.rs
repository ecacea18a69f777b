//! What the shape cannot say: values that depend on one another.
//!
//! Invariant: points at what is written; judges no value that was found wrong already.

mod aws;
mod command;
mod data;
mod jobs;
mod notify;
pub(super) mod priority;
mod references;
mod release;
mod routes;
mod service;
mod variables;
mod watch;

use super::diagnostic::{Diagnostic, Diagnostics, SourceSpan};
use super::toml_tree::{self, TomlTable, TomlValue};
use crate::model::{DeploymentTarget, Manifest};

/// The model, the tree that it was read from, and the problems so far.
pub(super) struct CheckContext<'a> {
    pub(super) manifest: &'a Manifest,
    /// With the defaults.
    pub(super) tree: &'a TomlTable,
    /// As the manifest writes it, without defaults.
    pub(super) written: &'a TomlTable,
    pub(super) out: &'a mut Diagnostics,
}

impl CheckContext<'_> {
    /// Where a value is written, or the nearest thing above it.
    fn at(&self, path: &[&str]) -> SourceSpan {
        toml_tree::place_of(self.tree, path)
    }

    /// Whether a value is written in the file, right or wrong.
    fn has(&self, path: &[&str]) -> bool {
        toml_tree::find(self.written, path).is_some()
    }

    /// The texts of a list and their positions, those that were found wrong left out.
    fn items(&self, path: &[&str]) -> Vec<(String, String)> {
        let Some(TomlValue::List(items)) = toml_tree::find(self.tree, path).map(|node| &node.value)
        else {
            return Vec::new();
        };
        let texts = items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| match &item.value {
                TomlValue::Text(text) => Some((i.to_string(), text.clone())),
                _ => None,
            });
        texts.collect()
    }

    /// Whether a value, if there is one, was not found wrong.
    fn sound(&self, path: &[&str]) -> bool {
        toml_tree::find(self.tree, path).is_none_or(|node| node.value != TomlValue::Wrong)
    }

    fn error(
        &mut self,
        code: &'static str,
        path: &[&str],
        message: String,
        help: impl Into<String>,
    ) {
        let at = self.at(path);
        self.out
            .push(Diagnostic::error(code, at, message).help(help));
    }

    fn warn(
        &mut self,
        code: &'static str,
        path: &[&str],
        message: String,
        help: impl Into<String>,
    ) {
        let at = self.at(path);
        self.out
            .push(Diagnostic::warning(code, at, message).help(help));
    }
}

impl CheckContext<'_> {
    /// A value that near takes and AWS refuses: an error for an environment on AWS, a warning
    /// otherwise.
    fn far_refuses(&mut self, path: &[&str], message: String, help: &str) {
        if matches!(self.manifest.target, DeploymentTarget::Aws { .. }) {
            self.error("out-of-range", path, message, help);
        } else {
            self.warn("near-only", path, format!("{message}: near only"), help);
        }
    }
}

/// Reports everything that does not fit together.
pub(super) fn check(case: &mut CheckContext<'_>) {
    let names: Vec<String> = case.manifest.services.keys().cloned().collect();
    for name in &names {
        service::check(case, name);
        release::check(case, name);
    }
    routes::check(case);
    references::check(case);
    jobs::check(case);
    command::check_jobs(case);
    data::check(case);
    watch::check(case);
    notify::check(case);
    aws::check(case);
    if case.manifest.target
        == (DeploymentTarget::Aws {
            region: String::new(),
        })
        && case.sound(&["region"])
    {
        let message = "`target` is aws, and `region` is not written".to_owned();
        case.error(
            "missing-key",
            &["target"],
            message,
            "add region = \"eu-central-1\"",
        );
    }
}
