//! Far: the same manifest on AWS ECS Fargate.
//!
//! This crate renders what AWS needs from a checked manifest. So far that is the pipeline:
//! GitHub's workflows and the stages that they call. Rendering for Terraform and the release
//! driver come beside it; until then every command that would need them says that it is not
//! available in this version and ends with exit code 1.

pub mod pipeline;
