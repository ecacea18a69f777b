//! Far: the same manifest on AWS ECS Fargate.
//!
//! [`stack`] is what an environment has on AWS, made from the checked manifest with every default
//! decided. Everything else here reads it. Terraform owns what lives long; a release never
//! changes what Terraform owns.
//!
//! [`driver`] drives releases over the AWS API: by ECS's own strategies, or by listener weights
//! with the release machine of `neargate-core`. It needs the feature `aws`; without it there are
//! only its decisions, and no AWS SDK is compiled.

pub mod cost;
mod digest;
pub mod driver;
pub mod ecs_strategy;
pub mod pipeline;
pub mod posture;
pub mod render;
pub mod stack;
pub mod terraform;
