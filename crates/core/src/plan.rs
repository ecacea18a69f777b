//! The plan: a checked model and the observed state to an ordered list of operations.
