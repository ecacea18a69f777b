//! The manifest's reference page, made from the shape.
//!
//! `INSTA_UPDATE=always cargo test -p neargate-core` rewrites the page; the test refuses one that
//! is not what the shape says.

use std::fmt::Write;

use super::generated_file::assert_generated;
use super::{AbsentKey, FILE, KeySchema, TableSchema, ValueKind};

const HEAD: &str = "# The manifest

`neargate.toml` is TOML. This page is generated from the description that the checker, the defaults and
`neargate schema` read too, so they cannot disagree.

- Keys of several words are kebab-case. An unknown key is an error; a key that begins with `x-` is
  yours, anywhere except among headers and query keys.
- `neargate check` reports every problem of a file at once. A value that AWS would refuse is an error
  near too.
- `[env.NAME]` is merged into the file: tables key by key, everything else replaces. `--set
  PATH=VALUE` is applied after that; VALUE is TOML if it parses as TOML, and a text otherwise.
- Each environment near has its own state directory. `.neargate/` belongs to the first one that was
  up; another one beside it needs `--state-dir` and its own `edge.port`.
- Durations are whole numbers with units: `250ms`, `30s`, `5m`, `1h30m`, `7d`.
- A task gets `PORT`, the variables of `env` and `uses`, and `<NAME>_URL` for every other service that
  has a port. So no service may be called `database`, `cache`, `redis` or `neargate`, alone or followed by a `-`.
- Health: if a service has a `route` and no `health`, the check requests `/`, as for a target group. A
  service with a `port` and no `route` has no check unless `health` is written: as on ECS without a
  health check, its tasks count as healthy once they have run for 40 s.
- `neargate check` lists the keys of a manifest that near does not act on yet.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut seen: Vec<&str> = Vec::new();
    section(&FILE, &mut page, &mut seen);
    page
}

fn section(shape: &'static TableSchema, page: &mut String, seen: &mut Vec<&'static str>) {
    if seen.contains(&shape.title) {
        return;
    }
    seen.push(shape.title);
    let _ = write!(page, "\n## `{}`\n\n{}\n\n", shape.title, shape.doc);
    page.push_str("| key | kind | default | meaning |\n|---|---|---|---|\n");
    for field in shape.fields {
        row(field, page);
    }
    if let Some(also) = shape.also {
        let _ = writeln!(page, "\nAnd every key of `{}`.", also.title);
        section(also, page, seen);
    }
    for field in shape.fields {
        if let Some(below) = table_of(&field.kind) {
            section(below, page, seen);
        }
    }
}

fn row(field: &KeySchema, page: &mut String) {
    let absent = match &field.absent {
        AbsentKey::Refused => "**required**".to_owned(),
        AbsentKey::Nothing => String::new(),
        AbsentKey::Default(text) => format!("`{text}`"),
        AbsentKey::Table => "its defaults".to_owned(),
    };
    let cells = [
        format!("`{}`", field.name),
        kind(&field.kind),
        absent,
        field.doc.to_owned(),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn table_of(kind: &ValueKind) -> Option<&'static TableSchema> {
    match kind {
        ValueKind::Table(shape) | ValueKind::Short(_, shape) => Some(shape),
        ValueKind::Named(_, of) | ValueKind::Many(of, _) | ValueKind::List(of, ..) => table_of(of),
        _ => None,
    }
}

fn kind(of: &ValueKind) -> String {
    let span = |s: u64| crate::duration::format(std::time::Duration::from_secs(s));
    match of {
        ValueKind::Text => "text".into(),
        ValueKind::Plain => "text, a whole number, `true` or `false`".into(),
        ValueKind::Choice(words) => format!("`\"{}\"`", words.join("\"`, `\"")),
        ValueKind::Form(form) => format!("{}: `\"{}\"`", form.what, form.example),
        ValueKind::Flag => "`true` or `false`".into(),
        ValueKind::Whole(low, high) => format!("a whole number, {low} to {high}"),
        ValueKind::Number(low, high) => format!("a number, {low:?} to {high:?}"),
        ValueKind::Seconds(low, high) => format!("a duration, {} to {}", span(*low), span(*high)),
        ValueKind::List(of, least, most) => format!("a list of {least} to {most}: {}", kind(of)),
        ValueKind::Many(of, most) => format!("one or a list of up to {most}: {}", kind(of)),
        ValueKind::Table(shape) => format!("a table: {}", link(shape)),
        ValueKind::Short(key, shape) => format!("its `{key}`, or a table: {}", link(shape)),
        ValueKind::Named(form, of) => format!("a table from {} to {}", form.what, kind(of)),
    }
}

/// A link to a section of this page; anchors are made as GitHub makes them.
fn link(shape: &TableSchema) -> String {
    let keep = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    let anchor: String = shape.title.to_lowercase().chars().filter(keep).collect();
    format!("[`{}`](#{anchor})", shape.title)
}

#[test]
fn the_reference_page_is_what_the_shape_says() {
    assert_generated("docs/reference/manifest.md", &page());
}
