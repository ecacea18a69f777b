//! What the shape cannot say: values that depend on one another.
//!
//! Invariant: points at what is written; judges no value that was found wrong already.

pub(super) mod priority;
