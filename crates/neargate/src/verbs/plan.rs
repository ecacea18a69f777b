//! `neargate plan`: what `up` would do.

use std::collections::BTreeMap;
use std::process::ExitCode;

use neargate_core::plan::{Observed, plan};
use neargate_near::snapshot;

use crate::arguments::Flags;
use crate::client::Client;
use crate::failure::Failure;
use crate::{output, project};

/// Compares the manifest with what runs; without an engine everything is new.
pub async fn run(flags: &Flags, exit_code: bool) -> Result<ExitCode, Failure> {
    let (path, manifest) = project::load_near(flags)?;
    let state = project::state(flags)?;
    let observed: Observed = match Client::connect(&state).await {
        Ok(client) => client.get("/v1/observed").await?,
        Err(_) => Observed::default(),
    };
    let root = path.parent().unwrap_or(&path);
    let mut digests = BTreeMap::new();
    for (name, service) in &manifest.services {
        if let Some(source) = snapshot::source(service) {
            // An artifact that is not built yet is one that differs.
            let digest = snapshot::digest_of(&state.artifacts(), &root.join(source), &state.path())
                .unwrap_or_else(|_| "not built".into());
            digests.insert(name.clone(), digest);
        }
    }
    let plan = plan(&manifest, &digests, &observed);
    if flags.json {
        output::json(&plan);
    } else {
        output::line(plan.to_string().trim_end());
    }
    Ok(if exit_code && !plan.is_empty() {
        ExitCode::from(10)
    } else {
        ExitCode::SUCCESS
    })
}
