//! Where in the file a line belongs, so that advice can name it.
//!
//! Invariant: never fails. What is written nowhere belongs below the nearest table's header, and
//! without one below the line that names the app. Values are not judged here.

use super::ManifestSource;
use super::diagnostic::{Diagnostics, SourceSpan};
use super::toml_tree::{self, TableEntry, TomlTable, TomlValue};

/// Kind of change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditKind {
    /// It gets a value in one environment.
    Write,
    /// It goes, from wherever it is written.
    Remove,
}

/// How a line stands to the one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinePlacement {
    /// A new line below that one.
    Below,
    /// Within the braces of that one.
    Inside,
    /// In its place.
    Instead,
}

/// A place for a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EditLocation {
    /// The line, from 1.
    pub line: usize,
    /// How the key stands to that line.
    pub how: LinePlacement,
    /// The key as it is written there: the path without what the place says already.
    pub key: String,
}

/// Names of the environments that the file writes, in order; `local` only when it is written.
#[must_use]
pub fn environments(source: &ManifestSource) -> Vec<String> {
    match parsed(source).0.get("env").map(|entry| &entry.node.value) {
        Some(TomlValue::Table(all)) => all.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The place of a dotted path, in what the file writes for this environment.
#[must_use]
pub fn locate_edit(source: &ManifestSource, env: &str, path: &str, deed: EditKind) -> EditLocation {
    let (file, lines) = parsed(source);
    let own: Vec<&str> = path.split('.').collect();
    let laid: Vec<&str> = ["env", env].into_iter().chain(own.clone()).collect();
    let walk = |path: &[&str]| PathWalk::along(&source.text, &file, path);
    let overlay = toml_tree::find(&file, &laid[..2]).is_some();
    let removed = deed == EditKind::Remove && toml_tree::find(&file, &laid).is_none();
    let (walk, path) = if overlay && !removed {
        (walk(&laid), laid)
    } else {
        (walk(&own), own)
    };
    let at = walk.at.unwrap_or_else(|| {
        let app = file.get("app").map(|entry| entry.key);
        app.unwrap_or_default()
    });
    EditLocation {
        line: lines.line(at),
        how: walk.how,
        key: path[walk.used..].join("."),
    }
}

fn parsed(source: &ManifestSource) -> (TomlTable, Diagnostics) {
    let texts = vec![(source.name.clone(), source.text.clone())];
    let mut lines = Diagnostics::new(texts);
    let file = toml_tree::parse(0, &source.text, &mut lines);
    (file, lines)
}

/// The way down a path, as far as it is written.
struct PathWalk {
    /// The key where it ends; `None`: no table on the way takes a line.
    at: Option<SourceSpan>,
    how: LinePlacement,
    /// Steps of the path that the place says already.
    used: usize,
}

impl PathWalk {
    fn along(text: &str, root: &TomlTable, path: &[&str]) -> Self {
        let mut walk = Self {
            at: None,
            how: LinePlacement::Below,
            used: 0,
        };
        let mut table = root;
        for (i, step) in path.iter().enumerate() {
            let Some(entry) = table.get(*step) else {
                break;
            };
            match &entry.node.value {
                TomlValue::Table(inner) if i + 1 < path.len() => {
                    table = inner;
                    if let Some(how) = takes(text, entry) {
                        (walk.at, walk.how, walk.used) = (Some(entry.key), how, i + 1);
                    }
                }
                _ => {
                    (walk.at, walk.how) = (Some(entry.key), LinePlacement::Instead);
                    break;
                }
            }
        }
        walk
    }
}

/// How a table takes a line; nothing for one that only dotted keys or deeper headers made.
fn takes(text: &str, entry: &TableEntry) -> Option<LinePlacement> {
    if text.get(entry.node.at.start..)?.starts_with('{') {
        return Some(LinePlacement::Inside);
    }
    let before = text.get(..entry.key.start)?;
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    let last = text.get(entry.key.end..)?.trim_start().starts_with(']');
    (last && line.trim_start().starts_with('[')).then_some(LinePlacement::Below)
}

#[cfg(test)]
mod tests {
    use super::{EditKind, EditLocation, LinePlacement, environments, locate_edit};
    use crate::manifest::ManifestSource;

    const TEXT: &str = r#"app = "notes"
database.main = { engine = "postgres" }
[service.api]
route = "/*"
env = { A = "1", B = "2" }
[env.prod.service.web]
port = 1
[env.dev]
service.api.scale = { min = 1 }
aws.nat = "none"
[env.dev.service.api.release]
strategy = "rolling"
"#;

    fn at(env: &str, path: &str, deed: EditKind) -> (usize, LinePlacement, String) {
        let source = ManifestSource {
            name: "neargate.toml".into(),
            text: TEXT.into(),
        };
        let EditLocation { line, how, key } = locate_edit(&source, env, path, deed);
        (line, how, key)
    }

    #[test]
    fn a_line_belongs_where_toml_takes_it() {
        use LinePlacement::{Below, Inside, Instead};
        let rows = [
            ("local", "service.api.env.A", 5, Instead, "A"),
            ("local", "service.api.env.C", 5, Inside, "C"),
            ("local", "service.api.drain", 3, Below, "drain"),
            ("local", "database.main.protect", 2, Inside, "protect"),
            (
                "local",
                "secret.key.generate",
                1,
                Below,
                "secret.key.generate",
            ),
            ("dev", "service.api.scale.min", 9, Instead, "min"),
            ("dev", "service.api.scale.max", 9, Inside, "max"),
            ("dev", "service.api.drain", 8, Below, "service.api.drain"),
            ("dev", "service.api.release.breaker", 11, Below, "breaker"),
            ("dev", "aws.nat.kind", 10, Instead, "aws.nat.kind"),
            (
                "dev",
                "database.main.protect",
                8,
                Below,
                "database.main.protect",
            ),
            ("prod", "service.web.port", 7, Instead, "port"),
            ("prod", "aws.zones", 1, Below, "env.prod.aws.zones"),
        ];
        for (env, path, line, how, key) in rows {
            let wanted = (line, how, key.to_owned());
            assert_eq!(at(env, path, EditKind::Write), wanted, "{env}: {path}");
        }
    }

    #[test]
    fn what_goes_is_found_where_it_is_written() {
        let removed = at("dev", "service.api.env.B", EditKind::Remove);
        assert_eq!(removed, (5, LinePlacement::Instead, "B".to_owned()));
        let removed = at("dev", "service.api.scale.min", EditKind::Remove);
        assert_eq!(removed, (9, LinePlacement::Instead, "min".to_owned()));
    }

    #[test]
    fn environments_are_those_that_are_written() {
        let source = ManifestSource {
            name: "neargate.toml".into(),
            text: TEXT.into(),
        };
        assert_eq!(environments(&source), ["dev", "prod"]);
    }
}
