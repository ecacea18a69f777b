//! The command line against moto's server: verbs with `-e prod`. See docs/far.md for what that
//! shows and what not.
//!
//! Without `moto_server` each test says so and passes. `session-manager-plugin` and `psql` are
//! stand-ins that write down how they were started.
#![cfg(feature = "aws")]

#[path = "../moto/mod.rs"]
mod moto;
mod verbs;
mod world;
