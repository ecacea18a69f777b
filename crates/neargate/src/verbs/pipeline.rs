//! `neargate pipeline`: workflows that test, build and release, and their stages here.

#[cfg(feature = "aws")]
mod deliver;
pub mod machine;
pub mod render;
pub mod run;
pub mod stage_runner;
