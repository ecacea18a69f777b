//! `neargate pipeline`: workflows that test, build and release, and their stages here.

mod act;
mod machine;
pub mod render;
pub mod run;
