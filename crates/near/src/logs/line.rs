//! One line of a log, and its shape in the file: one JSON object a line.
//!
//! `{"t":1700000000000,"s":"o","r":3,"k":"api-r3-7","m":"listening"}` — time in ms, stream
//! (`o` stdout, `e` stderr), revision, task, message: the text, or the line itself when it is a
//! JSON object. `"p":true`: a part, the line goes on in the stream's next record. `"x":true`: the
//! line was not UTF-8, each character of the message stands for one byte (ISO 8859-1).
//!
//! Invariant: [`LogLine::bytes`] of what [`record`] made are the bytes that the task wrote.

use std::borrow::Cow;

use neargate_core::ids::RevisionNumber;
use neargate_core::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Which pipe a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum OutputStream {
    #[serde(rename = "o")]
    Out,
    #[serde(rename = "e")]
    Err,
}

impl OutputStream {
    const fn letter(self) -> char {
        match self {
            Self::Out => 'o',
            Self::Err => 'e',
        }
    }
}

/// One line of a log, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// Where the task wrote it.
    pub stream: OutputStream,
    /// Revision of the task.
    pub revision: RevisionNumber,
    pub task: String,
    /// Whether the line goes on in the stream's next record.
    pub continues: bool,
    /// The bytes that the task wrote, without the line's end.
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct LogRecord<'a> {
    t: Timestamp,
    s: OutputStream,
    r: RevisionNumber,
    #[serde(borrow)]
    k: Cow<'a, str>,
    #[serde(default)]
    p: bool,
    #[serde(default)]
    x: bool,
    #[serde(borrow)]
    m: &'a RawValue,
}

impl LogLine {
    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The record as valid JSON for every reader: the message is an object only when it is one
    /// that parsers take (no lone surrogates, no number out of range, at most 128 levels deep).
    #[must_use]
    pub fn json(&self) -> String {
        let text = self.text();
        if std::str::from_utf8(&self.bytes).is_ok()
            && is_object(&text)
            && serde_json::from_str::<serde_json::Value>(&text).is_ok()
        {
            // The only carriage returns in valid JSON are blanks, and they would look like ends.
            return self.record_with("", &text.replace('\r', " "));
        }
        let (mark, message) = quoted(&self.bytes);
        self.record_with(mark, &message)
    }

    /// The record with a message that is JSON already.
    fn record_with(&self, mark: &str, message: &str) -> String {
        format!(
            "{{\"t\":{},\"s\":\"{}\",\"r\":{},\"k\":{},{}{mark}\"m\":{message}}}",
            self.at.0,
            self.stream.letter(),
            self.revision,
            serde_json::Value::from(self.task.as_str()),
            if self.continues { "\"p\":true," } else { "" },
        )
    }

    /// Reads a record; nothing for half of one.
    pub(super) fn parse(record: &[u8]) -> Option<Self> {
        let record: LogRecord<'_> = serde_json::from_slice(record).ok()?;
        let raw = record.m.get();
        let bytes = if raw.starts_with('{') {
            raw.as_bytes().to_vec()
        } else {
            let text: String = serde_json::from_str(raw).ok()?;
            if record.x {
                text.chars()
                    .map(|c| u8::try_from(c).ok())
                    .collect::<Option<_>>()?
            } else {
                text.into_bytes()
            }
        };
        Some(Self {
            at: record.t,
            stream: record.s,
            revision: record.r,
            task: record.k.into_owned(),
            continues: record.p,
            bytes,
        })
    }
}

/// Whether a text is a JSON object and nothing else, blanks around it included.
fn is_object(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A line as a JSON string, and the mark of one that is not UTF-8.
fn quoted(bytes: &[u8]) -> (&'static str, String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => ("", serde_json::Value::from(text).to_string()),
        Err(_) => {
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            ("\"x\":true,", serde_json::Value::from(text).to_string())
        }
    }
}

/// The record of a line, with its end.
pub(super) fn record(line: &LogLine) -> Vec<u8> {
    let object = std::str::from_utf8(&line.bytes)
        .ok()
        .filter(|text| is_object(text));
    let mut record = match object {
        Some(text) => line.record_with("", text),
        None => {
            let (mark, message) = quoted(&line.bytes);
            line.record_with(mark, &message)
        }
    };
    record.push('\n');
    record.into_bytes()
}
