//! Where an expression is wrong, and what should be there.

/// Where an expression is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {expected} is expected{}", .column + 1, before(.found))]
pub struct MathError {
    /// Byte offset in the text, from 0 (the message counts from 1).
    pub column: usize,
    /// Token or type that should be there.
    pub expected: String,
    /// Text that is there; empty at the end of the text.
    pub found: String,
}

fn before(found: &str) -> String {
    if found.is_empty() {
        return " before the end".to_owned();
    }
    format!(", not `{found}`")
}

impl MathError {
    pub(super) fn new(column: usize, expected: &str, found: &str) -> Self {
        Self {
            column,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}
