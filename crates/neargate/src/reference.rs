//! The command line's reference page, made from the arguments themselves, and tests of their help.
//!
//! `INSTA_UPDATE=always cargo test -p neargate` rewrites the page.

#[path = "../../core/tests/generated_file.rs"]
mod generated_file;

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory, Parser};

use crate::arguments::Arguments;
use generated_file::assert_generated;

/// Examples of a verb, at least.
const EXAMPLES: usize = 2;
/// Columns of a line of help, at most.
const COLUMNS: usize = 100;

fn command() -> Command {
    let mut command = Arguments::command().term_width(COLUMNS);
    command.build();
    command
}

/// Verbs that are offered, those of groups after their group.
fn offered(command: &Command) -> Vec<&Command> {
    let verbs = command.get_subcommands();
    verbs
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
        .flat_map(|verb| std::iter::once(verb).chain(offered(verb)))
        .collect()
}

fn page() -> String {
    let command = command();
    let mut page = String::from(
        "# The command line\n\n\
         This page is generated from the program's own arguments; `neargate VERB --help` prints the same.\n\n\
         Exit codes: 0 done · 1 the operation failed or was rolled back · 2 usage or manifest · \
         3 environment (a program missing, a port taken, no engine running) · 10 changes \
         (`plan --exit-code`) · 70 a bug. `run`, `exec` and `db connect` end with the exit code of \
         the command that they ran.\n\n\
         Messages and progress go to standard error, results to standard output; with `--json` \
         standard output holds nothing but JSON.\n\n## Everywhere\n\n",
    );
    arguments(command.get_arguments(), &mut page);
    for verb in offered(&command) {
        section(verb, &mut page);
    }
    page
}

fn section(verb: &Command, page: &mut String) {
    let name = verb.get_bin_name().unwrap_or(verb.get_name());
    let about = verb.get_about().map(ToString::to_string);
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(
        page,
        "\n## {name}\n\n{}.\n\n```text\n{usage}\n```\n\n",
        about.unwrap_or_default()
    );
    let own = verb.get_arguments().filter(|one| !one.is_global_set());
    let before = page.len();
    arguments(own, page);
    if page.len() > before {
        page.push('\n');
    }
    let examples: Vec<String> = examples(verb).iter().map(|line| commented(line)).collect();
    let _ = write!(page, "```sh\n{}\n```\n", examples.join("\n"));
}

/// The explanation of an example, as a comment.
fn commented(example: &str) -> String {
    match example.split_once("   ") {
        Some((command, words)) => format!("{command}    # {}", words.trim_start()),
        None => example.to_owned(),
    }
}

fn arguments<'a>(arguments: impl Iterator<Item = &'a Arg>, page: &mut String) {
    for one in arguments.filter(|one| !["help", "version"].contains(&one.get_id().as_str())) {
        let help = one.get_help().map(ToString::to_string).unwrap_or_default();
        let default: Vec<_> = one
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let _ = write!(page, "- `{}`: {help}", spelled(one));
        if one.get_action().takes_values() && !default.is_empty() {
            let _ = write!(page, " (default: `{}`)", default.join(" "));
        }
        if let Some(variable) = one.get_env() {
            let _ = write!(page, " (environment: `{}`)", variable.to_string_lossy());
        }
        page.push('\n');
    }
}

/// `-f, --file <FILE>`, or a positional argument's name.
fn spelled(one: &Arg) -> String {
    let names = one.get_value_names().unwrap_or_default();
    let value = names
        .iter()
        .map(|name| format!("<{name}>"))
        .collect::<Vec<_>>()
        .join(" ");
    if one.is_positional() {
        return value;
    }
    let short = one.get_short().map(|short| format!("-{short}"));
    let long = one.get_long().map(|long| format!("--{long}"));
    let flag = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if one.get_action().takes_values() {
        format!("{flag} {value}")
    } else {
        flag
    }
}

/// Lines under `Examples:`.
fn examples(verb: &Command) -> Vec<String> {
    let help = verb
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines
        .take_while(|line| line.starts_with("  "))
        .map(|line| line.trim().to_owned())
        .collect()
}

/// An example as the program gets it: without its explanation, pipes and redirections.
fn arguments_of(example: &str) -> Vec<String> {
    let end = ["   ", " | ", " < ", " > "]
        .iter()
        .filter_map(|end| example.find(end))
        .min();
    let mut words = vec![String::new()];
    let mut quote = false;
    for c in example[..end.unwrap_or(example.len())].chars() {
        match (c, words.last_mut()) {
            ('\'', _) => quote = !quote,
            (' ', _) if !quote => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    words
}

#[test]
fn the_reference_page_is_what_the_program_says() {
    assert_generated("docs/reference/cli.md", &page());
}

#[test]
fn clap_finds_nothing_wrong_with_the_arguments() {
    Arguments::command().debug_assert();
}

#[test]
fn every_verb_has_examples_that_it_understands() {
    let command = command();
    for verb in std::iter::once(&command).chain(offered(&command)) {
        let examples = examples(verb);
        assert!(
            examples.len() >= EXAMPLES,
            "`{}` has too few examples",
            verb.get_name()
        );
        for example in examples {
            let words = arguments_of(&example);
            if let Err(error) = Arguments::try_parse_from(&words) {
                panic!("`{example}` of `{}`: {error}", verb.get_name());
            }
        }
    }
}

#[test]
fn help_fits_the_screen() {
    let command = command();
    for verb in std::iter::once(&command).chain(offered(&command)) {
        for line in verb.clone().render_help().to_string().lines() {
            let columns = line.chars().count();
            assert!(
                columns <= COLUMNS,
                "`{}`: {columns} columns: {line}",
                verb.get_name()
            );
        }
    }
}
