//! What a kernel or a list command does not do: variables are not replaced in a list, a text may
//! have 128 KiB, a container image is nothing that near starts.

use std::collections::BTreeSet;

use super::CheckContext;
use crate::model::{DeploymentTarget, Service, Workload};

/// Linux's `MAX_ARG_STRLEN`: the longest `NAME=value`, with its end.
const LONGEST_TEXT: usize = 128 * 1024;
/// Linux's `ARG_MAX` with the usual stack of 8 MiB, less what near itself adds to it.
const LONGEST_ALTOGETHER: usize = 2 * 1024 * 1024 - 64 * 1024;
/// Arguments that say that the next one is a program, which may read variables.
const INLINE: [&str; 7] = ["-c", "-e", "-ec", "-lc", "-xc", "--eval", "-S"];

pub(super) fn check(case: &mut CheckContext<'_>, service: &Service, variables: &BTreeSet<String>) {
    let name = service.name.as_str();
    let path = ["service", name, "command"];
    literal_variables(case, &path, variables);
    lengths(case, service);
    let image = matches!(service.runs, Workload::Image { .. });
    if image && case.manifest.target == DeploymentTarget::Near {
        let at = ["image", "build"].map(|key| ["service", name, key]);
        let at = at.iter().find(|path| case.has(*path)).unwrap_or(&at[0]);
        let message = format!("`service.{name}` is a container image, which near does not run");
        let help = "add `command` and `artifact` to run it near as a process, or name an \
                    environment on AWS: -e NAME";
        case.warn("image-near", at, message, help);
    }
}

/// Jobs run commands as services do, with the variables of their service.
pub(super) fn check_jobs(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for (name, job) in &manifest.jobs {
        let variables = match manifest.services.get(&job.service) {
            Some(service) => super::variables::variables(case, service),
            None => continue,
        };
        literal_variables(case, &["job", name, "command"], &variables);
    }
}

/// `["gunicorn", "-b", ":$PORT"]`: the program gets these very characters.
fn literal_variables(case: &mut CheckContext<'_>, path: &[&str], variables: &BTreeSet<String>) {
    let items = case.items(path);
    if items
        .iter()
        .any(|(_, text)| INLINE.contains(&text.as_str()))
    {
        return;
    }
    for (index, text) in &items {
        let Some(variable) = variables.iter().find(|name| mentions(text, name)) else {
            continue;
        };
        let words: Vec<String> = items.iter().map(|(_, text)| quoted(text)).collect();
        let message = format!("`${variable}` is not replaced in a list: no shell reads it");
        let command = format!("exec {}", words.join(" "));
        let help = format!("write [\"sh\", \"-c\", {command:?}]");
        let place = [path, &[index.as_str()]].concat();
        return case.error("not-replaced", &place, message, help);
    }
}

/// Whether a text holds `$NAME` or `${NAME…}`.
fn mentions(text: &str, name: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        rest.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(part))
    })
}

/// An argument as a shell reads it, variables replaced.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+${}".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// Commands and variables that are too long for the kernel (E2BIG).
fn lengths(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let mut altogether = 0;
    for (key, value) in &service.env {
        let bytes = key.len() + value.len() + 2;
        altogether += bytes;
        if bytes > LONGEST_TEXT {
            let path = ["service", name, "env", key.as_str()];
            let most = LONGEST_TEXT - key.len() - 2;
            let message = format!(
                "`{key}` has {} bytes; Linux starts no process with more than {most}",
                value.len()
            );
            let help = "put it in a file of the artifact, and its path into the variable";
            case.error("too-long", &path, message, help);
        }
    }
    let arguments = case.items(&["service", name, "command"]);
    altogether += arguments
        .iter()
        .map(|(_, text)| text.len() + 1)
        .sum::<usize>();
    if altogether > LONGEST_ALTOGETHER {
        let message = format!(
            "the variables and arguments of `service.{name}` have {altogether} bytes; Linux starts \
             no process with more than {LONGEST_ALTOGETHER}"
        );
        let help = "put the longest into files of the artifact";
        case.error("too-long", &["service", name, "env"], message, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        for (text, found) in [
            ("$PORT", true),
            (":${PORT}", true),
            ("${PORT:-80}", true),
            ("0.0.0.0:$PORT/x", true),
            ("$PORTS", false),
            ("PORT", false),
            ("$$PORT", true),
            ("${PORT_A}", false),
        ] {
            assert_eq!(mentions(text, "PORT"), found, "{text}");
        }
    }

    #[test]
    fn arguments_are_quoted_for_a_shell_where_they_must_be() {
        assert_eq!(quoted(":$PORT"), ":$PORT");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("say \"x\""), "\"say \\\"x\\\"\"");
        assert_eq!(quoted("*"), "\"*\"");
    }
}
