//! Far: the same manifest on AWS ECS Fargate.
//!
//! [`driver`] drives releases over the AWS API: by ECS's own strategies, or by listener weights
//! with the release machine of `neargate-core`. It needs the feature `aws`; without it there are
//! only its decisions, and no AWS SDK is compiled.

pub mod driver;
