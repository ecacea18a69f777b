//! `neargate audit` with the real binary: exit codes, JSON, what near says.

use std::process::Command;

use serde_json::Value;

mod project;

use project::{exit_and_output, folder};

/// Exit code, standard output, standard error.
fn audit(arguments: &[&str]) -> (i32, String, String) {
    let folder = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_neargate"))
        .current_dir(folder.path())
        .arg("audit")
        .args(arguments)
        .output()
        .expect("it runs");
    exit_and_output(&output)
}

#[test]
fn production_with_a_high_finding_fails_and_names_the_line() {
    let (code, out, _) = audit(&["-e", "prod"]);
    assert_eq!(code, 1, "{out}");
    let line = "neargate.toml:15: below it write: database.main.multi-az = true";
    assert!(out.contains(line), "{out}");
}

#[test]
fn severity_that_fails_is_chosen() {
    let (code, out, _) = audit(&["-e", "dev"]);
    assert!(!out.contains("\nHIGH"), "{out}");
    assert_eq!(code, 0, "{out}");
    let (code, ..) = audit(&["-e", "dev", "--fail-on", "low"]);
    assert_eq!(code, 1);
    let (code, ..) = audit(&["--fail-on", "never"]);
    assert_eq!(code, 2);
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let (code, out, _) = audit(&["-e", "prod", "--json"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(report["standing"], "production");
    let findings = report["findings"].as_array().expect("findings");
    let one = findings
        .iter()
        .find(|finding| finding["rule"] == "single-zone-database")
        .expect("it is found");
    assert_eq!(one["severity"], "high");
    assert_eq!(one["change"][0]["path"], "database.main.multi-az");
    assert_eq!(one["change"][0]["line"], 15);
}

#[test]
fn near_is_judged_by_what_matters_near_and_says_what_is_on_aws() {
    let (code, out, err) = audit(&["--set", "service.api.release.breaker=false"]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("no-breaker") && !out.contains("no-waf"),
        "{out}"
    );
    assert!(err.contains("on AWS: dev, prod"), "{err}");
}
