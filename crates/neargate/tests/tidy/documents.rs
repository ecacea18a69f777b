//! The documents that a newcomer reads: they exist, stay short, and promise only what is shown.

use super::repository::{Finding, Repository};

/// Documents and their most lines.
const LIMITS: [(&str, usize); 6] = [
    ("README.md", 150),
    ("ARCHITECTURE.md", 250),
    ("GLOSSARY.md", 150),
    ("SPECIFICATION.md", 150),
    ("CHANGELOG.md", 400),
    ("CONTRIBUTING.md", 120),
];

/// Documents that are missing or too long.
pub(crate) fn limits(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, most) in LIMITS {
        match repository.texts.get(path).map(|text| text.lines().count()) {
            None => found.push(Finding::at(path, 1, "is missing: write it")),
            Some(lines) if lines > most => {
                let text = format!("has {lines} lines: shorten it, {most} are the most");
                found.push(Finding::at(path, most, text));
            }
            Some(_) => {}
        }
    }
    found
}

/// Lines of the specification that name nothing, or something that does not exist.
pub(crate) fn promises(repository: &Repository) -> Vec<Finding> {
    let path = "SPECIFICATION.md";
    let text = repository.texts.get(path).map_or("", String::as_str);
    let mut found = Vec::new();
    let mut rows = 0;
    for (index, line) in text.lines().enumerate() {
        let Some(shown_by) = last_cell(line) else {
            continue;
        };
        rows += 1;
        let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            let text =
                "this promise names nothing that shows it: name a test, a benchmark or a command";
            found.push(Finding::at(path, index + 1, text));
        }
        for name in named.iter().filter(|name| !is_command(name)) {
            if !repository.has(name) {
                let text =
                    format!("`{name}` does not exist: name the file that shows this promise");
                found.push(Finding::at(path, index + 1, text));
            }
        }
    }
    if rows == 0 {
        found.push(Finding::at(
            path,
            1,
            "holds no promise: one table row each, shown by in the last cell",
        ));
    }
    found
}

/// Rows that belong to no table: a paragraph of rows without a ruler is shown as text with pipes.
pub(crate) fn broken_tables(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut rows: Vec<(usize, &str)> = Vec::new();
    for (index, line) in text.lines().chain([""]).enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('|') {
            rows.push((index + 1, line));
            continue;
        }
        if let Some((at, _)) = rows.first()
            && !rows.get(1).is_some_and(|(_, line)| is_ruler(line))
        {
            let text = "this row belongs to no table: remove the empty line above it, or give the table a head and a ruler";
            found.push(Finding::at(path, *at, text));
        }
        rows.clear();
    }
    found
}

fn is_ruler(line: &str) -> bool {
    line.contains("--") && line.chars().all(|c| "|-: ".contains(c))
}

/// The last cell of a table's row; nothing for its head, its ruler, and other lines.
fn last_cell(line: &str) -> Option<&str> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cell = row.rsplit('|').next()?.trim();
    let ruler = row.chars().all(|c| "-:| ".contains(c));
    (!ruler && cell != "shown by").then_some(cell)
}

fn is_command(name: &str) -> bool {
    name.contains(' ') || !name.contains('/')
}
