//! GitHub's workflows, and the same stages as commands for any machine.
//!
//! Purpose: from the environments of one manifest that are on AWS, the four workflows that
//! check, build, release and watch them; and, for one environment, what each stage runs.
//! Invariant: pure and deterministic; the workflows hold no secret and no long-lived key; what
//! people wrote in the manifest never becomes an expression of GitHub's or a word of a shell
//! that they did not write themselves. Refuses: names of folders and files that need quoting,
//! and texts with `${{`.

mod checksum;
mod deploy;
mod drift;
mod infrastructure;
mod migrate;
mod names;
mod notify;
pub mod stage;
mod steps;
mod yaml;

use std::collections::BTreeMap;

use neargate_core::model::{Manifest, Service, WebhookAddress, Workload};
use thiserror::Error;

pub use checksum::{FileChange, change};
pub use names::{Registry, account_variable, is_account};

/// Why there are no workflows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PipelineError {
    /// Nothing to release.
    #[error("no environment of this manifest is on AWS: write one with `target = \"aws\"`")]
    NoEnvironment,
    /// An environment that is in the list, but not on AWS.
    #[error("environment `{env}` is not on AWS")]
    NotOnAws { env: String },
    /// A folder or file that would have to be quoted in scripts.
    #[error(
        "`{path}` cannot stand in a workflow: rename it with letters, digits, `.`, `_` and `-`"
    )]
    Path {
        /// The path as the manifest writes it.
        path: String,
    },
    /// A text that GitHub would evaluate.
    #[error("{key} holds `${{{{`, which GitHub would evaluate: put it into a script and call that")]
    Expression {
        /// The manifest's key.
        key: String,
    },
    /// One build serves all environments, and they ask for different ones.
    #[error(
        "environments `{one}` and `{other}` build service `{service}` differently: a pipeline builds \
         once for all; write `build`, `artifact`, `image` and `aws.architecture` outside `[env.NAME]`"
    )]
    Differs {
        /// Name of the first environment.
        one: String,
        /// Name of the one that differs from it.
        other: String,
        service: String,
    },
}

/// Source of the workflows: the app in each of its environments.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineApp {
    environments: Vec<Manifest>,
    folder: String,
    file: String,
}

impl PipelineApp {
    /// `environments` in the order in which they are released; `folder` of the manifest, below
    /// the repository's own (empty: that one); `file` is the manifest's name.
    ///
    /// # Errors
    /// Whatever a workflow could not say, or could only say wrong.
    pub fn new(
        environments: Vec<Manifest>,
        folder: &str,
        file: &str,
    ) -> Result<Self, PipelineError> {
        let first = environments.first().ok_or(PipelineError::NoEnvironment)?;
        for manifest in &environments {
            names::region(manifest)?;
            same_build(first, manifest)?;
            for notify in manifest.notify.values() {
                if let WebhookAddress::Url(url) = &notify.to {
                    no_expression(&format!("`notify.{}.url`", notify.name), url)?;
                }
            }
        }
        for job in environments.iter().flat_map(|m| m.jobs.values()) {
            for word in job.command() {
                no_expression(&format!("`job.{}.command`", job.name), word)?;
            }
        }
        if let Some(install) = &first.pipeline.install {
            no_expression("`pipeline.install`", install)?;
        }
        Ok(Self {
            folder: names::path(folder)?,
            file: names::path(file)?,
            environments,
        })
    }

    fn name(&self) -> &str {
        self.environments.first().map_or("", |first| &first.app)
    }

    fn last(&self) -> Option<&Manifest> {
        self.environments.last()
    }

    /// Services whose image the pipeline builds.
    fn built(&self) -> Vec<&Service> {
        let services = self.last().map(|last| last.services.values());
        services
            .into_iter()
            .flatten()
            .filter(|s| is_built(s))
            .collect()
    }
}

/// Whether the pipeline makes a service's image: from a Dockerfile, or from its artifact.
#[must_use]
pub fn is_built(service: &Service) -> bool {
    match &service.runs {
        Workload::Command(_) => service.artifact.is_some(),
        Workload::Image { dockerfile, .. } => dockerfile.is_some(),
        Workload::Static(_) => false,
    }
}

fn no_expression(key: &str, text: &str) -> Result<(), PipelineError> {
    if text.contains("${{") {
        let key = key.to_owned();
        return Err(PipelineError::Expression { key });
    }
    Ok(())
}

fn same_build(one: &Manifest, other: &Manifest) -> Result<(), PipelineError> {
    for (name, service) in &other.services {
        let Some(first) = one.services.get(name) else {
            continue;
        };
        let same = first.runs == service.runs
            && first.build == service.build
            && first.artifact == service.artifact
            && one.aws.architecture == other.aws.architecture;
        if !same && (is_built(first) || is_built(service)) {
            return Err(PipelineError::Differs {
                one: one.env.clone(),
                other: other.env.clone(),
                service: name.clone(),
            });
        }
    }
    Ok(())
}

/// The workflows by file name; `None`: this app needs no such workflow.
#[must_use]
pub fn workflows(app: &PipelineApp) -> BTreeMap<String, Option<String>> {
    let name = |what: &str| {
        if app.folder.is_empty() {
            format!("neargate-{what}.yml")
        } else {
            // Several apps of one repository have workflows beside each other.
            format!("neargate-{}-{what}.yml", app.name())
        }
    };
    let sealed = |pairs: Vec<(String, yaml::YamlNode)>| checksum::seal(&yaml::document(&pairs));
    BTreeMap::from([
        (
            name("infrastructure"),
            Some(sealed(infrastructure::workflow(app))),
        ),
        (name("deploy"), Some(sealed(deploy::workflow(app)))),
        (name("migrate"), migrate::workflow(app).map(sealed)),
        (name("drift"), Some(sealed(drift::workflow(app)))),
    ])
}
