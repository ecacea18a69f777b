//! Far: the same manifest on AWS ECS Fargate.
//!
//! This crate will render Terraform inputs from a checked manifest and drive releases over
//! the AWS API with the release machine of `neargate-core`. Nothing of it is built yet: the
//! manifest's AWS fields are parsed and checked by core, and `neargate check` accepts
//! `target = "aws"`, but every command that would need this crate says that it is not
//! available in this version and ends with exit code 1.
