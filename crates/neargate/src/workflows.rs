//! Every command that a rendered workflow or a stage of the pipeline gives to `neargate`, parsed by
//! the program's own arguments: what is written today is what the program takes today.
//!
//! The workflows are the goldens of `neargate-far`, which its own tests keep true.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use neargate_core::manifest::{ManifestSource, load};
use neargate_far::pipeline::stage::{PipelineStage, StageAction, acts};

use crate::arguments::{Arguments, Command, Verb};

const GOLDENS: &str = "../far/tests/workflows";
const BLUEPRINTS: &str = "../../blueprints";

/// Files below a folder that end so, in order.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The command of a line, if it is one of ours: after `run:` or the label of a `case`.
fn command(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.trim_start_matches("- ").trim_start_matches("run: ");
    let line = line.split_once(") ").map_or(line, |(_, after)| {
        if after.starts_with("neargate ") {
            after
        } else {
            line
        }
    });
    line.starts_with("neargate ").then_some(line)
}

/// The words of a command up to `|`, `;` or its end. Source: POSIX, Shell Command Language, 2.2.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(letter),
            (_, '\\') => word.get_or_insert_default().extend(letters.next()),
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '|' | ';') => break,
            (None, ' ') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_command_of_a_rendered_workflow_is_one_that_the_program_takes() {
    let mut seen = 0;
    for path in files(&here(GOLDENS), ".yml") {
        let text = fs::read_to_string(&path).expect("a workflow");
        for line in text.lines() {
            let Some(command) = command(line) else {
                continue;
            };
            let parsed = Arguments::try_parse_from(words(command));
            let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let told = matches!(parsed.command, Command::Verb(Verb::Pipeline(_)))
                || parsed.flags.env() != "local";
            assert!(told, "{}: `{command}` is far", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 40, "only {seen} commands were found");
}

#[test]
fn a_job_by_hand_runs_the_words_of_the_manifest() {
    let path = here(GOLDENS).join("everything/neargate-migrate.yml");
    let text = fs::read_to_string(path).expect("a workflow");
    let line = text.lines().find_map(command).expect("a job");
    let parsed = Arguments::try_parse_from(words(line)).expect("a command");
    let Command::Verb(Verb::Run { service, command }) = parsed.command else {
        panic!("{line} is not `run`");
    };
    assert_eq!(service, "api");
    assert_eq!(command, ["report", "it's", "$HOME"]);
}

#[test]
fn every_command_of_a_stage_is_one_that_the_program_takes() {
    let mut seen = 0;
    for path in files(&here(BLUEPRINTS), "neargate.toml") {
        let text = fs::read_to_string(&path).expect("a manifest");
        let name = path.display().to_string();
        for env in ["local", "dev", "prod"] {
            let source = ManifestSource {
                name: name.clone(),
                text: text.clone(),
            };
            let Ok(loaded) = load(&source, env, &[]) else {
                continue;
            };
            let all = PipelineStage::ALL.into_iter();
            let all = all.filter_map(|stage| acts(stage, &loaded.manifest).ok());
            for act in all.flatten() {
                let StageAction::Neargate(arguments) = act else {
                    continue;
                };
                let line = std::iter::once("neargate".to_owned()).chain(arguments);
                let parsed = Arguments::try_parse_from(line);
                assert!(parsed.is_ok(), "{name} {env}: {parsed:?}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "only {seen} commands were found");
}
