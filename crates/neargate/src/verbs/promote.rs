//! `neargate promote`, `pause`, `resume`, `abort`: what a person says about a release.

use std::process::ExitCode;

use neargate_near::api::wire::{Accepted, ControlRequest, ControlWord};

use crate::arguments::GlobalFlags;
use crate::client::EngineClient;
use crate::failure::Failure;
use crate::{output, project};

/// Says it to the engine.
pub(crate) async fn run(
    flags: &GlobalFlags,
    service: &str,
    steer: ControlWord,
) -> Result<ExitCode, Failure> {
    let client = EngineClient::connect(&project::state(flags)?).await?;
    let known = client.known_service(service).await?;
    let body = ControlRequest {
        steer,
        by: project::user(),
    };
    let path = format!("/v1/services/{service}/steer");
    let accepted: Accepted = client.post(&path, &body).await?;
    if flags.json {
        output::json(&accepted);
    }
    let text = match steer {
        ControlWord::Promote => "takes its next step",
        ControlWord::PromoteFully => "takes all its steps",
        ControlWord::Pause => "is paused; continue with: neargate resume",
        ControlWord::Resume => "goes on",
        ControlWord::Abort => "goes back",
    };
    let paused = known.release.is_some_and(|release| release.paused);
    let over = match steer {
        ControlWord::Promote if paused => "; the pause is over: later steps follow the manifest",
        _ => "",
    };
    output::progress(service, &format!("the release {text}{over}"));
    Ok(ExitCode::SUCCESS)
}

/// Lets a release take its next step, or all of them.
pub(crate) async fn promote(
    flags: &GlobalFlags,
    service: &str,
    full: bool,
) -> Result<ExitCode, Failure> {
    let steer = if full {
        ControlWord::PromoteFully
    } else {
        ControlWord::Promote
    };
    run(flags, service, steer).await
}
