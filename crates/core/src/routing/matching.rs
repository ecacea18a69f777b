//! Which rule a request meets: ALB's conditions and wildcards.
//!
//! Invariant: rules are tried in priority order, lowest first; all conditions of a rule hold,
//! the values of one condition are alternatives. The raw path is compared, nothing is decoded.
//! A route without conditions matches everything. A source that is not a CIDR block matches
//! nothing.

use std::net::IpAddr;

use super::address_block::AddressBlock;
use super::table::ListenerRule;
use crate::model::Route;

/// Parts of a request that rules look at.
pub trait RequestFacts {
    /// `Host` without its port.
    fn host(&self) -> &str;
    /// Path as it was sent, without the query.
    fn path(&self) -> &str;
    /// Method as it was sent.
    fn method(&self) -> &str;
    /// Query without `?`; empty when there is none.
    fn query(&self) -> &str;
    /// The client: the TCP peer, or who it says it speaks for when it is trusted.
    fn source(&self) -> IpAddr;
    /// Whether any value of this header (name in lower case) satisfies `test`.
    fn header(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// The compiled rules of a listener.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    rules: Vec<CompiledRule>,
}

#[derive(Debug, Clone)]
struct CompiledRule {
    index: usize,
    host: Vec<Pattern>,
    path: Vec<Pattern>,
    method: Vec<String>,
    header: Vec<(String, Vec<Pattern>)>,
    query: Vec<(Option<Pattern>, Pattern)>,
    source: Option<Vec<AddressBlock>>,
}

impl Matcher {
    /// Compiles the rules of a listener, in the order of their priorities.
    #[must_use]
    pub fn new(rules: &[ListenerRule]) -> Self {
        let mut order: Vec<(u32, usize)> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| (rule.route.priority, index))
            .collect();
        order.sort_unstable();
        let rules = order
            .into_iter()
            .map(|(_, index)| compile(index, &rules[index].route))
            .collect();
        Self { rules }
    }

    /// Index (in the list that was compiled) of the first rule that matches.
    pub fn find(&self, facts: &impl RequestFacts) -> Option<usize> {
        let rule = self.rules.iter().find(|rule| rule.matches(facts))?;
        Some(rule.index)
    }
}

fn compile(index: usize, route: &Route) -> CompiledRule {
    let exact = |p: &String| Pattern::new(p, LetterCase::Sensitive);
    let folded = |p: &String| Pattern::new(p, LetterCase::Insensitive);
    CompiledRule {
        index,
        host: route.host.iter().map(folded).collect(),
        path: route.path.iter().map(exact).collect(),
        method: route.method.clone(),
        header: route
            .header
            .iter()
            .map(|(name, values)| {
                let values = values.iter().map(folded).collect();
                (name.to_ascii_lowercase(), values)
            })
            .collect(),
        query: route
            .query
            .iter()
            .map(|(key, value)| (key.as_ref().map(folded), folded(value)))
            .collect(),
        source: (!route.source.is_empty()).then(|| {
            let blocks = route.source.iter();
            blocks.filter_map(|text| AddressBlock::of(text)).collect()
        }),
    }
}

impl CompiledRule {
    fn matches(&self, facts: &impl RequestFacts) -> bool {
        any(&self.path, facts.path())
            && any(&self.host, facts.host())
            && (self.method.is_empty() || self.method.iter().any(|m| m == facts.method()))
            && self.header.iter().all(|(name, values)| {
                facts.header(name, &mut |value| values.iter().any(|p| p.matches(value)))
            })
            && self.query_matches(facts.query())
            && self.source.as_ref().is_none_or(|blocks| {
                let source = facts.source();
                blocks.iter().any(|block| block.contains(source))
            })
    }

    /// Entries are alternatives, as the values of one condition.
    fn query_matches(&self, query: &str) -> bool {
        self.query.is_empty()
            || query.split('&').any(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                self.query
                    .iter()
                    .any(|(k, v)| k.as_ref().is_none_or(|k| k.matches(key)) && v.matches(value))
            })
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|p| p.matches(text))
}

/// Whether letters are compared as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterCase {
    /// As they are.
    Sensitive,
    /// ASCII letters are equal in both cases.
    Insensitive,
}

/// A pattern: `*` is any run of characters, `?` exactly one, `\` takes the next as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<PatternPart>,
    case: LetterCase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternPart {
    One(u8),
    AnyOne,
    Run,
}

impl Pattern {
    /// Compiles a pattern.
    #[must_use]
    pub fn new(text: &str, case: LetterCase) -> Self {
        let mut parts = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            parts.push(match byte {
                b'*' => PatternPart::Run,
                b'?' => PatternPart::AnyOne,
                b'\\' => PatternPart::One(fold(bytes.next().unwrap_or(b'\\'), case)),
                other => PatternPart::One(fold(other, case)),
            });
        }
        Self { parts, case }
    }

    /// Whether the whole text matches. Linear in pattern × text, never worse.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (text, parts) = (text.as_bytes(), &self.parts[..]);
        let (mut t, mut p) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while t < text.len() {
            match parts.get(p) {
                Some(PatternPart::Run) => {
                    back = Some((p + 1, t));
                    p += 1;
                }
                Some(PatternPart::AnyOne) => (t, p) = (t + 1, p + 1),
                Some(PatternPart::One(byte)) if *byte == fold(text[t], self.case) => {
                    (t, p) = (t + 1, p + 1);
                }
                _ => match back {
                    Some((after, from)) => {
                        (t, p) = (from + 1, after);
                        back = Some((after, from + 1));
                    }
                    None => return false,
                },
            }
        }
        parts[p..].iter().all(|part| *part == PatternPart::Run)
    }
}

fn fold(byte: u8, case: LetterCase) -> u8 {
    match case {
        LetterCase::Sensitive => byte,
        LetterCase::Insensitive => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
