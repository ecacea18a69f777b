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
    Ok(ExitCode::SUCCESS)
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
        output::note("the manifest has no alarms");
    }
}
