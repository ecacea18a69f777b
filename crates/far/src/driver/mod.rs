//! The release driver: what a release changes on AWS, and how it is followed to its end.
//!
//! Decisions are pure and have no feature: what a revision is ([`definition`]), who moves a
//! release ([`crate::ecs_strategy`]), what is remembered ([`record`]), what a site is ([`site_revision`]); what a release
//! does next is decided by core's machine. With the feature `aws` comes what calls AWS: `deploy` and `operations` begin
//! a release (`release_start`), `release_loop` drives it: it observes the capacity (`capacity_observer`), asks the machine
//! by `release_journal`, and makes the call that the journal asks for (`capacity_executor`, `release_jobs`).
//! Invariant: everything that a release needs after its client is lost is in the record.

#[cfg(feature = "aws")]
pub mod account_checks;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
mod capacity_executor;
#[cfg(feature = "aws")]
mod capacity_observer;
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
pub mod finding;
#[cfg(feature = "aws")]
mod jobs;
#[cfg(feature = "aws")]
mod operations;
#[cfg(feature = "aws")]
pub mod preflight;
pub mod record;
#[cfg(feature = "aws")]
mod release_jobs;
#[cfg(feature = "aws")]
mod release_journal;
#[cfg(feature = "aws")]
mod release_loop;
#[cfg(feature = "aws")]
mod release_start;
pub mod secret_stores;
#[cfg(feature = "aws")]
pub mod secrets;
pub mod session_manager_plugin;
#[cfg(feature = "aws")]
mod shifted_groups;
#[cfg(feature = "aws")]
pub mod site_files;
mod site_files_error;
#[cfg(feature = "aws")]
mod site_release;
#[cfg(feature = "aws")]
pub mod site_retention;
pub mod site_revision;
#[cfg(feature = "aws")]
mod status;
pub mod terraform_outputs;
