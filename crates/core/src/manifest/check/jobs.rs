//! One job: what it does, and where in a release it may stand.

use super::CheckContext;
use crate::model::{Job, JobWork};

pub(super) fn check(case: &mut CheckContext<'_>) {
    let manifest = case.manifest;
    for job in manifest.jobs.values() {
        work(case, job);
        if let JobWork::Http(_) = job.work {
            asks(case, job);
        }
    }
    for name in manifest.services.keys() {
        for key in ["before", "on-rollback"] {
            places(case, name, key);
        }
    }
}

/// A command, or a check.
fn work(case: &mut CheckContext<'_>, job: &Job) {
    let path = ["job", job.name.as_str()];
    let has = |case: &CheckContext<'_>, key| case.has(&["job", job.name.as_str(), key]);
    match (has(case, "command"), has(case, "http")) {
        (false, false) => {
            let message = format!("`job.{}` has nothing to run", job.name);
            let help = "add command = [\"PROGRAM\", \"ARGUMENT\"], or http = \"/PATH\"";
            case.error("missing-key", &path, message, help);
        }
        (true, true) => {
            let message = format!("`job.{}` has a command and an HTTP check", job.name);
            let path = ["job", job.name.as_str(), "http"];
            case.error("contradiction", &path, message, "remove one of them");
        }
        _ => {}
    }
}

/// A check asks somebody who listens, in a release.
fn asks(case: &mut CheckContext<'_>, job: &Job) {
    let http = ["job", job.name.as_str(), "http"];
    let owner = case.manifest.services.get(&job.service);
    if owner.is_some_and(|owner| owner.port.is_none()) {
        let message = format!("`service.{}` has no port to check", job.service);
        let help = "add `port` to the service, or a `command` to the job";
        case.error("missing-key", &http, message, help);
    }
    let headers = ["job", job.name.as_str(), "http", "headers"];
    if let JobWork::Http(check) = &job.work
        && let Some(own) = check
            .headers
            .keys()
            .find(|name| SET_BY_NEARGATE.contains(&name.to_ascii_lowercase().as_str()))
    {
        let message = format!("the header `{own}` of a check is set by Neargate");
        case.error("contradiction", &headers, message, "remove it");
    }
    let schedule = ["job", job.name.as_str(), "schedule"];
    if case.has(&schedule) {
        let message = format!("`job.{}` is an HTTP check and has a schedule", job.name);
        let help = "remove `schedule`: a check asks the new revision of a release";
        case.error("contradiction", &schedule, message, help);
    }
    let message = format!("`job.{}` is an HTTP check", job.name);
    let help = "write a `command` that sends the request: it runs on AWS too";
    case.far_refuses(&http, message, help);
}

const SET_BY_NEARGATE: [&str; 5] = [
    "x-neargate-revision",
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
];

/// Before its tasks are up there is nobody to ask; after a rollback there is no new revision.
fn places(case: &mut CheckContext<'_>, service: &str, key: &str) {
    for (i, name) in case.items(&["service", service, "release", key]) {
        let found = case.manifest.jobs.get(&name);
        if found.is_some_and(|job| matches!(job.work, JobWork::Http(_))) {
            let path = ["service", service, "release", key, &i];
            let message =
                format!("`job.{name}` is an HTTP check, and `{key}` has no new revision to ask");
            let help = "write it in `smoke` or `after`";
            case.error("contradiction", &path, message, help);
        }
    }
}
