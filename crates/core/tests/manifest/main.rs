//! The manifest, from text to model.

pub mod example;
mod loading;
mod planning;
mod properties;
