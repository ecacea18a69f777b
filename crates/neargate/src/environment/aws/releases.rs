//! Releases on AWS: this command drives them, from the image to the end.

use neargate_aws::environment::Driver;
use neargate_core::model::Workload;
use neargate_core::release_report::ReleaseResult;
use neargate_core::status_words::OutcomeName;
use neargate_far::pipeline::is_built;

use crate::arguments::{DeployArguments, GlobalFlags, RollbackArguments};
use crate::environment::ReleaseEnd;
use crate::failure::Failure;
use crate::pipeline::stage_runner::StageRunner;
use crate::{output, project};

/// Refuses the options of a deploy that AWS has no counterpart of, before anything is called.
pub(super) fn require_deploy_options(options: &DeployArguments) -> Result<(), Failure> {
    if options.supersede {
        return Err(Failure::Usage(
            "no release on AWS can be superseded: run `neargate abort SERVICE -e ENV` first"
                .to_owned(),
        ));
    }
    if options.force {
        return Err(Failure::Usage(
            "--force is for services that run here without an artifact; on AWS a deploy releases an image: --image"
                .to_owned(),
        ));
    }
    require_attached(options.detach)
}

/// Refuses `--detach`: without this command nobody drives the release.
pub(super) fn require_attached(detach: bool) -> Result<(), Failure> {
    match detach {
        false => Ok(()),
        true => Err(Failure::Usage(
            "on AWS deploy follows the release; Ctrl-C leaves it, and the next deploy resumes it"
                .to_owned(),
        )),
    }
}

/// Checks, builds, pushes and releases.
pub(super) async fn deploy(
    driver: &Driver,
    flags: &GlobalFlags,
    options: &DeployArguments,
) -> Result<ReleaseEnd, Failure> {
    let service = options.service.as_str();
    let prepared = driver.prepare(service).await?;
    let image = match &options.image {
        Some(image) => given_image(driver, flags, service, image)?,
        None => {
            let repository = || Ok(prepared.repository()?.map(str::to_owned));
            built_image(driver, flags, service, repository, !options.no_build)?
        }
    };
    let result = driver.release(&prepared, image.as_deref()).await?;
    Ok(ended(flags, result))
}

/// Returns to an earlier revision, or aborts the release in progress.
pub(super) async fn rollback(
    driver: &Driver,
    flags: &GlobalFlags,
    options: &RollbackArguments,
) -> Result<ReleaseEnd, Failure> {
    let service = match &options.service {
        Some(name) => name.clone(),
        None => only_service(driver).await?,
    };
    Ok(ended(flags, driver.rollback(&service, options.to).await?))
}

fn ended(flags: &GlobalFlags, result: ReleaseResult) -> ReleaseEnd {
    if !flags.json && result.outcome == OutcomeName::Done {
        output::progress(&result.service, &result.reason);
    }
    ReleaseEnd::Ended(vec![result])
}

/// The image of a service that is built here, pushed; `None`: there is none to build. The files
/// of a static site are built too.
fn built_image(
    driver: &Driver,
    flags: &GlobalFlags,
    service: &str,
    repository: impl FnOnce() -> Result<Option<String>, Failure>,
    build: bool,
) -> Result<Option<String>, Failure> {
    let Some(spec) = driver.manifest().services.get(service) else {
        return Ok(None);
    };
    let path = project::find(flags)?;
    if let (Workload::Static(_), true) = (&spec.runs, build) {
        return project::build(&path, std::iter::once(spec)).map(|()| None);
    }
    if !is_built(spec) {
        return match &spec.runs {
            Workload::Image {
                image: Some(image), ..
            } => given_image(driver, flags, service, image),
            _ => Ok(None),
        };
    }
    let Some(repository) = repository()? else {
        return Ok(None);
    };
    let runner = StageRunner::new(flags, &path, driver.manifest())?;
    runner.deliver(spec, &repository, build).map(Some)
}

/// An image of others, when it fits.
fn given_image(
    driver: &Driver,
    flags: &GlobalFlags,
    service: &str,
    image: &str,
) -> Result<Option<String>, Failure> {
    let path = project::find(flags)?;
    let runner = StageRunner::new(flags, &path, driver.manifest())?;
    runner.check_given(service, image)?;
    Ok(Some(image.to_owned()))
}

async fn only_service(driver: &Driver) -> Result<String, Failure> {
    let status = driver.status().await?;
    match status.only_service_with_tasks() {
        Some(only) => Ok(only.to_owned()),
        None => Err(Failure::Usage(
            "name the service: neargate rollback SERVICE -e ENV".to_owned(),
        )),
    }
}
