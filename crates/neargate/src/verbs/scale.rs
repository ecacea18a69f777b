//! `neargate scale`: change the number of tasks.

use std::process::ExitCode;

use neargate_core::status::ServiceKind;
use neargate_near::api::wire::{Accepted, ScaleRequest};

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::{output, project};

/// Asks for the counts; returns when they are accepted.
pub(crate) async fn run(flags: &GlobalFlags, counts: &[String]) -> Result<ExitCode, Failure> {
    let wanted = counts
        .iter()
        .map(|text| parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let client = EngineClient::connect(&project::state(flags)?).await?;
    // Nothing is changed when one of the names is wrong.
    for (service, _) in &wanted {
        if client.known_service(service).await?.kind == ServiceKind::Static {
            let words = format!("`{service}` is a static site: it has no tasks to scale");
            return Err(Failure::Usage(words));
        }
    }
    for (service, desired) in wanted {
        let accepted: Accepted = client
            .post(
                &format!("/v1/services/{service}/scale"),
                &ScaleRequest { desired },
            )
            .await?;
        if flags.json {
            output::json(&accepted);
        }
        output::progress(service, &format!("the desired count is {desired}"));
        accepted.notes.iter().for_each(|note| output::note(note));
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(text: &str) -> Result<(&str, u32), Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "`{text}` is not SERVICE=TASKS; write for example api=4"
        ))
    };
    let (service, count) = text.split_once('=').ok_or_else(wrong)?;
    Ok((service, count.parse().map_err(|_| wrong())?))
}
