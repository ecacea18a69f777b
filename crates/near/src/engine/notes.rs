//! What people should know beside the status, each with its cause: a note goes when its cause does.

use std::collections::{BTreeMap, BTreeSet};

use neargate_core::ids::TaskId;

/// Why there is a note.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NoteCause {
    /// Decisions cannot be written.
    JournalUnwritable,
    /// The journal cannot be compacted.
    JournalGrows,
    /// States of alarms cannot be written.
    AlarmsUnwritable,
    /// Listeners, data services or secrets of an app that was up are not there.
    NotProvided,
    /// Nothing is served: no router could be started.
    NoRouter,
    /// The router lacks places for clients, descriptors, memory or ports.
    RouterStrained,
    /// Something of a task that runs.
    Task(TaskId),
}

impl NoteCause {
    /// An error of the journal in people's words.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::JournalUnwritable => "decisions wait because the journal cannot be written",
            Self::JournalGrows => "the journal grows because it cannot be compacted",
            Self::AlarmsUnwritable => "alarms wait because their state cannot be written",
            Self::NotProvided => "cannot provide for the app",
            Self::NoRouter => "no request is answered, because there is no router",
            Self::RouterStrained => "the router is at its limits",
            Self::Task(_) => "a task",
        }
    }
}

/// The notes of now.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<NoteCause, Vec<String>>);

impl Notes {
    /// Replaces what is noted for a cause; whether that is news.
    pub(super) fn set(&mut self, cause: NoteCause, texts: &[String]) -> bool {
        if texts.is_empty() {
            return self.clear(&cause);
        }
        let before = self.0.insert(cause, texts.to_vec());
        before.as_deref() != Some(texts)
    }

    /// The cause is gone; whether there was a note of it.
    pub(super) fn clear(&mut self, cause: &NoteCause) -> bool {
        self.0.remove(cause).is_some()
    }

    /// Whether there is a note of a cause.
    pub(super) fn has(&self, cause: &NoteCause) -> bool {
        self.0.contains_key(cause)
    }

    /// Each text once, however many causes it has.
    pub(super) fn texts(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.0.values().flatten().collect();
        all.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_stays_as_long_as_one_of_its_causes() {
        let mut notes = Notes::default();
        let text = || vec!["limits are not enforced".to_owned()];
        let task = |id: &str| NoteCause::Task(id.into());
        assert!(notes.set(task("a-1"), &text()));
        assert!(notes.set(task("a-2"), &text()));
        assert!(!notes.set(task("a-2"), &text()), "it is known");
        assert_eq!(notes.texts(), text());
        notes.clear(&task("a-1"));
        assert_eq!(notes.texts(), text());
        notes.clear(&task("a-2"));
        assert_eq!(notes.texts(), [""; 0]);
    }

    #[test]
    fn a_newer_text_replaces_the_one_before() {
        let mut notes = Notes::default();
        notes.set(NoteCause::JournalUnwritable, &["disk full".to_owned()]);
        notes.set(NoteCause::JournalUnwritable, &["read-only".to_owned()]);
        assert_eq!(notes.texts(), ["read-only"]);
        notes.set(NoteCause::JournalUnwritable, &[]);
        assert_eq!(notes.texts(), [""; 0]);
    }
}
