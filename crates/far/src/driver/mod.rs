//! The release driver: what a release changes on AWS, and how it is followed to its end.
//!
//! Decisions are pure and have no feature: what a revision is ([`definition`]), who moves a
//! release ([`native`]), what is remembered ([`record`]), what a site is ([`site`]), how core's
//! machine and ECS meet ([`weights`]). With the feature `aws` comes what calls AWS.
//! Invariant: everything that a release needs after its client is lost is in the record.

#[cfg(feature = "aws")]
pub mod account;
#[cfg(feature = "aws")]
mod act;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
mod back;
pub mod definition;
#[cfg(feature = "aws")]
mod deploy;
pub mod facts;
pub mod figures;
#[cfg(feature = "aws")]
mod follow_native;
#[cfg(feature = "aws")]
mod follow_weights;
#[cfg(feature = "aws")]
mod jobs;
#[cfg(feature = "aws")]
mod look;
pub mod native;
pub mod outcome;
pub mod places;
pub mod plugin;
#[cfg(feature = "aws")]
pub mod preflight;
pub mod record;
#[cfg(feature = "aws")]
pub mod secrets;
#[cfg(feature = "aws")]
pub mod session;
#[cfg(feature = "aws")]
pub mod sessions;
pub mod site;
#[cfg(feature = "aws")]
pub mod site_folder;
#[cfg(feature = "aws")]
pub mod site_keep;
#[cfg(feature = "aws")]
mod sites;
pub mod trouble;
pub mod weights;
