//! The Terraform modules that the binary carries, as path and text.

/// Sorted by path; the first part of a path is the module.
pub(super) static MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));
