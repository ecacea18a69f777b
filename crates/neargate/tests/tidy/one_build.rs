//! One build: what a release of a blueprint builds is what `make demo` has built.
//!
//! Cargo unifies features over the packages of one command, so another selection of packages would
//! compile their dependencies again, for minutes.

use super::repository::{Finding, Repository};

/// Blueprints whose `build` near is not the command of `make demo`.
pub(crate) fn another_build(repository: &Repository) -> Vec<Finding> {
    let makefile = repository.texts.get("Makefile").map_or("", String::as_str);
    let Some(demo) = demo(makefile) else {
        return vec![Finding::at("Makefile", 1, "`demo` builds nothing by cargo")];
    };
    let blueprints = repository
        .texts
        .iter()
        .filter(|(path, _)| path.starts_with("blueprints/") && path.ends_with("/neargate.toml"));
    blueprints
        .flat_map(|(path, text)| in_manifest(path, text, demo))
        .collect()
}

/// The command by which the target `demo` builds.
fn demo(makefile: &str) -> Option<&str> {
    let target = makefile
        .lines()
        .skip_while(|line| !line.starts_with("demo:"));
    let recipe = target.skip(1).take_while(|line| line.starts_with('\t'));
    recipe
        .map(str::trim)
        .find(|command| command.starts_with("cargo build "))
}

/// Services that build by cargo and, near, by another command than `demo`.
pub(crate) fn in_manifest(path: &str, text: &str, demo: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut service = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(table) = line.strip_prefix('[') {
            let name = table.strip_prefix("service.");
            service = name
                .and_then(|name| name.split_once(']'))
                .map(|(name, _)| name);
        }
        let builds = line.starts_with("build ") && line.contains("\"cargo build ");
        let Some(service) = service.filter(|_| builds) else {
            continue;
        };
        let wanted = format!("service.{service}.build = \"{demo}\"");
        if !local(text).any(|line| line == wanted) {
            let text = format!("`[env.local]` lacks `{wanted}`: one build with `make demo`");
            found.push(Finding::at(path, number + 1, text));
        }
    }
    found
}

/// The lines of `[env.local]`.
fn local(text: &str) -> impl Iterator<Item = &str> {
    let table = text
        .lines()
        .skip_while(|line| !line.starts_with("[env.local]"));
    table.skip(1).take_while(|line| !line.starts_with('['))
}
