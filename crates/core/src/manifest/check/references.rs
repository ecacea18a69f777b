//! Names that must be declared elsewhere: uses, jobs, guards, services.

use super::CheckContext;
use crate::model::Workload;
use crate::names::nearest;

pub(super) fn check(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for name in manifest.services.keys() {
        uses(case, name);
        for key in ["before", "smoke", "after", "on-rollback"] {
            hooks(case, name, key);
        }
        for (i, alarm) in case.items(&["service", name, "release", "guard"]) {
            let path = ["service", name, "release", "guard", &i];
            require_known(case, &path, "alarm", &alarm);
        }
    }
    for (name, job) in &manifest.jobs {
        let path = ["job", name.as_str(), "service"];
        require_known(case, &path, "service", &job.service);
        let owner = manifest.services.get(&job.service);
        if owner.is_some_and(|owner| matches!(owner.runs, Workload::Static(_))) {
            let message = format!(
                "`service.{}` is static, so no job can run in it",
                job.service
            );
            let help = "name a service that runs a command or an image";
            case.error("contradiction", &path, message, help);
        }
    }
    for (name, alarm) in &manifest.alarms {
        if let Some(service) = &alarm.service {
            require_known(case, &["alarm", name, "service"], "service", service);
        }
    }
    for (name, slo) in &manifest.slos {
        require_known(case, &["slo", name, "service"], "service", &slo.service);
    }
}

fn uses(case: &mut CheckContext<'_>, service: &str) {
    let items = case.items(&["service", service, "uses"]);
    for (n, (i, text)) in items.iter().enumerate() {
        let path = ["service", service, "uses", i];
        if let Some((kind, name)) = text.split_once('.') {
            require_known(case, &path, kind, name);
        }
        if items[..n].iter().any(|(_, earlier)| earlier == text) {
            let message = format!("`{text}` is used twice");
            case.error("duplicate", &path, message, "remove one");
        }
    }
}

/// Jobs of a release: they run in the new revision, so in this service.
fn hooks(case: &mut CheckContext<'_>, service: &str, key: &str) {
    let manifest = case.manifest;
    for (i, name) in case.items(&["service", service, "release", key]) {
        let path = ["service", service, "release", key, &i];
        require_known(case, &path, "job", &name);
        let Some(job) = manifest.jobs.get(&name) else {
            continue;
        };
        if job.service != service && manifest.services.contains_key(&job.service) {
            let other = &job.service;
            let message = format!(
                "`job.{name}` runs in `service.{other}`, not in the new revision of `service.{service}`"
            );
            let help = format!(
                "add a job with service = \"{service}\", or move `{key}` to [service.{other}.release]"
            );
            case.error("contradiction", &path, message, help);
        }
    }
}

/// Reports a name that no `[KIND.NAME]` declares.
pub(super) fn require_known(case: &mut CheckContext<'_>, path: &[&str], kind: &str, name: &str) {
    let declared: Vec<&str> = match case.tree.get(kind).map(|entry| &entry.node.value) {
        Some(crate::manifest::toml_tree::TomlValue::Table(table)) => {
            table.keys().map(String::as_str).collect()
        }
        _ => Vec::new(),
    };
    if name.is_empty() || declared.contains(&name) {
        return;
    }
    let message = format!("there is no `{kind}.{name}`");
    let used = path.contains(&"uses");
    let help = match (nearest(name, &declared), declared.is_empty()) {
        (Some(near), _) if used => format!("did you mean `{kind}.{near}`?"),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => format!("add [{kind}.{name}]"),
        (None, false) => format!("add [{kind}.{name}], or use one of {}", declared.join(", ")),
    };
    let code = match kind {
        "job" => "unknown-job",
        "alarm" => "unknown-alarm",
        "service" => "unknown-service",
        "secret" if !used => "unknown-secret",
        _ => "unknown-use",
    };
    case.error(code, path, message, help);
}
