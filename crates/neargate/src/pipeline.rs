//! Stages of the pipeline on this machine: what each runs, and how an image gets to its registry.

#[cfg(feature = "aws")]
mod deliver;
pub(crate) mod machine;
pub(crate) mod stage_runner;
