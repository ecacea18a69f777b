//! The release driver: what a release changes on AWS, and how it is followed to its end.
//!
//! Decisions are pure: what a revision is ([`definition`]), who moves a
//! release ([`neargate_far::ecs_strategy`]), what is remembered ([`record`]), what a site is ([`site_revision`]); what a release
//! does next is decided by core's machine. The rest calls AWS: `deploy` and `operations` begin
//! a release (`release_start`), `release_loop` drives it: it observes the capacity (`capacity_observer`), asks the machine
//! by `release_journal`, and makes the call that the journal asks for (`capacity_executor`, `release_jobs`).
//! Invariant: everything that a release needs after its client is lost is in the record.

pub mod account_checks;
pub mod api;
mod capacity_executor;
mod capacity_observer;
pub mod definition;
mod deploy;
pub mod deployment_status;
pub mod environment;
pub mod error;
pub mod exec;
pub mod figures;
mod jobs;
mod operations;
pub mod preflight;
pub mod record;
mod release_jobs;
mod release_journal;
mod release_loop;
mod release_start;
pub mod secret_stores;
pub mod secrets;
pub mod session_manager_plugin;
mod shifted_groups;
pub mod site_files;
mod site_files_error;
mod site_release;
pub mod site_retention;
pub mod site_revision;
mod status;
pub mod terraform_outputs;
