//! A report for people: the worst first, each finding with the lines to change.

use neargate_core::manifest::edit_location::LinePlacement;

use super::{FindingSeverity, ManifestFix, PostureFinding, PostureReport};

/// The report, line by line.
#[must_use]
pub fn describe(report: &PostureReport) -> Vec<String> {
    let mut lines = Vec::new();
    for severity in FindingSeverity::ALL {
        let these: Vec<&PostureFinding> = report
            .open()
            .filter(|finding| finding.severity == severity)
            .collect();
        if !these.is_empty() {
            lines.push(severity.name().to_uppercase());
            lines.extend(these.into_iter().flat_map(finding));
            lines.push(String::new());
        }
    }
    let accepted = report.findings.iter();
    let accepted: Vec<String> = accepted.filter_map(taken).collect();
    if !accepted.is_empty() {
        lines.push("ACCEPTED".to_owned());
        lines.extend(accepted);
        lines.push(String::new());
    }
    lines.push(summary(report));
    lines
}

fn finding(finding: &PostureFinding) -> Vec<String> {
    let mut lines = vec![
        format!("  {}  {}", finding.subject, finding.rule),
        format!("    {}", finding.what),
        format!("    {}", finding.why),
    ];
    lines.extend(finding.change.iter().map(change));
    lines
}

fn change(change: &ManifestFix) -> String {
    let ManifestFix {
        file, line, text, ..
    } = change;
    let how = match (&change.value, change.how) {
        (None, _) => "remove",
        (_, LinePlacement::Below) => "below it write",
        (_, LinePlacement::Inside) => "in its braces write",
        (_, LinePlacement::Instead) => "write instead",
    };
    format!("    {file}:{line}: {how}: {text}")
}

fn taken(finding: &PostureFinding) -> Option<String> {
    let reason = finding.accepted.as_ref()?;
    let (subject, rule) = (&finding.subject, finding.rule);
    let severity = finding.severity.name();
    Some(format!("  {subject}  {rule} ({severity}): {reason}"))
}

/// `prod: 1 high, 2 medium, 0 low; 1 accepted`.
fn summary(report: &PostureReport) -> String {
    let count = |severity: FindingSeverity| {
        let these = report.open().filter(|f| f.severity == severity);
        format!("{} {}", these.count(), severity.name())
    };
    let counts = FindingSeverity::ALL.map(count).join(", ");
    let accepted = report.findings.len() - report.open().count();
    format!("{}: {counts}; {accepted} accepted", report.env)
}
