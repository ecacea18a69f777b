//! What people see: colours only on a terminal, messages on standard error, results on standard output.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use neargate_core::manifest::Diagnostics;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Applies the choice to everything that is printed.
pub fn choose_colour(colour: Colour) {
    let choice = match colour {
        Colour::Auto => anstream::ColorChoice::Auto,
        Colour::Always => anstream::ColorChoice::Always,
        Colour::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// Standard error may be closed; that is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// An error with what to do instead.
pub fn error(text: &str, help: Option<&str>) {
    say(&format!("{ERROR}error{ERROR:#}: {text}"));
    if let Some(help) = help {
        say(&format!("{HELP} help{HELP:#}: {help}"));
    }
}

/// Something to know, on standard error.
pub fn note(text: &str) {
    say(&format!("{HELP}note{HELP:#}: {text}"));
}

/// Diagnostics of a manifest.
pub fn diagnostics(diagnostics: &Diagnostics) {
    // Colours are taken away again where they are not wanted.
    let _ = write!(anstream::stderr(), "{}", diagnostics.render(true));
}

/// A line of progress, on standard error.
pub fn progress(subject: &str, text: &str) {
    say(&about(subject, text));
}

/// What happened to a subject, as one line.
pub fn about(subject: &str, text: &str) -> String {
    if subject.is_empty() {
        text.to_owned()
    } else {
        format!("{DIM}{subject}{DIM:#} {text}")
    }
}

/// A text for a drawing on standard error, without colours where they are not wanted.
pub fn for_terminal(text: &str) -> String {
    let plain = anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
    if plain {
        anstream::adapter::strip_str(text).to_string()
    } else {
        text.to_owned()
    }
}

/// A word in the colour of its meaning.
pub fn state(word: &str) -> String {
    let style = match word {
        "healthy" | "running" | "available" | "done" | "ok" => GOOD,
        "unhealthy" | "failed" | "rolled-back" | "missing" => BAD,
        _ => Style::new(),
    };
    format!("{style}{word}{style:#}")
}

/// A line on standard output; a closed pipe ends the command quietly.
pub fn line(text: &str) {
    if writeln!(anstream::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A value as JSON on standard output, on one line.
pub fn json<T: serde::Serialize>(value: &T) {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(failure) => error(&failure.to_string(), None),
    }
}
