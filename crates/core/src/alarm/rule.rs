//! Rules of composite alarms: `(ALARM(a) OR ALARM("b")) AND NOT OK(c)`.
//!
//! Invariant: reads what CloudWatch reads; NOT binds before AND before OR; the text of a rule
//! parses to the same rule. Refuses more than [`MOST_CHILDREN`] names, [`MOST_ELEMENTS`]
//! elements, [`MOST_RULE`] bytes and 64 levels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::status::AlarmState;

/// Most alarms that a rule names.
pub const MOST_CHILDREN: usize = 100;
/// Most elements: functions, operators and pairs of parentheses.
pub const MOST_ELEMENTS: usize = 500;
/// Longest rule, in bytes.
pub const MOST_RULE: usize = 10_240;
const MOST_DEPTH: usize = 64;

/// Rule expression of a composite alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmRule {
    /// The constant `TRUE` or `FALSE`.
    Always(bool),
    /// `ALARM("name")`: an alarm is in a state.
    Is(AlarmState, String),
    Not(Box<AlarmRule>),
    And(Box<AlarmRule>, Box<AlarmRule>),
    Or(Box<AlarmRule>, Box<AlarmRule>),
}

/// Where a rule is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {expected} is expected{}", .column + 1, if .found.is_empty() {
    " before the end".to_owned()
} else {
    format!(", not `{}`", .found)
})]
pub struct RuleError {
    /// Byte offset in the text, from 0 (the message counts from 1).
    pub column: usize,
    /// Token or name that should be there.
    pub expected: String,
    /// Text that is there; empty at the end of the text.
    pub found: String,
}

impl AlarmRule {
    /// The alarms that it names.
    #[must_use]
    pub fn children(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.visit(&mut |rule| {
            if let Self::Is(_, name) = rule {
                names.insert(name.as_str());
            }
        });
        names
    }

    /// Whether it holds. An alarm that is not among the states is in none.
    #[must_use]
    pub fn holds(&self, states: &BTreeMap<String, AlarmState>) -> bool {
        match self {
            Self::Always(truth) => *truth,
            Self::Is(state, name) => states.get(name) == Some(state),
            Self::Not(rule) => !rule.holds(states),
            Self::And(a, b) => a.holds(states) && b.holds(states),
            Self::Or(a, b) => a.holds(states) || b.holds(states),
        }
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        match self {
            Self::Always(_) | Self::Is(..) => {}
            Self::Not(rule) => rule.visit(see),
            Self::And(a, b) | Self::Or(a, b) => {
                a.visit(see);
                b.visit(see);
            }
        }
    }

    fn binding(&self) -> u8 {
        match self {
            Self::Or(..) => 1,
            Self::And(..) => 2,
            Self::Always(_) | Self::Is(..) | Self::Not(_) => 3,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.binding() < least {
            return write!(f, "({self})");
        }
        write!(f, "{self}")
    }
}

impl fmt::Display for AlarmRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(true) => f.write_str("TRUE"),
            Self::Always(false) => f.write_str("FALSE"),
            Self::Is(state, name) if plain(name) => write!(f, "{state}({name})"),
            Self::Is(state, name) => write!(f, "{state}(\"{name}\")"),
            Self::Not(rule) => {
                f.write_str("NOT ")?;
                rule.write(f, 3)
            }
            Self::And(a, b) => {
                a.write(f, 2)?;
                f.write_str(" AND ")?;
                b.write(f, 3)
            }
            Self::Or(a, b) => {
                a.write(f, 1)?;
                f.write_str(" OR ")?;
                b.write(f, 2)
            }
        }
    }
}

/// Whether a name needs no quotes.
fn plain(name: &str) -> bool {
    !name.contains(|c: char| c.is_whitespace() || "()\"".contains(c))
}

impl FromStr for AlarmRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut reader = RuleParser {
            text,
            at: 0,
            depth: 0,
            elements: 0,
        };
        if text.len() > MOST_RULE {
            reader.at = MOST_RULE;
            return Err(reader.wrong("the end of a rule (at most 10240 bytes)"));
        }
        let rule = reader.either()?;
        if !reader.peek().is_empty() {
            return Err(reader.wrong("AND, OR or the end"));
        }
        if rule.children().len() > MOST_CHILDREN {
            return Err(reader.wrong("a rule with at most 100 alarms"));
        }
        Ok(rule)
    }
}

struct RuleParser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    elements: usize,
}

impl<'a> RuleParser<'a> {
    /// The next token, its quotes included; empty at the end.
    fn peek(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let length = match rest.chars().next() {
            Some('(' | ')') => 1,
            Some('"') => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            _ => rest
                .find(|c: char| c.is_whitespace() || "()\"".contains(c))
                .unwrap_or(rest.len()),
        };
        &rest[..length]
    }

    fn take(&mut self, wanted: &str) -> bool {
        let here = self.peek() == wanted;
        self.at += if here { wanted.len() } else { 0 };
        here
    }

    fn expect(&mut self, wanted: &str) -> Result<(), RuleError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.wrong(&format!("`{wanted}`")))
    }

    fn wrong(&mut self, expected: &str) -> RuleError {
        let found = self.peek().to_owned();
        RuleError {
            column: self.at,
            expected: expected.to_owned(),
            found,
        }
    }

    fn element(&mut self) -> Result<(), RuleError> {
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(self.wrong("the end of a rule (at most 500 elements)"));
        }
        Ok(())
    }

    fn either(&mut self) -> Result<AlarmRule, RuleError> {
        let mut rule = self.both()?;
        while self.take("OR") {
            self.element()?;
            rule = AlarmRule::Or(Box::new(rule), Box::new(self.both()?));
        }
        Ok(rule)
    }

    fn both(&mut self) -> Result<AlarmRule, RuleError> {
        let mut rule = self.one()?;
        while self.take("AND") {
            self.element()?;
            rule = AlarmRule::And(Box::new(rule), Box::new(self.one()?));
        }
        Ok(rule)
    }

    fn one(&mut self) -> Result<AlarmRule, RuleError> {
        self.element()?;
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.wrong("a simpler rule (at most 64 levels)"));
        }
        let rule = if self.take("NOT") {
            AlarmRule::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let rule = self.either()?;
            self.expect(")")?;
            rule
        } else {
            self.leaf()?
        };
        self.depth -= 1;
        Ok(rule)
    }

    fn leaf(&mut self) -> Result<AlarmRule, RuleError> {
        let state = match self.peek() {
            "TRUE" | "FALSE" => {
                let truth = self.take("TRUE");
                if !truth {
                    self.expect("FALSE")?;
                }
                return Ok(AlarmRule::Always(truth));
            }
            "ALARM" => AlarmState::Alarm,
            "OK" => AlarmState::Ok,
            "INSUFFICIENT_DATA" => AlarmState::InsufficientData,
            _ => {
                let all = "ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT or `(`";
                return Err(self.wrong(all));
            }
        };
        self.expect(&state.to_string())?;
        self.expect("(")?;
        let name = self.name()?;
        self.expect(")")?;
        Ok(AlarmRule::Is(state, name))
    }

    fn name(&mut self) -> Result<String, RuleError> {
        let token = self.peek();
        let name = match token.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"'),
            None if token == "(" || token == ")" => None,
            None => Some(token),
        };
        match name.filter(|name| !name.is_empty()) {
            Some(name) => {
                self.at += token.len();
                Ok(name.to_owned())
            }
            None => Err(self.wrong("the name of an alarm")),
        }
    }
}
