//! Names that must be declared elsewhere: uses, jobs, guards, services.

use super::Case;
use crate::manifest::shape::nearest;

pub(super) fn check(case: &mut Case<'_>) {
    let manifest = case.manifest;
    for (name, service) in &manifest.services {
        uses(case, name);
        let release = &service.release;
        for (key, names) in [
            ("before", &release.before),
            ("smoke", &release.smoke),
            ("after", &release.after),
            ("on-rollback", &release.on_rollback),
        ] {
            names_of(case, name, key, "job", names);
        }
        names_of(case, name, "guard", "alarm", &release.guard);
    }
    for (name, job) in &manifest.jobs {
        known(case, &["job", name, "service"], "service", &job.service);
    }
    for (name, alarm) in &manifest.alarms {
        if let Some(service) = &alarm.service {
            known(case, &["alarm", name, "service"], "service", service);
        }
    }
    for (name, slo) in &manifest.slos {
        known(case, &["slo", name, "service"], "service", &slo.service);
    }
}

fn uses(case: &mut Case<'_>, service: &str) {
    let path = ["service", service, "uses"];
    let Some(node) = crate::manifest::tree::find(case.tree, &path) else {
        return;
    };
    let crate::manifest::tree::Value::List(items) = &node.value else {
        return;
    };
    let items: Vec<(usize, String)> = items
        .iter()
        .enumerate()
        .filter_map(|(i, item)| match &item.value {
            crate::manifest::tree::Value::Text(text) => Some((i, text.clone())),
            _ => None,
        })
        .collect();
    for (i, text) in &items {
        let place = i.to_string();
        let path = [path[0], path[1], path[2], place.as_str()];
        if let Some((kind, name)) = text.split_once('.') {
            known(case, &path, kind, name);
        }
        if items[..*i].iter().any(|(_, earlier)| earlier == text) {
            let message = format!("`{text}` is used twice");
            case.error("duplicate", &path, message, "remove one");
        }
    }
}

fn names_of(case: &mut Case<'_>, service: &str, key: &str, kind: &str, names: &[String]) {
    for (i, name) in names.iter().enumerate() {
        let i = i.to_string();
        known(
            case,
            &["service", service, "release", key, i.as_str()],
            kind,
            name,
        );
    }
}

/// Reports a name that no `[KIND.NAME]` declares.
pub(super) fn known(case: &mut Case<'_>, path: &[&str], kind: &str, name: &str) {
    let declared: Vec<&str> = match case.tree.get(kind).map(|entry| &entry.node.value) {
        Some(crate::manifest::tree::Value::Table(table)) => {
            table.keys().map(String::as_str).collect()
        }
        _ => Vec::new(),
    };
    if name.is_empty() || declared.contains(&name) {
        return;
    }
    let message = format!("there is no `{kind}.{name}`");
    let help = match (nearest(name, &declared), declared.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => format!("add [{kind}.{name}]"),
        (None, false) => format!("add [{kind}.{name}], or use one of {}", declared.join(", ")),
    };
    let code = match kind {
        "job" => "unknown-job",
        "alarm" => "unknown-alarm",
        "service" => "unknown-service",
        _ => "unknown-use",
    };
    case.error(code, path, message, help);
}
