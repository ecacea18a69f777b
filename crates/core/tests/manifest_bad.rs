//! A corpus of wrong manifests and what Neargate says of each, word for word.
//!
//! `bad/NAME.toml` is read and its rendered problems are held against `bad/NAME.snap`;
//! `INSTA_UPDATE=always` rewrites those. A first line `# env: NAME` chooses the environment, and
//! each `# set: PATH=VALUE` after it is an override.
#![allow(clippy::disallowed_methods)] // a test reads its corpus from disk

#[path = "manifest_bad/schema.rs"]
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use crate::manifest::example::EXAMPLE;
use neargate_core::manifest::{Diagnostics, ManifestSource, Severity, load};

/// Fewer files are a mistake.
const FEWEST: usize = 60;

struct Bad {
    name: String,
    text: String,
}

impl Bad {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy();
        Self {
            name: name.into_owned(),
            text: fs::read_to_string(path).expect("a text"),
        }
    }

    fn problems(&self) -> Result<(), Diagnostics> {
        let directive = |word: &str| -> Vec<String> {
            let lines = self.text.lines().take_while(|line| line.starts_with("# "));
            lines
                .filter_map(|line| line.strip_prefix(word))
                .map(str::to_owned)
                .collect()
        };
        let env = directive("# env: ").pop();
        let source = ManifestSource {
            name: format!("{}.toml", self.name),
            text: self.text.clone(),
        };
        let env = env.as_deref().unwrap_or("local");
        load(&source, env, &directive("# set: ")).map(|_| ())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

fn corpus() -> Vec<Bad> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder of the corpus") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "toml") {
            all.push(Bad::read(&path));
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[test]
fn every_wrong_manifest_gets_its_golden_diagnostics() {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("bad");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut files = 0;
    // glob! judges every file before it fails; its own settings would add the file to each snapshot.
    insta::glob!("bad/*.toml", |path| {
        files += 1;
        let bad = Bad::read(path);
        let Err(problems) = bad.problems() else {
            panic!("{} is right, so it does not belong here", bad.name);
        };
        settings.bind(|| insta::assert_snapshot!(bad.name, problems.render(false)));
    });
    assert!(files >= FEWEST, "{files} files");
}

#[test]
fn every_golden_belongs_to_a_manifest() {
    for entry in fs::read_dir(folder()).expect("the folder of the corpus") {
        let path = entry.expect("an entry").path();
        let manifest = path.with_extension("").with_extension("toml"); // also of NAME.snap.new
        assert!(manifest.exists(), "{} has no manifest", path.display());
    }
}

#[test]
fn every_diagnostic_of_the_corpus_says_where_and_what_to_write() {
    for bad in corpus() {
        let problems = bad.problems().expect_err("it is wrong");
        for problem in problems.iter() {
            let located = problem.at.end > problem.at.start || problem.code == "syntax";
            let whole_file = ["unknown-environment", "missing-key"].contains(&problem.code);
            let told = problem.help.is_some() || !problem.label.is_empty();
            let file = &bad.name;
            assert!(
                located || whole_file,
                "{file}: {} is nowhere",
                problem.message
            );
            assert!(
                told || problem.code == "syntax",
                "{file}: {} gives no help",
                problem.message
            );
            assert!(matches!(
                problem.severity,
                Severity::Error | Severity::Warning
            ));
        }
    }
}

/// Every line of a manifest, gone or with another value.
fn variants(text: &str) -> impl Iterator<Item = String> {
    let values = [
        "5",
        "[]",
        "{}",
        "\"x\"",
        "[5, \"x\", \"secret.a\", \"secret.a\"]",
        "[{}, 5, \"/x\"]",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let with = move |line: usize, new: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line] = new;
        lines.join("\n")
    };
    lines.into_iter().enumerate().flat_map(move |(i, line)| {
        let key = line.split_once(" = ").map(|(key, _)| key.trim());
        let changed = key
            .into_iter()
            .flat_map(move |key| values.map(|value| with(i, &format!("{key} = {value}"))));
        changed.chain([with(i, "")])
    })
}

#[test]
fn no_variant_of_the_corpus_or_of_the_example_makes_it_panic() {
    let example = Bad {
        name: "example".to_owned(),
        text: EXAMPLE.to_owned(),
    };
    for bad in corpus().into_iter().chain([example]) {
        for text in variants(&bad.text) {
            let name = bad.name.clone();
            if let Err(problems) = (Bad { name, text }).problems() {
                assert!(problems.render(false).contains("error"));
            }
        }
    }
}
