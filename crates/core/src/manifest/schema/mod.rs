//! The manifest's shape: one description of every table, key, kind, range and default.
//!
//! Invariant: the checker, the defaults, the JSON Schema and the reference page all read this
//! description, so they cannot disagree. It knows nothing of values that depend on one
//! another; those are in the sibling module `check`.

mod app;
mod audit;
mod aws;
mod data;
mod defaults;
#[cfg(test)]
#[path = "../../../tests/generated_file.rs"]
mod generated_file;
mod job;
pub(crate) mod json_schema;
mod one_line;
#[cfg(test)]
mod parity;
mod pipeline;
#[cfg(test)]
mod reference_page;
mod release;
mod text_formats;
mod text_rules;
pub(crate) mod validate;

mod service;
mod suggest;
mod watch;

pub(crate) use app::FILE;
pub(crate) use defaults::{another, fill, require};
pub(crate) use text_formats::matcher;
use text_rules::TextRuleViolation;
pub(crate) use validate::conform;

/// A table with fixed keys.
pub(crate) struct TableSchema {
    /// How people call it: `[service.NAME]`.
    pub(crate) title: &'static str,
    /// Purpose of the table.
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [KeySchema],
    /// A table whose keys may be written here too.
    pub(crate) also: Option<&'static Self>,
}

impl TableSchema {
    /// All keys, in the order of the description.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static KeySchema> {
        let also = self.also.map_or(&[][..], |shape| shape.fields);
        self.fields.iter().chain(also)
    }

    /// The key with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static KeySchema> {
        self.fields().find(|field| field.name == name)
    }
}

/// One key of a table.
pub(crate) struct KeySchema {
    /// As written, kebab-case.
    pub(crate) name: &'static str,
    /// Kind of value that may stand there.
    pub(crate) kind: ValueKind,
    /// Meaning of its absence.
    pub(crate) absent: AbsentKey,
    /// Effect of the key.
    pub(crate) doc: &'static str,
    /// In what a number is counted; said when it is wrong.
    pub(crate) unit: Option<&'static str>,
    /// Effect of the key on AWS.
    pub(crate) far: FarEffect,
    /// The difference there, when `far` alone does not say it.
    pub(crate) differs: Option<&'static str>,
}

/// Effect of a key on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FarEffect {
    /// A table: its own keys say it.
    Below,
    /// The same as near.
    Same,
    /// Another thing, named in a few words.
    Becomes(&'static str),
    /// Nothing, and why; `check` says it where it is written.
    Nothing(&'static str),
}

/// Meaning of a missing key.
pub(crate) enum AbsentKey {
    /// It is an error.
    Refused,
    /// Nothing, or what `doc` says.
    Nothing,
    /// This TOML value.
    Default(&'static str),
    /// A table that holds only its own defaults.
    Table,
}

impl KeySchema {
    const fn new(name: &'static str, kind: ValueKind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            absent: AbsentKey::Nothing,
            doc,
            unit: None,
            far: FarEffect::Below,
            differs: None,
        }
    }

    const fn same(mut self) -> Self {
        self.far = FarEffect::Same;
        self
    }

    const fn far(mut self, text: &'static str) -> Self {
        self.far = FarEffect::Becomes(text);
        self
    }

    const fn only_near(mut self, why: &'static str) -> Self {
        self.far = FarEffect::Nothing(why);
        self
    }

    const fn differs(mut self, text: &'static str) -> Self {
        self.differs = Some(text);
        self
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    const fn required(mut self) -> Self {
        self.absent = AbsentKey::Refused;
        self
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.absent = AbsentKey::Default(default);
        self
    }

    const fn filled(mut self) -> Self {
        self.absent = AbsentKey::Table;
        self
    }
}

/// Kind of value that may stand at a key.
#[derive(Clone, Copy)]
pub(crate) enum ValueKind {
    /// Any text that is not empty.
    Text,
    /// The value of an environment variable: text, a whole number, true or false.
    Plain,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// Text with a syntax.
    Form(&'static TextFormat),
    /// `true` or `false`.
    Flag,
    /// A whole number, both ends allowed.
    Whole(i64, i64),
    /// A number, both ends allowed.
    Number(f64, f64),
    /// A duration in seconds, both ends allowed.
    Seconds(u64, u64),
    /// A list with this many items.
    List(&'static Self, usize, usize),
    /// One value, or a list with at most this many.
    Many(&'static Self, usize),
    Table(&'static TableSchema),
    /// A table, or the value of its key with this name.
    Short(&'static str, &'static TableSchema),
    /// A table from free keys to values of one kind.
    Named(&'static TextFormat, &'static Self),
}

/// A syntax of texts.
pub(crate) struct TextFormat {
    /// The text's name, with its article: `a host name`.
    pub(crate) what: &'static str,
    /// A text that is right.
    pub(crate) example: &'static str,
    /// A regular expression that every right text matches (ECMA 262); for the JSON Schema.
    pub(crate) pattern: &'static str,
    /// The first rule that a text breaks.
    pub(crate) check: fn(&str) -> Result<(), TextRuleViolation>,
}

#[cfg(test)]
mod tests {
    use super::TextFormat;
    use super::app::REQUIRES;
    use super::audit::RULE;
    use super::aws::{BUCKET, EMAIL, ENDPOINT, HOSTED_ZONE};
    use super::text_formats::{
        ADDRESS, APP, AUTHORITY, CACHE_CONTROL, CIDR, COOKIE, DATAPOINTS, DOMAIN, FILE, FILE_NAME,
        FOLDER, GENERATE, HEADER, HEADER_VALUE, HOST, LINE, MAINTENANCE, MATCHER, METHOD, NAME,
        PATH, PROBE, QUERY, QUERY_KEY, REGION, SCHEDULE, STATISTIC, URL, USE, VARIABLE, VERSION,
        WEBHOOK, WINDOW,
    };

    use super::pipeline::{BRANCH, IMAGE};

    static ALL: &[&TextFormat] = &[
        &NAME,
        &RULE,
        &APP,
        &VARIABLE,
        &USE,
        &HOST,
        &PATH,
        &METHOD,
        &HEADER,
        &HEADER_VALUE,
        &AUTHORITY,
        &QUERY_KEY,
        &QUERY,
        &CIDR,
        &MATCHER,
        &PROBE,
        &VERSION,
        &URL,
        &WEBHOOK,
        &WINDOW,
        &MAINTENANCE,
        &GENERATE,
        &SCHEDULE,
        &DATAPOINTS,
        &STATISTIC,
        &REGION,
        &DOMAIN,
        &ADDRESS,
        &FOLDER,
        &FILE,
        &FILE_NAME,
        &LINE,
        &CACHE_CONTROL,
        &REQUIRES,
        &COOKIE,
        &ENDPOINT,
        &HOSTED_ZONE,
        &EMAIL,
        &BUCKET,
        &BRANCH,
        &IMAGE,
    ];

    #[test]
    fn every_form_accepts_its_own_example() {
        for form in ALL {
            assert_eq!((form.check)(form.example), Ok(()), "{}", form.what);
        }
    }
}
