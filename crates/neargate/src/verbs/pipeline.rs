//! `neargate pipeline`: workflows that test, build and release, and their stages here.

#[cfg(feature = "aws")]
mod deliver;
pub(crate) mod machine;
pub(crate) mod render;
pub(crate) mod run;
pub(crate) mod stage_runner;
