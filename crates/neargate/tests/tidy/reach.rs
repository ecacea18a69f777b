//! Every file under a `tests/` folder is run, or read by one that is.
//!
//! A cargo test target is run by itself; a module when a file that is run declares it; a fixture
//! when a file that is run, or the library beside it, names it or its folder; a golden of insta
//! when the test in its header is run and names it, or reads a file of the same name beside it.
//! `terraform test` finds the `.tftest.hcl` files of a module by itself.

use std::collections::BTreeSet;

use super::repository::{Finding, Repository};

/// Files that nothing reaches.
pub(crate) fn unreached(repository: &Repository) -> Vec<Finding> {
    let mut reached: BTreeSet<&str> = targets(repository);
    loop {
        let more: BTreeSet<&str> = reached
            .iter()
            .filter_map(|path| Some((*path, repository.texts.get(*path)?)))
            .flat_map(|(path, text)| modules(path, text))
            .filter_map(|path| repository.texts.get_key_value(&path))
            .map(|(path, _)| path.as_str())
            .collect();
        let before = reached.len();
        reached.extend(more);
        if reached.len() == before {
            break;
        }
    }
    let in_tests = repository.files.iter().filter(|path| split(path).is_some());
    in_tests
        .filter(|path| !path.ends_with(".tftest.hcl"))
        .filter(|path| {
            let known = match path.strip_suffix(".snap") {
                Some(stem) => compared(repository, &reached, path, stem),
                None => named(repository, &reached, path),
            };
            !known && !reached.contains(path.as_str())
        })
        .map(|path| {
            let words = "nothing runs or reads this file: declare it as a module, name it in a test, or delete it";
            Finding::at(path, 1, words)
        })
        .collect()
}

/// The folder that holds `tests/` (empty: the root), and the path below `tests/`.
fn split(path: &str) -> Option<(&str, &str)> {
    if let Some(below) = path.strip_prefix("tests/") {
        return Some(("", below));
    }
    path.split_once("/tests/")
}

/// Files that are programs: those that cargo finds by itself (`tests/NAME.rs` and `tests/NAME/main.rs`
/// of a package), or those of `[[test]]` where the package says `autotests = false`.
fn targets(repository: &Repository) -> BTreeSet<&str> {
    let is_target = |path: &str| {
        let Some((package, below)) = split(path) else {
            return false;
        };
        let Some(manifest) = repository.texts.get(&format!("{package}/Cargo.toml")) else {
            return false;
        };
        if manifest.contains("autotests = false") {
            return listed(manifest).any(|target| target == below);
        }
        let depth = below.matches('/').count();
        (depth == 0 && below.ends_with(".rs")) || (depth == 1 && below.ends_with("/main.rs"))
    };
    let paths = repository.files.iter().map(String::as_str);
    paths.filter(|path| is_target(path)).collect()
}

/// Paths below `tests/` of a package's `[[test]]` targets.
fn listed(manifest: &str) -> impl Iterator<Item = String> {
    manifest.split("[[test]]").skip(1).filter_map(|target| {
        let lines = target.lines().take_while(|line| !line.starts_with('['));
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(" = ")).collect();
        let field = |key: &str| {
            let found = fields.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| value.trim_matches('"'))
        };
        match field("path") {
            Some(path) => path.strip_prefix("tests/").map(str::to_owned),
            None => field("name").map(|name| format!("{name}.rs")),
        }
    })
}

/// Paths of the modules that a file declares, both forms of each.
fn modules(path: &str, text: &str) -> Vec<String> {
    let Some((folder, file)) = path.rsplit_once('/') else {
        return Vec::new();
    };
    let target = split(path).is_some_and(|(_, below)| !below.contains('/'));
    // A root and a `mod.rs` look beside themselves, other files in a folder of their own name.
    let own = if target || matches!(file, "main.rs" | "lib.rs" | "mod.rs") {
        folder.to_owned()
    } else {
        format!("{folder}/{}", file.trim_end_matches(".rs"))
    };
    let mut found = Vec::new();
    let mut given = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            given = rest.split('"').next();
            continue;
        }
        let declared = line
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ");
        let name = declared
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name {
            match given.take() {
                Some(path) => found.push(plain(&format!("{folder}/{path}"))),
                None => found.extend([format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")]),
            }
        }
    }
    found
}

/// The path with its `..` and `.` resolved.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether the test in the header of a golden of insta is run and still compares it.
fn compared(repository: &Repository, reached: &BTreeSet<&str>, path: &str, stem: &str) -> bool {
    let header = repository
        .texts
        .get(path)
        .into_iter()
        .flat_map(|text| text.lines());
    let Some(test) = header
        .take(3)
        .find_map(|line| line.strip_prefix("source: "))
    else {
        return false;
    };
    let name = stem.rsplit('/').next().unwrap_or(stem);
    let says = |text: &String| text.contains(&format!("\"{name}\""));
    let input = |other: &String| {
        other != path
            && other
                .strip_prefix(stem)
                .is_some_and(|end| end.starts_with('.'))
    };
    reached.contains(test)
        && (repository.texts.get(test).is_some_and(says) || repository.files.iter().any(input))
}

/// Whether a file that is run, or the package's own source, names a fixture or its folder.
fn named(repository: &Repository, reached: &BTreeSet<&str>, path: &str) -> bool {
    let Some((package, below)) = split(path) else {
        return false;
    };
    if path.ends_with(".rs") {
        return false;
    }
    let file = below.rsplit('/').next().unwrap_or(below);
    let folder = below.split_once('/').map(|(folder, _)| folder);
    let mut names = vec![file.to_owned()];
    if let Some(folder) = folder {
        names.extend([
            format!("\"{folder}\""),
            format!("{folder}/"),
            format!("tests/{folder}\""),
        ]);
    }
    // Regressions of a property test lie beside it under its name.
    let kept = file
        .strip_suffix(".proptest-regressions")
        .map(|stem| path.replace(file, &format!("{stem}.rs")));
    if kept.is_some_and(|test| reached.contains(test.as_str())) {
        return true;
    }
    let source = format!("{package}/src/");
    repository.texts.iter().any(|(other, text)| {
        let reads = reached.contains(other.as_str())
            && split(other).is_some_and(|(owner, _)| owner == package);
        (reads || other.starts_with(&source)) && names.iter().any(|name| text.contains(name))
    })
}
