//! `neargate.toml`: text to a checked model, every problem reported at once.
//!
//! [`model`] is what the rest of Neargate sees; it is immutable, complete (defaults are
//! filled in) and legal (every value is one that AWS would take too).

pub mod model;
