//! Logs: one JSON object per line on standard output.
//!
//! Invariant: every line has `time`, `level`, `msg`, and, under Neargate, `revision` and `task`;
//! a line is written in one piece. Refuses: secrets. Callers pass facts, never whole requests.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Severity of a log line, the least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Level {
    /// Probes and details.
    Debug,
    /// Events of normal work.
    #[default]
    Info,
    /// Something is degraded.
    Warn,
    /// A request or a step failed.
    Error,
}

impl Level {
    /// Reads `debug`, `info`, `warn` or `error`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn, Self::Error]
            .into_iter()
            .find(|level| level.name() == text)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Revision and task of this process; empty outside Neargate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    /// Number of its revision (`NEARGATE_REVISION`).
    pub revision: String,
    /// Id of this task (`NEARGATE_TASK`).
    pub task: String,
    /// Free text for demonstrations (`NOTES_BANNER`).
    pub banner: String,
    /// Least severe level that is written (`LOG`, default `info`).
    pub level: Level,
}

/// Writes lines for one task.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    least: Level,
    suffix: String,
}

impl Log {
    /// A log that names this task in every line.
    pub(crate) fn new(identity: &Identity) -> Self {
        let mut suffix = String::new();
        for (name, value) in [("revision", &identity.revision), ("task", &identity.task)] {
            if !value.is_empty() {
                push(&mut suffix, name, &Value::from(value.as_str()));
            }
        }
        Self {
            least: identity.level,
            suffix,
        }
    }

    /// Writes at `debug`.
    pub(crate) fn debug(&self, msg: &str, fields: &[(&str, Value)]) {
        self.write(Level::Debug, msg, fields);
    }

    /// Writes at `info`.
    pub(crate) fn info(&self, msg: &str, fields: &[(&str, Value)]) {
        self.write(Level::Info, msg, fields);
    }

    /// Writes at `warn`.
    pub(crate) fn warn(&self, msg: &str, fields: &[(&str, Value)]) {
        self.write(Level::Warn, msg, fields);
    }

    /// Writes at `error`.
    pub(crate) fn error(&self, msg: &str, fields: &[(&str, Value)]) {
        self.write(Level::Error, msg, fields);
    }

    /// Writes a line at `level` when that is severe enough.
    pub(crate) fn write(&self, level: Level, msg: &str, fields: &[(&str, Value)]) {
        if level < self.least {
            return;
        }
        let line = self.line(SystemTime::now(), level, msg, fields);
        // A closed standard output must not stop the service.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }

    fn line(&self, now: SystemTime, level: Level, msg: &str, fields: &[(&str, Value)]) -> String {
        let mut line = format!(
            "{{\"time\":\"{}\",\"level\":\"{}\"",
            timestamp(now),
            level.name()
        );
        push(&mut line, "msg", &Value::from(msg));
        for (name, value) in fields {
            push(&mut line, name, value);
        }
        line.push_str(&self.suffix);
        line.push_str("}\n");
        line
    }
}

fn push(line: &mut String, name: &str, value: &Value) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":");
    line.push_str(&value.to_string());
}

/// UTC with milliseconds, `2026-11-21T06:05:00.123Z`.
fn timestamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a day since 1970-01-01, counted in 400-year eras that start in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_241_100_123, "2026-11-21T06:05:00.123Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_line_is_one_json_object_with_the_task_in_it() {
        let identity = Identity {
            revision: "3".into(),
            task: "api-7".into(),
            ..Identity::default()
        };
        let line = Log::new(&identity).line(
            UNIX_EPOCH,
            Level::Warn,
            "a \"quoted\"\nline",
            &[("status", 503.into())],
        );
        assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["msg"], "a \"quoted\"\nline");
        assert_eq!(
            (&value["level"], &value["status"]),
            (&Value::from("warn"), &Value::from(503))
        );
        assert_eq!(
            (&value["revision"], &value["task"]),
            (&Value::from("3"), &Value::from("api-7"))
        );
    }
}
