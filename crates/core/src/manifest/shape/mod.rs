//! The manifest's shape: one description of every table, key, kind, range and default.
//!
//! Invariant: the checker, the defaults, the JSON Schema and the reference page all read this
//! description, so they cannot disagree. It knows nothing of values that depend on one
//! another; those are in the sibling module `check`.

mod app;
mod audit;
mod aws;
pub(crate) mod conform;
mod data;
mod fill;
mod forms;
mod job;
mod one_line;
#[cfg(test)]
mod page;
#[cfg(test)]
mod parity;
mod pipeline;
mod release;
pub(crate) mod schema;

mod service;
mod suggest;
mod watch;

pub(crate) use app::FILE;
pub(crate) use conform::conform;
pub(crate) use fill::{another, fill, require};
pub(crate) use forms::matcher;
pub(crate) use suggest::nearest;

/// A table with fixed keys.
pub(crate) struct Shape {
    /// How people call it: `[service.NAME]`.
    pub(crate) title: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys.
    pub(crate) fields: &'static [Field],
    /// A table whose keys may be written here too.
    pub(crate) also: Option<&'static Self>,
}

impl Shape {
    /// All keys, in the order of the description.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> {
        let also = self.also.map_or(&[][..], |shape| shape.fields);
        self.fields.iter().chain(also)
    }

    /// The key with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }
}

/// One key.
pub(crate) struct Field {
    /// As written, kebab-case.
    pub(crate) name: &'static str,
    /// What may stand there.
    pub(crate) kind: Kind,
    /// What it means when it is not written.
    pub(crate) absent: Absent,
    /// What it does.
    pub(crate) doc: &'static str,
    /// In what a number is counted; said when it is wrong.
    pub(crate) unit: Option<&'static str>,
    /// What becomes of it on AWS.
    pub(crate) far: Far,
    /// What is different there, when `far` alone does not say it.
    pub(crate) differs: Option<&'static str>,
}

/// What becomes of a key on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Far {
    /// A table: its own keys say it.
    Below,
    /// The same as near.
    Same,
    /// This.
    Becomes(&'static str),
    /// Nothing, and why; `check` says it where it is written.
    Nothing(&'static str),
}

/// What a missing key means.
pub(crate) enum Absent {
    /// An error.
    Refused,
    /// Nothing, or what `doc` says.
    Nothing,
    /// This TOML value.
    Default(&'static str),
    /// A table that holds only its own defaults.
    Table,
}

impl Field {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Nothing,
            doc,
            unit: None,
            far: Far::Below,
            differs: None,
        }
    }

    const fn same(mut self) -> Self {
        self.far = Far::Same;
        self
    }

    const fn far(mut self, text: &'static str) -> Self {
        self.far = Far::Becomes(text);
        self
    }

    const fn only_near(mut self, why: &'static str) -> Self {
        self.far = Far::Nothing(why);
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
        self.absent = Absent::Refused;
        self
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.absent = Absent::Default(default);
        self
    }

    const fn filled(mut self) -> Self {
        self.absent = Absent::Table;
        self
    }
}

/// What may stand at a key.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Any text that is not empty.
    Text,
    /// The value of an environment variable: text, a whole number, true or false.
    Plain,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// Text with a syntax.
    Form(&'static Form),
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
    /// A table.
    Table(&'static Shape),
    /// A table, or the value of its key with this name.
    Short(&'static str, &'static Shape),
    /// A table from free keys to values of one kind.
    Named(&'static Form, &'static Self),
}

/// A syntax of texts.
pub(crate) struct Form {
    /// What the text is, with its article: `a host name`.
    pub(crate) what: &'static str,
    /// A text that is right.
    pub(crate) example: &'static str,
    /// A regular expression that every right text matches (ECMA 262); for the JSON Schema.
    pub(crate) pattern: &'static str,
    /// Says what is wrong.
    pub(crate) check: fn(&str) -> Result<(), String>,
}

#[cfg(test)]
mod tests {
    use super::Form;
    use super::app::REQUIRES;
    use super::audit::RULE;
    use super::aws::{BUCKET, EMAIL, ENDPOINT, HOSTED_ZONE};
    use super::forms::{
        ADDRESS, APP, AUTHORITY, CACHE_CONTROL, CIDR, COOKIE, DATAPOINTS, DOMAIN, FILE, FILE_NAME,
        FOLDER, GENERATE, HEADER, HEADER_VALUE, HOST, LINE, MAINTENANCE, MATCHER, METHOD, NAME,
        PATH, PROBE, QUERY, QUERY_KEY, REGION, SCHEDULE, STATISTIC, URL, USE, VARIABLE, VERSION,
        WEBHOOK, WINDOW,
    };

    use super::pipeline::{BRANCH, IMAGE};

    static ALL: &[&Form] = &[
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
