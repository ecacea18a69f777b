//! `neargate check`: everything that is wrong with the manifest.

use std::process::ExitCode;

use neargate_core::command_exit::CommandExit;
use neargate_core::model::DeploymentTarget;
use neargate_near::descriptors::{self, TaskCountBasis};

use crate::arguments::GlobalFlags;
use crate::failure::Failure;
use crate::{artifacts, output, prerequisites, project, site_files};

/// Checks; exit 2 when there are errors.
pub(crate) fn run(flags: &GlobalFlags) -> Result<ExitCode, Failure> {
    let looked = project::load(flags).and_then(|(path, loaded)| {
        let loaded = site_files::missing_pages(&project::folder(&path), None, loaded)?;
        Ok((path, loaded))
    });
    let (path, loaded) = match looked {
        Ok(looked) => looked,
        Err(Failure::Manifest(diagnostics)) if flags.json => {
            output::json(&serde_json::json!({ "ok": false, "diagnostics": diagnostics.to_json() }));
            return Ok(CommandExit::Usage.into());
        }
        Err(failure) => return Err(failure),
    };
    let notes = match loaded.manifest.target {
        DeploymentTarget::Near => {
            let (root, state) = (project::folder(&path), project::state(flags)?);
            let mut notes = artifacts::require_usable(&root, &state.path(), &loaded.manifest)?;
            let shortfall = descriptors::shortfall(&loaded.manifest, TaskCountBasis::Most);
            notes.extend(shortfall);
            notes.extend(prerequisites::secrets_to_set(&state, &loaded.manifest));
            notes
        }
        DeploymentTarget::Aws { .. } => Vec::new(),
    };
    if flags.json {
        output::json(&serde_json::json!({
            "ok": true,
            "notes": notes,
            "diagnostics": loaded.warnings.to_json(),
            "not_acted_on": loaded.not_acted_on,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    if !loaded.warnings.is_empty() {
        output::diagnostics(&loaded.warnings);
    }
    let place = match &loaded.manifest.target {
        DeploymentTarget::Near => "near yet",
        DeploymentTarget::Aws { .. } => "on AWS",
    };
    for gap in &loaded.not_acted_on {
        output::note(&format!("not acted on {place}: {gap}"));
    }
    notes.iter().for_each(|note| output::note(note));
    output::line(&format!(
        "{} has no errors (environment `{}`)",
        path.display(),
        loaded.manifest.env
    ));
    Ok(ExitCode::SUCCESS)
}
