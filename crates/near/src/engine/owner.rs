//! Whose a state directory is, and where its edge was, by what its engine wrote down; no engine needs to run.

use neargate_core::model::{Edge, Manifest};

use super::DEFINITION;
use crate::api::wire::{EnvironmentDefinition, Problem};
use crate::journal;
use crate::paths::StateDir;

/// The app and the environment that a state directory belongs to; nothing when no app was up in it.
#[must_use]
pub fn owner(state: &StateDir) -> Option<(String, String)> {
    let manifest = asked_for(state)?;
    Some((manifest.app, manifest.env))
}

/// The edge of the app that is or was up in a state directory: it stays where it is.
#[must_use]
pub fn edge(state: &StateDir) -> Option<Edge> {
    Some(asked_for(state)?.edge)
}

/// The manifest that was asked for last.
fn asked_for(state: &StateDir) -> Option<Manifest> {
    let text = journal::read_meta(&state.database(), DEFINITION)?;
    let definition: EnvironmentDefinition = serde_json::from_str(&text).ok()?;
    Some(definition.manifest)
}

/// Why a manifest has nothing to do in a state directory; nothing when it is its own or nobody's.
#[must_use]
pub fn another_app(manifest: &Manifest, state: &StateDir) -> Option<Problem> {
    let (app, env) = owner(state)?;
    let other = (app.as_str(), env.as_str()) != (manifest.app.as_str(), manifest.env.as_str());
    other.then(|| belongs_to_another(&describe(&app, &env), manifest))
}

/// Whose state directory it is when this manifest is up in it, in words.
pub(super) fn of_manifest(manifest: &Manifest) -> String {
    describe(&manifest.app, &manifest.env)
}

/// Whose a state directory is, in words.
fn describe(app: &str, env: &str) -> String {
    format!("app `{app}`, environment `{env}`")
}

/// A manifest that is not the one of the state directory's owner.
pub(super) fn belongs_to_another(claimed: &str, manifest: &Manifest) -> Problem {
    let own = of_manifest(manifest);
    Problem::usage(format!(
        "this state directory belongs to {claimed}, not to {own}"
    ))
    .with_help(
        "put the old name back; or end it and remove its data, under the old name: \
         neargate down --purge; or give each app a state directory of its own: --state-dir",
    )
}
