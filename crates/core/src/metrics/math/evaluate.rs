//! An expression over series that share one grid of periods.
//!
//! Invariant: total; every series of the result has as many slots as the inputs; a number that
//! is not finite is no point. A metric that is not among the inputs has no points.

use super::apply::call;
use super::expression::{Expression, ExpressionNode, Operator};
use super::expression_value::{ExpressionInputs, ExpressionValue};

impl Expression {
    /// Evaluates over the inputs.
    #[must_use]
    pub fn evaluate(&self, inputs: &ExpressionInputs) -> ExpressionValue {
        evaluate(&self.root, inputs)
    }
}

fn evaluate(node: &ExpressionNode, inputs: &ExpressionInputs) -> ExpressionValue {
    match node {
        ExpressionNode::Number(number) => ExpressionValue::Scalar(Some(*number)),
        ExpressionNode::Id(id) => ExpressionValue::Series(inputs.points(id)),
        ExpressionNode::Text(_) | ExpressionNode::Word(_) => ExpressionValue::Scalar(None),
        ExpressionNode::Minus(inner) => evaluate(inner, inputs).each(|value| -value),
        ExpressionNode::Binary(operator, left, right) => {
            binary(*operator, evaluate(left, inputs), evaluate(right, inputs))
        }
        ExpressionNode::Call(function, arguments) => {
            let values: Vec<_> = arguments
                .iter()
                .map(|node| evaluate(node, inputs))
                .collect();
            call(*function, arguments, &values, inputs)
        }
    }
}

fn binary(operator: Operator, left: ExpressionValue, right: ExpressionValue) -> ExpressionValue {
    match (left, right) {
        (ExpressionValue::Scalar(a), ExpressionValue::Scalar(b)) => {
            ExpressionValue::Scalar(both(operator, a, b))
        }
        (ExpressionValue::Scalar(a), ExpressionValue::Series(b)) => {
            ExpressionValue::Series(b.into_iter().map(|b| both(operator, a, Some(b?))).collect())
        }
        (ExpressionValue::Series(a), ExpressionValue::Scalar(b)) => {
            ExpressionValue::Series(a.into_iter().map(|a| both(operator, Some(a?), b)).collect())
        }
        (ExpressionValue::Series(a), ExpressionValue::Series(b)) => ExpressionValue::Series(
            a.into_iter()
                .zip(b)
                .map(|(a, b)| either(operator, a, b))
                .collect(),
        ),
        (ExpressionValue::Array(all), other) => ExpressionValue::Array(
            all.into_iter()
                .flat_map(|one| binary(operator, ExpressionValue::Series(one), other.clone()).all())
                .collect(),
        ),
        (other, ExpressionValue::Array(all)) => ExpressionValue::Array(
            all.into_iter()
                .flat_map(|one| binary(operator, other.clone(), ExpressionValue::Series(one)).all())
                .collect(),
        ),
    }
}

/// Two points: a side that is missing counts as 0, unless both are.
fn either(operator: Operator, a: Option<f64>, b: Option<f64>) -> Option<f64> {
    if a.is_none() && b.is_none() {
        return None;
    }
    both(operator, Some(a.unwrap_or(0.0)), Some(b.unwrap_or(0.0)))
}

fn both(operator: Operator, a: Option<f64>, b: Option<f64>) -> Option<f64> {
    let (a, b) = (a?, b?);
    let truth = |holds: bool| Some(f64::from(u8::from(holds)));
    let number = match operator {
        Operator::Or => return truth(a != 0.0 || b != 0.0),
        Operator::And => return truth(a != 0.0 && b != 0.0),
        Operator::Equal => return truth(a == b),
        Operator::NotEqual => return truth(a != b),
        Operator::AtMost => return truth(a <= b),
        Operator::AtLeast => return truth(a >= b),
        Operator::Less => return truth(a < b),
        Operator::Greater => return truth(a > b),
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Power => a.powf(b),
    };
    number.is_finite().then_some(number)
}
