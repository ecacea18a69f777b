//! Text to tokens with their columns.
//!
//! Invariant: every character of the text is in a token or is white space. Refuses characters
//! that no expression has, and quotes that are not closed.

use std::ops::Range;

use super::expression::Operator;
use super::math_error::MathError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExpressionToken {
    Number(f64),
    /// Begins with a small letter.
    Id(String),
    /// Begins with a capital letter.
    Word(String),
    Text(String),
    Operator(Operator),
    Open,
    Close,
    Comma,
}

pub(super) fn tokens(text: &str) -> Result<Vec<(usize, ExpressionToken)>, MathError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) = token(text, at, c)?;
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// Where metrics stand in a text, as ranges of bytes.
///
/// # Errors
/// The text is no expression, as [`MathError`] says.
pub fn id_places(text: &str) -> Result<Vec<Range<usize>>, MathError> {
    let place = |(at, token)| match token {
        ExpressionToken::Id(id) => Some(at..at + id.len()),
        _ => None,
    };
    Ok(tokens(text)?.into_iter().filter_map(place).collect())
}

fn token(text: &str, at: usize, first: char) -> Result<(ExpressionToken, usize), MathError> {
    let rest = &text[at..];
    if first.is_ascii_alphabetic() {
        let length = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
        let name = &rest[..length];
        let token = match name {
            "AND" => ExpressionToken::Operator(Operator::And),
            "OR" => ExpressionToken::Operator(Operator::Or),
            _ if first.is_ascii_lowercase() => ExpressionToken::Id(name.to_owned()),
            _ => ExpressionToken::Word(name.to_owned()),
        };
        return Ok((token, length));
    }
    if first.is_ascii_digit() || first == '.' {
        let length = number(rest);
        return match rest[..length].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((ExpressionToken::Number(number), length)),
            _ => Err(MathError::new(at, "a number", &rest[..length])),
        };
    }
    if first == '"' {
        let Some(end) = rest[1..].find('"') else {
            return Err(MathError::new(text.len(), "a closing `\"`", ""));
        };
        return Ok((ExpressionToken::Text(rest[1..=end].to_owned()), end + 2));
    }
    symbol(rest).ok_or_else(|| {
        let expected = "a metric, a number, a function or an operator";
        MathError::new(at, expected, &first.to_string())
    })
}

fn symbol(rest: &str) -> Option<(ExpressionToken, usize)> {
    let operators = [
        ("&&", Operator::And),
        ("||", Operator::Or),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("+", Operator::Add),
        ("-", Operator::Subtract),
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("^", Operator::Power),
    ];
    let operators = operators.map(|(text, operator)| (text, ExpressionToken::Operator(operator)));
    let others = [
        ("(", ExpressionToken::Open),
        (")", ExpressionToken::Close),
        (",", ExpressionToken::Comma),
    ];
    let mut all = operators.into_iter().chain(others);
    all.find(|(text, _)| rest.starts_with(text))
        .map(|(text, token)| (token, text.len()))
}

fn run(text: &str, inside: impl Fn(char) -> bool) -> usize {
    text.find(|c| !inside(c)).unwrap_or(text.len())
}

/// Length of `1`, `1.5`, `.5`, `1e3`, `1.5e-3`.
fn number(text: &str) -> usize {
    let mantissa = run(text, |c| c.is_ascii_digit() || c == '.');
    let Some(exponent) = text[mantissa..].strip_prefix(['e', 'E']) else {
        return mantissa;
    };
    let sign = usize::from(exponent.starts_with(['+', '-']));
    let digits = run(&exponent[sign..], |c| c.is_ascii_digit());
    if digits == 0 {
        mantissa
    } else {
        mantissa + 1 + sign + digits
    }
}
