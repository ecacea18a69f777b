//! What is wrong with a manifest: collected, sorted by place, rendered for people or as JSON.
//!
//! Invariant: every diagnostic points at a place of the file or of a `--set`, on character
//! boundaries and inside the text, so rendering cannot fail. Refuses nothing.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// A place: bytes of one of the texts that make up the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SourceSpan {
    /// 0 is the file; `n` is the n-th `--set`.
    pub source: usize,
    /// Offset of the first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The manifest cannot be used.
    Error,
    /// It can, and probably is not what was meant.
    Warning,
}

/// One error or warning, with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable kebab-case name of the kind of problem, such as `unknown-key`.
    pub code: &'static str,
    /// The problem, one sentence.
    pub message: String,
    pub at: SourceSpan,
    /// A few words beside the marked text.
    pub label: String,
    /// Another place that belongs to the problem, and what it is.
    pub related: Option<(SourceSpan, String)>,
    /// Text that would be right in its place.
    pub help: Option<String>,
}

impl Diagnostic {
    #[must_use]
    pub fn error(code: &'static str, at: SourceSpan, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            at,
            label: String::new(),
            related: None,
            help: None,
        }
    }

    #[must_use]
    pub fn warning(code: &'static str, at: SourceSpan, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, at, message)
        }
    }

    /// Adds words beside the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn related(mut self, at: SourceSpan, what: impl Into<String>) -> Self {
        self.related = Some((at, what.into()));
        self
    }
}

/// The wire form of one problem (`--json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticRecord {
    /// Error or warning.
    pub severity: Severity,
    /// Stable name of the kind of problem.
    pub code: &'static str,
    /// The problem, one sentence.
    pub message: String,
    /// File name, or `--set`.
    pub file: String,
    /// Number of the line, from 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The offending text.
    pub text: String,
    /// Text that would be right in its place.
    pub help: Option<String>,
}

/// All problems of one manifest, and the texts that they point into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// (name, text); the file first.
    sources: Vec<(String, String)>,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No problem yet.
    #[must_use]
    pub fn new(sources: Vec<(String, String)>) -> Self {
        Self {
            sources,
            list: Vec::new(),
        }
    }

    /// Adds a diagnostic, unless it is there already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// All, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Diagnostic> {
        self.list.iter_mut()
    }

    /// All, in the order in which they were found until [`Self::sort`] was called.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them stops the manifest from being used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Orders by place; the file before the overrides.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|d| (d.at, d.severity, d.code));
    }

    /// Adds words to the help of all problems of ranges and kinds from this one on.
    pub(crate) fn add_to_help(&mut self, from: usize, words: &str) {
        for found in self.list.iter_mut().skip(from) {
            if let ("wrong-kind" | "out-of-range" | "missing-key", Some(help)) =
                (found.code, &mut found.help)
            {
                help.push_str(words);
            }
        }
    }

    /// Keeps those that the test allows.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.list.retain(keep);
    }

    /// The line of a place, from 1.
    pub(crate) fn line(&self, at: SourceSpan) -> usize {
        self.position(at).0
    }

    fn text(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |(_, text)| text)
    }

    /// The name of the manifest's file.
    pub(crate) fn file_name(&self) -> &str {
        let path = self.name(0);
        path.rsplit('/').next().unwrap_or(path)
    }

    fn name(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |(name, _)| name)
    }

    /// The place moved inside the text and onto character boundaries.
    fn clamp(&self, at: SourceSpan) -> (usize, usize) {
        let text = self.text(at.source);
        let mut start = at.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = at.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        (start, end)
    }

    /// Line and column, from 1; the column in characters.
    fn position(&self, at: SourceSpan) -> (usize, usize) {
        let (start, _) = self.clamp(at);
        let before = &self.text(at.source)[..start];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (line, before[line_start..].chars().count() + 1)
    }

    /// For people: what is wrong, file:line:column, the text, what to write instead.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&self.render_one(&renderer, diagnostic));
            out.push_str("\n\n");
        }
        out.push_str(&self.summary());
        out.push('\n');
        out
    }

    fn render_one(&self, renderer: &Renderer, d: &Diagnostic) -> String {
        let level = match d.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let (start, end) = self.clamp(d.at);
        let mut primary = AnnotationKind::Primary.span(start..end);
        if !d.label.is_empty() {
            primary = primary.label(d.label.as_str());
        }
        let mut snippet = Snippet::source(self.text(d.at.source))
            .path(self.name(d.at.source))
            .annotation(primary);
        let mut elsewhere = None;
        if let Some((at, what)) = &d.related {
            let (start, end) = self.clamp(*at);
            let context = AnnotationKind::Context
                .span(start..end)
                .label(what.as_str());
            if at.source == d.at.source {
                snippet = snippet.annotation(context);
            } else {
                let other = Snippet::source(self.text(at.source)).path(self.name(at.source));
                elsewhere = Some(other.annotation(context));
            }
        }
        let title = level.primary_title(d.message.as_str()).id(d.code);
        let mut group = title.element(snippet);
        if let Some(elsewhere) = elsewhere {
            group = group.element(elsewhere);
        }
        if let Some(help) = &d.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// `2 errors and 1 warning in neargate.toml`.
    #[must_use]
    pub fn summary(&self) -> String {
        let errors = self.list.iter().filter(|d| d.severity == Severity::Error);
        let errors = errors.count();
        let warnings = self.list.len() - errors;
        let count = |n: usize, noun: &str| match n {
            0 => None,
            1 => Some(format!("1 {noun}")),
            n => Some(format!("{n} {noun}s")),
        };
        let parts: Vec<String> = [count(errors, "error"), count(warnings, "warning")]
            .into_iter()
            .flatten()
            .collect();
        let parts = if parts.is_empty() {
            "no problem".to_owned()
        } else {
            parts.join(" and ")
        };
        format!("{parts} in {}", self.name(0))
    }

    /// The wire form: a list of [`DiagnosticRecord`].
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let entries: Vec<DiagnosticRecord> = self.list.iter().map(|d| self.entry(d)).collect();
        serde_json::to_value(entries).expect("entries are plain data with string keys")
    }

    fn entry(&self, d: &Diagnostic) -> DiagnosticRecord {
        let (line, column) = self.position(d.at);
        let (start, end) = self.clamp(d.at);
        DiagnosticRecord {
            severity: d.severity,
            code: d.code,
            message: d.message.clone(),
            file: self.name(d.at.source).to_owned(),
            line,
            column,
            text: self.text(d.at.source)[start..end].to_owned(),
            help: d.help.clone(),
        }
    }
}
