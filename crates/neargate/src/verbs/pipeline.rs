//! `neargate pipeline`: workflows that test, build and release, and their stages here.

pub(crate) mod render;
pub(crate) mod run;
