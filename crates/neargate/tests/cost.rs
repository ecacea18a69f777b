//! `neargate cost` with the real binary.

use std::fs;
use std::process::Command;

use serde_json::Value;

mod project;

use project::{exit_and_output, folder};

/// Exit code, standard output, standard error.
fn cost(arguments: &[&str]) -> (i32, String, String) {
    let folder = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_neargate"))
        .current_dir(folder.path())
        .arg("cost")
        .args(arguments)
        .output()
        .expect("it runs");
    let left = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 1, "something was written");
    exit_and_output(&output)
}

fn json(arguments: &[&str]) -> Value {
    let (code, out, err) = cost(arguments);
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).expect("one JSON document")
}

#[test]
fn a_near_environment_costs_nothing_and_the_others_are_named() {
    let (code, out, _) = cost(&[]);
    assert_eq!(code, 0);
    assert!(
        out.contains("costs nothing") && out.contains("dev, prod"),
        "{out}"
    );
    let said = json(&["--json"]);
    assert_eq!(said["environments"], Value::Array(Vec::new()));
    assert_eq!(said["on_aws"], serde_json::json!(["dev", "prod"]));
}

#[test]
fn an_environment_on_aws_has_a_table_with_its_total_and_three_savings() {
    let (code, out, _) = cost(&["-e", "prod"]);
    assert_eq!(code, 0);
    for words in [
        "database.main RDS",
        "total",
        "Assumed:",
        "us-east-1",
        "risk:",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let said = json(&["-e", "prod", "--json"]);
    let env = &said["environments"][0];
    assert_eq!(env["savings"].as_array().map(Vec::len), Some(3));
    let lines = env["lines"].as_array().expect("lines");
    let cents = |value: &Value| (value.as_f64().expect("dollars") * 100.0).round();
    let sum: f64 = lines.iter().map(|line| cents(&line["monthly"])).sum();
    assert!((sum - cents(&env["total"])).abs() < 0.5);
}

#[test]
fn what_if_shows_the_lines_that_change() {
    let what_if = ["-e", "prod", "--what-if", "aws.nat=\"instance\""];
    let (code, out, _) = cost(&what_if);
    assert_eq!(code, 0);
    assert!(out.contains("removed: 2 gateways"), "{out}");
    let said = json(&[&what_if[..], &["--json"]].concat());
    let difference = said["environments"][0]["what_if"]["difference"].as_f64();
    assert!(difference < Some(-50.0), "{said}");
}

#[test]
fn all_shows_every_environment_on_aws_and_warns_of_counting_allowances_twice() {
    let (code, out, err) = cost(&["--all"]);
    assert_eq!(code, 0);
    assert!(out.contains("dev in eu-central-1") && out.contains("prod in eu-central-1"));
    assert!(err.contains("count once"), "{err}");
}

#[test]
fn more_use_costs_more() {
    let total = |more: &[&str]| {
        let said = json(&[&["-e", "prod", "--json"], more].concat());
        said["environments"][0]["total"].as_f64().expect("a total")
    };
    let usual = total(&[]);
    for more in [
        ["--requests", "500000000"],
        ["--traffic-gb", "1000"],
        ["--logs-gb", "100"],
        ["--out-gb", "500"],
        ["--lcus", "3"],
        ["--tasks", "api=9"],
    ] {
        assert!(total(&more) > usual, "{more:?}");
    }
    assert!(total(&["--no-allowances"]) > usual);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for arguments in [
        &[
            "-e",
            "prod",
            "--what-if",
            "database.main.sise=\"db.t4g.large\"",
        ][..],
        &["-e", "prod", "--what-if", "target=\"near\""],
        &["-e", "prod", "--tasks", "nobody=3"],
        &["-e", "prod", "--requests", "-1"],
        &["-e", "staging"],
    ] {
        let (code, out, err) = cost(arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert_eq!(out, "", "{arguments:?}");
    }
}
