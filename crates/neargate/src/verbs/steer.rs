//! `neargate promote`, `pause`, `resume`, `abort`: what a person says about a release.

use std::process::ExitCode;

use neargate_near::api::wire::{Accepted, Steered, Steering};

use crate::arguments::Flags;
use crate::client::Client;
use crate::failure::Failure;
use crate::{output, project};

/// Says it to the engine.
pub async fn run(flags: &Flags, service: &str, steer: Steered) -> Result<ExitCode, Failure> {
    let client = Client::connect(&project::state(flags)?).await?;
    client.known_service(service).await?;
    let body = Steering {
        steer,
        by: project::user(),
    };
    let path = format!("/v1/services/{service}/steer");
    let accepted: Accepted = client.post(&path, &body).await?;
    if flags.json {
        output::json(&accepted);
    }
    let text = match steer {
        Steered::Promote => "takes its next step",
        Steered::PromoteFully => "takes all its steps",
        Steered::Pause => "is paused; go on with: neargate resume",
        Steered::Resume => "goes on",
        Steered::Abort => "goes back",
    };
    output::progress(service, &format!("the release {text}"));
    Ok(ExitCode::SUCCESS)
}

/// Lets a release take its next step, or all of them.
pub async fn promote(flags: &Flags, service: &str, full: bool) -> Result<ExitCode, Failure> {
    let steer = if full {
        Steered::PromoteFully
    } else {
        Steered::Promote
    };
    run(flags, service, steer).await
}
