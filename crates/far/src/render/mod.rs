//! From a [`Stack`] to a Terraform root module, in `infra/ENV/`.
//!
//! Invariant: the same stack gives the same bytes; every `.tf` file is HCL that
//! `terraform fmt` leaves as it is. A file that people changed is never overwritten unless they
//! say so ([`folder`]).

mod data;
mod files;
pub mod folder;
mod hcl;
mod modules;
mod observability;
mod platform;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use crate::stack::Stack;
use hcl::{Block, HclValue, is};

/// The files of an environment, by path below its folder.
pub type Files = BTreeMap<String, String>;

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file that no HCL parser takes: a bug.
    #[error("{0} would not be HCL")]
    NotHcl(&'static str, #[source] Box<hcl_edit::parser::Error>),
    /// Values that are not JSON, such as a number that is none.
    #[error("terraform.tfvars.json cannot be written")]
    Json(#[from] serde_json::Error),
}

/// Renders everything: the root module, its values, and the modules that it calls.
///
/// # Errors
/// [`RenderError`] only when there is a bug here.
pub fn render(stack: &Stack) -> Result<Files, RenderError> {
    let calls = calls(stack);
    let used: BTreeSet<&str> = calls.iter().map(|(module, _)| *module).collect();
    let blocks: Vec<Block> = std::iter::once(platform::locals(stack))
        .chain(calls.iter().map(|(_, block)| block.clone()))
        .collect();
    let mut files = Files::new();
    for (name, blocks) in [
        ("main.tf", blocks),
        ("variables.tf", files::variables(stack)),
        ("outputs.tf", files::outputs(stack)),
        ("driver.tf", files::driver(stack)),
        ("versions.tf", files::versions(stack)),
        ("backend.tf", files::backend(stack)),
    ] {
        let text = format!("{}\n\n{}", files::header(stack), hcl::file(&blocks));
        hcl::is_hcl(&text).map_err(|error| RenderError::NotHcl(name, Box::new(error)))?;
        files.insert(name.to_owned(), text);
    }
    let values = serde_json::to_string_pretty(&files::values(stack))?;
    files.insert("terraform.tfvars.json".to_owned(), values + "\n");
    files.insert(".gitignore".to_owned(), files::IGNORED.to_owned());
    for (path, text) in modules::MODULES {
        if used.contains(path.split('/').next().unwrap_or_default()) {
            files.insert(format!("modules/{path}"), (*text).to_owned());
        }
    }
    Ok(files)
}

/// Calls of modules, each with the module's name, in the order of the file.
fn calls(stack: &Stack) -> Vec<(&'static str, Block)> {
    let mut all = vec![
        ("secrets", platform::secrets(stack)),
        ("network", platform::network(stack)),
    ];
    let front = &stack.front;
    if let Some(balancer) = &front.balancer {
        all.push(("balancer", platform::balancer(stack, *balancer)));
    }
    if let Some(gateway) = &front.gateway {
        all.push(("gateway", platform::gateway(gateway)));
    }
    if let Some(edge) = &front.edge {
        all.push(("edge", platform::edge(stack, edge)));
    }
    all.push(("cluster", platform::cluster(stack)));
    let services = stack.services.iter();
    all.extend(services.map(|one| ("service", service::service(stack, one))));
    let jobs = stack.jobs.iter();
    all.extend(jobs.map(|one| ("schedule", service::job(one))));
    for one in &stack.databases {
        all.push(("database", data::password(one)));
        all.push(("database", data::database(stack, one)));
    }
    all.extend(stack.caches.iter().map(|one| ("cache", data::cache(one))));
    all.push(("observability", observability::observability(stack)));
    all
}

/// A call of a module.
fn call(name: &str, module: &str) -> Block {
    Block::new(format!("module \"{name}\""))
        .with("source", hcl::text(format!("./modules/{module}")))
        .gap()
}

/// The name of a part's module: no hyphens, which names of parts have and identifiers should not.
fn module(kind: &str, name: &str) -> String {
    format!("{kind}_{}", name.replace('-', "_"))
}

/// An output of a part's module.
fn output(kind: &str, name: &str, output: &str) -> HclValue {
    is(format!("module.{}.{output}", module(kind, name)))
}

/// The security groups of services, by their names.
fn groups(services: &[String]) -> HclValue {
    hcl::table(services.iter().map(|name| {
        let group = output("service", name, "security_group_id");
        (name.clone(), group)
    }))
}
