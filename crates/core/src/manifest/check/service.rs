//! One service: what it runs, its size, health, scale and environment.

use std::collections::BTreeMap;

use super::variables::{capitals, used_as, variables};
use super::{CheckContext, command};
use crate::machine::{MOST_TASKS, strategy};
use crate::manifest::lower::uses;
use crate::manifest::schema::another;
use crate::manifest::{FILE_NAME, fargate};
use crate::model::{Balance, DeploymentTarget, Probe, Service, Strategy, UsedResource, Workload};
use crate::routing::site::holds_manifest;

pub(super) fn check(case: &mut CheckContext<'_>, name: &str) {
    let manifest = case.manifest;
    let service = &manifest.services[name];
    own_name(case, name);
    runs(case, service);
    manifest_in_site(case, service);
    reachable(case, service);
    size(case, service);
    health(case, service);
    scale(case, service);
    environment(case, service);
    slow_start(case, service);
    sticky(case, service);
    let variables = variables(case, service);
    command::check(case, service, &variables);
}

/// Keys that say how tasks run; a static site has no tasks.
const NOT_STATIC: [&str; 16] = [
    "command",
    "image",
    "port",
    "health",
    "artifact",
    "uses",
    "env",
    "size",
    "scale",
    "drain",
    "stop-timeout",
    "balance",
    "slow-start",
    "sticky",
    "idle-timeout",
    "release",
];

/// Elastic Load Balancing guide, slow start mode: 30 to 900 seconds, round robin only.
fn slow_start(case: &mut CheckContext<'_>, service: &Service) {
    let path = ["service", &service.name, "slow-start"];
    if (1..30).contains(&service.slow_start.as_secs()) {
        let message = "AWS has no slow start of less than 30s".to_owned();
        case.error("out-of-range", &path, message, "write 0s, or 30s to 15m");
    }
    if !service.slow_start.is_zero() && service.balance != Balance::RoundRobin {
        let message = "only round-robin has a slow start".to_owned();
        let help = "remove `slow-start`, or write balance = \"round-robin\"";
        case.error("contradiction", &path, message, help);
    }
}

/// Elastic Load Balancing guide, sticky sessions: "Application-based stickiness does not work
/// with weighted target groups".
fn sticky(case: &mut CheckContext<'_>, service: &Service) {
    let follows = service.sticky.as_ref().is_some_and(|s| s.cookie.is_some());
    if follows && service.release.strategy != Strategy::Rolling {
        let path = ["service", &service.name, "sticky", "cookie"];
        let message = format!(
            "while a {} release shifts traffic, AWS does not follow an application's cookie",
            strategy::name(&service.release.strategy)
        );
        let help = "there, clients stay with their revision but not with their task until it is \
             done; remove `cookie` to have both";
        case.warn("sticky-while-shifting", &path, message, help);
    }
}

/// Names whose address would be injected under a name that data services have.
fn own_name(case: &mut CheckContext<'_>, name: &str) {
    let variable = format!("{}_URL", capitals(name));
    let reserved = ["database", "cache", "redis", "neargate"];
    let mine = |word: &&&str| {
        name == **word
            || name
                .strip_prefix(**word)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    if let Some(word) = reserved.iter().find(mine) {
        let message = format!(
            "a service cannot be called `{name}`: its address would be injected as `{variable}`, \
             and `{}…` is reserved",
            word.to_uppercase()
        );
        let help = format!("choose a name that does not begin with `{word}`");
        case.error("reserved-name", &["service", name], message, help);
    }
}

fn runs(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let own = ["service", name];
    let has = |key: &str| case.has(&["service", name, key]);
    let image = has("image") || case.has(&["service", name, "build", "dockerfile"]);
    let site = has("static");
    let command = has("command");
    if !image && !site && !command {
        let message = format!("`service.{name}` has nothing to run");
        let all: Vec<&str> = case.manifest.services.keys().map(String::as_str).collect();
        let help = match another(name, &all) {
            Some(near) => {
                format!("did you mean `service.{near}`? If not, add `command`, `image` or `static`")
            }
            None => "add `command`, `image` or `static`".to_owned(),
        };
        case.error("nothing-to-run", &own, message, help);
        return;
    }
    if site {
        for key in NOT_STATIC {
            if case.has(&["service", name, key]) {
                let message = format!("`service.{name}` is static, so it has no `{key}`");
                let help = format!("remove `{key}`, or `static`");
                case.error("contradiction", &["service", name, key], message, help);
            }
        }
        return;
    }
    if image && case.has(&["service", name, "artifact"]) {
        let message = format!("`service.{name}` has an image and an artifact");
        case.error(
            "contradiction",
            &["service", name, "artifact"],
            message,
            "remove one of them",
        );
    }
    if matches!(service.runs, Workload::Command(_)) && !case.has(&["service", name, "artifact"]) {
        let message = format!("revisions of `service.{name}` are not immutable");
        let help = "without `artifact` its tasks run in the manifest's folder, so a rollback runs \
                    what is there then, and only `neargate deploy --force` releases changed code; add artifact = \"FILE OR FOLDER\"";
        case.warn("not-immutable", &own, message, help);
    }
}

/// A site that holds the manifest holds all that lies beside it.
fn manifest_in_site(case: &mut CheckContext<'_>, service: &Service) {
    let path = ["service", service.name.as_str(), "static", "root"];
    let Workload::Static(site) = &service.runs else {
        return;
    };
    if !holds_manifest(&site.root) || !case.sound(&path) || !case.has(&path) {
        return;
    }
    let help = "put the site into a folder of its own, and write for example static = \"public\"";
    let file = case.out.file_name().to_owned();
    if file == FILE_NAME {
        let message = format!(
            "the folder of this site holds the manifest: everything in it is public except \
             {FILE_NAME} and dot files"
        );
        case.warn("public-folder", &path, message, help);
    } else {
        let message = format!(
            "this site would show the manifest to everybody: only {FILE_NAME} is kept back, not {file}"
        );
        case.error("public-folder", &path, message, help);
    }
}

fn reachable(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let site = matches!(service.runs, Workload::Static(_));
    if !service.routes.is_empty() && !site && !case.has(&["service", name, "port"]) {
        let message = format!("`service.{name}` has a route and no port");
        let help = "add port = 3000, the port that the program listens on far";
        case.error("missing-key", &["service", name, "route"], message, help);
    }
    if site && service.routes.is_empty() && case.sound(&["service", name, "route"]) {
        let message =
            format!("`service.{name}` is static and has no route, so nobody can reach it");
        case.error(
            "missing-key",
            &["service", name],
            message,
            "add route = \"/*\"",
        );
    }
}

fn size(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let (cpu, memory) = (service.size.cpu, service.size.memory);
    let sound = |key| case.sound(&["service", name, "size", key]);
    if !sound("cpu") || !sound("memory") || !case.sound(&["service", name, "size"]) {
        return;
    }
    let fits = fargate::memory(cpu);
    if fits.is_empty() {
        let message = format!("Fargate has no tasks with {cpu} CPU units");
        let help = format!("write one of {}", list(&fargate::CPU));
        return case.error(
            "fargate-size",
            &["service", name, "size", "cpu"],
            message,
            help,
        );
    }
    if !fits.contains(&memory) {
        let message = format!("Fargate has no tasks with {cpu} CPU units and {memory} MiB");
        let mut help = format!("with cpu = {cpu} write memory = one of {}", list(&fits));
        let cpus: Vec<u32> = fargate::CPU
            .into_iter()
            .filter(|c| fargate::memory(*c).contains(&memory))
            .collect();
        if !cpus.is_empty() {
            help.push_str(&format!("; {memory} MiB go with cpu = {}", list(&cpus)));
        }
        case.error(
            "fargate-size",
            &["service", name, "size", "memory"],
            message,
            help,
        );
    }
}

fn list(numbers: &[u32]) -> String {
    let step = numbers.len().max(2) - 1;
    let even =
        numbers.len() > 8 && (numbers[step] - numbers[0]).is_multiple_of(numbers[1] - numbers[0]);
    if even {
        return format!("{}, {}, … {}", numbers[0], numbers[1], numbers[step]);
    }
    numbers
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn health(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let Some(health) = &service.health else {
        return;
    };
    let path = |key| ["service", name, "health", key];
    let sound = case.sound(&path("timeout")) && case.sound(&path("interval"));
    if sound && health.timeout >= health.interval {
        let (timeout, interval) = (health.timeout, health.interval);
        let message = format!(
            "a check's timeout ({}) is not shorter than its interval ({})",
            crate::duration::format(timeout),
            crate::duration::format(interval),
        );
        let key = if case.has(&path("timeout")) {
            "timeout"
        } else {
            "interval"
        };
        case.error(
            "contradiction",
            &path(key),
            message,
            "write a shorter timeout or a longer interval",
        );
    }
    let Probe::Command(_) = &health.probe else {
        return asked(case, service);
    };
    for key in ["path", "matcher"] {
        if case.has(&path(key)) {
            let message = format!("a health command has no `{key}`");
            case.error(
                "contradiction",
                &path(key),
                message,
                format!("remove `{key}` or `command`"),
            );
        }
    }
    if health.timeout.as_secs() > 60 {
        let message = "a health command has at most 60s".to_owned();
        case.error("out-of-range", &path("timeout"), message, "write 2s to 60s");
    }
}

fn asked(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    if case.has(&["service", name, "health"])
        && !case.has(&["service", name, "port"])
        && !matches!(service.runs, Workload::Static(_))
    {
        let message = format!("`service.{name}` has no port for a health check");
        let help = "add `port`, or health = { command = […] }";
        case.error("missing-key", &["service", name, "health"], message, help);
    }
}

fn scale(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let (min, max) = (service.scale.min, service.scale.max);
    let path = |key| ["service", name, "scale", key];
    if max < min && case.sound(&path("max")) && case.sound(&path("min")) {
        let message = format!("`max` ({max}) is less than `min` ({min})");
        case.error(
            "contradiction",
            &path("max"),
            message,
            format!("write max = {min} or more"),
        );
    }
    if case.manifest.target == DeploymentTarget::Near {
        too_many(case, service);
    }
    if max == min {
        for key in ["cpu", "memory", "requests"] {
            if case.has(&path(key)) && case.sound(&path(key)) && case.sound(&path("max")) {
                let message =
                    format!("`{key}` cannot scale anything: `min` and `max` are both {min}");
                case.warn("no-effect", &path(key), message, "write a greater `max`");
            }
        }
    }
}

/// Bounds of one service near; far there may be more tasks.
fn too_many(case: &mut CheckContext<'_>, service: &Service) {
    let path = |key| ["service", service.name.as_str(), "scale", key];
    let help = format!(
        "write {MOST_TASKS} or less; a greater number for AWS alone belongs in its environment"
    );
    if service.scale.min > MOST_TASKS {
        let min = service.scale.min;
        let message = format!("near runs at most {MOST_TASKS} tasks of a service, not {min}");
        case.error("out-of-range", &path("min"), message, help);
    } else if service.scale.max > MOST_TASKS && case.has(&path("max")) {
        let max = service.scale.max;
        let message = format!("near runs at most {MOST_TASKS} tasks of a service, never {max}");
        case.warn("no-effect", &path("max"), message, help);
    }
}

fn environment(case: &mut CheckContext<'_>, service: &Service) {
    let name = service.name.as_str();
    let injected = injected(case, service);
    for (key, value) in &service.env {
        let path = ["service", name, "env", key.as_str()];
        if key == "PORT" || key.starts_with("NEARGATE_") {
            let message = format!("`{key}` is set by Neargate");
            case.error("reserved-variable", &path, message, "use another name");
        } else if let Some(from) = injected.get(key.as_str()) {
            let message = format!("`{key}` is written here and injected by {from}");
            let help = format!("remove it, or remove {from}");
            case.error("reserved-variable", &path, message, help);
        } else if looks_secret(key) && !value.is_empty() {
            let message = format!("`{key}` looks like a secret, and is plain text here");
            let secret = key.to_lowercase().replace('_', "-");
            let help = format!(
                "add [secret.{secret}], set it by `neargate secret set {secret}`, and add \"secret.{secret}\" to `uses`"
            );
            case.warn("plain-secret", &path, message, help);
        }
    }
}

fn looks_secret(key: &str) -> bool {
    let key = key.to_uppercase();
    [
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "CREDENTIAL",
    ]
    .iter()
    .any(|word| key.contains(word))
}

/// Variable to what injects it.
fn injected(case: &mut CheckContext<'_>, service: &Service) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for other in case.manifest.services.values() {
        if other.name != service.name && other.port.is_some() {
            let from = format!("the address of `service.{}`", other.name);
            all.insert(format!("{}_URL", capitals(&other.name)), from);
        }
    }
    let own = case.items(&["service", &service.name, "uses"]);
    for (index, text_of) in own {
        let Some(used) = &uses(&text_of) else {
            continue;
        };
        for variable in used_as(used) {
            let from = format!("`uses = [\"{text_of}\"]`");
            let reserved = variable == "PORT" || variable.starts_with("NEARGATE_");
            let clash = all
                .get(&variable)
                .filter(|by| matches!(used, UsedResource::Secret(_)) && **by != from)
                .cloned();
            if reserved || clash.is_some() {
                let path = ["service", service.name.as_str(), "uses", &index];
                let by = clash.unwrap_or_else(|| "Neargate itself".to_owned());
                let message = format!("`{text_of}` is injected as `{variable}`, and so is {by}");
                case.error("reserved-variable", &path, message, "rename the secret");
            }
            all.insert(variable, from);
        }
    }
    all
}
