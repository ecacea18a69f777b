//! The manifest, from text to model.

pub(crate) mod example;
mod loading;
mod planning;
mod properties;
