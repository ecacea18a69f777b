//! The release driver: what a release changes on AWS, and how it is followed to its end.
//!
//! Decisions are pure and have no feature: what a revision is ([`definition`]), who moves a
//! release ([`crate::ecs_strategy`]), what is remembered ([`record`]), what a site is ([`site_revision`]), how core's
//! machine and ECS meet ([`weighted_plan`]). With the feature `aws` comes what calls AWS.
//! Invariant: everything that a release needs after its client is lost is in the record.

#[cfg(feature = "aws")]
pub mod account_checks;
#[cfg(feature = "aws")]
pub mod aws;
pub mod definition;
#[cfg(feature = "aws")]
mod deploy;
pub mod deployment_status;
#[cfg(feature = "aws")]
pub mod environment;
pub mod error;
#[cfg(feature = "aws")]
pub mod exec;
pub mod figures;
#[cfg(feature = "aws")]
mod jobs;
#[cfg(feature = "aws")]
mod native_release;
#[cfg(feature = "aws")]
mod native_rollback;
#[cfg(feature = "aws")]
mod operations;
#[cfg(feature = "aws")]
pub mod preflight;
pub mod record;
pub mod secret_stores;
#[cfg(feature = "aws")]
pub mod secrets;
pub mod session_manager_plugin;
#[cfg(feature = "aws")]
pub mod site_files;
#[cfg(feature = "aws")]
mod site_release;
#[cfg(feature = "aws")]
pub mod site_retention;
pub mod site_revision;
#[cfg(feature = "aws")]
mod status;
pub mod terraform_outputs;
pub mod weighted_plan;
#[cfg(feature = "aws")]
mod weighted_release;
