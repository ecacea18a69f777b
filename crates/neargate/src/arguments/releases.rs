//! `neargate up`, `deploy` and `rollback` as clap reads them.

use clap::Args;
use neargate_core::ids::RevisionNumber;

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Return when every service is healthy
    #[arg(short, long)]
    pub detach: bool,
    /// Port of the edge. Default: edge.port of the manifest, else the app's present or last port,
    /// also after `down`; at first 8080
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Do not run the build steps
    #[arg(long)]
    pub no_build: bool,
    /// In the foreground, do not show the output of tasks
    #[arg(long)]
    pub no_logs: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    /// The service to release
    pub service: String,
    /// Replace a release of this service that is in progress
    #[arg(long)]
    pub supersede: bool,
    /// Make a new revision even if nothing changed: for code outside an artifact (ECS's
    /// force-new-deployment)
    #[arg(long, visible_alias = "force-new-deployment")]
    pub force: bool,
    /// Return once the release has begun
    #[arg(short, long)]
    pub detach: bool,
    /// Do not run the build step
    #[arg(long)]
    pub no_build: bool,
    /// On AWS, the container image to release; without it, deploy builds and pushes one
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The service; optional if only one has tasks
    pub service: Option<String>,
    /// The revision; without it, the newest stable one that is older than the one that serves and
    /// was not rolled back from
    #[arg(long, value_name = "REVISION")]
    pub to: Option<RevisionNumber>,
    /// Return once the release has begun
    #[arg(short, long)]
    pub detach: bool,
}
