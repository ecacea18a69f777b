//! `neargate audit`'s rules: what has each finding, that the change removes it, and the blueprints.
//!
//! `INSTA_UPDATE=always` rewrites the goldens in `golden/` and `docs/audit.md`.

#[path = "../../core/tests/generated_file.rs"]
mod generated_file;
#[path = "audit/rows.rs"]
mod rows;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use generated_file::assert_generated;
use neargate_core::manifest::edit_location::LinePlacement;
use neargate_core::manifest::{ManifestSource, load};
use neargate_far::posture::{
    ALWAYS, FindingSeverity, PostureFinding, PostureReport, audit, describe, page, rules,
};
use rows::{BASE, FINE, ROWS, Row};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the repository").to_owned()
}

fn source(text: &str) -> ManifestSource {
    ManifestSource {
        name: "neargate.toml".to_owned(),
        text: text.to_owned(),
    }
}

fn report(source: &ManifestSource, env: &str, overrides: &[String]) -> PostureReport {
    let loaded = load(source, env, overrides);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    audit(source, &loaded.manifest)
}

fn findings<'a>(report: &'a PostureReport, rule: &str) -> Vec<&'a PostureFinding> {
    let all = report.findings.iter();
    all.filter(|finding| finding.rule == rule).collect()
}

/// The manifest of a row.
fn manifest(row: &Row) -> ManifestSource {
    source(&format!("{BASE}{}{FINE}", row.file))
}

/// The text without the keys that go: whole lines, as the rows write them.
fn without(source: &ManifestSource, finding: &PostureFinding) -> ManifestSource {
    let gone: Vec<usize> = finding
        .change
        .iter()
        .filter(|change| change.value.is_none())
        .map(|change| change.line)
        .collect();
    let lines = source.text.lines().enumerate();
    let kept: Vec<&str> = lines
        .filter(|(i, _)| !gone.contains(&(i + 1)))
        .map(|(_, line)| line)
        .collect();
    self::source(&kept.join("\n"))
}

fn overrides(finding: &PostureFinding) -> Vec<String> {
    let written = finding.change.iter();
    written
        .filter_map(|change| Some(format!("{}={}", change.path, change.value.as_ref()?)))
        .collect()
}

#[test]
fn a_manifest_with_nothing_to_find_has_no_finding() {
    let source = source(&format!("{BASE}{FINE}"));
    let report = report(&source, "prod", &[]);
    let found: Vec<&PostureFinding> = report.open().collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(report.worst(), None);
}

#[test]
fn every_rule_is_found_and_its_change_removes_it() {
    for row in ROWS {
        let source = manifest(row);
        let mut set: Vec<String> = row.set.iter().map(ToString::to_string).collect();
        let before = report(&source, row.name, &set);
        let found = findings(&before, row.rule);
        let ids: Vec<_> = before.findings.iter().map(|f| f.rule).collect();
        assert_eq!(found.len(), 1, "{}: {ids:?}", row.rule);
        let finding = found[0];
        assert_eq!(finding.severity, row.severity, "{}", row.rule);
        assert_eq!(finding.subject, row.subject, "{}", row.rule);
        set.extend(overrides(finding));
        let after = report(&without(&source, finding), row.name, &set);
        let left = findings(&after, row.rule);
        assert!(left.is_empty(), "{}: {left:#?}", row.rule);
    }
}

#[test]
fn every_rule_has_a_row_and_an_id_of_its_own() {
    let ids: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), rules().count());
    let told: BTreeSet<&str> = ROWS.iter().map(|row| row.rule).collect();
    assert_eq!(ids, told);
    for rule in rules() {
        assert!(rule.weights.iter().any(Option::is_some), "{}", rule.id);
    }
}

#[test]
fn a_finding_names_the_line_of_the_file() {
    let text = format!("{BASE}{FINE}");
    let source = source(&text);
    let set = ["database.main.multi-az=false".to_owned()];
    let report = report(&source, "prod", &set);
    let change = &findings(&report, "single-zone-database")[0].change[0];
    let line = text.lines().nth(change.line - 1).expect("the line");
    assert!(line.starts_with("database.main = {"), "{line}");
    assert_eq!(change.text, "multi-az = true");
    assert_eq!(change.file, "neargate.toml");
}

#[test]
fn an_accepted_risk_is_told_with_its_reason_and_fails_nothing() {
    let set = [
        "database.main.multi-az=false".to_owned(),
        "audit.accept.single-zone-database=an hour of outage is fine".to_owned(),
        "audit.accept.no-waf=there is one".to_owned(),
        "audit.accept.no-wuf=a typing error".to_owned(),
    ];
    let report = report(&source(&format!("{BASE}{FINE}")), "prod", &set);
    let finding = findings(&report, "single-zone-database")[0];
    assert_eq!(
        finding.accepted.as_deref(),
        Some("an hour of outage is fine")
    );
    assert_eq!(report.worst(), None);
    assert_eq!(
        report.notes,
        [
            "audit.accept.no-waf: nothing here needs it",
            "audit.accept.no-wuf: there is no such rule",
        ]
    );
    let said = describe(&report).join("\n");
    assert!(said.contains("single-zone-database (high): an hour of outage is fine"));
    assert!(said.ends_with("prod: 0 high, 0 medium, 0 low; 1 accepted"));
}

const BLUEPRINTS: [&str; 5] = [
    "1-shibakita",
    "2-cloud-native-notes",
    "3-portfolio",
    "4-canary",
    "5-clinic",
];

fn blueprint(name: &str, env: &str) -> PostureReport {
    let path = root().join("blueprints").join(name).join("neargate.toml");
    let text = fs::read_to_string(path).expect("the manifest");
    report(&source(&text), env, &[])
}

#[test]
fn production_of_every_blueprint_has_no_high_finding_that_is_not_accepted() {
    for name in BLUEPRINTS {
        let report = blueprint(name, "prod");
        let high: Vec<&PostureFinding> = report
            .open()
            .filter(|finding| finding.severity == FindingSeverity::High)
            .collect();
        assert!(high.is_empty(), "{name}: {high:#?}");
        let unknown = report
            .notes
            .iter()
            .any(|note| note.contains("no such rule"));
        assert!(!unknown, "{name}: {:?}", report.notes);
    }
}

#[test]
fn changes_of_the_blueprints_remove_their_findings() {
    for name in BLUEPRINTS {
        let path = root().join("blueprints").join(name).join("neargate.toml");
        let source = source(&fs::read_to_string(path).expect("the manifest"));
        for env in ["local", "dev", "prod"] {
            for finding in &report(&source, env, &[]).findings {
                let after = report(&source, env, &overrides(finding));
                let left = findings(&after, finding.rule);
                let left = left.iter().any(|one| one.subject == finding.subject);
                assert!(!left, "{name} {env}: {finding:#?}");
            }
        }
    }
}

/// The text with the lines that belong below others.
fn with_lines(text: &str, finding: &PostureFinding) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut changes: Vec<_> = finding.change.iter().collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.line));
    for change in changes {
        lines.insert(change.line, &change.text);
    }
    lines.join("\n")
}

#[test]
fn a_line_written_below_the_named_one_removes_the_finding() {
    let mut tried = 0;
    for name in BLUEPRINTS {
        let path = root().join("blueprints").join(name).join("neargate.toml");
        let text = fs::read_to_string(path).expect("the manifest");
        for env in ["local", "dev", "prod"] {
            let report = report(&source(&text), env, &[]);
            let below = |finding: &&PostureFinding| {
                finding.change.iter().all(|c| c.how == LinePlacement::Below)
            };
            for finding in report.findings.iter().filter(below) {
                tried += 1;
                let changed = source(&with_lines(&text, finding));
                let after = self::report(&changed, env, &[]);
                let left = findings(&after, finding.rule);
                let left = left.iter().any(|one| one.subject == finding.subject);
                assert!(!left, "{name} {env}: {finding:#?}");
            }
        }
    }
    assert!(tried > 5, "{tried}");
}

#[test]
fn reports_of_the_first_blueprint_are_what_the_goldens_say() {
    let environments = [
        ("audit-1-shibakita-dev", "dev"),
        ("audit-1-shibakita-prod", "prod"),
    ];
    for (name, env) in environments {
        let lines = describe(&blueprint("1-shibakita", env));
        insta::with_settings!({
            snapshot_path => "golden",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, lines.join("\n"));
        });
    }
}

#[test]
fn the_page_about_the_rules_is_what_the_rules_say() {
    assert_generated("docs/audit.md", &page());
}

#[test]
fn what_needs_no_rule_is_what_the_modules_do() {
    for always in ALWAYS {
        for (path, line) in always.shown {
            let file = root().join("terraform/modules").join(path);
            let text = fs::read_to_string(file).expect("the module");
            let words: Vec<&str> = text.split_whitespace().collect();
            let says = always.says;
            assert!(words.join(" ").contains(line), "{path}: {line} ({says})");
        }
    }
}
