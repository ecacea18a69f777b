//! Far: the same manifest on AWS ECS Fargate.
//!
//! [`stack`] is what an environment has on AWS, made from the checked manifest with every default
//! decided. Everything else here reads it. Terraform owns what lives long; a release never
//! changes what Terraform owns.
//!
//! The crate `neargate-aws` drives releases over the AWS API. This one calls nothing and compiles no AWS SDK.

pub mod cost;
pub mod digest;
pub mod ecs_strategy;
pub mod pipeline;
pub mod posture;
pub mod render;
pub mod stack;
pub mod terraform;
