//! What a command that waits shows: a live tree on a terminal, lines elsewhere, JSON when asked.
//!
//! Invariant: with JSON, nothing but events reaches standard output and nothing is drawn; a tree
//! is taken away before anything else is printed.

use std::io::IsTerminal;
use std::time::Duration;

use neargate_core::status::Status;
use neargate_near::api::wire::Progress;

use crate::arguments::Flags;
use crate::tree::Tree;
use crate::{copying, output};

/// Where progress goes.
pub enum Screen {
    /// One object a line, on standard output.
    Json,
    /// One line per event, on standard error, with the waits that were said last.
    Lines(String),
    /// A tree that is drawn again and again, on standard error.
    Live(Tree),
}

impl Screen {
    /// The form that suits the flags and the terminal.
    pub fn of(flags: &Flags) -> Self {
        let draws = std::env::var("TERM").is_ok_and(|term| term != "dumb");
        if flags.json {
            Self::Json
        } else if std::io::stderr().is_terminal() && draws {
            Self::Live(Tree::new())
        } else {
            Self::Lines(String::new())
        }
    }

    /// How often it wants to be told the status.
    pub fn pace(&self) -> Duration {
        match self {
            Self::Live(_) => Duration::from_millis(150),
            Self::Json | Self::Lines(_) => Duration::from_secs(2),
        }
    }

    /// Shows what happened.
    pub fn event(&self, event: &Progress) {
        match self {
            Self::Json => output::json(event),
            _ if event.text.is_empty() => {}
            Self::Lines(_) => output::progress(&event.subject, &event.text),
            Self::Live(tree) => tree.above(&output::about(&event.subject, &event.text)),
        }
    }

    /// Shows where everything stands, above all what is waited for.
    pub fn status(&mut self, status: &Status) {
        match self {
            Self::Json => {}
            Self::Lines(said) => {
                let waits = waits(status);
                if *said != waits {
                    waits.lines().for_each(|line| output::progress("", line));
                    *said = waits;
                }
            }
            Self::Live(tree) => tree.draw(status),
        }
    }

    /// Takes a drawing away.
    pub fn clear(&mut self) {
        if let Self::Live(tree) = self {
            tree.clear();
        }
    }
}

/// What is waited for, one line per copy and service.
fn waits(status: &Status) -> String {
    let copying = status.copying.iter();
    let copying = copying.map(|copying| format!("{} {}", copying.service, copying::words(copying)));
    let releases = status.services.iter().filter_map(|service| {
        let release = service.release.as_ref()?;
        let doing = output::stage(&release.stage);
        let what = &release.waiting_for;
        Some(format!("{} is {doing}: waits for {what}", service.name))
    });
    let lines: Vec<String> = copying.chain(releases).collect();
    lines.join("\n")
}
