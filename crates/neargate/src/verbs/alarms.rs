//! `neargate alarms`: where the alarms stand, and why.

use std::process::ExitCode;

use neargate_near::api::wire::AlarmRecord;

use crate::arguments::Flags;
use crate::client::Client;
use crate::failure::Failure;
use crate::{output, project};

/// Lists the alarms.
pub async fn run(flags: &Flags) -> Result<ExitCode, Failure> {
    let client = Client::connect(&project::state(flags)?).await?;
    let alarms: Vec<AlarmRecord> = client.get("/v1/alarms").await?;
    show(flags, &alarms);
    for name in unwatched(flags, &alarms) {
        output::note(&format!(
            "alarm `{name}` of the manifest is not watched yet: `neargate up` brings alarms, a deploy does not"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Alarms that the manifest has and the engine does not.
fn unwatched(flags: &Flags, alarms: &[AlarmRecord]) -> Vec<String> {
    let Ok((_, loaded)) = project::load(flags) else {
        return Vec::new();
    };
    let of_manifest = loaded.manifest.alarms.into_keys();
    of_manifest
        .filter(|name| alarms.iter().all(|known| known.name != *name))
        .collect()
}

/// Shows alarms.
pub fn show(flags: &Flags, alarms: &[AlarmRecord]) {
    if flags.json {
        output::json(&alarms);
        return;
    }
    for alarm in alarms {
        let standing = &alarm.standing;
        output::line(&format!(
            "{:<20} {:<18} {}",
            alarm.name,
            standing.state.to_string(),
            standing.reason
        ));
    }
    if alarms.is_empty() {
        output::note("no alarm is watched");
    }
}
