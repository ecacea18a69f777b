//! `neargate plan`: what `up` would do.

use std::process::ExitCode;

use neargate_core::command_exit::CommandExit;
use neargate_core::plan::{PlanContext, RunningEnvironment, plan};
use neargate_near::{engine, snapshot};

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::{artifacts, output, prerequisites, project};

/// Compares the manifest with what runs, or with what starts again when no engine runs.
pub(crate) async fn run(flags: &GlobalFlags, exit_code: bool) -> Result<ExitCode, Failure> {
    project::require_own_environment(flags, flags.env())?;
    let (path, manifest) = project::load_near(flags, None)?;
    let state = project::state(flags)?;
    project::require_readable(&state)?;
    project::require_own_app(&manifest, &state)?;
    let mut notes = artifacts::require_usable(&project::folder(&path), &state.path(), &manifest)?;
    notes.extend(prerequisites::secrets_to_set(&state, &manifest));
    notes.iter().for_each(|note| output::note(note));
    let observed: RunningEnvironment = match EngineClient::connect(&state).await {
        Ok(client) => client.get("/v1/observed").await?,
        Err(_) => engine::observed_at_rest(&state).map_err(Failure::Engine)?,
    };
    let root = path.parent().unwrap_or(&path);
    // As `up` writes it down.
    let mut surroundings = PlanContext {
        root: root.display().to_string(),
        ..PlanContext::default()
    };
    for (name, service) in &manifest.services {
        if let Some(source) = snapshot::source(service) {
            // An artifact that is not built yet is one that differs.
            let digest = snapshot::digest_of(&state.artifacts(), &root.join(source), &state.path())
                .unwrap_or_else(|_| "not built".into());
            surroundings.digests.insert(name.clone(), digest);
        }
    }
    let plan = plan(&manifest, &surroundings, &observed);
    if flags.json {
        output::json(&plan);
    } else {
        output::line(plan.to_string().trim_end());
    }
    Ok(if exit_code && !plan.is_empty() {
        CommandExit::Changes.into()
    } else {
        ExitCode::SUCCESS
    })
}
