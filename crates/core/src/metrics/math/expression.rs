//! The tree of an expression and its text.
//!
//! Invariant: the text of a tree parses to the same tree.

use std::collections::BTreeSet;
use std::fmt;

use super::function::{Function, Word};

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    pub(super) root: ExpressionNode,
    pub(super) kind: ExpressionKind,
}

/// Type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionKind {
    /// A single number.
    Scalar,
    /// One time series.
    Series,
    /// Several time series.
    Array,
}

impl fmt::Display for ExpressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "a number",
            Self::Series => "a time series",
            Self::Array => "several time series",
        })
    }
}

/// One node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpressionNode {
    /// A number, not negative.
    Number(f64),
    /// Id of a metric, `m1`.
    Id(String),
    /// The text that `METRICS` searches for.
    Text(String),
    /// A word such as `REPEAT`.
    Word(Word),
    /// The negated operand.
    Minus(Box<ExpressionNode>),
    /// An operator and its operands, left and right.
    Binary(Operator, Box<ExpressionNode>, Box<ExpressionNode>),
    /// A function with its arguments.
    Call(Function, Vec<ExpressionNode>),
}

/// An operator between two operands; comparisons, `AND` (`&&`) and `OR` (`||`) give 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    AtMost,
    AtLeast,
    Less,
    Greater,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// The left operand to the power of the right one.
    Power,
}

impl Operator {
    /// How tightly it binds: 1 (`OR`) to 7 (`^`); unary minus is [`MINUS`].
    pub(super) fn binding(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal
            | Self::NotEqual
            | Self::AtMost
            | Self::AtLeast
            | Self::Less
            | Self::Greater => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide => 5,
            Self::Power => 7,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
        }
    }
}

/// How tightly unary minus binds: below `^`, above `*`.
pub(super) const MINUS: u8 = 6;

impl Expression {
    /// Type of its value.
    #[must_use]
    pub fn kind(&self) -> ExpressionKind {
        self.kind
    }

    #[must_use]
    pub fn node(&self) -> &ExpressionNode {
        &self.root
    }

    /// The metrics that it names, in order of their names.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<&str> {
        let mut ids = BTreeSet::new();
        self.root.visit(&mut |node| {
            if let ExpressionNode::Id(id) = node {
                ids.insert(id.as_str());
            }
        });
        ids
    }

    /// Whether it asks for all metrics there are, with `METRICS()`.
    #[must_use]
    pub fn asks_for_all(&self) -> bool {
        let mut all = false;
        self.root.visit(&mut |node| {
            all |= matches!(node, ExpressionNode::Call(Function::Metrics, _));
        });
        all
    }
}

impl ExpressionNode {
    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        match self {
            Self::Number(_) | Self::Id(_) | Self::Text(_) | Self::Word(_) => {}
            Self::Minus(inner) => inner.visit(see),
            Self::Binary(_, left, right) => {
                left.visit(see);
                right.visit(see);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|node| node.visit(see)),
        }
    }

    fn binding(&self) -> u8 {
        match self {
            Self::Binary(operator, ..) => operator.binding(),
            Self::Minus(_) => MINUS,
            _ => u8::MAX,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.binding() < least {
            return write!(f, "({self})");
        }
        write!(f, "{self}")
    }
}

impl fmt::Display for ExpressionNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Id(id) => f.write_str(id),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Word(word) => f.write_str(word.name()),
            Self::Minus(inner) => {
                f.write_str("-")?;
                inner.write(f, MINUS)
            }
            Self::Binary(operator, left, right) => {
                // `^` groups to the right, the others to the left.
                let power = u8::from(*operator == Operator::Power);
                let binding = operator.binding();
                left.write(f, binding + power)?;
                write!(f, " {} ", operator.text())?;
                // `2 ^ -3` needs no parentheses: a sign there cannot be read otherwise.
                right.write(f, if power == 1 { MINUS } else { binding + 1 })
            }
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                for (i, argument) in arguments.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    write!(f, "{argument}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
