//! The manifest, from text to model.

mod example;
mod loading;
mod planning;
mod properties;
