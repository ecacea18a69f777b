//! What a command that waits shows: a live tree on a terminal, lines elsewhere, JSON when asked.
//!
//! Invariant: with JSON, nothing but events reaches standard output and nothing is drawn; a tree
//! is taken away before anything else is printed.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use neargate_core::duration;
use neargate_core::status::Status;
use neargate_near::api::wire::ReleaseProgress;

use crate::arguments::GlobalFlags;
use crate::live_tree::LiveTree;
use crate::output;
use crate::said_reasons::SaidReasons;
use crate::task_lines::LineDestination;

/// Where progress goes.
pub(crate) enum ProgressScreen {
    /// One object a line, on standard output.
    Json,
    /// One line per event, on standard error, and what is waited for.
    Lines(WaitLine, SaidReasons),
    /// A tree that is drawn again and again, on standard error.
    Live(LiveTree, SaidReasons),
}

impl ProgressScreen {
    /// The form that suits the flags and the terminal.
    pub(crate) fn of(flags: &GlobalFlags) -> Self {
        let draws = std::env::var("TERM").is_ok_and(|term| term != "dumb");
        if flags.json {
            Self::Json
        } else if std::io::stderr().is_terminal() && draws {
            Self::Live(LiveTree::new(), SaidReasons::default())
        } else {
            Self::Lines(WaitLine::default(), SaidReasons::default())
        }
    }

    /// How often it wants to be told the status.
    pub(crate) fn pace(&self) -> Duration {
        match self {
            Self::Live(..) => Duration::from_millis(150),
            Self::Json | Self::Lines(..) => Duration::from_secs(2),
        }
    }

    /// Shows what happened.
    pub(crate) fn event(&mut self, event: &ReleaseProgress) {
        match self {
            Self::Json => output::json(event),
            _ if event.text.is_empty() => {}
            Self::Lines(_, reasons) => {
                output::progress(&event.subject, &reasons.shorten(&event.text));
            }
            Self::Live(tree, reasons) => {
                let text = reasons.shorten(&event.text);
                tree.above(&output::about(&event.subject, &text));
            }
        }
    }

    /// Shows where everything stands, above all what is waited for.
    pub(crate) fn status(&mut self, status: &Status) {
        match self {
            Self::Json => {}
            Self::Lines(said, _) => said.say(&waits(status)),
            Self::Live(tree, _) => tree.draw(status),
        }
    }

    /// As [`ProgressScreen::status`], with what is waited for outside of releases.
    pub(crate) fn starting(&mut self, status: &Status) {
        match self {
            Self::Lines(said, _) => {
                said.say(format!("{}\n{}", waits(status), starts(status)).trim());
            }
            Self::Json | Self::Live(..) => self.status(status),
        }
    }

    /// Shows what is waited for, in these words.
    pub(crate) fn waits(&mut self, words: &str) {
        match self {
            Self::Json => {}
            Self::Lines(said, _) => said.say(words),
            Self::Live(tree, _) => tree.wait(words),
        }
    }

    /// Where lines of tasks go; with JSON nowhere.
    pub(crate) fn lines_of_tasks(&self) -> Option<LineDestination> {
        match self {
            Self::Json => None,
            Self::Lines(..) => Some(LineDestination::Output),
            Self::Live(tree, _) => Some(LineDestination::Above(tree.place_above())),
        }
    }

    /// Takes a drawing away.
    pub(crate) fn clear(&mut self) {
        if let Self::Live(tree, _) = self {
            tree.clear();
        }
    }
}

/// A wait is told again after this long, also when nothing but times changed.
const AGAIN: Duration = Duration::from_secs(10);

/// The wait that was told last, without its times, and when.
#[derive(Default)]
pub(crate) struct WaitLine {
    said: String,
    at: Option<Instant>,
    /// When each line, without its times, was said first.
    since: BTreeMap<String, Instant>,
}

impl WaitLine {
    fn say(&mut self, waits: &str) {
        for line in self.lines(waits, Instant::now()) {
            output::progress("", &line);
        }
    }

    /// Lines that are to be told now, each with the time since it was told first.
    fn lines(&mut self, waits: &str, now: Instant) -> Vec<String> {
        if !self.is_news(waits, now) {
            return Vec::new();
        }
        let before = std::mem::take(&mut self.since);
        let mut lines = Vec::new();
        for line in waits.lines() {
            let words = without_times(line);
            let since = before.get(&words).copied().unwrap_or(now);
            let waited = Duration::from_secs(now.duration_since(since).as_secs());
            lines.push(match waited >= AGAIN {
                true => format!("{line}, for {} now", duration::rounded(waited)),
                false => line.to_owned(),
            });
            self.since.insert(words, since);
        }
        lines
    }

    /// Whether the words are to be said now; then they count as said.
    fn is_news(&mut self, waits: &str, now: Instant) -> bool {
        let words = without_times(waits);
        let late = self.at.is_none_or(|at| now.duration_since(at) >= AGAIN);
        let news = words != self.said || (late && !words.is_empty());
        if news {
            self.said = words;
            self.at = Some(now);
        }
        news
    }
}

/// The words without durations, which change by themselves.
fn without_times(text: &str) -> String {
    let time = |word: &&str| {
        let bare = word.trim_matches(|mark: char| !mark.is_alphanumeric());
        duration::parse(bare).is_ok()
    };
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').filter(|word| !time(word)).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Present waits, one line per copy and service.
fn waits(status: &Status) -> String {
    let copying = status.copying.iter();
    let copying = copying.map(|copying| format!("{} {}", copying.service, copying.describe()));
    let releases = status.services.iter().filter_map(|service| {
        let release = service.release.as_ref()?;
        let doing = release.stage.describe();
        let what = &release.waiting_for;
        Some(format!("{} is {doing}: waits for {what}", service.name))
    });
    let lines: Vec<String> = copying.chain(releases).collect();
    lines.join("\n")
}

/// Which services start without a release, one line for each.
fn starts(status: &Status) -> String {
    let short = status.services.iter();
    let short = short.filter(|one| one.release.is_none() && one.healthy < one.needed);
    let lines: Vec<String> = short
        .map(|one| {
            let (name, healthy, needed, revision) =
                (&one.name, one.healthy, one.needed, one.revision);
            let check = one.last_check();
            let check = check.map_or_else(String::new, |found| format!("; last check: {found}"));
            format!("{name} starts: waits for {healthy} of {needed} tasks of revision {revision} healthy{check}")
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said_once_and_again_every_10_seconds() {
        let mut waits = WaitLine::default();
        let begin = Instant::now();
        let mut said = Vec::new();
        for second in 0..=35 {
            let left = duration::rounded(Duration::from_secs(90 - second));
            let words =
                format!("api is watching the new revision: waits for the bake time ({left} more)");
            if waits.is_news(&words, begin + Duration::from_secs(second)) {
                said.push(second);
            }
        }
        assert_eq!(said, [0, 10, 20, 30]);
        let later = begin + Duration::from_secs(36);
        assert!(waits.is_news("api waits for 1 of 2 tasks", later));
        assert!(!waits.is_news("api waits for 1 of 2 tasks", later));
        assert!(waits.is_news("api waits for 2 of 2 tasks", later));
        assert!(waits.is_news("", later), "the end of all waits is no line");
        assert!(!waits.is_news("", later + 2 * AGAIN));
    }

    #[test]
    fn what_is_waited_for_again_is_said_with_the_time_that_it_has_taken() {
        let mut waits = WaitLine::default();
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let api = "api starts: waits for 1 of 2 tasks of revision 1 healthy";
        let both = format!("{api}\nweb starts: waits for 0 of 1 tasks of revision 1 healthy");
        assert_eq!(waits.lines(api, at(0)), [api]);
        assert!(waits.lines(api, at(9)).is_empty());
        assert_eq!(waits.lines(api, at(10)), [format!("{api}, for 10s now")]);
        // Another line is news; the first one's time goes on.
        let said = waits.lines(&both, at(15));
        assert_eq!(said[0], format!("{api}, for 15s now"));
        assert!(said[1].ends_with("healthy"), "{said:?}");
        assert!(waits.lines(&both, at(24)).is_empty());
        assert!(waits.lines(&both, at(25))[1].ends_with("for 10s now"));
    }
}
