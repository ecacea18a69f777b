//! What people see: colours only on a terminal, messages on standard error, results on standard output.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use neargate_core::manifest::Diagnostics;
use neargate_core::status::TaskStatus;

use crate::terminal;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// Applies the choice to everything that is printed.
pub(crate) fn choose_colour(colour: ColourChoice) {
    let choice = match colour {
        ColourChoice::Auto => anstream::ColorChoice::Auto,
        ColourChoice::Always => anstream::ColorChoice::Always,
        ColourChoice::Never => anstream::ColorChoice::Never,
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
    if std::io::stderr().is_terminal() {
        let _ = writeln!(anstream::stderr(), "{}", harmless(text));
    } else {
        let _ = writeln!(anstream::stderr(), "{text}");
    }
}

/// A question on standard error, without a line's end.
pub(crate) fn question(text: &str) {
    let mut out = anstream::stderr();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// Sends the cursor of a terminal home and clears what is below.
pub(crate) fn clear_screen() {
    let mut out = anstream::stdout();
    write!(out, "\x1b[H\x1b[J").unwrap_or_else(|error| closed(&error));
}

/// An error with what to do instead.
pub(crate) fn error(text: &str, help: Option<&str>) {
    say(&format!("{ERROR}error{ERROR:#}: {text}"));
    if let Some(text) = help {
        self::help(text);
    }
}

/// Prints advice below an error.
pub(crate) fn help(text: &str) {
    say(&format!("{HELP} help{HELP:#}: {text}"));
}

/// Something to know, on standard error.
pub(crate) fn note(text: &str) {
    say(&format!("{HELP}note{HELP:#}: {text}"));
}

/// Diagnostics of a manifest.
pub(crate) fn diagnostics(diagnostics: &Diagnostics) {
    // Colours are taken away again where they are not wanted.
    let _ = write!(anstream::stderr(), "{}", diagnostics.render(true));
}

/// A line of progress, on standard error.
pub(crate) fn progress(subject: &str, text: &str) {
    say(&about(subject, text));
}

/// A subject and its event, as one line.
pub(crate) fn about(subject: &str, text: &str) -> String {
    if subject.is_empty() {
        text.to_owned()
    } else {
        format!("{DIM}{subject}{DIM:#} {text}")
    }
}

/// A text for a drawing on standard error, without colours where they are not wanted.
pub(crate) fn for_terminal(text: &str) -> String {
    let plain = anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never;
    if plain {
        anstream::adapter::strip_str(text).to_string()
    } else {
        text.to_owned()
    }
}

/// A word in the colour of its meaning.
pub(crate) fn state(word: &str) -> String {
    let style = match word {
        "healthy" | "running" | "available" | "done" | "ok" => GOOD,
        "unhealthy" | "failed" | "rolled-back" | "missing" => BAD,
        _ => Style::new(),
    };
    format!("{style}{word}{style:#}")
}

/// The health of a task, and what its last check found when it failed.
pub(crate) fn health(task: &TaskStatus) -> String {
    let health = state(task.health.as_str());
    match &task.last_check {
        Some(found) => format!("{health} (last check: {found})"),
        None => health,
    }
}

/// A line on standard output; a closed pipe ends the command quietly.
pub(crate) fn line(text: &str) {
    let written = if std::io::stdout().is_terminal() {
        writeln!(anstream::stdout(), "{}", harmless(text))
    } else {
        writeln!(anstream::stdout(), "{text}")
    };
    written.unwrap_or_else(|error| closed(&error));
}

/// Bytes of a person, to standard output: as they are, but for a terminal as a line that cannot
/// steer it.
pub(crate) fn exact(bytes: &[u8]) {
    if std::io::stdout().is_terminal() {
        return line(&String::from_utf8_lossy(bytes));
    }
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.unwrap_or_else(|error| closed(&error));
}

/// Ends the command when nobody reads its output any more; says any other reason, exit 1.
pub(crate) fn closed(reason: &std::io::Error) {
    if reason.kind() != std::io::ErrorKind::BrokenPipe {
        error(&format!("cannot write the output: {reason}"), None);
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// A text of ours, with what tasks said in it, for a terminal: colours stay, everything else that
/// could steer the terminal is shown as text.
fn harmless(text: &str) -> Cow<'_, str> {
    terminal::harmless(text, true)
}

/// A line of a task for a terminal. Its colours end with it, and go where none are wanted.
pub(crate) fn harmless_line(line: &str) -> String {
    let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let text = terminal::harmless(line, coloured).replace('\n', "\\n");
    if coloured && text.contains('\u{1b}') {
        format!("{text}\u{1b}[0m")
    } else {
        text
    }
}

/// JSON for a terminal: what could steer it is escaped as JSON escapes it.
pub(crate) fn harmless_json(text: &str) -> String {
    terminal::escaped_json(text)
}

/// A value as JSON on standard output, on one line.
pub(crate) fn json<T: serde::Serialize>(value: &T) {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(failure) => error(&failure.to_string(), None),
    }
}
