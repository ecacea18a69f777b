//! Keeps the repository in the shape that CONTRIBUTING.md and ARCHITECTURE.md promise.
//!
//! Every check is a function from a text to findings, and is itself fed bad samples below: a check
//! that finds nothing because it looks at nothing would pass for ever.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/doc_comments.rs"]
mod doc_comments;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/errors.rs"]
mod errors;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/one_build.rs"]
mod one_build;
#[path = "tidy/prose.rs"]
mod prose;
#[path = "tidy/reach.rs"]
mod reach;
#[path = "tidy/repository.rs"]
mod repository;
#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/weight.rs"]
mod weight;

use repository::{Finding, Repository};

/// Fails with every finding, one a line.
fn expect_none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", lines.join("\n"));
}

/// Runs a check over every text that it is meant for.
fn over(wanted: impl Fn(&str) -> bool, check: impl Fn(&str, &str) -> Vec<Finding>) {
    let repository = Repository::read();
    let found: Vec<Finding> = repository
        .texts
        .iter()
        .filter(|(path, _)| wanted(path))
        .flat_map(|(path, text)| check(path, text))
        .collect();
    expect_none(&found);
}

fn rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn any(_: &str) -> bool {
    true
}

#[test]
fn the_walk_sees_the_repository() {
    let repository = Repository::read();
    for path in ["Cargo.toml", "crates/neargate/tests/tidy.rs"] {
        assert!(repository.texts.contains_key(path), "{path} is not seen");
    }
    let crates = ["core", "router", "near", "far", "aws", "neargate"];
    for name in crates {
        let prefix = format!("crates/{name}/src/");
        let seen = repository
            .texts
            .keys()
            .any(|path| path.starts_with(&prefix));
        assert!(seen, "no source of {name} is seen");
    }
}

#[test]
fn functions_have_at_most_70_lines() {
    over(rust, shape::long_functions);
}

#[test]
fn rust_files_have_at_most_500_lines() {
    over(rust, shape::long_file);
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    over(rust, shape::no_module_docs);
}

#[test]
fn no_doc_comment_has_one_or_two_words() {
    over(rust, doc_comments::short);
}

#[test]
fn imports_go_in_the_allowed_directions() {
    over(rust, imports::in_source);
    over(|path| path.ends_with("Cargo.toml"), imports::in_manifest);
}

#[test]
fn modules_know_each_other_in_one_direction() {
    expect_none(&circles::in_circles(&Repository::read()));
}

#[test]
fn no_error_of_a_library_is_a_text() {
    over(rust, errors::text_errors);
}

#[test]
fn no_work_is_put_off() {
    over(any, prose::put_off);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    over(any, prose::machine_paths);
}

#[test]
fn no_module_or_type_has_an_empty_name() {
    over(rust, names::empty_names);
}

#[test]
fn one_name_stands_for_one_type() {
    expect_none(&names::defined_twice(&Repository::read()));
}

#[test]
fn every_file_under_tests_is_reached() {
    expect_none(&reach::unreached(&Repository::read()));
}

#[test]
fn documents_exist_and_keep_their_limits() {
    expect_none(&documents::limits(&Repository::read()));
}

#[test]
fn every_promise_names_what_shows_it() {
    expect_none(&documents::promises(&Repository::read()));
}

#[test]
fn no_table_is_broken_by_an_empty_line() {
    over(|path| path.ends_with(".md"), documents::broken_tables);
}

#[test]
fn no_file_is_large_and_binaries_are_on_the_list() {
    expect_none(&weight::heavy_or_binary(&Repository::read()));
}

#[test]
fn a_release_after_the_demo_builds_what_the_demo_built() {
    expect_none(&one_build::another_build(&Repository::read()));
}
