//! What is risky in an environment, and the lines of the manifest that would change it.
//!
//! Invariant: pure; only what is true of what would be rendered is found, and every finding has
//! a change that removes it. What the modules always do (see [`ALWAYS`]) is no rule. Refuses
//! nothing: a near environment is judged by what matters near.

mod display;
mod page;
mod rules;

use neargate_core::manifest::ManifestSource;
use neargate_core::manifest::edit_location::{self, EditKind, EditLocation, LinePlacement};
use neargate_core::model::{EnvironmentGrade, Manifest};
use serde::Serialize;

use crate::stack::Stack;

pub use display::describe;
pub use page::{ALWAYS, Guarantee, page};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingSeverity {
    /// Worth a line when there is time.
    Low,
    /// To be mended or accepted.
    Medium,
    /// An outage, a loss or a leak that one mishap is enough for.
    High,
}

impl FindingSeverity {
    /// All, the worst first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// The word for it in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Concern of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pillar {
    /// Reach of networks and clients.
    Isolation,
    /// Encryption on the way and at rest.
    Encryption,
    /// Permissions, and records of their use.
    Access,
    /// Restoring data that was lost.
    Backups,
    /// Mail and alarms about trouble.
    Alarms,
    /// Damage by the loss of one part.
    Redundancy,
    /// Damage by a bad revision.
    Releases,
    /// Things that grow without end, or cannot grow.
    Limits,
}

impl Pillar {
    /// The word for it in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Isolation => "isolation",
            Self::Encryption => "encryption",
            Self::Access => "access",
            Self::Backups => "backups",
            Self::Alarms => "alarms",
            Self::Redundancy => "redundancy",
            Self::Releases => "releases",
            Self::Limits => "limits",
        }
    }
}

/// Class of an environment, as far as rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvironmentClass {
    /// On AWS, graded production.
    Production,
    /// On AWS, graded trial.
    Trial,
    /// On this machine.
    Near,
}

/// A rule of the audit, and how it judges a manifest.
#[derive(Debug, Clone, Copy)]
pub struct PostureRule {
    /// Kebab-case and stable: manifests accept by it.
    pub id: &'static str,
    /// Concern of the rule.
    pub pillar: Pillar,
    /// How bad it is in production, in a trial, near; `None`: not judged there.
    pub weights: [Option<FindingSeverity>; 3],
    /// Consequence, one sentence.
    pub why: &'static str,
    /// The change as an example, with capitals for what depends on the manifest.
    pub change: &'static str,
    find: RuleCheck,
}

impl PostureRule {
    /// How bad it is in such an environment; `None`: it is not judged there.
    #[must_use]
    pub fn weight(&self, standing: EnvironmentClass) -> Option<FindingSeverity> {
        match standing {
            EnvironmentClass::Production => self.weights[0],
            EnvironmentClass::Trial => self.weights[1],
            EnvironmentClass::Near => self.weights[2],
        }
    }
}

/// Input of a rule's check.
#[derive(Debug, Clone, Copy)]
enum RuleCheck {
    /// The manifest and its stack on AWS; never called near.
    Far(fn(&Manifest, &Stack) -> Vec<RuleHit>),
    /// The manifest alone.
    Anywhere(fn(&Manifest) -> Vec<RuleHit>),
}

/// A rule's result, before it has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RuleHit {
    subject: String,
    what: String,
    edits: Vec<KeyEdit>,
}

impl RuleHit {
    fn new(subject: impl Into<String>, what: impl Into<String>, edits: Vec<KeyEdit>) -> Self {
        Self {
            subject: subject.into(),
            what: what.into(),
            edits,
        }
    }
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KeyEdit {
    /// This path gets this value, which is TOML.
    Write(String, String),
    /// This path goes.
    Remove(String),
}

/// A path gets a value that is TOML.
fn write(path: impl Into<String>, value: impl Into<String>) -> KeyEdit {
    KeyEdit::Write(path.into(), value.into())
}

/// A text as TOML writes it: basic strings of TOML take what JSON escapes (TOML 1.0, String).
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One key to change, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestFix {
    /// The whole path, as `--set` takes it.
    pub path: String,
    /// The value as TOML; `None`: the key goes.
    pub value: Option<String>,
    /// Path of the manifest's file.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// How the new key stands to that line.
    pub how: LinePlacement,
    /// Text to write there; for a key that goes, the key.
    pub text: String,
}

/// A rule that a manifest breaks, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostureFinding {
    /// Id of the rule.
    pub rule: &'static str,
    /// How bad it is here.
    pub severity: FindingSeverity,
    /// Concern of the rule.
    pub pillar: Pillar,
    /// Such as `database.main`.
    pub subject: String,
    /// The fact, one sentence.
    pub what: String,
    /// Consequence, one sentence.
    pub why: &'static str,
    /// Changes of the manifest; all of them together remove the finding.
    pub change: Vec<ManifestFix>,
    /// Why the app lives with it; `None`: it is not accepted.
    pub accepted: Option<String>,
}

/// Result of the audit of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostureReport {
    pub app: String,
    pub env: String,
    /// Class by which the rules judged it.
    pub standing: EnvironmentClass,
    /// The worst first, then in the order of the rules, accepted ones too.
    pub findings: Vec<PostureFinding>,
    /// Acceptances that name no rule, or accept nothing.
    pub notes: Vec<String>,
}

impl PostureReport {
    /// Findings that nobody accepted.
    pub fn open(&self) -> impl Iterator<Item = &PostureFinding> {
        self.findings.iter().filter(|f| f.accepted.is_none())
    }

    /// The worst severity that is not accepted.
    #[must_use]
    pub fn worst(&self) -> Option<FindingSeverity> {
        self.open().map(|finding| finding.severity).max()
    }
}

/// All rules, in the order of the documentation.
pub fn rules() -> impl Iterator<Item = &'static PostureRule> {
    rules::ALL.iter().copied().flatten()
}

/// Judges an environment; `source` is the file that `manifest` was read from.
#[must_use]
pub fn audit(source: &ManifestSource, manifest: &Manifest) -> PostureReport {
    let stack = Stack::of(manifest).ok();
    let standing = match stack.as_ref().map(|stack| stack.grade) {
        Some(EnvironmentGrade::Production) => EnvironmentClass::Production,
        Some(EnvironmentGrade::Trial) => EnvironmentClass::Trial,
        None => EnvironmentClass::Near,
    };
    let mut findings = Vec::new();
    for rule in rules() {
        let Some(severity) = rule.weight(standing) else {
            continue;
        };
        let hits = match (rule.find, &stack) {
            (RuleCheck::Far(find), Some(stack)) => find(manifest, stack),
            (RuleCheck::Far(_), None) => Vec::new(),
            (RuleCheck::Anywhere(find), _) => find(manifest),
        };
        let accepted = manifest.audit.accept.get(rule.id);
        findings.extend(hits.into_iter().map(|hit| {
            PostureFinding {
                rule: rule.id,
                severity,
                pillar: rule.pillar,
                subject: hit.subject,
                what: hit.what,
                why: rule.why,
                change: hit
                    .edits
                    .into_iter()
                    .map(|edit| placed(source, &manifest.env, edit))
                    .collect(),
                accepted: accepted.cloned(),
            }
        }));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    PostureReport {
        app: manifest.app.clone(),
        env: manifest.env.clone(),
        standing,
        notes: notes(manifest, standing, &findings),
        findings,
    }
}

fn placed(source: &ManifestSource, env: &str, edit: KeyEdit) -> ManifestFix {
    let (path, value, deed) = match edit {
        KeyEdit::Write(path, value) => (path, Some(value), EditKind::Write),
        KeyEdit::Remove(path) => (path, None, EditKind::Remove),
    };
    let EditLocation { line, how, key } = edit_location::locate_edit(source, env, &path, deed);
    let text = match &value {
        Some(value) => format!("{key} = {value}"),
        None => key,
    };
    ManifestFix {
        path,
        value,
        file: source.name.clone(),
        line,
        how,
        text,
    }
}

fn notes(
    manifest: &Manifest,
    standing: EnvironmentClass,
    findings: &[PostureFinding],
) -> Vec<String> {
    let said = |rule: &String| {
        let Some(known) = rules().find(|known| known.id == rule) else {
            return Some(format!("audit.accept.{rule}: there is no such rule"));
        };
        // What is written for all environments may well be needed in another.
        known.weight(standing)?;
        let used = findings.iter().any(|finding| finding.rule == rule);
        (!used).then(|| format!("audit.accept.{rule}: nothing here needs it"))
    };
    manifest.audit.accept.keys().filter_map(said).collect()
}
