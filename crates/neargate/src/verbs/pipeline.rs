//! `neargate pipeline`: workflows that test, build and release, and their stages here.

pub mod act;
#[cfg(feature = "aws")]
mod deliver;
pub mod machine;
pub mod render;
pub mod run;
