//! Metric math: `100 * errors / FILL(requests, 0)`.
//!
//! Invariant: what parses can be evaluated: kinds (number, series, array of series) are checked
//! while parsing, and every error names the column. Missing points behave as CloudWatch's do: 0 in
//! arithmetic and comparison when only one side has a point; a division by zero gives no point.
//! Refuses more than [`MOST_CHARACTERS`], more than [`MOST_DEPTH`] levels, `SEARCH`, and what
//! needs more than one account.

mod apply;
mod evaluate;
mod expression;
mod expression_value;
mod function;
mod lex;
mod math_error;
mod parse;
mod signature;

pub use expression::{Expression, ExpressionKind, ExpressionNode, Operator};
pub use expression_value::{DataPoints, ExpressionInputs, ExpressionValue};
pub use function::{Function, Word};
pub use lex::id_places;
pub use math_error::MathError;
pub use parse::{MOST_CHARACTERS, MOST_DEPTH};
