//! The release machine over capacities that others provide: two ECS services, ECS's deployments, a site's files.
//!
//! The world obeys each call and no more. In the seeded runs clients are lost at every point, AWS shows effects
//! late, tasks fail, deployments end as they like, people abort; whatever happens, a release ends with one revision.

mod releases;
mod seeds;
mod world;
