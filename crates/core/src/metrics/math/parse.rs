//! Recursive descent over the tokens, checking kinds on the way.
//!
//! Invariant: never panics, whatever the text; depth is bounded by [`MOST_DEPTH`].

use std::str::FromStr;

use super::expression::{Expression, ExpressionKind, ExpressionNode, MINUS, Operator};
use super::function::{Function, Word};
use super::lex::{ExpressionToken, tokens};
use super::math_error::MathError;

/// Longest expression, in bytes.
pub const MOST_CHARACTERS: usize = 2048;
/// Most levels of parentheses, calls, signs and powers in one another.
pub const MOST_DEPTH: usize = 64;

impl FromStr for Expression {
    type Err = MathError;

    fn from_str(text: &str) -> Result<Self, MathError> {
        if text.len() > MOST_CHARACTERS {
            let expected = format!("the end of an expression (at most {MOST_CHARACTERS} bytes)");
            return Err(MathError::new(MOST_CHARACTERS, &expected, "more"));
        }
        let tokens = tokens(text)?;
        let mut reader = ExpressionParser {
            text,
            tokens: &tokens,
            next: 0,
            depth: 0,
        };
        let (root, kind) = reader.operand(0)?;
        if reader.next < tokens.len() {
            return Err(reader.wrong("an operator or the end"));
        }
        let Some(kind) = kind else {
            return Err(MathError::new(0, "a number or time series", text));
        };
        Ok(Self { root, kind })
    }
}

/// A node and what it gives; texts and words give nothing.
type TypedNode = (ExpressionNode, Option<ExpressionKind>);

struct ExpressionParser<'a> {
    text: &'a str,
    tokens: &'a [(usize, ExpressionToken)],
    next: usize,
    depth: usize,
}

impl ExpressionParser<'_> {
    fn column(&self, token: usize) -> usize {
        self.tokens
            .get(token)
            .map_or(self.text.len(), |(at, _)| *at)
    }

    /// An error at a token.
    fn wrong_at(&self, token: usize, expected: &str) -> MathError {
        let (from, to) = (self.column(token), self.column(token + 1));
        MathError::new(from, expected, self.text[from..to].trim_end())
    }

    fn wrong(&self, expected: &str) -> MathError {
        self.wrong_at(self.next, expected)
    }

    fn peek(&self) -> Option<&ExpressionToken> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn take(&mut self, wanted: &ExpressionToken) -> bool {
        let here = self.peek() == Some(wanted);
        self.next += usize::from(here);
        here
    }

    /// An operand and all operators after it that bind at least so tightly.
    fn operand(&mut self, least: u8) -> Result<TypedNode, MathError> {
        if self.depth >= MOST_DEPTH {
            return Err(self.wrong("a simpler expression (at most 64 levels)"));
        }
        self.depth += 1;
        let begin = self.next;
        let mut left = self.signed()?;
        while let Some(ExpressionToken::Operator(operator)) = self.peek() {
            let operator = *operator;
            let binding = operator.binding();
            if binding < least {
                break;
            }
            let at = self.next;
            self.next += 1;
            let power = operator == Operator::Power;
            let right = self.operand(if power { binding } else { binding + 1 })?;
            left = self.joined(operator, (begin, left), (at + 1, right))?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn joined(
        &self,
        operator: Operator,
        (left_at, (left, left_kind)): (usize, TypedNode),
        (right_at, (right, right_kind)): (usize, TypedNode),
    ) -> Result<TypedNode, MathError> {
        let kind = match (left_kind, right_kind) {
            (None, _) => return Err(self.wrong_at(left_at, "a number or time series")),
            (_, None) => return Err(self.wrong_at(right_at, "a number or time series")),
            (Some(ExpressionKind::Array), Some(ExpressionKind::Array)) => {
                return Err(self.wrong_at(right_at, "a number or one time series"));
            }
            (Some(ExpressionKind::Array), _) | (_, Some(ExpressionKind::Array)) => {
                ExpressionKind::Array
            }
            (Some(ExpressionKind::Scalar), Some(ExpressionKind::Scalar)) => ExpressionKind::Scalar,
            _ => ExpressionKind::Series,
        };
        let node = ExpressionNode::Binary(operator, Box::new(left), Box::new(right));
        Ok((node, Some(kind)))
    }

    fn signed(&mut self) -> Result<TypedNode, MathError> {
        if !self.take(&ExpressionToken::Operator(Operator::Subtract)) {
            return self.atom();
        }
        let at = self.next;
        let (node, kind) = self.operand(MINUS)?;
        if kind.is_none() {
            return Err(self.wrong_at(at, "a number or time series"));
        }
        Ok((ExpressionNode::Minus(Box::new(node)), kind))
    }

    fn atom(&mut self) -> Result<TypedNode, MathError> {
        let wrong = self.wrong("a metric, a number or a function");
        let Some(token) = self.peek().cloned() else {
            return Err(wrong);
        };
        self.next += 1;
        match token {
            ExpressionToken::Number(number) => {
                Ok((ExpressionNode::Number(number), Some(ExpressionKind::Scalar)))
            }
            ExpressionToken::Id(id) => Ok((ExpressionNode::Id(id), Some(ExpressionKind::Series))),
            ExpressionToken::Text(text) => Ok((ExpressionNode::Text(text), None)),
            ExpressionToken::Word(word) => self.word(&word),
            ExpressionToken::Open => {
                let inner = self.operand(0)?;
                if !self.take(&ExpressionToken::Close) {
                    return Err(self.wrong("`)` or an operator"));
                }
                Ok(inner)
            }
            ExpressionToken::Operator(_) | ExpressionToken::Close | ExpressionToken::Comma => {
                Err(wrong)
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<TypedNode, MathError> {
        let at = self.next - 1;
        if self.peek() != Some(&ExpressionToken::Open) {
            let expected = "a metric (small letters) or a function with parentheses";
            let word = Word::named(word).ok_or_else(|| self.wrong_at(at, expected))?;
            return Ok((ExpressionNode::Word(word), None));
        }
        let Some(function) = Function::named(word) else {
            return Err(self.wrong_at(at, "the name of a function"));
        };
        self.next += 1;
        let (mut arguments, mut kinds, mut places) = (Vec::new(), Vec::new(), Vec::new());
        while self.peek() != Some(&ExpressionToken::Close) {
            places.push(self.next);
            let (argument, kind) = self.operand(0)?;
            arguments.push(argument);
            kinds.push(kind);
            if self.peek() == Some(&ExpressionToken::Close) {
                break;
            }
            if !self.take(&ExpressionToken::Comma) {
                return Err(self.wrong("`,` or `)`"));
            }
            if self.peek() == Some(&ExpressionToken::Close) {
                return Err(self.wrong("an argument"));
            }
        }
        let close = self.next;
        self.next += 1;
        match function.gives(&arguments, &kinds) {
            Ok(kind) => Ok((ExpressionNode::Call(function, arguments), Some(kind))),
            Err((i, expected)) => {
                let place = places.get(i).copied().unwrap_or(close);
                Err(self.wrong_at(place, expected))
            }
        }
    }
}
