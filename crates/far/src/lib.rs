//! Far: the same manifest on AWS ECS Fargate.
//!
//! [`stack`] is what an environment has on AWS, made from the checked manifest with every default
//! decided. Everything else here reads it. Terraform owns what lives long; a release never
//! changes what Terraform owns.

pub mod cost;
pub mod pipeline;
pub mod render;
pub mod stack;
pub mod terraform;
